-- Tones: by name, by description, digits; levels, cadences, and what is refused.

local media = require("sip.test").media
local pcm = require "spec.support.pcm"

local function tone(text, rate)
  return assert(media.tone(text, rate))
end

local function silent(samples)
  return not samples:find "[^\0]"
end

-- Lengths of sound and silence in milliseconds, as far as `seconds` go.
local function cadence(text, seconds)
  local samples = pcm.table(tone(text):fill(8000 * seconds))
  local out, last, zeros = {}, 1, 0
  local sounding = true -- its first sample is the zero of a sine
  for i, value in ipairs(samples) do
    zeros = value == 0 and zeros + 1 or 0
    -- A sine crosses zero: silence is what stays there for more than 4 ms.
    if sounding and zeros == 40 then
      out[#out + 1] = (i - 40 - last + 1) / 8
      last, sounding = i - 39, false
    elseif not sounding and value ~= 0 then
      out[#out + 1] = (i - last) / 8
      last, sounding = i, true
    end
  end
  return out
end

describe("a tone", function()
  it("has its frequencies, 13 dB below 0 dBm0 each, and no other", function()
    local samples = tone("tone:350+440"):fill(8000):sub(1601)
    assert.near(4992, pcm.peak_at(samples, 8000, 350), 2)
    assert.near(4992, pcm.peak_at(samples, 8000, 440), 2)
    assert.near(0, pcm.peak_at(samples, 8000, 400), 2)
    assert.near(0, pcm.peak_at(samples, 8000, 880), 2)
  end)

  it("keeps its level for an hour", function()
    local endless = tone "440"
    for _ = 1, 3600 do
      endless:fill(8000)
    end
    assert.near(4992, pcm.peak_at(endless:fill(8000), 8000, 440), 2)
  end)

  it("is the same however many samples are asked for", function()
    local whole = tone("us-busy"):fill(8000)
    local pieces, piecewise = {}, tone "us-busy"
    for i = 1, 80 do
      pieces[i] = piecewise:fill(i % 2 == 0 and 161 or 39)
    end
    assert.equal(whole, table.concat(pieces))
  end)

  it("has its cadence, again and again", function()
    local us = cadence("tone:us", 14)
    assert.near(2000, us[1], 1)
    assert.near(4000, us[2], 1)
    assert.near(2000, us[3], 1)
    local uk = cadence("uk", 4)
    assert.near(400, uk[1], 1)
    assert.near(200, uk[2], 1)
    assert.near(400, uk[3], 1)
    assert.near(2000, uk[4], 1)
  end)

  it("knows each kind of each country", function()
    for country in ("au be br ch cn de es fr in it jp nl se uk us"):gmatch "%a+" do
      for kind in ("ringback dial busy congestion waiting sit"):gmatch "%a+" do
        local samples = tone(country .. "-" .. kind):fill(80000)
        assert.equal(160000, #samples)
        assert.is_false(silent(samples))
      end
    end
    assert.equal(tone("de"):fill(8000), tone("DE-ringback"):fill(8000))
  end)

  it("ends after the times it was told", function()
    assert.equal(2 * 8 * 250, #tone("beep"):fill(80000))
    assert.equal(2 * 8 * 300 * 3, #tone("440/100,0/200*3"):fill(80000))
    local once = tone "440/100*1"
    once:fill(800)
    assert.equal("", once:fill(160))
  end)

  it("speaks digits, each with its two frequencies", function()
    local digits = tone "tone:dtmf:1D"
    local one = digits:fill(800):sub(65, -65)
    assert.near(4992, pcm.peak_at(one, 8000, 697), 60)
    assert.near(4992, pcm.peak_at(one, 8000, 1209), 60)
    assert.is_true(silent(digits:fill(800)))
    local d = digits:fill(800):sub(65, -65)
    assert.near(4992, pcm.peak_at(d, 8000, 941), 60)
    assert.near(4992, pcm.peak_at(d, 8000, 1633), 60)
    assert.is_true(silent(digits:fill(800)))
    assert.equal("", digits:fill(1))
  end)

  it("works at another rate", function()
    local samples = tone("440/1000*1", 16000):fill(40000)
    assert.equal(32000, #samples)
    assert.near(4992, pcm.peak_at(samples:sub(3201, -3201), 16000, 440), 30)
  end)

  for text, why in pairs {
    [""] = "no such tone",
    ["tone:"] = "no such tone",
    ["xx"] = "no such tone",
    ["us-"] = "no such tone",
    ["us-engaged"] = "no such tone",
    ["440/100x"] = "no such tone",
    ["440/100,"] = "a frequency is a number from 0 to 3999",
    ["4000"] = "a frequency is a number from 0 to 3999",
    ["1+2+3+4+5"] = "more than four frequencies at once",
    ["440/"] = "a length is a number of milliseconds, at most an hour",
    ["440/0"] = "a length is a number of milliseconds, at most an hour",
    ["440/3600001"] = "a length is a number of milliseconds, at most an hour",
    ["440/100*0"] = "after '*' stands how many times",
    ["dtmf:"] = "one to sixteen digits at a time",
    ["dtmf:12345678901234567"] = "one to sixteen digits at a time",
    ["dtmf:1\0"] = "a digit is one of 0-9, *, # and A-D",
    [("1/1,"):rep(32) .. "1/1"] = "more than 32 parts",
  } do
    it(("refuses %q"):format(text), function()
      assert.same({ nil, why }, { media.tone(text) })
    end)
  end
end)

-- Other sample rates: what passes, what must not, how long and how late.

local media = require("sip.test").media
local pcm = require "spec.support.pcm"

local RATES = { 11025, 16000, 22050, 24000, 32000, 44100, 48000 }

-- What is left of a sine of this frequency at another, in dB; ends left aside.
local function through(from, to, frequency, heard_at)
  local samples, left = media.resample(pcm.sine(from // 4, from, frequency, 10000),
    from, to)
  assert.equal(0, left)
  return pcm.db(pcm.peak_at(samples:sub(401, -401), to, heard_at or frequency) + 1e-9,
    10000)
end

describe("resampling", function()
  for _, rate in ipairs(RATES) do
    it(("between %d and 8000 Hz keeps what both can carry"):format(rate), function()
      for _, frequency in ipairs { 300, 1000, 3400 } do
        assert.near(0, through(rate, 8000, frequency), 0.2)
        assert.near(0, through(8000, rate, frequency), 0.2)
      end
    end)

    it(("from %d to 8000 Hz folds nothing back"):format(rate), function()
      assert.is_true(through(rate, 8000, 5000, 3000) < -50)
      assert.is_true(through(rate, 8000, 4500, 3500) < -50)
    end)

    it(("from 8000 to %d Hz makes no images"):format(rate), function()
      -- 3 kHz would come back at 8 - 3, where there is room for it.
      if rate > 10000 then
        assert.is_true(through(8000, rate, 3000, 5000) < -50)
      end
    end)

    it(("from %d Hz is neither early nor late"):format(rate), function()
      -- One click in the middle comes out in the middle.
      local click = pcm.of(rate, function(i)
        return i == rate // 2 and 30000 or 0
      end)
      local samples = pcm.table((media.resample(click, rate, 8000)))
      assert.equal(8000, #samples)
      local at = 1
      for i, sample in ipairs(samples) do
        if sample > samples[at] then
          at = i
        end
      end
      assert.near(4000, at - 1, 0.5)
    end)
  end

  it("keeps every sample in its place", function()
    local click = pcm.of(800, function(i)
      return i == 400 and 30000 or 0
    end)
    local samples = pcm.table((media.resample(click, 8000, 48000)))
    for i = 1, 60 do -- the same on both sides of it
      assert.near(samples[2401 - i], samples[2401 + i], 1)
      assert.is_true(samples[2401] > samples[2401 + i])
    end
  end)

  it("is the same in pieces of any size", function()
    local sine = pcm.sine(3000, 44100, 700, 9000)
    local whole = (media.resample(sine, 44100, 8000))
    assert.equal(2 * 545, #whole) -- 3000 * 80/441, rounded up
    for _, piece in ipairs { 1, 2, 7, 160, 999 } do
      assert.equal(whole, (media.resample(sine, 44100, 8000, piece)))
    end
  end)

  it("keeps a level, whatever the phase", function()
    for _, rate in ipairs(RATES) do
      local flat = pcm.of(rate // 10, function()
        return 12345
      end)
      for i, sample in ipairs(pcm.table((media.resample(flat, rate, 8000)))) do
        if i > 100 and i < 700 then
          assert.near(12345, sample, 4)
        end
      end
    end
  end)

  it("stays within 16 bits", function()
    local square = pcm.of(4800, function(i)
      return i // 24 % 2 == 0 and 32767 or -32768
    end)
    local most, least = 0, 0
    for _, sample in ipairs(pcm.table((media.resample(square, 48000, 8000)))) do
      most, least = math.max(most, sample), math.min(least, sample)
    end
    assert.same({ 32767, -32768 }, { most, least })
  end)

  it("gives nothing for nothing", function()
    assert.equal("", (media.resample("", 44100, 8000)))
    assert.equal(2, #media.resample("\1\0", 44100, 8000))
  end)

  it("is refused for rates out of reason", function()
    for _, rates in ipairs { { 3999, 8000 }, { 8000, 192001 }, { 191999, 191997 } } do
      assert.same({ nil, "invalid" }, { media.resample("", rates[1], rates[2]) })
    end
  end)
end)

-- examples/ivr.lua and examples/echo.lua as bin/luasip runs them, called by strangers:
-- what these have heard and what the IVR has recorded is judged by ear.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, FIRST, SECOND, SIPP = 12500, 12510, 12530, 12550
local SOUNDS = process.here .. "/examples/sounds/"

local function near(expected, value, by, what)
  assert.is_true(value >= expected - by and value <= expected + by,
    ("%s: %g instead of %g"):format(what, value, expected))
end

-- The whole of a prompt, as loud as it is; when that was. The last one is followed by
-- the BYE, upon which a phone drops what it has not played yet.
local function hears(path, name)
  local found = ear.find(path, SOUNDS .. name .. ".wav", name == "goodbye" and 0.15)
  assert.is_true(found.alike > 0.9, ("%s: %g"):format(name, found.alike))
  near(1, found.loud, 0.1, "energy of " .. name)
  return found
end

local function seconds(path)
  return #ear.samples(path) / 8000
end

-- Wait until a file that is being written has so many seconds of samples.
local function grows(path, duration)
  process.wait(process.PATIENCE, ("%g s of %s"):format(duration, path), function()
    local bytes = process.read(path)
    return bytes and #bytes >= 44 + duration * 16000
  end)
end

describe("run by bin/luasip,", function()
  local example

  after_each(function()
    example:kill "INT"
    assert.equal(0, (example:wait()))
  end)

  after_each(function() -- whatever came of that
    strangers.end_all()
  end)

  local function run(name, ...)
    example = strangers.command { "run", ("%s/examples/%s.lua"):format(process.here,
      name), "udp:127.0.0.1:" .. PORT, "tcp:127.0.0.1:" .. PORT, ... }
    example:listens("udp", PORT):listens("tcp", PORT)
  end

  -- baresip that plays a tone of this frequency.
  local function baresip(port, frequency, options)
    options.port = port
    options.source = ear.tone_file(process.folder "source" .. "/source", frequency, 20)
    return strangers.baresip(options)
  end

  local function calls(user, frequency, tcp)
    local stranger = baresip(FIRST, frequency, { tcp = tcp, dial =
      ("sip:%s@127.0.0.1:%d%s"):format(user, PORT, tcp and ";transport=tcp" or "") })
    stranger:says "Call established"
    return stranger
  end

  local function press(stranger, digit)
    strangers.baresip_command(FIRST, "sndcode", digit)
    stranger:says(("send DTMF digit end: '%s'"):format(digit))
  end

  -- sipp that plays packets until it is hung up.
  local function sipp_plays(packets, tcp)
    local folder = process.folder "plays"
    ear.pcap(folder .. "/tone.pcap", packets)
    return strangers.sipp("uac_streams", { port = SIPP, to = PORT, user = "menu",
      tcp = tcp, folder = folder })
  end

  local function tone(frequency, duration)
    return select(2, ear.tone_file(process.folder "tone" .. "/tone", frequency,
      duration))
  end

  describe("ivr.lua", function()
    it("has baresip hear the menu and leave a message", function()
      run "ivr"
      local stranger = calls("menu", 500)
      local dump = strangers.baresip_dump(stranger)
      grows(dump, 0.5 + seconds(SOUNDS .. "menu.wav"))
      press(stranger, "1")
      local message = example.folder .. "/"
        .. example:says "pressed 1\n[^\n]*recorded in (%S+)"
      grows(message, 1.5)
      local length = (#process.read(message) - 44) / 16000
      press(stranger, "#")
      stranger:says "session closed"
      strangers.baresip_closed(stranger)
      local before = 0
      for _, name in ipairs { "menu", "message", "thanks", "goodbye" } do
        local found = hears(dump, name)
        assert.is_true(found.at >= before, name .. " at " .. found.at)
        before = found.ends
      end
      local kept = ear.hear(message, 500)
      assert.is_true(kept.total >= length and kept.total <= length + 1.5,
        ("%g s instead of %g"):format(kept.total, length))
      near(kept.total, kept.tone, 0.25, "tone") -- the digit is no tone
    end)

    -- A tone follows the digit while the IVR speaks and beeps (a quarter of a second),
    -- and lasts two seconds longer.
    it("has sipp leave a message over TCP", function()
      run "ivr"
      local spoken = seconds(SOUNDS .. "message.wav") + 0.25
      local packets = ear.speech(tone(700, spoken + 2), ear.events("1", 101))
      strangers.succeeds(sipp_plays(ear.events("#", 101, packets), true))
      local name = example:says "pressed 1\n[^\n]*recorded in (%S+)"
      local kept = ear.hear(example.folder .. "/" .. name, 700)
      near(2.05, kept.tone, 0.15, "tone")
      near(2.2, kept.total, 0.15, "total")
      assert.is_true(kept.other <= 0.06, "other: " .. kept.other)
    end)

    it("connects baresip to another over TCP", function()
      local other = baresip(SECOND, 600, { tcp = true })
      run("ivr", ("sip:bob@127.0.0.1:%d;transport=tcp"):format(SECOND))
      local stranger = calls("menu", 500, true)
      press(stranger, "2")
      other:says "Call established"
      grows(strangers.baresip_dump(other), 2)
      strangers.baresip_command(SECOND, "hangup")
      stranger:says "session closed"
      local there = strangers.baresip_heard(other, 500)
      near(there.total, there.tone, 0.3, "there")
      local dump = strangers.baresip_closed(stranger)
      local here = ear.hear(dump, 600)
      near(there.total, here.tone, 0.3, "here")
      assert.is_true(hears(dump, "connecting").ends <= here.first)
      assert.is_true(hears(dump, "goodbye").at >= here.first + 1.5)
    end)

    it("connects baresip to sipp, whose echo it hears", function()
      local sipp = strangers.sipp("uas", { port = SIPP, more = { "-rtp_echo" } })
      run("ivr", "sip:bob@127.0.0.1:" .. SIPP)
      local stranger = calls("menu", 500)
      press(stranger, "2")
      local dump = strangers.baresip_dump(stranger)
      grows(dump, 4)
      strangers.baresip_command(FIRST, "hangup")
      strangers.succeeds(sipp)
      local here = strangers.baresip_heard(stranger, 500)
      assert.is_true(here.first >= hears(dump, "connecting").ends, "too early")
      near(here.total - here.first, here.tone, 0.1, "here")
      assert.is_true(here.tone >= 2, "tone: " .. here.tone)
    end)

    -- The tone that follows the digit lasts longer than the prompt, and a # ends it.
    it("connects sipp to Net::SIP", function()
      local folder = process.folder "netsip"
      local perl = strangers.netsip("netsip_answers", { "127.0.0.1:" .. SECOND,
        tone(600, 10), folder .. "/heard.ulaw", 60 }, { folder = folder })
      perl:listens("udp", SECOND)
      run("ivr", "sip:perl@127.0.0.1:" .. SECOND)
      local spoken = seconds(SOUNDS .. "connecting.wav")
      strangers.succeeds(sipp_plays(ear.events("#", 101, ear.speech(
        tone(700, spoken + 2), ear.events("2", 101)))))
      local status, said = perl:wait()
      assert.equal(0, status, said)
      assert.matches("heard # for 800\nbye answered\n$", said)
      local there = ear.hear(ear.from_ulaw(folder .. "/heard.ulaw"), 700)
      near(2.05, there.tone, 0.15, "tone")
      assert.is_true(there.other <= 0.06, "other: " .. there.other)
    end)
  end)

  describe("echo.lua", function()
    it("sends back to baresip what it says and presses", function()
      run "echo"
      local stranger = calls("echo", 500)
      press(stranger, "7")
      stranger:says "received event: '7' %(end=1%)"
      grows(strangers.baresip_dump(stranger), 2)
      strangers.baresip_command(FIRST, "hangup")
      local heard = strangers.baresip_heard(stranger, 500)
      near(heard.total, heard.tone, 0.2, "tone")
    end)

    it("sends back to Net::SIP over TCP what it says and presses", function()
      run "echo"
      local folder = process.folder "netsip"
      local perl = strangers.netsip("netsip_calls", {
        ("127.0.0.1:%d;transport=tcp"):format(SECOND),
        ("sip:echo@127.0.0.1:%d;transport=tcp"):format(PORT), tone(600, 10),
        folder .. "/heard.ulaw", 2, "159" }, { folder = folder })
      local status, said = perl:wait()
      assert.equal(0, status, said)
      local digits, lasted = "", {}
      for digit, duration in said:gmatch "heard (.) for (%d+)\n" do
        digits, lasted[#lasted + 1] = digits .. digit, duration / 8000
      end
      assert.equal("159", digits)
      for _, duration in ipairs(lasted) do
        near(0.11, duration, 0.031, "duration")
      end
      assert.matches("bye answered\n$", said)
      local heard = ear.hear(ear.from_ulaw(folder .. "/heard.ulaw"), 600)
      assert.is_true(heard.tone >= 1.2, "tone: " .. heard.tone)
      near(heard.total, heard.tone, 0.15, "tone")
    end)
  end)
end)

-- baresip without a face, as caller and as callee; what it heard is in its own dumps.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, BARESIP, MEDIA = 24300, 24310, 42400

describe("baresip", function()
  local source

  lazy_setup(function()
    source = ear.tone_file(process.folder "sources" .. "/source", 500, 10)
  end)

  after_each(function()
    strangers.end_all()
  end)

  local function baresip(options)
    options.port, options.media, options.source = BARESIP, MEDIA, source
    return strangers.baresip(options)
  end

  local function call(user)
    local callee = strangers.luasip("callee.lua", { "udp:127.0.0.1:" .. PORT })
    callee:says "ready"
    return callee, baresip { dial = ("sip:%s@127.0.0.1:%d"):format(user, PORT) }
  end

  local function digits_of(stranger)
    local digits = {}
    for digit in stranger:output():gmatch "received event: '(.)' %(end=1%)" do
      digits[#digits + 1] = digit
    end
    return table.concat(digits)
  end

  -- What it has heard, from its dump.
  local function heard(stranger, frequency)
    local pipe <close> = io.popen(("ls '%s'/dump-*-dec.wav"):format(stranger.folder))
    local path = assert(pipe:read "l", "baresip has heard nothing")
    return ear.hear(path, frequency)
  end

  it("calls, and both hear each other", function()
    local callee, stranger = call "talk"
    callee:says("ended talk", 15)
    stranger:says "terminated"
    local theirs = heard(stranger, 440)
    assert.is_true(theirs.tone >= 2.9 and theirs.tone <= 3.02, "tone: " .. theirs.tone)
    local ours = ear.hear(callee.folder .. "/heard.wav", 500)
    assert.is_true(ours.tone >= 3.2 and ours.tone <= 3.5, "tone: " .. ours.tone)
  end)

  it("calls and presses digits", function()
    local callee, stranger = call "collect"
    stranger:says "Call established"
    for digit in ("1590"):gmatch "." do
      strangers.baresip_command(BARESIP, "sndcode", digit)
      stranger:says(("send DTMF digit end: '%s'"):format(digit))
    end
    callee:says("digits 1590\n", 5)
    stranger:says "terminated"
  end)

  it("calls and hears digits", function()
    local _, stranger = call "press"
    stranger:says "terminated"
    assert.equal("159#", digits_of(stranger))
  end)

  it("calls and is told that we are busy", function()
    local _, stranger = call "busy"
    assert.truthy(stranger:says "486 Busy Here")
  end)

  it("calls, and hangs up", function()
    local callee, stranger = call "answer"
    stranger:says "Call established"
    strangers.baresip_command(BARESIP, "hangup")
    callee:says "ended answer nil"
  end)

  it("answers, and both hear each other and the digits", function()
    local stranger = baresip {}
    local caller = strangers.luasip("caller.lua", { "udp:127.0.0.1:" .. PORT,
      "sip:bob@127.0.0.1:" .. BARESIP, "record=heard.wav", "play=tone:600/2000*1",
      "press=2580", "sleep=0.5" })
    local _, said = caller:wait()
    assert.matches("^answered\nover answered\nstopped\n$", said)
    stranger:says "terminated"
    assert.equal("2580", digits_of(stranger))
    local there = heard(stranger, 600)
    assert.is_true(there.tone >= 1.9 and there.tone <= 2.02, "tone: " .. there.tone)
    local here = ear.hear(caller.folder .. "/heard.wav", 500)
    assert.is_true(here.tone >= 2.8 and here.tone >= here.total - 0.5,
      "tone: " .. here.tone)
  end)

  it("rings, and is cancelled", function()
    local stranger = baresip { answer = "manual" }
    local caller = strangers.luasip("caller.lua", { "udp:127.0.0.1:" .. PORT,
      "sip:bob@127.0.0.1:" .. BARESIP, "timeout=1" })
    local _, said = caller:wait()
    assert.matches("^failed no_answer ", said)
    assert.truthy(stranger:says "Incoming call.*session closed")
  end)
end)

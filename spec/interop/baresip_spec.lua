-- baresip without a face, as caller and as callee, over UDP and TCP; what it heard is
-- in its own dumps.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, BARESIP = 14300, 14310

for _, transport in ipairs { "udp", "tcp" } do
  describe("baresip over " .. transport:upper(), function()
    local source

    lazy_setup(function()
      source = ear.tone_file(process.folder "sources" .. "/source", 500, 10)
    end)

    after_each(function()
      strangers.end_all()
    end)

    -- There is no other way to us.
    local ours = transport .. ":127.0.0.1:" .. PORT
    local suffix = transport == "tcp" and ";transport=tcp" or ""
    local theirs = ("sip:bob@127.0.0.1:%d%s"):format(BARESIP, suffix)

    local function baresip(options)
      options.port, options.source = BARESIP, source
      options.tcp = transport == "tcp"
      return strangers.baresip(options)
    end

    local function call(user)
      local callee = strangers.luasip("callee.lua", { ours })
      callee:says "ready"
      return callee, baresip {
        dial = ("sip:%s@127.0.0.1:%d%s"):format(user, PORT, suffix),
      }
    end

    local function press(stranger, digits)
      for digit in digits:gmatch "." do
        strangers.baresip_command(BARESIP, "sndcode", digit)
        stranger:says(("send DTMF digit end: '%s'"):format(digit))
      end
    end

    local function digits_of(stranger)
      local digits = {}
      for digit in stranger:output():gmatch "received event: '(.)' %(end=1%)" do
        digits[#digits + 1] = digit
      end
      return table.concat(digits)
    end

    it("calls, and both hear each other", function()
      local callee, stranger = call "talk"
      callee:says "ended talk"
      stranger:says "session closed"
      local there = strangers.baresip_heard(stranger, 440)
      assert.is_true(there.tone >= 1.9 and there.tone <= 2.02, "tone: " .. there.tone)
      local here = ear.hear(callee.folder .. "/heard.wav", 500)
      assert.is_true(here.tone >= 2.2 and here.tone <= 2.5, "tone: " .. here.tone)
    end)

    it("calls and presses digits", function()
      local callee, stranger = call "collect"
      stranger:says "Call established"
      press(stranger, "1590")
      callee:says "digits 1590\n"
      stranger:says "session closed" -- of less than a second it says no more
    end)

    it("calls, hears digits and hangs up", function()
      local callee, stranger = call "press"
      stranger:says "received event: '#' %(end=1%)"
      strangers.baresip_command(BARESIP, "hangup")
      callee:says "ended press nil"
      assert.equal("159#", digits_of(stranger))
    end)

    it("calls and is told that we are busy", function()
      local _, stranger = call "busy"
      assert.truthy(stranger:says "486 Busy Here")
    end)

    it("answers, and both hear each other and the digits", function()
      local stranger = baresip {}
      local caller = strangers.luasip("caller.lua", { ours, theirs, "record=heard.wav",
        "play=tone:600/2000*1", "press=2580", "wait=60" })
      stranger:says "received event: '0' %(end=1%)"
      strangers.baresip_command(BARESIP, "hangup")
      local _, said = caller:wait()
      assert.matches("^answered\n.*over ended\nstopped\n$", said)
      assert.equal("2580", digits_of(stranger))
      local there = strangers.baresip_heard(stranger, 600)
      assert.is_true(there.tone >= 1.9 and there.tone <= 2.02, "tone: " .. there.tone)
      local here = ear.hear(caller.folder .. "/heard.wav", 500)
      assert.is_true(here.tone >= 2.5 and here.tone >= here.total - 0.5,
        "tone: " .. here.tone)
    end)

    it("answers, and is hung up", function()
      local stranger = baresip {}
      local caller = strangers.luasip("caller.lua", { ours, theirs })
      assert.matches("^answered\nover answered\nstopped\n$", select(2, caller:wait()))
      stranger:says "session closed"
    end)

    it("rings, and is cancelled", function()
      local stranger = baresip { answer = "manual" }
      local caller = strangers.luasip("caller.lua", { ours, theirs, "timeout=1" })
      local _, said = caller:wait()
      assert.matches("^failed no_answer ", said)
      assert.truthy(stranger:says "Incoming call.*session closed")
    end)
  end)
end

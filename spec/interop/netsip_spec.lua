-- Perl's Net::SIP, as caller and as callee, over UDP and TCP: audio from and to raw
-- mu-law files, digits by its own means. It listens on TCP and connects to us; our
-- requests within its calls find it by its Contact.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, PERL = 14200, 14210

-- What it says when these digits have come: each has lasted 100 ms.
local function heard_each(digits)
  return (digits:gsub(".", "heard %0 for 800\n"))
end

for _, transport in ipairs { "udp", "tcp" } do
  describe("Net::SIP over " .. transport:upper(), function()
    local folder, source

    before_each(function()
      folder = process.folder "netsip"
      source = select(2, ear.tone_file(folder .. "/source", 500, 10))
    end)

    after_each(function()
      strangers.end_all()
    end)

    -- There is no other way to either of them.
    local ours = transport .. ":127.0.0.1:" .. PORT
    local suffix = transport == "tcp" and ";transport=tcp" or ""
    local theirs = ("127.0.0.1:%d%s"):format(PERL, suffix)

    -- Call a user of callee.lua; what both sides have said, and where ours was.
    local function call(user, seconds, digits)
      local callee = strangers.luasip("callee.lua", { ours })
      callee:says "ready"
      local perl = strangers.netsip("netsip_calls", { theirs,
        ("sip:%s@127.0.0.1:%d%s"):format(user, PORT, suffix), source,
        folder .. "/heard.ulaw", seconds, digits or "" }, { folder = folder })
      local status, said = perl:wait()
      if status == 0 then
        callee:says("ended " .. user)
      end
      return said, callee, status
    end

    -- It waits for a call; luasip calls it. What both have said, and where ours was.
    local function called(seconds, digits, steps)
      local perl = strangers.netsip("netsip_answers", { theirs, source,
        folder .. "/heard.ulaw", seconds, digits }, { folder = folder })
      perl:listens(transport, PERL)
      local caller = strangers.luasip("caller.lua", { ours, "sip:perl@" .. theirs,
        table.unpack(steps) })
      local _, said = caller:wait()
      local status, heard = perl:wait()
      assert.equal(0, status, heard)
      return heard, said, caller.folder
    end

    it("calls, and both hear each other", function()
      local said, callee = call("talk", 60)
      assert.matches("answered\nhung up\n$", said)
      local there = ear.hear(ear.from_ulaw(folder .. "/heard.ulaw"), 440)
      assert.is_true(there.tone >= 1.9 and there.tone <= 2.02, "tone: " .. there.tone)
      local here = ear.hear(callee.folder .. "/heard.wav", 500)
      assert.is_true(here.tone >= 2.3 and here.tone <= 2.5, "tone: " .. here.tone)
      assert.is_true(here.total >= 2.48 and here.total <= 2.52, "total: " .. here.total)
    end)

    it("calls and hangs up", function()
      local said, callee = call("answer", 0.2)
      assert.matches("answered\nbye answered\n$", said)
      assert.matches("ended answer nil", callee:output())
    end)

    it("calls and presses digits", function()
      local said, callee = call("collect", 60, "4711")
      assert.matches("hung up\n$", said)
      assert.matches("digits 4711\n", callee:output())
    end)

    it("calls and hears digits", function()
      local said = call("press", 60)
      assert.matches(heard_each "159#" .. "bye answered\n$", said)
    end)

    it("calls and is told that we are busy", function()
      local said, _, status = call "busy"
      assert.matches("failed: .*486", said)
      assert.are_not.equal(0, status)
    end)

    it("answers, and both hear each other and the digits", function()
      local heard, said, where = called(60, "1590", { "record=heard.wav", "digits=4",
        "play=tone:600/2000*1", "press=258#", "wait=60" })
      assert.matches("^answered\ndigits 1590\n", said)
      assert.matches("over ended\nstopped\n$", said)
      assert.matches(heard_each "258#" .. "bye answered\n$", heard)
      local here = ear.hear(where .. "/heard.wav", 500)
      assert.is_true(here.tone >= math.max(2.5, here.total - 1), "tone: " .. here.tone)
      local there = ear.hear(ear.from_ulaw(folder .. "/heard.ulaw"), 600)
      assert.is_true(there.tone >= 1.96 and there.tone <= 2.02, "tone: " .. there.tone)
    end)

    it("answers and is hung up", function()
      local heard, said = called(60, "", {})
      assert.matches("^answered\nover answered\nstopped\n$", said)
      assert.matches("hung up\n$", heard)
    end)

    it("answers and hangs up", function()
      local heard, said = called(0.2, "", { "wait=60" })
      assert.matches("^answered\nover ended\nstopped\n$", said)
      assert.matches("bye answered", heard)
    end)
  end)
end

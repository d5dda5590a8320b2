-- Perl's Net::SIP, as caller and as callee: audio from and to raw mu-law files, digits
-- by its own means.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, PERL = 24200, 24210

describe("Net::SIP", function()
  local folder, source

  before_each(function()
    folder = process.folder "netsip"
    source = select(2, ear.tone_file(folder .. "/source", 500, 10))
  end)

  after_each(function()
    strangers.end_all()
  end)

  local function at(port)
    return "127.0.0.1:" .. port
  end

  -- Call a user of callee.lua; what both sides have said, and where ours was.
  local function call(user, seconds, digits)
    local callee = strangers.luasip("callee.lua", { "udp:" .. at(PORT) })
    callee:says "ready"
    local perl = strangers.netsip("netsip_calls", { at(PERL),
      ("sip:%s@127.0.0.1:%d"):format(user, PORT), source, folder .. "/heard.ulaw",
      seconds, digits or "" }, { folder = folder })
    local status, said = perl:wait()
    if status == 0 then
      callee:says("ended " .. user)
    end
    return said, callee, status
  end

  it("calls, and both hear each other", function()
    local said, callee = call("talk", 8)
    assert.matches("answered\nhung up\n$", said)
    local theirs = ear.hear(ear.from_ulaw(folder .. "/heard.ulaw"), 440)
    assert.is_true(theirs.tone >= 2.9 and theirs.tone <= 3.02, "tone: " .. theirs.tone)
    local ours = ear.hear(callee.folder .. "/heard.wav", 500)
    assert.is_true(ours.tone >= 3.3 and ours.tone <= 3.5, "tone: " .. ours.tone)
    assert.is_true(ours.total >= 3.48 and ours.total <= 3.52, "total: " .. ours.total)
  end)

  it("calls and hangs up", function()
    local said, callee = call("answer", 0.5)
    assert.matches("answered\nbye answered\n$", said)
    assert.matches("ended answer nil", callee:output())
  end)

  it("calls and presses digits", function()
    local said, callee = call("collect", 8, "4711")
    assert.matches("hung up\n$", said)
    assert.matches("digits 4711\n", callee:output())
  end)

  it("calls and hears digits", function()
    local said = call("press", 8)
    assert.matches("heard 1\nheard 5\nheard 9\nheard #\nhung up\n$", said)
  end)

  it("calls and is told that we are busy", function()
    local said, _, status = call "busy"
    assert.matches("failed: .*486", said)
    assert.are_not.equal(0, status)
  end)

  it("answers, and both hear each other and the digits", function()
    local perl = strangers.netsip("netsip_answers", { at(PERL), source,
      folder .. "/heard.ulaw", 10, "1590" }, { folder = folder }):listens("udp", PERL)
    local caller = strangers.luasip("caller.lua", { "udp:" .. at(PORT),
      "sip:perl@" .. at(PERL), "record=heard.wav", "digits=4", "play=tone:600/2000*1",
      "press=2580", "sleep=0.5" })
    local _, ours = caller:wait()
    local status, theirs = perl:wait()
    assert.equal(0, status, theirs)
    assert.matches("answered\ndigits 1590\nover answered\nstopped\n$", ours)
    assert.matches("heard 2\nheard 5\nheard 8\nheard 0\nhung up\n$", theirs)
    local here = ear.hear(caller.folder .. "/heard.wav", 500)
    assert.is_true(here.tone >= math.max(2.5, here.total - 1), "tone: " .. here.tone)
    local there = ear.hear(ear.from_ulaw(folder .. "/heard.ulaw"), 600)
    assert.is_true(there.tone >= 1.96 and there.tone <= 2.02, "tone: " .. there.tone)
  end)

  it("answers and hangs up", function()
    local perl = strangers.netsip("netsip_answers", { at(PERL), source,
      folder .. "/heard.ulaw", 0.5 }, { folder = folder }):listens("udp", PERL)
    local caller = strangers.luasip("caller.lua", { "udp:" .. at(PORT),
      "sip:perl@" .. at(PERL), "wait=10" })
    local _, ours = caller:wait()
    assert.matches("^answered\nover ended\nstopped\n$", ours)
    assert.matches("bye answered", (select(2, perl:wait())))
  end)
end)

-- Registering at kamailio, with its digest and its nonces, and being called through it.

local kamailio = require "spec.support.kamailio"
local strangers = require "spec.support.strangers"

local KAMAILIO, OURS, OTHER = 24600, 24610, 24620
local AT = "127.0.0.1:" .. KAMAILIO

for _, transport in ipairs { "udp", "tcp" } do
  describe("kamailio as a registrar over " .. transport:upper(), function()
    local server

    before_each(function()
      server = kamailio.start("registrar", KAMAILIO)
    end)

    after_each(function()
      strangers.end_all()
    end)

    local suffix = transport == "tcp" and ";transport=tcp" or ""

    local function registrant(port, expires, password)
      return strangers.luasip("registrant.lua", {
        ("%s:127.0.0.1:%d"):format(transport, port),
        "sip:2001@127.0.0.1", password or "secret", expires or 60,
        "sip:" .. AT .. suffix,
      })
    end

    local function has(said, text)
      assert.is_truthy(said:find(text, 1, true), said)
    end

    -- A binding as the registrar tells of it. Its clock has whole seconds, and the next
    -- may begin between what it saves and what it answers.
    local function told(said, port, expires, tail)
      local line = ("binding sip:2001@127.0.0.1:%d%s "):format(port, suffix)
      local whole, begun = line .. expires .. tail, line .. expires - 1 .. tail
      return said:find(whole, 1, true) or said:find(begun, 1, true)
    end

    -- End one, and what it has said.
    local function stop(one)
      one:kill "INT"
      local status, said = one:wait()
      assert.equal(0, status, said)
      return said
    end

    it("keeps the bindings of two, and forgets those that leave", function()
      local first = registrant(OURS)
      first:says("registered\n")
      local second = registrant(OTHER, 900) -- more than it grants
      second:says("registered\n")
      local said = stop(first)
      assert.is_truthy(told(said, OURS, 60, " own\n"), said)
      said = stop(second)
      assert.is_truthy(told(said, OURS, 60, "\n"), said)
      assert.is_truthy(told(said, OTHER, 300, " own\n"), said)
      local third = registrant(OURS)
      third:says("binding")
      assert.is_nil(told(stop(third), OTHER, 300, ""))
    end)

    it("is asked again in time, with a new nonce when the old one is stale", function()
      local one = registrant(OURS, 8) -- refreshed after 5 s; nonces last for 3
      one:says("registered\n")
      server:says("saved 4\n") -- challenged and saved, and both once more
      local said = stop(one)
      assert.is_nil(said:find("registering", 1, true), said)
      local challenges = select(2, said:gsub("%-%- 401 ", ""))
      local answers = select(2, said:gsub("200 OK %(REGISTER%)", ""))
      assert.equal(2, challenges, said)
      assert.equal(3, answers, said)
      has(said, "removed\n")
    end)

    it("sends us a call, which we answer", function()
      local one = registrant(OURS)
      one:says("registered\n")
      local caller = strangers.command { "call", "--listen",
        ("%s:127.0.0.1:%d"):format(transport, OTHER), "--press", "1",
        "--timeout", "2", ("sip:2001@%s%s"):format(AT, suffix) }
      local status, said = caller:wait()
      assert.equal(0, status, said)
      one:says("call from sip:127.0.0.1\ncall ended\n")
      stop(one)
    end)

    it("does not take a wrong password, and is not asked again", function()
      local one = registrant(OURS, 60, "wrong")
      one:says('failed: .*user "2001" was rejected by realm "kamailio"')
      local said = stop(one)
      assert.equal(2, select(2, said:gsub("%-%- 401 ", "")), said)
    end)

    it("is used by the command", function()
      local one = strangers.command { "register", "--password", "secret", "--trace",
        "sip:2001@" .. AT .. suffix }
      one:says(" is registered at sip:[%d.:]+[%w=;]* for 300 s; %^C removes that\n")
      local said = stop(one)
      has(said, "(this one)")
      has(said, "sip:2001@127.0.0.1: removed\n")
    end)
  end)
end

-- Registering at kamailio, with its digest and its nonces, and being called through it.

local core = require "sip.core"
local kamailio = require "spec.support.kamailio"
local strangers = require "spec.support.strangers"

local KAMAILIO, OURS, OTHER = 14600, 14610, 14620
local AT = "127.0.0.1:" .. KAMAILIO

for _, transport in ipairs { "udp", "tcp" } do
  describe("kamailio as a registrar over " .. transport:upper(), function()
    local server, clock

    before_each(function()
      clock = core.loop()
      server = kamailio.start("registrar", KAMAILIO)
    end)

    after_each(function()
      strangers.end_all()
      clock:close()
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

    -- How long the registrar says that a binding lasts: all that it has said of it.
    local function told(said, port, tail)
      local list = {}
      for uri, seconds, own in said:gmatch "binding (%S+) (%d+)( ?%l*)\n" do
        if uri == ("sip:2001@127.0.0.1:%d%s"):format(port, suffix) and own == tail then
          list[#list + 1] = tonumber(seconds)
        end
      end
      return list
    end

    -- Its clock has whole seconds, of which one may begin at any time: they are no more
    -- than was asked for, and no less than what is left since then.
    local function lasts(expires, since, list)
      assert.is_truthy(list[1], "it has said nothing of it")
      local least = expires - 1 - math.ceil(clock:now() - since)
      for _, seconds in ipairs(list) do
        assert.is_true(seconds <= expires and seconds >= least,
          ("%d s, not %d to %d"):format(seconds, least, expires))
      end
    end

    -- End one, and what it has said.
    local function stop(one)
      one:kill "INT"
      local status, said = one:wait()
      assert.equal(0, status, said)
      return said
    end

    it("keeps the bindings of two, and forgets those that leave", function()
      local before = clock:now()
      local first = registrant(OURS)
      first:says("registered\n")
      local between = clock:now()
      local second = registrant(OTHER, 900) -- more than it grants
      second:says("registered\n")
      lasts(60, before, told(stop(first), OURS, " own"))
      local said = stop(second)
      lasts(60, before, told(said, OURS, ""))
      lasts(300, between, told(said, OTHER, " own"))
      local third = registrant(OURS)
      third:says("binding")
      assert.same({}, told(stop(third), OTHER, ""))
    end)

    it("is asked again in time, with a new nonce when the old one is stale", function()
      local one = registrant(OURS, 8) -- refreshed after 5 s; nonces last for 3
      one:says("registered\n")
      server:says("saved 4\n") -- challenged and saved, and both once more
      local said = stop(one)
      assert.is_nil(said:find("registering", 1, true), said)
      local challenges = select(2, said:gsub("%-%- 401 ", ""))
      local answers = select(2, said:gsub("200 OK %(REGISTER%)", ""))
      -- "saved 4" says that both were; one to leave with may be stale by then.
      assert.is_true(challenges >= 2, said)
      assert.equal(3, answers, said)
      has(said, "removed\n")
    end)

    it("sends us a call, which we answer", function()
      local one = registrant(OURS)
      one:says("registered\n")
      local caller = strangers.command { "call", "--listen",
        ("%s:127.0.0.1:%d"):format(transport, OTHER), "--press", "1",
        "--play", "tone:600/500*1", ("sip:2001@%s%s"):format(AT, suffix) }
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

-- A registrar and proxy between two sipps, over UDP and TCP and from one to the other:
-- what they send within a call comes along its Record-Route.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local messages = strangers.messages

local PROXY, CALLER, CALLEE, OTHER, PHONE = 15000, 15010, 15020, 15030, 15040
local SCRIPT = "spec/interop/scripts/proxy.lua"

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

local function has(said, text)
  assert.is_truthy(said:find(text, 1, true), said)
end

-- 2002 is this user at this port.
local function bind(user, port, transport)
  local contact = ("sip:%s@127.0.0.1:%d;transport=%s"):format(user, port, transport)
  strangers.succeeds(strangers.sipp("uac_registers", { port = PHONE, to = PROXY,
    user = "2002", more = { "-key", "contact", contact } }))
end

describe("a proxy between two sipps", function()
  local proxy

  before_each(function()
    proxy = strangers.proxy(SCRIPT, PROXY)
  end)

  after_each(function()
    strangers.end_all()
  end)

  local function sipp(scenario, port, transport, more)
    return strangers.sipp(scenario, { port = port, tcp = transport == "tcp",
      to = scenario:find "^uac" and PROXY, user = "2002", more = more })
  end

  for _, legs in ipairs { { "udp", "udp" }, { "tcp", "tcp" }, { "udp", "tcp" },
    { "tcp", "udp" } } do
    local from, to = legs[1], legs[2]
    local records = from == to and 1 or 2

    local function play(calling, called, more)
      bind("sipp", CALLEE, to)
      local callee = sipp(called, CALLEE, to, more)
      local caller = sipp(calling, CALLER, from, more)
      strangers.succeeds(caller)
      strangers.succeeds(callee)
      return caller, callee
    end

    describe(("from %s to %s"):format(from:upper(), to:upper()), function()
      it("is on the way of all that belongs to a call", function()
        local caller, callee = play("uac", "uas")
        local invite = messages(callee, "INVITE")[1]
        assert.equal(records, count(invite, "\nRecord%-Route: <sip:127%.0%.0%.1:"
          .. PROXY), invite)
        for _, method in ipairs { "ACK", "BYE" } do
          local out, all = messages(caller, method), messages(callee, method)
          assert.equal(#out, #all)
          local sent, came = out[1], all[1]
          assert.equal(records, count(sent, ";lr;mark="), sent)
          assert.equal(2, count(came, "\nVia: "), came)
          has(came, "\nMax-Forwards: 69\n")
          assert.is_nil(came:find("\nRoute:", 1, true), came)
        end
      end)

      it("brings the BYE of the callee to the caller", function()
        local caller, callee = play("uac_is_hung_up", "uas_hangs_up")
        local out, came = messages(callee, "BYE")[1], messages(caller, "BYE")[1]
        assert.equal(records, count(out, ";lr;mark="), out)
        assert.equal(2, count(came, "\nVia: "), came)
        assert.is_nil(came:find("\nRoute:", 1, true), came)
      end)

      it("cancels what rings", function()
        play("uac_cancels_while_ringing", "uas_rings")
      end)

      it("says who is busy", function()
        play("uac_is_busy_answered", "uas_is_busy")
      end)

      it("forks, and cancels the other when one has answered", function()
        bind("sipp", OTHER, from)
        local other = sipp("uas_rings", OTHER, from)
        play("uac", "uas")
        strangers.succeeds(other)
      end)

      it("carries a hundred calls, fifty a second", function()
        local many = { "-m", 100, "-r", 50, "-nr" }
        play("uac", "uas", many)
        proxy:kill "INT"
        local status, said = proxy:wait()
        assert.equal(0, status)
        assert.equal(100, count(said, "forwarded INVITE [^\n]+: answered\n"))
      end)
    end)
  end
end)

for _, transport in ipairs { "udp", "tcp" } do
  describe("a proxy that is killed over " .. transport:upper(), function()
    local source

    lazy_setup(function()
      source = ear.tone_file(process.folder "source" .. "/source", 500, 10)
    end)

    after_each(function()
      strangers.end_all()
    end)

    -- A call to baresip by way of a proxy, which is killed and started again; then the
    -- caller hangs up.
    local function hangs_up_after(secret)
      local before = strangers.proxy(SCRIPT, PROXY, { "secret=" .. ("a"):rep(32) })
      bind("bob", CALLEE, transport)
      local callee = strangers.baresip { port = CALLEE, source = source,
        tcp = transport == "tcp" }
      local caller = strangers.luasip("caller.lua", {
        ("%s:127.0.0.1:%d"):format(transport, CALLER),
        ("sip:2002@127.0.0.1:%d;transport=%s"):format(PROXY, transport), "wait=60" })
      callee:says "Call established"
      caller:says "answered"
      before:kill "KILL"
      before:wait()
      local after = strangers.proxy(SCRIPT, PROXY, { "secret=" .. secret })
      caller:kill "INT"
      assert.equal(0, (caller:wait()))
      return callee, after
    end

    local function ladder(proxy)
      proxy:kill "INT"
      local status, said = proxy:wait()
      assert.equal(0, status, said)
      return said
    end

    it("passes the BYE when it is back, without any memory", function()
      local callee, after = hangs_up_after(("a"):rep(32))
      callee:says "session closed"
      has(ladder(after), "-- 200 OK (BYE)")
    end)

    it("knows nothing of the call when it has another secret", function()
      local callee, after = hangs_up_after(("b"):rep(32))
      has(ladder(after), "-- 481 Call/Transaction Does Not Exist (BYE)")
      assert.is_nil(callee:output():find("session closed", 1, true))
    end)
  end)
end

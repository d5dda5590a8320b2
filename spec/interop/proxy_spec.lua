-- A registrar and proxy between two sipps, over UDP and TCP and from one to the other:
-- what they send within a call comes along its Record-Route.

local strangers = require "spec.support.strangers"

local messages = strangers.messages

local PROXY, CALLER, CALLEE, OTHER, PHONE = 25000, 25010, 25020, 25030, 25040

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

local function has(said, text)
  assert.is_truthy(said:find(text, 1, true), said)
end

describe("a proxy between two sipps", function()
  local proxy

  before_each(function()
    proxy = strangers.proxy("spec/interop/scripts/proxy.lua", PROXY)
  end)

  after_each(function()
    strangers.end_all()
  end)

  local function sipp(scenario, port, transport, more)
    return strangers.sipp(scenario, { port = port, tcp = transport == "tcp",
      to = scenario:find "^uac" and PROXY, user = "2002", more = more })
  end

  -- 2002 is at this port.
  local function bind(port, transport)
    local contact = ("sip:2002@127.0.0.1:%d;transport=%s"):format(port, transport)
    strangers.succeeds(strangers.sipp("uac_registers", { port = PHONE, to = PROXY,
      user = "2002", more = { "-key", "contact", contact } }))
  end

  for _, legs in ipairs { { "udp", "udp" }, { "tcp", "tcp" }, { "udp", "tcp" },
    { "tcp", "udp" } } do
    local from, to = legs[1], legs[2]
    local records = from == to and 1 or 2

    local function play(calling, called, more)
      bind(CALLEE, to)
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
          assert.equal(1, #messages(caller, method))
          local out, came = messages(caller, method)[1], messages(callee, method)
          assert.equal(1, #came)
          assert.equal(records, count(out, ";lr;mark="), out)
          assert.equal(2, count(came[1], "\nVia: "), came[1])
          has(came[1], "\nMax-Forwards: 69\n")
          assert.is_nil(came[1]:find("\nRoute:", 1, true), came[1])
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
        bind(OTHER, from)
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

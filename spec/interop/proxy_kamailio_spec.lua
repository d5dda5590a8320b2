-- kamailio behind our proxy, and before it: requests within a call come along the
-- Record-Routes of both, challenges go through to whom they ask.

local kamailio = require "spec.support.kamailio"
local strangers = require "spec.support.strangers"

local PROXY, KAMAILIO, CALLER, CALLEE, PHONE = 15100, 15110, 15120, 15130, 15140
local SCRIPT = "spec/interop/scripts/proxy.lua"

local function uri(port, transport)
  return ("sip:127.0.0.1:%d%s"):format(port, transport == "tcp" and ";transport=tcp"
    or "")
end

local function start_kamailio(port, transport, more)
  return kamailio.start("proxy", KAMAILIO, { ('NEXT="%s"'):format(uri(port, transport)),
    table.unpack(more or {}) })
end

for _, transport in ipairs { "udp", "tcp" } do
  local tcp = transport == "tcp"

  describe("kamailio over " .. transport:upper(), function()
    after_each(function()
      strangers.end_all()
    end)

    local function sipp(scenario, to, password)
      local calling = scenario:find "^uac"
      return strangers.sipp(scenario, { port = calling and CALLER or CALLEE, to = to,
        user = "2002", tcp = tcp, more = password and { "-au", "2002", "-ap",
        password } })
    end

    -- Both play to their ends, one calling the other at the first of the proxies.
    local function play(calling, to, called, password)
      local callee = sipp(called)
      local caller = sipp(calling, to, password)
      strangers.succeeds(caller)
      strangers.succeeds(callee)
      return caller, callee
    end

    -- It has come by both proxies, and nothing is left of the route.
    local function came_by_both(stranger, method)
      local message = strangers.messages(stranger, method)[1]
      assert.equal(3, select(2, message:gsub("SIP/2%.0/%u%u%u ", "")), message)
      assert.is_nil(message:find("\nRoute:", 1, true), message)
    end

    -- kamailio has seen each of these pass, in this order.
    local function passed(server, ...)
      local said = server:output()
      local at = 1
      for _, word in ipairs { ... } do
        local _, stop = said:find(word .. "\n", at, true)
        assert.is_truthy(stop, word .. " is not in\n" .. said)
        at = stop
      end
    end

    local function next_hop(more, link)
      strangers.proxy(SCRIPT, PROXY, {
        "127.0.0.1=" .. uri(KAMAILIO, link or transport),
      })
      return start_kamailio(CALLEE, transport, more)
    end

    local function previous_hop(more)
      local proxy = strangers.proxy(SCRIPT, PROXY)
      local contact = "sip:2002" .. uri(CALLEE, transport):gsub("^sip:", "@")
      strangers.succeeds(strangers.sipp("uac_registers", { port = PHONE, to = PROXY,
        user = "2002", more = { "-key", "contact", contact } }))
      return start_kamailio(PROXY, transport, more), proxy
    end

    describe("as the next hop", function()
      it("is on the way of a call", function()
        local server = next_hop()
        local _, callee = play("uac", PROXY, "uas")
        came_by_both(callee, "INVITE")
        came_by_both(callee, "ACK")
        came_by_both(callee, "BYE")
        passed(server, "forwarded INVITE", "relayed ACK", "relayed BYE")
      end)

      it("is on the way of the BYE of the callee", function()
        local server = next_hop()
        local caller = play("uac_is_hung_up", PROXY, "uas_hangs_up")
        came_by_both(caller, "BYE")
        passed(server, "forwarded INVITE", "relayed ACK", "relayed BYE")
      end)

      it("is reached by another transport than the caller and the callee", function()
        local server = next_hop({}, tcp and "udp" or "tcp")
        local _, callee = play("uac", PROXY, "uas")
        came_by_both(callee, "ACK")
        came_by_both(callee, "BYE")
        assert.equal(4, select(2, strangers.messages(callee, "INVITE")[1]:gsub(
          "\nRecord%-Route: ", "")))
        passed(server, "forwarded INVITE", "relayed ACK", "relayed BYE")
      end)

      it("knows where the callee has registered", function()
        strangers.proxy(SCRIPT, PROXY, { "127.0.0.1=" .. uri(KAMAILIO, transport) })
        kamailio.start("registrar", KAMAILIO)
        local callee = strangers.luasip("registrant.lua", {
          ("%s:127.0.0.1:%d"):format(transport, CALLEE), "sip:2001@127.0.0.1", "secret",
          60, uri(KAMAILIO, transport) })
        callee:says "registered\n"
        local caller = strangers.luasip("caller.lua", {
          ("%s:127.0.0.1:%d"):format(transport, CALLER),
          "sip:2001" .. uri(PROXY, transport):gsub("^sip:", "@") })
        local status, said = caller:wait()
        assert.equal(0, status, said)
        assert.matches("^answered\nover answered\n", said)
        callee:says "call from .*call ended\n"
      end)

      it("hears of the CANCEL", function()
        next_hop()
        play("uac_cancels_while_ringing", PROXY, "uas_rings")
      end)

      it("says who is busy", function()
        next_hop()
        play("uac_is_busy_answered", PROXY, "uas_is_busy")
      end)

      it("asks the caller for a password, who knows it", function()
        local server = next_hop { "WITH_AUTH" }
        play("uac_answers_a_challenge", PROXY, "uas", "secret")
        passed(server, "challenged", "forwarded INVITE", "relayed ACK", "relayed BYE")
      end)

      it("asks the caller for a password, who does not know it", function()
        local server = next_hop { "WITH_AUTH" }
        local caller = strangers.luasip("caller.lua", {
          ("%s:127.0.0.1:%d"):format(transport, CALLER),
          "sip:2002" .. uri(PROXY, transport):gsub("^sip:", "@"), "user=2002",
          "password=wrong" })
        assert.matches("^failed refused 407 ", select(2, caller:wait()))
        assert.equal(2, select(2, server:output():gsub("challenged\n", "")))
      end)

      it("is not there", function()
        strangers.proxy(SCRIPT, PROXY, { "127.0.0.1=" .. uri(KAMAILIO, "tcp") })
        local caller = strangers.luasip("caller.lua", {
          ("%s:127.0.0.1:%d"):format(transport, CALLER),
          "sip:2002" .. uri(PROXY, transport):gsub("^sip:", "@") })
        assert.matches("^failed rejected 500 ", select(2, caller:wait()))
      end)
    end)

    describe("as the previous hop", function()
      it("is on the way of a call", function()
        local server = previous_hop()
        local _, callee = play("uac", KAMAILIO, "uas")
        came_by_both(callee, "INVITE")
        came_by_both(callee, "ACK")
        came_by_both(callee, "BYE")
        passed(server, "forwarded INVITE", "relayed ACK", "relayed BYE")
      end)

      it("is on the way of the BYE of the callee", function()
        local server = previous_hop()
        local caller = play("uac_is_hung_up", KAMAILIO, "uas_hangs_up")
        came_by_both(caller, "BYE")
        passed(server, "forwarded INVITE", "relayed ACK", "relayed BYE")
      end)

      it("sends the CANCEL", function()
        previous_hop()
        play("uac_cancels_while_ringing", KAMAILIO, "uas_rings")
      end)

      it("hears who is busy", function()
        previous_hop()
        play("uac_is_busy_answered", KAMAILIO, "uas_is_busy")
      end)

      it("asks for a password, and takes it out", function()
        local server = previous_hop { "WITH_AUTH" }
        local _, callee = play("uac_answers_a_challenge", KAMAILIO, "uas", "secret")
        assert.is_nil(strangers.messages(callee, "INVITE")[1]:find("Authorization", 1,
          true))
        passed(server, "challenged", "forwarded INVITE", "relayed ACK", "relayed BYE")
      end)
    end)
  end)
end

-- CANCEL and its crossings, timeouts and Expires: RFC 3261 9, 13.2.2, 13.3.1; RFC 5407
-- 3.1.2. C-87, C-88, C-107, C-108, C-114..117.

local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, B, S = "192.0.2.1", "192.0.2.2", "192.0.2.9"

describe("a call that is given up", function()
  local net, alice, bob, sip_a, sip_b

  local function start(options)
    net = net_of.new(options)
    alice, sip_a = net:endpoint(A)
    bob, sip_b = net:endpoint(B)
  end

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  it("is cancelled after its ring time; the callee's script unwinds (C-114, C-115)",
    function()
      start { delay = 0.05 }
      local ended
      bob:on_call(function(call)
        call:finally(function()
          ended = { sip_b.now(), call.why.name }
        end)
        call:ring()
        sip_b.sleep(100)
        ended = "not reached"
      end)
      local peer, e, at
      sip_a.spawn(function()
        peer, e = alice:dial("sip:bob@" .. B, { sdp = SDP, timeout = 5 })
        at = sip_a.now()
      end)
      net:run(40)
      assert.is_nil(peer)
      assert.equal("no_answer", e.name)
      assert.equal(5, at)
      assert.same({ 5.05, "cancelled" }, ended)
      assert.same({
        "0.000 192.0.2.1 INVITE",
        "0.050 192.0.2.2 180 INVITE",
        "5.000 192.0.2.1 CANCEL",
        "5.050 192.0.2.2 200 CANCEL",
        "5.050 192.0.2.2 487 INVITE",
        "5.100 192.0.2.1 ACK",
      }, net:flow())
    end)

  it("is not cancelled before a provisional answer (C-114)", function()
    start()
    local stranger = net:stranger(S, { request = function() end })
    sip_a.spawn(function()
      alice:dial("sip:x@" .. S, { sdp = SDP, timeout = 0.1 })
    end)
    net:run(0.15)
    assert.same({ "0.000 192.0.2.1 INVITE" }, net:flow(A))
    net:run(0.3) -- its 100 after 0.2 s
    assert.equal("0.200 192.0.2.1 CANCEL", net:flow(A)[2])
    stranger.got[1].object:respond(487, { tag = "x" })
    net:run(2)
  end)

  it("is ended by a BYE when the answer crosses the CANCEL (C-116)", function()
    start { delay = 0.1 }
    bob:on_call(function(call)
      call:ring()
      sip_b.sleep(0.95)
      call:answer { sdp = SDP }
      call:wait()
    end)
    local e
    sip_a.spawn(function()
      local _
      _, e = alice:dial("sip:bob@" .. B, { sdp = SDP, timeout = 1 })
    end)
    net:run(40)
    assert.equal("no_answer", e.name)
    assert.same({
      "0.000 192.0.2.1 INVITE",
      "0.100 192.0.2.2 180 INVITE",
      "1.000 192.0.2.1 CANCEL",
      "1.050 192.0.2.2 200 INVITE",
      "1.100 192.0.2.2 200 CANCEL",
      "1.150 192.0.2.1 ACK",
      "1.150 192.0.2.1 BYE",
      "1.250 192.0.2.2 200 BYE",
    }, net:flow())
  end)

  it("is destroyed 64*T1 after a CANCEL that nobody heeds (C-117)", function()
    start()
    net:stranger(S, {
      request = function(tx)
        tx:respond(180, { tag = "x", headers = { "Contact", "<sip:192.0.2.9>" } })
      end,
      cancel = function() end,
    })
    sip_a.spawn(function()
      alice:dial("sip:x@" .. S, { sdp = SDP, timeout = 1 })
    end)
    net:run(32.9)
    assert.equal(1, alice.invites)
    net:run(33)
    assert.equal(0, alice.invites)
    assert.equal(0, alice.dialogs.count)
  end)

  it("ends with the script that dials: a hangup is a cancellation", function()
    start()
    bob:on_call(function(call)
      call:ring()
      sip_b.sleep(100)
    end)
    local task = sip_a.spawn(function()
      sip_a.timeout(2, function()
        alice:dial("sip:bob@" .. B, { sdp = SDP })
      end)
    end)
    net:run(3)
    assert.equal("dead", task.state)
    assert.equal("2.000 192.0.2.1 CANCEL", net:flow(A)[2])
  end)

  it("has the last word with its answer: a late CANCEL does nothing (C-115)",
    function()
      start()
      local stranger = net:stranger(S)
      bob:on_call(function(call)
        call:ring()
        sip_b.sleep(1)
        call:answer { sdp = SDP }
        sip_b.sleep(1)
      end)
      local tx = stranger.request(B, { method = "INVITE", body = SDP })
      net.world:link { from = B, to = S, delay = 0.5 }
      net:run(1.2)
      tx:cancel()
      net:run(1.6)
      local res = stranger.last "response"
      stranger.request(B, { method = "ACK", to = res:header "To", send = true })
      net:run(4)
      local statuses = stranger.statuses()
      assert.same({ 180, 200 }, { statuses[1], statuses[2] })
      assert.equal("BYE", (stranger.last "request"):method())
    end)

  it("ends with 487 when its Expires has passed (C-107)", function()
    start()
    local stranger = net:stranger(S)
    local ended
    bob:on_call(function(call)
      call:finally(function()
        ended = sip_b.now()
      end)
      call:ring()
      sip_b.sleep(100)
    end)
    stranger.request(B, {
      method = "INVITE", body = SDP, headers = { "Expires", "12" },
    })
    net:run(40)
    assert.equal(12, ended)
    assert.same({ 180, 487 }, stranger.statuses())
  end)

  it("ends so at an instant that no number of seconds is exactly", function()
    start()
    local stranger = net:stranger(S)
    local ended
    bob:on_call(function(call)
      call:finally(function()
        ended = sip_b.now()
      end)
      call:ring()
      sip_b.sleep(100)
    end)
    net:run(0.131)
    stranger.request(B, {
      method = "INVITE", body = SDP, headers = { "Expires", "2" },
    })
    net:run(40)
    assert.is_true(0.131 + 2 > 2.131) -- what a naive deadline waits for
    assert.same({ 180, 487 }, stranger.statuses())
    assert.equal(2.131, ended)
  end)

  it("says every minute that it still rings (C-108)", function()
    start()
    local stranger = net:stranger(S)
    bob:on_call(function(call)
      call:ring()
      sip_b.sleep(130)
      call:reject(486)
    end)
    stranger.request(B, { method = "INVITE", body = SDP })
    net:run(140)
    local at = {}
    for _, event in ipairs(stranger.got) do
      if event.kind == "response" then
        at[#at + 1] = { event.at, event.message:status() }
      end
    end
    assert.same({ { 0, 180 }, { 60, 180 }, { 120, 180 }, { 130, 486 } }, at)
  end)
end)

describe("a call that fails", function()
  local net, alice, sip

  before_each(function()
    net = net_of.new()
    alice, sip = net:endpoint(A)
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function dial(respond)
    net:stranger(S, { request = respond })
    local e
    sip.spawn(function()
      local _
      _, e = alice:dial("sip:x@" .. S, { sdp = SDP })
    end)
    net:run(net.world:now() + 40)
    return e
  end

  it("is 408 when nobody answers (C-87)", function()
    net.world:link { to = S, loss = 1 }
    local e = dial(function() end)
    assert.equal("no_answer", e.name)
    assert.equal(408, e.status)
    assert.equal(7, #net:flow(A))
  end)

  it("has one of the closed set of names, by its status", function()
    local names = {
      [486] = "busy", [600] = "busy", [603] = "declined", [480] = "no_answer",
      [487] = "cancelled", [404] = "not_found", [604] = "not_found",
      [403] = "refused", [401] = "refused", [407] = "refused",
      [488] = "not_acceptable", [606] = "not_acceptable", [503] = "unreachable",
      [500] = "rejected", [302] = "rejected", [484] = "rejected",
    }
    local status
    net:stranger(S, {
      request = function(tx)
        tx:respond(status, { tag = "x", reason = "For a reason" })
      end,
    })
    local got = {}
    sip.spawn(function()
      for wanted in pairs(names) do
        status = wanted
        local _, e = alice:dial("sip:x@" .. S, { sdp = SDP })
        got[wanted] = e.name
        assert.equal(wanted, e.status)
        assert.equal("For a reason", e.message)
        assert.equal(wanted, e.response:status())
      end
    end)
    net:run(40)
    assert.same(names, got)
  end)

  it("takes an unknown final for its class, an unknown 1xx for 183 (C-88)",
    function()
      local e = dial(function(tx)
        tx:respond(199, { tag = "x", headers = { "Contact", "<sip:192.0.2.9>" } })
        tx:respond(477, { tag = "x" })
      end)
      assert.equal("rejected", e.name)
      assert.equal(477, e.status)
    end)

  it("is unreachable when there is no way there", function()
    local e
    sip.spawn(function()
      local _
      _, e = alice:dial("sip:x@[2001:db8::1]", { sdp = SDP })
    end)
    net:run(1)
    assert.equal("unreachable", e.name)
    assert.same({}, net:flow())
  end)
end)

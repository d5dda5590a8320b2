-- A call from end to end in virtual time: RFC 3261 13 and 15. C-77, C-82, C-83,
-- C-85, C-92, C-93, C-95, C-100, C-103, C-105, C-106.

local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, B = "192.0.2.1", "192.0.2.2"

describe("a call", function()
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

  it("rings, is answered, acknowledged and hung up by the caller", function()
    start { delay = 0.05 }
    local seen = {}
    bob:on_call(function(call)
      seen[#seen + 1] = { sip_b.now(), call.state, call.from.uri, call.uri.user }
      assert(call:ring())
      sip_b.sleep(2)
      assert(call:answer { sdp = SDP })
      seen[#seen + 1] = { sip_b.now(), call.state }
      call:wait()
      seen[#seen + 1] = "not reached"
    end)
    local peer, e
    sip_a.spawn(function()
      peer, e = alice:dial("sip:bob@" .. B, { sdp = SDP, from = "sip:alice@a.example" })
      seen[#seen + 1] = { sip_a.now(), peer.state }
      sip_a.sleep(1)
      peer:hangup()
    end)
    net:run()
    assert.is_nil(e)
    assert.same({
      { 0.05, "new", "sip:alice@a.example", "bob" },
      { 2.1, "answered" },
      { 2.15, "answered" },
    }, seen)
    assert.same({
      "0.000 192.0.2.1 INVITE",
      "0.050 192.0.2.2 180 INVITE",
      "2.050 192.0.2.2 200 INVITE",
      "2.100 192.0.2.1 ACK",
      "3.100 192.0.2.1 BYE",
      "3.150 192.0.2.2 200 BYE",
    }, net:flow())
    assert.equal("ended", peer.state)
  end)

  it("ends with the script that was started for it, by a BYE", function()
    start()
    bob:on_call(function(call)
      call:answer { sdp = SDP }
      sip_b.sleep(4)
    end)
    local peer
    sip_a.spawn(function()
      peer = alice:dial("sip:bob@" .. B, { sdp = SDP })
      peer:wait()
      assert.equal(4, sip_a.now())
    end)
    net:run()
    assert.equal("4.000 192.0.2.2 BYE", net:flow(B)[2])
    assert.equal("ended", peer.state)
  end)

  it("says what its messages have to say (C-77, C-82, C-83, C-85, C-92)", function()
    start()
    local invite, answer
    bob:on_call(function(call)
      invite = call.request
      call:answer { sdp = SDP }
      call:wait()
    end)
    sip_a.spawn(function()
      local peer = alice:dial("sip:bob@" .. B, { sdp = SDP })
      answer = peer.response
      peer:hangup()
    end)
    net:run()
    assert.equal("sip:bob@192.0.2.2", invite:uri())
    assert.equal("sip:bob@192.0.2.2", invite:to_uri())
    assert.is_nil(invite:to_tag())
    assert.is_true(#invite:from_tag() >= 8)
    assert.same({ "<sip:192.0.2.1:5060>" }, invite:values "Contact")
    assert.equal("application/sdp", invite:header "Content-Type")
    assert.is_truthy(invite:header("Allow"):find("BYE", 1, true))
    assert.equal(invite:header "From", answer:header "From")
    assert.equal(invite:header "Call-ID", answer:header "Call-ID")
    assert.equal(invite:header "CSeq", answer:header "CSeq")
    assert.same({ "<sip:192.0.2.2:5060>" }, answer:values "Contact")
    assert.is_true(#answer:to_tag() >= 8)
  end)

  it("is answered only when the ACK has come (C-105)", function()
    start()
    local answered
    local stranger = net:stranger "192.0.2.9"
    bob:on_call(function(call)
      call:finally(function()
        answered = { sip_b.now(), call.why.name }
      end)
      call:answer { sdp = SDP }
      answered = "not reached"
    end)
    stranger.request(B, { method = "INVITE", body = SDP })
    net:run()
    assert.same({ 32, "no_answer" }, answered)
    local flow = net:flow(B)
    assert.same({
      "0.000 192.0.2.2 200 INVITE", "0.500 192.0.2.2 200 INVITE",
      "1.500 192.0.2.2 200 INVITE", "3.500 192.0.2.2 200 INVITE",
      "7.500 192.0.2.2 200 INVITE", "11.500 192.0.2.2 200 INVITE",
      "15.500 192.0.2.2 200 INVITE", "19.500 192.0.2.2 200 INVITE",
      "23.500 192.0.2.2 200 INVITE", "27.500 192.0.2.2 200 INVITE",
      "31.500 192.0.2.2 200 INVITE", "32.000 192.0.2.2 BYE",
    }, table.move(flow, 1, 12, 1, {}))
  end)

  it("waits with its BYE until the answer is acknowledged (C-100)", function()
    start { delay = 0.2 }
    bob:on_call(function(call)
      call:spawn(function()
        sip_b.sleep(0.1)
        call:hangup()
      end)
      call:answer { sdp = SDP }
    end)
    local e
    sip_a.spawn(function()
      local peer = alice:dial("sip:bob@" .. B, { sdp = SDP })
      e = peer:wait()
    end)
    net:run()
    assert.is_true(e)
    assert.same({
      "0.000 192.0.2.1 INVITE",
      "0.200 192.0.2.2 200 INVITE",
      "0.400 192.0.2.1 ACK",
      "0.600 192.0.2.2 BYE",
      "0.800 192.0.2.1 200 BYE",
    }, net:flow())
  end)

  it("is acknowledged again for each repeated 2xx (C-103)", function()
    start { delay = 0.01 }
    local stranger = net:stranger("192.0.2.9", {
      request = function(tx, req)
        if req:method() == "INVITE" then
          tx:respond(200, { tag = "t", headers = { "Contact", "<sip:192.0.2.9>" },
            body = SDP, until_ack = true })
        else
          tx:respond(200)
        end
      end,
    })
    sip_a.spawn(function()
      local peer = alice:dial("sip:x@192.0.2.9", { sdp = SDP })
      sip_a.sleep(2)
      peer:hangup()
    end)
    net:run(2.5)
    local acks = {}
    for _, event in ipairs(stranger.got) do
      if event.kind == "ack" then
        acks[#acks + 1] = event.at
        assert.equal("1 ACK", event.message:header "CSeq")
        assert.equal("sip:192.0.2.9", event.message:uri())
      end
    end
    assert.same({ 0.03, 0.53, 1.53 }, acks)
  end)

  -- Rule 1: the call that the script was started for is over before `answer` returns.
  it("that is hung up right behind the ACK unwinds its script inside answer", function()
    start { delay = 0.05 }
    local seen = {}
    bob:on_call(function(call)
      local scope <close> = setmetatable({}, { __close = function()
        seen[#seen + 1] = { sip_b.now(), "unwound", call.state }
      end })
      call:finally(function()
        seen[#seen + 1] = { sip_b.now(), "finally" }
      end)
      call:answer { sdp = SDP }
      seen[#seen + 1] = "not reached"
      return scope
    end)
    sip_a.spawn(function()
      assert(alice:dial("sip:bob@" .. B, { sdp = SDP })):hangup()
    end)
    net:run()
    assert.same({ { 0.15, "unwound", "ended" }, { 0.15, "finally" } }, seen)
    assert.same({
      "0.000 192.0.2.1 INVITE", "0.050 192.0.2.2 200 INVITE", "0.100 192.0.2.1 ACK",
      "0.100 192.0.2.1 BYE", "0.150 192.0.2.2 200 BYE",
    }, net:flow())
  end)

  it("that is hung up a moment after the ACK has been answered", function()
    start { delay = 0.05 }
    local seen = {}
    bob:on_call(function(call)
      local scope <close> = setmetatable({}, { __close = function()
        seen[#seen + 1] = { sip_b.now(), "unwound" }
      end })
      assert.is_true(call:answer { sdp = SDP })
      seen[#seen + 1] = { sip_b.now(), call.state }
      call:wait()
      return scope
    end)
    sip_a.spawn(function()
      local peer = assert(alice:dial("sip:bob@" .. B, { sdp = SDP }))
      sip_a.sleep(0.001)
      peer:hangup()
    end)
    net:run()
    assert.same({ { 0.15, "answered" }, { 0.151, "unwound" } }, seen)
  end)

  for _, transport in ipairs { "udp", "tcp" } do
    it("stays on its transport from end to end: " .. transport, function()
      start()
      local by = {}
      bob:on_call(function(call)
        by[#by + 1] = select(3, call.tx:source())
        call:ring()
        sip_b.sleep(1)
        call:answer { sdp = SDP }
        call:wait()
      end)
      local status
      sip_a.spawn(function()
        local uri = ("sip:bob@%s;transport=%s"):format(B, transport)
        status = assert(alice:request { method = "OPTIONS", uri = uri }):status()
        local peer = assert(alice:dial(uri, { sdp = SDP }))
        by[#by + 1] = peer.response:via(1).transport:lower()
        sip_a.sleep(2)
        peer:hangup()
      end)
      net:run(10)
      assert.equal(200, status)
      assert.same({ transport, transport }, by)
      assert.same({
        "0.000 192.0.2.1 OPTIONS", "0.000 192.0.2.1 INVITE",
        "1.000 192.0.2.1 ACK", "3.000 192.0.2.1 BYE",
      }, net:flow(A))
      assert.same({
        "0.000 192.0.2.2 200 OPTIONS", "0.000 192.0.2.2 180 INVITE",
        "1.000 192.0.2.2 200 INVITE", "3.000 192.0.2.2 200 BYE",
      }, net:flow(B))
    end)
  end

  it("by TCP from who listens for datagrams only names where that is (C-85)", function()
    start()
    local carol, sip_c = net:endpoint("192.0.2.3", { listen = "udp:192.0.2.3:5060" })
    local contact
    bob:on_call(function(call)
      contact = call.request:header "Contact"
      call:answer { sdp = SDP }
      sip_b.sleep(1)
    end)
    local peer
    sip_c.spawn(function()
      peer = assert(carol:dial("sip:bob@192.0.2.2;transport=tcp", { sdp = SDP }))
      peer:wait()
    end)
    net:run(10)
    assert.equal("<sip:192.0.2.3:5060>", contact)
    assert.equal("ended", peer.state)
    assert.equal("1.000 192.0.2.2 BYE", net:flow(B)[2])
  end)

  -- @rfc 3261 18.1.1 MUST C-21
  it("goes by TCP when its INVITE is too large for UDP (C-21)", function()
    start()
    local transport
    bob:on_call(function(call)
      transport = select(3, call.tx:source())
      call:reject(486)
    end)
    sip_a.spawn(function()
      local headers = { ["X-Long"] = ("x"):rep(1500) }
      alice:dial("sip:bob@" .. B, { sdp = SDP, headers = headers })
    end)
    net:run()
    assert.equal("tcp", transport)
  end)
end)

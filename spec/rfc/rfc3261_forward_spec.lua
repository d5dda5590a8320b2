-- Passing messages on, by the primitives of a stack: RFC 3261 16.6, 16.7, 16.11, RFC
-- 3581, RFC 6026 8.9.  C-10, C-25, C-62, C-196, C-204, C-207, C-208, C-209, C-218,
-- C-220, C-221.

local relay_of = require "spec.support.relay"
local rig_of = require "spec.support.rig"

local request = rig_of.request

-- The lines of a message up to the empty one.
local function lines(bytes)
  local list = {}
  for line in bytes:match "^(.-\r\n)\r\n":gmatch "(.-)\r\n" do
    list[#list + 1] = line
  end
  return list
end

describe("a request that is passed on in a transaction", function()
  local rig

  before_each(function()
    rig = nil
  end)

  after_each(function()
    assert.same({}, rig.refused)
    rig:clean()
  end)

  -- @rfc 3261 16.6 MUST C-204
  -- @rfc 3261 16.6 MUST C-207
  -- @rfc 3261 16.6 MUST C-208
  it("is the bytes that came, a Via on top and one hop less", function()
    rig = relay_of.new { uri = "sip:bob@192.0.2.9", tail = "loop1",
      edits = { "set", "X-Routed-By", "luasip", "first", "Record-Route",
        "<sip:192.0.2.2;lr>" } }
    rig:say(request { method = "INVITE", length = false, extra = {
      "x-OWN :  kept  as it is", "X-Routed-By: somebody", "x-own: twice",
      "Subject: two", "\tlines" } })
    local heard = rig:take(rig.next)
    assert.equal(1, #heard)
    local got = lines(heard[1].bytes)
    local via = table.remove(got, 2)
    assert.truthy(via:find("^Via: SIP/2.0/UDP 192.0.2.2:5060;rport;branch=z9hG4bK"
      .. ("[0-9a-z]"):rep(20) .. "%.loop1$"), via)
    assert.same({
      "INVITE sip:bob@192.0.2.9 SIP/2.0",
      "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKpeer1",
      "Record-Route: <sip:192.0.2.2;lr>",
      "Max-Forwards: 69",
      "From: <sip:alice@192.0.2.1>;tag=a1",
      "To: <sip:bob@192.0.2.2>",
      "Call-ID: call-1",
      "CSeq: 1 INVITE",
      "Contact: <sip:alice@192.0.2.1>",
      "x-OWN :  kept  as it is",
      "X-Routed-By: luasip",
      "x-own: twice",
      "Subject: two  \tlines",
      "Content-Length: 0",
    }, got)
    assert.same({ "192.0.2.1", 5060, "udp" }, rig.sources)
    rig.answer(heard[1].bytes, 486)
    rig:say(request { method = "ACK", to_tag = "b1" })
  end)

  -- @rfc 3261 16.2 MUST C-196
  it("is not passed on again when it is repeated", function()
    rig = relay_of.new()
    local invite = request { method = "INVITE" }
    rig:say(invite)
    rig:say_at(0.1, invite)
    local heard = rig:take(rig.next)
    assert.equal(1, #heard)
    rig.answer(heard[1].bytes, 180)
    rig:say_at(0.3, invite)
    assert.same({ "0.100 180 INVITE", "0.300 180 INVITE" }, rig:heard())
    assert.same({}, rig:heard(rig.next))
    rig.answer(heard[1].bytes, 404)
    rig:say(request { method = "ACK", to_tag = "b1" })
  end)

  -- @rfc 3261 16.7 MUST C-209
  it("brings back responses without our Via, the rest untouched", function()
    rig = relay_of.new { up_edits = { "set", "Server", "p", "remove", "X-B", "" } }
    rig:say(request { method = "INVITE" })
    local forwarded = rig:take(rig.next)[1].bytes
    rig.answer(forwarded, 183, { extra = { "x-A:1", "X-B: 2", "x-a : 3" } })
    local got = lines(rig:take()[1].bytes)
    assert.same({
      "SIP/2.0 183 Said So",
      "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKpeer1",
      "From: <sip:alice@192.0.2.1>;tag=a1", "To: <sip:bob@192.0.2.2>;tag=b1",
      "Call-ID: call-1", "CSeq: 1 INVITE",
    }, table.move(got, 1, 6, 1, {}))
    assert.same({ "x-A:1", "x-a : 3", "Server: p" }, (function()
      local list = {}
      for _, line in ipairs(got) do
        if line:find "^x%-" or line:find "^X%-" or line:find "^Server" then
          list[#list + 1] = line
        end
      end
      return list
    end)())
    rig.answer(forwarded, 603)
    rig:say(request { method = "ACK", to_tag = "b1" })
  end)

  -- @rfc 6026 8.5 MUST C-62
  -- @rfc 6026 8.9 MUST C-220
  it("brings back every 2xx, and nothing else behind one", function()
    rig = relay_of.new()
    rig:say(request { method = "INVITE" })
    local forwarded = rig:take(rig.next)[1].bytes
    rig.answer(forwarded, 200, { to_tag = "one" })
    rig.answer(forwarded, 200, { to_tag = "two" })
    rig.answer(forwarded, 180, { to_tag = "two" })
    rig.answer(forwarded, 486, { to_tag = "three" })
    local tags = {}
    for i, event in ipairs(rig:take()) do
      tags[i] = event.message:status() .. " " .. event.message:to_tag()
    end
    assert.same({ "200 one", "200 two" }, tags)
  end)

  -- @rfc 3261 16.6 MUST C-221
  it("has its ACK to a failure from us, and that to a 2xx passed on", function()
    rig = relay_of.new()
    rig:say(request { method = "INVITE", via_more = ", SIP/2.0/UDP 192.0.2.77;branch="
      .. "z9hG4bKfar", extra = { "Route: <sip:192.0.2.9;lr>" } })
    local forwarded = rig:take(rig.next)[1].message
    rig.answer(forwarded, 486)
    local ack = rig:take(rig.next)[1].message
    assert.same({ "ACK", forwarded:branch(), 1, "<sip:192.0.2.9;lr>", "b1" },
      { ack:method(), ack:branch(), #ack:values "Via", ack:header "Route",
        ack:to_tag() })
    rig:say(request { method = "ACK", to_tag = "b1", via_more = ", SIP/2.0/UDP "
      .. "192.0.2.77;branch=z9hG4bKfar" })
    rig:say(request { method = "INVITE", number = 2, branch = "z9hG4bKpeer2" })
    rig.answer(rig:take(rig.next)[1].bytes, 200)
    rig:say(request { method = "ACK", number = 2, branch = "z9hG4bKpeer3",
      to_tag = "b1" })
    ack = rig:take(rig.next)[1].message
    assert.same({ "ACK", 2, 69 }, { ack:method(), #ack:values "Via",
      ack:max_forwards() })
  end)

  it("is cancelled with our Via and its route alone (9.1)", function()
    rig = relay_of.new()
    local route = { "Route: <sip:192.0.2.9;lr>" }
    rig:say(request { method = "INVITE", extra = route })
    local forwarded = rig:take(rig.next)[1].message
    rig.answer(forwarded, 180)
    rig:say(request { method = "CANCEL", extra = route })
    local cancel = rig:take(rig.next)[1].message
    assert.same({ "CANCEL", forwarded:branch(), 1, "<sip:192.0.2.9;lr>" },
      { cancel:method(), cancel:branch(), #cancel:values "Via",
        cancel:header "Route" })
    rig.answer(cancel, 200)
    rig.answer(forwarded, 487)
    assert.same({ "0.000 180 INVITE", "0.000 200 CANCEL", "0.000 487 INVITE" },
      rig:heard())
    rig:say(request { method = "ACK", to_tag = "b1" })
  end)

  -- @rfc 3261 18.2.1 MUST C-25
  it("says in the sender's Via where it came from (18.2.1, RFC 3581)", function()
    rig = relay_of.new()
    local cases = {
      { "phone.example", "", "phone.example;branch=%s;received=192.0.2.1" },
      { "192.0.2.1:5062", ";rport",
        "192.0.2.1:5062;branch=%s;received=192.0.2.1;rport=5060" },
      { "192.0.2.1", ";received=192.0.2.66",
        "192.0.2.1;branch=%s;received=192.0.2.1" },
      { "10.0.0.1", ";ttl=1, SIP/2.0/UDP b.example",
        "10.0.0.1;branch=%s;ttl=1;received=192.0.2.1, SIP/2.0/UDP b.example" },
      { "192.0.2.1:5060", " ; odd = 1", "192.0.2.1:5060;branch=%s ; odd = 1" },
    }
    for i, case in ipairs(cases) do
      local branch = "z9hG4bKcase" .. i
      rig:say(request { method = "OPTIONS", sent_by = case[1], via_more = case[2],
        branch = branch, number = i })
      local heard = rig:take(rig.next)[1]
      assert.equal("SIP/2.0/UDP " .. case[3]:format(branch),
        heard.message:header("Via", 2))
      rig.answer(heard.bytes, 200)
    end
  end)
end)

describe("a request that is passed on without a transaction", function()
  local rig

  after_each(function()
    assert.same({}, rig.refused)
    rig:clean()
  end)

  -- @rfc 3261 16.11 MUST C-218
  it("has a branch that is a function of it, and its responses find back", function()
    rig = relay_of.new { stateless = true, relay = true }
    rig:say(request { method = "INVITE" })
    rig:say_at(0.5, request { method = "INVITE" })
    rig:say_at(0.6, request { method = "CANCEL" })
    rig:say_at(0.7, request { method = "ACK", to_tag = "b1" })
    local heard = rig:take(rig.next)
    local got, branches = {}, {}
    for i, event in ipairs(heard) do
      got[i] = ("%.1f %s"):format(event.at, event.message:method())
      branches[event.message:branch()] = true
    end
    assert.same({ "0.0 INVITE", "0.5 INVITE", "0.6 CANCEL", "0.7 ACK" }, got)
    local branch = next(branches)
    assert.is_nil(next(branches, branch))
    assert.truthy(branch:find "^z9hG4bKs%w+$")
    rig.answer(heard[1].bytes, 100, { to_tag = false })
    rig.answer(heard[1].bytes, 200, { to_tag = "one" })
    rig.answer(heard[3].bytes, 200)
    assert.same({ "0.700 100 INVITE", "0.700 200 INVITE", "0.700 200 CANCEL" },
      rig:heard())
    assert.equal(0, rig.stack:stats().transactions)
    assert.equal(7, rig.stack:stats().passed)
  end)
end)

-- Passing messages on, by the primitives of a stack: RFC 3261 16.6, 16.7, 16.11, RFC
-- 3581, RFC 6026 8.9.  C-10, C-20, C-21, C-25, C-26, C-62, C-67, C-196, C-204, C-207,
-- C-208, C-209, C-217, C-218, C-220, C-221.

local core = require "sip.core"
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
      .. ("[0-9a-z]"):rep(26) .. "%.loop1$"), via)
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

-- 18.1.1: what is larger than 1300 bytes goes by TCP, and by UDP when that is refused.
describe("a large request that is passed on", function()
  local rig

  after_each(function()
    rig:clean()
  end)

  local function large(method, branch)
    return request { method = method, branch = branch, body = ("x"):rep(1200) }
  end

  -- @rfc 3261 18.1.1 MUST C-20
  it("goes by TCP, in a transaction or not", function()
    rig = relay_of.new { stream = true, next_stream = true }
    rig:say(large "OPTIONS")
    local heard = rig:take(rig.next_stream)
    assert.same({ "OPTIONS", "TCP" }, { heard[1].message:method(),
      heard[1].message:via().transport })
    assert.same({}, rig:heard(rig.next))
    rig.next_stream:write(heard[1].id, rig_of.response(heard[1].message, 200))
    rig:say(large("ACK", "z9hG4bKack"))
    heard = rig:take(rig.next_stream)
    assert.same({ "ACK", "TCP" }, { heard[1].message:method(),
      heard[1].message:via().transport })
    assert.same({}, rig:heard(rig.next))
  end)

  -- @rfc 3261 18.1.1 SHOULD C-21
  it("goes by UDP after all where nobody listens", function()
    rig = relay_of.new { stream = true }
    rig:say(large "OPTIONS")
    rig:say(large("ACK", "z9hG4bKack"))
    local heard, got = rig:take(rig.next), {}
    for i, event in ipairs(heard) do
      got[i] = event.message:method() .. " " .. event.message:via().transport
    end
    table.sort(got)
    assert.same({ "ACK UDP", "OPTIONS UDP" }, got)
    rig.answer(heard[1].message:method() == "OPTIONS" and heard[1].bytes
      or heard[2].bytes, 200)
    assert.same({ "0.000 200 OPTIONS" }, rig:heard())
  end)

  it("goes by UDP when we do not listen on TCP ourselves", function()
    rig = relay_of.new()
    rig:say(large("ACK", "z9hG4bKack"))
    assert.same({ "0.000 ACK" }, rig:heard(rig.next))
  end)

  it("is an ACK of our own too, sent again the same way", function()
    rig = relay_of.new { stream = true, next_stream = true }
    local spec = { method = "ACK", uri = "sip:b@192.0.2.9", body = ("x"):rep(1300),
      headers = { "From", "<sip:a@b>;tag=1", "To", "<sip:b@b>;tag=2", "Call-ID", "c",
        "CSeq", "1 ACK" }, host = "192.0.2.9", port = 5060 }
    local sent = assert(rig.stack:send(spec))
    rig:run(1)
    assert(sent:again())
    rig:run(2)
    assert.same({ "0.000 ACK", "1.000 ACK" }, rig:heard(rig.next_stream))
    spec.port = 5070
    local last = rig.far:raw { host = "192.0.2.9", port = 5070 }
    sent = assert(rig.stack:send(spec))
    rig:run(3)
    assert(sent:again())
    rig:run(4)
    assert.same({ "2.000 ACK", "3.000 ACK" }, rig:heard(last))
  end)
end)

describe("what cannot be passed on", function()
  local rig

  after_each(function()
    rig:clean()
  end)

  it("is said with a reason", function()
    rig = relay_of.new()
    rig:say(request { method = "OPTIONS" })
    rig.answer(rig:take(rig.next)[1].bytes, 200)
    local tx, message = rig:last "request"
    local _, response = rig:last "response"
    local stack, to = rig.stack, { host = "192.0.2.9" }
    local function forward(more)
      local spec = { message = message }
      for _, part in ipairs { to, more } do
        for key, value in pairs(part) do
          spec[key] = value
        end
      end
      return spec
    end
    local function why(_, name, text)
      return name .. ": " .. text
    end
    assert.equal("invalid: a response is no request",
      why(stack:forward(forward { message = response })))
    assert.equal("invalid: the tail of a branch is a token of at most 64 bytes",
      why(stack:forward(forward { tail = "a b" })))
    assert.equal("invalid: the tail of a branch is a token of at most 64 bytes",
      why(stack:forward(forward { tail = ("x"):rep(65) })))
    assert.equal("invalid: a branch is a token of at most 96 bytes",
      why(stack:pass(forward { branch = ("x"):rep(97) })))
    assert.equal("invalid: a header value with CR, LF or NUL",
      why(stack:forward(forward { edits = { "set", "X", "a\r\nY: b" } })))
    assert.equal("limit: the message is too large",
      why(stack:forward(forward { edits = { "set", "X", ("x"):rep(65500) } })))
    assert.equal("invalid: no listening address of this transport and family",
      why(stack:forward(forward { host = "2001:db8::1" })))
    local ack = core.parse(request { method = "ACK" })
    assert.equal("invalid: ACK and CANCEL have no transaction of their own to be sent "
      .. "on in", why(stack:forward(forward { message = ack })))
    assert.equal("state: the transaction has had its final response",
      why(tx:forward(response)))
    assert.equal("state: the transaction has had its final response", why(tx:drop()))
    assert.equal("invalid: no Via says where responses go",
      why(stack:stateless_branch(core.parse(request()))))
  end)

  -- @rfc 4320 4.2 MUST C-67
  it("is a 408 to what is no INVITE", function()
    rig = relay_of.new()
    rig:say(request { method = "OPTIONS" })
    local forwarded = rig:take(rig.next)[1].bytes
    rig.answer(forwarded, 408)
    assert.same({}, rig:heard())
    assert.same({ "invalid: RFC 4320 forbids this status for this method" },
      rig.refused)
    rig:last("request"):respond(500)
  end)

  it("is an ACK or a stray 2xx for scripts that do not keep up", function()
    rig = relay_of.new { limits = { events = 0 } }
    rig:say(request { method = "ACK" })
    assert.same({}, rig:told())
    rig:request { method = "INVITE" }
    rig:run(0)
    local invite = rig:take()[1].message
    rig:run(40)
    assert.same({ "32.000 failed timeout", "32.000 ended" }, rig:told())
    rig:say(rig_of.response(invite, 200))
    assert.same({}, rig:told())
    assert.equal(2, rig.stack:stats().refused)
  end)
end)

describe("a seal", function()
  it("is a function of the text and the secret", function()
    local function seals(secret, seed)
      local rig = rig_of.new { secret = secret, seed = seed }
      local one, two = rig.stack:seal "one", rig.stack:seal "two"
      rig:clean()
      assert.equal(13, #one)
      assert.is_nil(one:find "[^0-9a-v]")
      assert.not_equal(one, two)
      return one
    end
    assert.equal(seals("0123456789abcdef", 1), seals("0123456789abcdef", 2))
    assert.not_equal(seals("0123456789abcdef"), seals("0123456789abcdeF"))
    assert.not_equal(seals(nil, 1), seals(nil, 2))
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

  it("finds back by received, rport and maddr, never by a name (18.2.2)", function()
    local function socket(port)
      return rig.far:raw { host = rig_of.PEER, port = port }
    end
    rig = relay_of.new { stateless = true }
    local by_port, by_maddr = socket(5071), rig.far:raw { host = "192.0.2.9",
      port = 5072 }
    local cases = {
      { "phone.example", "", rig.peer }, { "10.0.0.1:5071", "", by_port },
      { "10.0.0.1:5071", ";rport", rig.peer },
      { "192.0.2.1:5072", ";maddr=192.0.2.9", by_maddr },
      { "192.0.2.1", ";maddr=host.example", rig.peer },
    }
    for i, case in ipairs(cases) do
      rig:say(request { sent_by = case[1], via_more = case[2], number = i,
        branch = "z9hG4bKv" .. i })
      rig.answer(rig:take(rig.next)[1].bytes, 200)
      assert.same({ "0.000 200 OPTIONS" }, rig:heard(case[3]), case[1] .. case[2])
    end
    assert.equal(0, rig.stack:stats().stray)
  end)

  it("brings nothing to where its request did not come from", function()
    rig = relay_of.new { stateless = true }
    rig:say(request { via_more = ";rport" })
    local bytes = rig:take(rig.next)[1].bytes
    for from, to in pairs {
      ["received=192%.0%.2%.1"] = "received=192.0.2.9",
      ["rport=5060"] = "rport=5061", ["branch=z9hG4bKpeer1"] = "branch=z9hG4bKpeer2",
      ["tag=a1"] = "tag=a2", ["call%-1"] = "call-2", ["1 OPTIONS"] = "2 OPTIONS",
      ["192%.0%.2%.2:5060"] = "192.0.2.2:5061", ["z9hG4bKs0."] = "z9hG4bKs0-",
    } do
      local spoilt, count = bytes:gsub(from, to)
      assert.equal(1, count, from)
      rig.answer(spoilt, 200)
    end
    rig.answer(bytes, 408) -- RFC 4320 4.2
    assert.same({}, rig:heard())
    assert.equal(9, rig.stack:stats().stray)
    rig.answer(bytes, 200)
    assert.same({ "0.000 200 OPTIONS" }, rig:heard())
  end)

  -- @rfc 3261 16.10 MUST C-217
  it("may be a CANCEL of nothing that is known, when the stack relays", function()
    rig = relay_of.new { stateless = true, relay = true }
    rig:say(request { method = "CANCEL" })
    assert.same({ "0.000 CANCEL" }, rig:heard(rig.next))
    assert.same({}, rig:heard())
    rig:clean()
    rig = relay_of.new { stateless = true }
    rig:say(request { method = "CANCEL" })
    assert.same({}, rig:heard(rig.next))
    assert.same({ "0.000 481 CANCEL" }, rig:heard())
  end)

  -- @rfc 3261 18.2.2 MUST C-26
  it("comes back over the connection that it came by, or a new one", function()
    rig = relay_of.new { stateless = true, stream = true }
    for i, gone in ipairs { false, true } do
      local id = rig.stream:connect(rig_of.OURS, 5060)
      rig.stream:write(id, request { method = "OPTIONS", transport = "TCP",
        via_more = i == 1 and ";rport" or "", branch = "z9hG4bKt" .. i })
      rig:run(rig.world:now())
      local bytes = rig:take(rig.next)[1].bytes
      if gone then
        rig.stream:shut(id)
        rig:run(rig.world:now())
      end
      rig:take(rig.stream)
      rig.answer(bytes, 200)
      local heard = rig:take(rig.stream)
      assert.equal(200, heard[1].message:status())
      assert.equal(not gone, heard[1].id == id)
    end
  end)

  it("comes back from the socket that it came to (RFC 3581 4)", function()
    rig = relay_of.new { stateless = true }
    assert(rig.stack:listen { transport = "udp", host = rig_of.OURS, port = 5080 })
    assert(rig.peer:send(rig_of.OURS, 5080, request { via_more = ";rport" }))
    rig:run(0)
    rig.answer(rig:take(rig.next)[1].bytes, 200)
    local heard = rig:take()
    assert.same({ 200, "192.0.2.2:5080" }, { heard[1].message:status(), heard[1].from })
  end)
end)

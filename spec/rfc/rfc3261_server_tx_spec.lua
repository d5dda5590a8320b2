-- Server transactions: RFC 3261 17.2, 9.2, 8.2.2.2, 8.2.6, 8.2.7. C-58 to C-61, C-63
-- to C-65, C-68, C-72, C-77, C-78, C-79, C-115. Virtual time, exact to the millisecond.

local core = require "sip.core"
local rig_of = require "spec.support.rig"

local request = rig_of.request

local function ack(fields)
  local all = { method = "ACK" }
  for key, value in pairs(fields or {}) do
    all[key] = value
  end
  return request(all)
end

describe("an INVITE server transaction", function()
  local rig, tx

  local function start(options, fields)
    rig = rig_of.new(options)
    rig.on.request = function(object)
      tx = object
    end
    local invite = { method = "INVITE" }
    for key, value in pairs(fields or {}) do
      invite[key] = value
    end
    rig:say(request(invite))
    assert.same({ "0.000 request INVITE" }, rig:told())
  end

  after_each(function()
    if tx then
      tx:respond(500)
    end
    tx = nil
    rig:clean()
  end)

  -- @rfc 3261 17.2.1 MUST C-58
  it("sends 100 by itself after 200 ms", function()
    start(nil, { extra = { "Timestamp: 54.2" } })
    rig:run(10)
    local got = rig:take()
    assert.equal(1, #got)
    assert.equal(0.2, got[1].at)
    assert.equal(100, got[1].message:status())
    assert.is_nil(got[1].message:to_tag())
  end)

  -- @rfc 3261 17.2.1 MUST C-58
  it("sends it however much there is to copy", function()
    local long = "SIP/2.0/UDP h;x=" .. ("y"):rep(50000)
    start({ limits = { header_bytes = 60000 } }, { via_more = "\r\nVia: " .. long })
    rig:run(10)
    local bytes = rig:take()[1].bytes
    assert.truthy(bytes:find "^SIP/2.0 100 " and bytes:find(long .. "\r\n", 1, true))
  end)

  -- @rfc 3261 8.2.6.1 MUST C-78
  it("copies Timestamp into its 100, with the delay", function()
    start(nil, { extra = { "Timestamp: 54.2" } })
    rig:run(10)
    assert.equal("54.2 0.200", rig:take()[1].message:header "Timestamp")
  end)

  -- @rfc 3261 17.2.1 MUST C-58
  it("sends no 100 when its user was quicker", function()
    start()
    rig:run(0.1)
    assert.is_true(tx:respond(180))
    rig:run(10)
    assert.same({ "0.100 180 INVITE" }, rig:heard())
  end)

  -- @rfc 3261 17.2.1 MUST C-59
  it("answers a repeated INVITE with its last provisional", function()
    start()
    rig:say_at(0.1, request { method = "INVITE" })
    assert.same({}, rig:heard())
    rig:say_at(0.5, request { method = "INVITE" })
    assert.same({ "0.200 100 INVITE", "0.500 100 INVITE" }, rig:heard())
    tx:respond(180)
    tx:respond(183)
    rig:say_at(1.5, request { method = "INVITE" })
    assert.same({ "0.500 180 INVITE", "0.500 183 INVITE", "1.500 183 INVITE" },
      rig:heard())
    assert.same({}, rig:told())
    assert.equal(3, rig.stack:stats().repeats_received)
  end)

  -- @rfc 3261 17.2.1 MUST C-60
  it("repeats a failure until its ACK, which it absorbs", function()
    start()
    tx:respond(486)
    rig:run(0)
    assert.same({ "0.000 486 INVITE" }, rig:heard())
    rig:run(3.6)
    assert.same({ 0.5, 1.5, 3.5 }, rig:instants "486")
    rig:say_at(3.6, request { method = "INVITE" })
    assert.same({ "3.600 486 INVITE" }, rig:heard())
    rig:say(ack())
    assert.equal("confirmed", tx:state())
    rig:say_at(4, ack())
    rig:say_at(5, request { method = "INVITE" })
    rig:run(8.599)
    assert.equal("confirmed", tx:state())
    rig:run()
    assert.same({}, rig:heard())
    assert.same({ "8.600 ended" }, rig:told())
  end)

  -- @rfc 3261 17.2.1 MUST C-60
  it("repeats from T1 to T2, and gives up at 64*T1", function()
    start()
    tx:respond(486)
    rig:run()
    assert.same({ 0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5 },
      rig:instants "486")
    assert.same({ "32.000 failed timeout", "32.000 ended" }, rig:told())
  end)

  -- @rfc 3261 17.2.1 MUST C-60
  it("takes an ACK only for what it is", function()
    start()
    tx:respond(486)
    rig:say(ack { branch = "z9hG4bKother" })
    assert.equal("completed", tx:state())
    assert.same({ "0.000 ack ACK" }, rig:told())
    rig:say(ack())
    assert.equal("confirmed", tx:state())
    assert.same({}, rig:told())
  end)

  -- @rfc 3261 17.2.1 MUST C-61
  it("sends a failure once on a stream, and ends with its ACK", function()
    rig = rig_of.new { stream = true }
    rig.on.request = function(object)
      tx = object
    end
    local id = rig.stream:connect(rig_of.OURS, 5060)
    rig.stream:write(id, request { method = "INVITE", transport = "TCP" })
    rig:run(0)
    tx:respond(486)
    rig:run(20)
    assert.same({ "0.000 486 INVITE" }, rig:heard(rig.stream))
    rig.stream:write(id, ack { transport = "TCP" })
    rig:run(20)
    assert.same({ "0.000 request INVITE", "20.000 ended" }, rig:told())
  end)

  -- @rfc 3261 17.2.1 MUST C-61
  it("waits for the ACK on a stream no longer than 64*T1", function()
    rig = rig_of.new { stream = true }
    rig.on.request = function(object)
      tx = object
      tx:respond(486)
    end
    local id = rig.stream:connect(rig_of.OURS, 5060)
    rig.stream:write(id, request { method = "INVITE", transport = "TCP" })
    rig:run(40)
    assert.same({ "0.000 486 INVITE" }, rig:heard(rig.stream))
    assert.same({ "0.000 request INVITE", "32.000 failed timeout", "32.000 ended" },
      rig:told())
  end)

  -- @rfc 3261 8.2.6.2 MUST C-77
  it("copies what a response copies, and tags all but 100", function()
    start(nil, { via_more = "\r\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKfar" })
    tx:respond(180)
    tx:respond(486, { reason = "No", headers = { "X-Y", "z" } })
    rig:run(0)
    local got = rig:take()
    local one, two = got[1].message, got[2].message
    assert.equal("<sip:alice@192.0.2.1>;tag=a1", two:header "From")
    assert.equal("call-1", two:header "Call-ID")
    assert.equal("1 INVITE", two:header "CSeq")
    assert.equal("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKpeer1", two:header "Via")
    assert.equal("SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKfar", two:header("Via", 2))
    assert.is_true(#two:to_tag() >= 8)
    assert.equal(tx:tag(), two:to_tag())
    assert.equal(one:to_tag(), two:to_tag())
    assert.equal("No", two:reason())
    assert.equal("z", two:header "X-Y")
  end)

  it("takes one final, and nothing after it (C-115)", function()
    start()
    assert.is_true(tx:respond(486))
    for _, status in ipairs { 180, 200, 486, 500 } do
      local ok, name = tx:respond(status)
      assert.is_nil(ok)
      assert.equal("state", name)
    end
    rig:run(0)
    assert.same({ "0.000 486 INVITE" }, rig:heard())
  end)
end)

describe("a non-INVITE server transaction", function()
  local rig, tx

  before_each(function()
    rig = rig_of.new()
    rig.on.request = function(object)
      tx = object
    end
    rig:say(request())
  end)

  after_each(function()
    tx:respond(500)
    rig:clean()
  end)

  -- @rfc 3261 17.2.2 MUST C-63
  it("absorbs repeats in Trying", function()
    rig:say_at(0.5, request())
    rig:say_at(1.5, request())
    assert.same({}, rig:heard())
    assert.same({ "0.000 request OPTIONS" }, rig:told())
    assert.equal("trying", tx:state())
  end)

  -- @rfc 3261 17.2.2 MUST C-63
  it("repeats its final for each repeat, until timer J", function()
    tx:respond(200)
    assert.equal("completed", tx:state())
    rig:say_at(0.5, request())
    rig:say_at(31.9, request())
    assert.same({ "0.000 200 OPTIONS", "0.500 200 OPTIONS", "31.900 200 OPTIONS" },
      rig:heard())
    rig:run()
    assert.same({ "0.000 request OPTIONS", "32.000 ended" }, rig:told())
    rig:say_at(33, request())
    assert.same({ "33.000 request OPTIONS" }, rig:told())
  end)

  -- @rfc 3261 17.2.2 MUST C-63
  it("refuses another final", function()
    tx:respond(200)
    assert.equal("state", select(2, tx:respond(404)))
    rig:run(0)
    assert.same({ "0.000 200 OPTIONS" }, rig:heard())
  end)
end)

describe("a non-INVITE server transaction over a stream", function()
  -- @rfc 3261 17.2.2 MUST C-63
  it("ends with its final: timer J is zero", function()
    local rig = rig_of.new { stream = true }
    local tx
    rig.on.request = function(object)
      tx = object
      tx:respond(200)
    end
    local id = rig.stream:connect(rig_of.OURS, 5060)
    rig.stream:write(id, request { transport = "TCP" })
    rig:run(0)
    assert.same({ "0.000 200 OPTIONS" }, rig:heard(rig.stream))
    assert.equal("terminated", tx:state())
    assert.same({ "0.000 request OPTIONS", "0.000 ended" }, rig:told())
    rig:clean()
  end)
end)

describe("matching a request", function()
  local rig, seen

  before_each(function()
    rig = rig_of.new()
    seen = {}
    rig.on.request = function(object)
      seen[#seen + 1] = object
    end
  end)

  after_each(function()
    for _, tx in ipairs(seen) do
      tx:respond(500)
    end
    rig:clean()
  end)

  -- @rfc 3261 17.2.3 MUST C-64
  it("goes by branch, sent-by and method", function()
    rig:say(request())
    rig:say(request())
    assert.equal(1, #seen)
    rig:say(request { sent_by = "192.0.2.1:5061" })
    assert.equal(2, #seen)
    rig:say(request { branch = "z9hG4bKother" })
    assert.equal(3, #seen)
    rig:say(request { method = "MESSAGE" })
    assert.equal(4, #seen)
    rig:say(request { sent_by = "192.0.2.1:5060" }) -- the default, written out
    assert.equal(4, #seen)
    rig:say(request { from = "<sip:a@192.0.2.1>;tag=x" }) -- the branch decides
    assert.equal(4, #seen)
    -- A branch used twice for different requests is a peer's mistake; both are heard.
    rig:say(request { number = 2 })
    rig:say(request { call_id = "another" })
    assert.equal(6, #seen)
  end)

  -- @rfc 3261 17.2.3 MUST C-64
  it("compares sent-by without case", function()
    rig:say(request { sent_by = "Host.Example" })
    rig:say(request { sent_by = "hOST.eXAMPLE" })
    assert.equal(1, #seen)
  end)

  -- @rfc 3261 17.2.3 MUST C-65
  it("goes by the rules of RFC 2543 without the magic cookie", function()
    local function old(fields)
      fields.branch = fields.branch or "1"
      return request(fields)
    end
    rig:say(old {})
    rig:say(old {})
    assert.equal(1, #seen)
    rig:say(old { uri = "sip:carol@192.0.2.2" })
    rig:say(old { number = 2 })
    rig:say(old { call_id = "call-2" })
    rig:say(old { from_tag = "a2" })
    rig:say(old { to_tag = "b2" })
    rig:say(old { sent_by = "192.0.2.1:5064" })
    rig:say(old { branch = "2" })
    assert.equal(8, #seen)
  end)

  -- @rfc 3261 17.2.3 MUST C-65
  it("finds the INVITE of an ACK of RFC 2543, by its To tag", function()
    for i, status in ipairs { 486, 401, 500 } do
      local id = "acked" .. i
      local function say(method, tag)
        rig:say(request { method = method, branch = "1", call_id = id, to_tag = tag })
      end
      say "INVITE"
      local tx = seen[#seen]
      tx:respond(status)
      rig:run(rig.world:now())
      local tag = rig:take()[1].message:to_tag()
      assert.equal(tx:tag(), tag)
      say("ACK", tag .. "x")
      say "ACK"
      assert.equal("completed", tx:state())
      say("ACK", tag)
      assert.equal("confirmed", tx:state())
    end
    rig:run(rig.world:now() + 2)
    assert.same({}, rig:heard())
  end)

  -- @rfc 3261 17.2.3 MUST C-65
  it("and the tag is that of the response, whoever has made it", function()
    local invite = request { method = "INVITE", branch = "1" }
    rig:say(invite)
    assert(seen[1]:forward(core.parse(rig_of.response(invite, 486, {
      to_tag = "theirs",
      via = { "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKours", "SIP/2.0/UDP 192.0.2.1;"
        .. "branch=1" },
    })), {}))
    rig:run(0)
    assert.equal("theirs", rig:take()[1].message:to_tag())
    rig:say(request { method = "ACK", branch = "1", to_tag = seen[1]:tag() })
    assert.equal("completed", seen[1]:state())
    rig:say(request { method = "ACK", branch = "1", to_tag = "theirs" })
    assert.equal("confirmed", seen[1]:state())
  end)

  -- @rfc 3261 17.2.3 MUST C-65
  it("cancels by the rules of RFC 2543 too", function()
    rig:say(request { method = "INVITE", branch = "1" })
    rig:say(request { method = "CANCEL", branch = "1" })
    assert.same({ "0.000 request INVITE", "0.000 cancel CANCEL" }, rig:told())
    assert.same({ "0.000 200 CANCEL" }, rig:heard())
  end)

  -- @rfc 3261 8.2.2.2 SHOULD C-72
  it("notices a request that came by two ways", function()
    rig:say(request { method = "INVITE" })
    rig:say(request { method = "INVITE", branch = "z9hG4bKsecond" })
    assert.equal(2, #seen)
    assert.is_false(seen[1]:is_merged())
    assert.is_true(seen[2]:is_merged())
    rig:say(request { method = "INVITE", branch = "z9hG4bKthird", number = 2 })
    rig:say(request { method = "INVITE", branch = "z9hG4bKfourth", to_tag = "x" })
    rig:say(request { method = "INVITE", branch = "z9hG4bKfifth", from_tag = "x" })
    rig:say(request { method = "OPTIONS", branch = "z9hG4bKsixth" })
    for i = 3, 6 do
      assert.is_false(seen[i]:is_merged())
    end
  end)
end)

describe("a CANCEL that comes", function()
  local rig, tx

  before_each(function()
    rig = rig_of.new()
    rig.on.request = function(object)
      tx = object
    end
    rig:say(request { method = "INVITE" })
    rig:told()
  end)

  after_each(function()
    tx:respond(500)
    rig:clean()
  end)

  -- @rfc 3261 9.2 MUST C-115
  it("is answered 200 with the To tag of its INVITE, and told once", function()
    tx:respond(180)
    rig:run(0)
    rig:say(request { method = "CANCEL" })
    rig:say_at(0.5, request { method = "CANCEL" })
    local got = rig:take()
    assert.same({ 180, 200, 200 }, { got[1].message:status(), got[2].message:status(),
      got[3].message:status() })
    assert.equal("1 CANCEL", got[2].message:header "CSeq")
    assert.equal(got[1].message:to_tag(), got[2].message:to_tag())
    assert.same({ "0.000 cancel CANCEL" }, rig:told())
    tx:respond(487)
    rig:say(request { method = "ACK" })
    assert.same({ "0.500 487 INVITE" }, rig:heard())
  end)

  -- @rfc 3261 9.2 MUST C-115
  it("has the tag that the INVITE's answer will have", function()
    rig:say(request { method = "CANCEL" })
    tx:respond(487)
    rig:run(0)
    local got = rig:take()
    assert.equal(got[1].message:to_tag(), got[2].message:to_tag())
    rig:say(request { method = "ACK" })
  end)

  -- @rfc 3261 9.2 MUST C-115
  it("is answered 481 when it cancels nothing", function()
    rig:say(request { method = "CANCEL", branch = "z9hG4bKnobody" })
    rig:say(request { method = "CANCEL", sent_by = "192.0.2.1:5099" })
    assert.same({ "0.000 481 CANCEL" }, rig:heard())
    assert.same({}, rig:told())
  end)

  -- @rfc 3261 9.2 MUST C-115
  it("has no effect after the final response", function()
    tx:respond(200)
    rig:say(request { method = "CANCEL" })
    assert.same({ "0.000 200 INVITE", "0.000 200 CANCEL" }, rig:heard())
    assert.same({}, rig:told())
  end)

  -- @rfc 3261 9.2 MUST C-115
  it("for another method than INVITE is answered, and does nothing", function()
    tx:respond(500)
    rig:run(0)
    rig:take()
    rig:say(request { branch = "z9hG4bKoptions", number = 7 })
    local options = tx
    rig:say(request { method = "CANCEL", branch = "z9hG4bKoptions", number = 7 })
    assert.same({ "0.000 200 CANCEL" }, rig:heard())
    assert.same({ "0.000 request OPTIONS" }, rig:told())
    options:respond(200)
    assert.same({}, rig:told())
  end)
end)

describe("an answer without a transaction", function()
  local rig

  before_each(function()
    rig = rig_of.new { limits = { transactions = 0 } }
  end)

  after_each(function()
    rig:clean()
  end)

  -- @rfc 3261 8.2.7 MUST C-79
  it("is the same for a repeated request", function()
    rig:say(request())
    rig:say_at(0.5, request())
    rig:say(request { branch = "z9hG4bKother" })
    local got = rig:take()
    assert.equal(3, #got)
    assert.equal(503, got[1].message:status())
    assert.equal("5", got[1].message:header "Retry-After")
    assert.equal(got[1].bytes, got[2].bytes)
    assert.not_equal(got[1].message:to_tag(), got[3].message:to_tag())
  end)

  -- @rfc 3261 8.2.7 MUST C-79
  it("is never given to an ACK", function()
    rig:say(request { method = "ACK", max_forwards = "not a number" })
    rig:run(1)
    assert.same({}, rig:heard())
  end)

  -- @rfc 3261 8.2.7 MUST C-79
  it("is no 1xx, and is not sent again by itself", function()
    rig:say(request { method = "INVITE" })
    rig:run(100)
    assert.same({ "0.000 503 INVITE" }, rig:heard())
  end)

  -- @rfc 3261 8.2.7 MUST C-79
  it("is not disturbed by its ACK, which nobody is told of", function()
    rig:say(request { method = "INVITE" })
    local tag = rig:take()[1].message:to_tag()
    rig:say(request { method = "ACK", to_tag = tag })
    rig:say(request { method = "ACK", to_tag = tag, branch = "z9hG4bKofa200" })
    assert.same({}, rig:heard())
    assert.same({ "0.000 ack ACK" }, rig:told()) -- the one that may be to a 2xx
  end)

  -- @rfc 3261 8.2.7 MUST C-79
  it("is never given to a CANCEL", function()
    rig:say(request { method = "INVITE" })
    rig:take()
    rig:say(request { method = "CANCEL" })
    rig:say(request { method = "CANCEL", branch = "z9hG4bKother" })
    assert.same({}, rig:heard())
    assert.same({}, rig:told())
    assert.equal(0, rig.stack:stats().transactions)
  end)
end)

describe("a CANCEL when there are too many transactions", function()
  -- @rfc 3261 9.2 MUST C-115
  it("still ends its INVITE", function()
    local rig = rig_of.new { limits = { transactions = 1 } }
    rig.on.cancel = function(object)
      object:respond(487)
    end
    rig:say(request { method = "INVITE" })
    rig:say(request { method = "OPTIONS", branch = "z9hG4bKother" })
    rig:say(request { method = "CANCEL" })
    assert.same({ "0.000 503 OPTIONS", "0.000 200 CANCEL", "0.000 487 INVITE" },
      rig:heard())
    rig:say(request { method = "ACK" })
    rig:clean()
  end)
end)

describe("a malformed request", function()
  local rig

  before_each(function()
    rig = rig_of.new()
  end)

  after_each(function()
    rig:clean()
  end)

  it("is answered 400, and the same again (C-79)", function()
    rig:say(request { cseq = "1 REGISTER" })
    rig:say(request { cseq = "1 REGISTER" })
    local got = rig:take()
    assert.equal(400, got[1].message:status())
    assert.equal(got[1].bytes, got[2].bytes)
    assert.same({}, rig:told())
    assert.equal(2, rig.stack:stats().malformed)
  end)

  -- @rfc 3261 8.2.7 MUST C-79
  it("that is an ACK or a CANCEL is dropped (C-79)", function()
    for _, method in ipairs { "ACK", "CANCEL" } do
      rig:say(request { method = method, cseq = "1 REGISTER" })
      rig:say(request { method = method, max_forwards = "many" })
    end
    assert.same({}, rig:heard())
    assert.same({}, rig:told())
  end)

  -- @rfc 3261 8.2.7 MUST C-79
  it("that is an INVITE gets no 1xx, and its ACK is not heard of", function()
    rig:say(request { method = "INVITE", max_forwards = "many" })
    local tag = rig:take()[1].message:to_tag()
    rig:say(request { method = "ACK", to_tag = tag })
    rig:run(100)
    assert.same({}, rig:heard())
    assert.same({}, rig:told())
  end)

  -- @rfc 3261 9.2 SHOULD C-115
  it("leaves nothing to cancel: a sound CANCEL is answered 481", function()
    rig:say(request { method = "INVITE", max_forwards = "many" })
    rig:say(request { method = "CANCEL" })
    assert.same({ "0.000 400 INVITE", "0.000 481 CANCEL" }, rig:heard())
    assert.same({}, rig:told())
  end)
end)

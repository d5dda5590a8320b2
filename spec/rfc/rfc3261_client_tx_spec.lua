-- Client transactions: RFC 3261 17.1, 9.1 and 8.1, RFC 6026 8.4. C-23, C-24, C-36,
-- C-48 to C-55, C-84, C-89, C-114, C-117. Virtual time, exact to the millisecond.

local rig_of = require "spec.support.rig"
local simulated = require "spec.support.simulated"

local response = rig_of.response

describe("an INVITE client transaction", function()
  local rig, tx

  local function start(options)
    rig = rig_of.new(options)
    tx = rig:request { method = "INVITE" }
    rig:run(0)
    return rig:take()[1].message
  end

  after_each(function()
    rig:clean()
  end)

  -- @rfc 3261 17.1.1.2 MUST C-48
  -- @rfc 3261 17.1.1.2 MUST C-49
  it("sends seven times, doubling, then times out at 64*T1", function()
    start()
    rig:run()
    assert.same({ 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 }, rig:instants "INVITE")
    assert.same({ "32.000 failed timeout", "32.000 ended" }, rig:told())
    assert.equal("terminated", tx:state())
  end)

  -- @rfc 3261 17.1.1.2 MUST C-48
  it("takes its intervals from T1", function()
    start { t1 = 0.1 }
    rig:run()
    assert.same({ 0.1, 0.3, 0.7, 1.5, 3.1, 6.3 }, rig:instants "INVITE")
    assert.same({ "6.400 failed timeout", "6.400 ended" }, rig:told())
  end)

  -- @rfc 3261 17.1.1.2 MUST C-50
  it("stops repeating with a provisional, and waits without end", function()
    local invite = start()
    rig:say_at(0.7, response(invite, 180))
    rig:say_at(100, response(invite, 183))
    assert.equal("proceeding", tx:state())
    assert.same({ "0.500 INVITE" }, rig:heard())
    assert.same({ "0.700 response 180", "100.000 response 183" }, rig:told())
    rig:say(response(invite, 486))
    assert.same({ "100.000 response 486" }, rig:told())
  end)

  -- @rfc 3261 17.1.1.2 MUST C-50
  it("is stopped by a 100 that its user never sees", function()
    local invite = start()
    rig:say_at(0.1, response(invite, 100, { to_tag = false }))
    rig:run(40)
    assert.same({}, rig:heard())
    assert.same({}, rig:told())
    assert.equal("proceeding", tx:state())
    rig:say(response(invite, 603))
  end)

  -- @rfc 3261 17.1.1.3 MUST C-51
  it("acknowledges a failure with an ACK made of its INVITE", function()
    rig = rig_of.new()
    rig:request { method = "INVITE", number = 17, uri = "sip:carol@chicago.example",
      headers = { "Route", "<sip:192.0.2.1;lr>", "Route", "<sip:p2.example;lr>",
        "Max-Forwards", "70", "Contact", "<sip:bob@192.0.2.2>",
        "Require", "nothing" } }
    rig:run(0)
    local invite = rig:take()[1].message
    rig:say(response(invite, 404, { to_tag = "z77" }))
    local ack = rig:take()[1].message
    assert.equal("ACK", ack:method())
    assert.equal("sip:carol@chicago.example", ack:uri())
    assert.equal(invite:header "Via", ack:header "Via")
    assert.is_nil(ack:header("Via", 2))
    assert.equal(invite:header "From", ack:header "From")
    assert.equal("<sip:alice@192.0.2.1>;tag=z77", ack:header "To")
    assert.equal(invite:header "Call-ID", ack:header "Call-ID")
    assert.equal("17 ACK", ack:header "CSeq")
    assert.equal("<sip:192.0.2.1;lr>", ack:header "Route")
    assert.equal("<sip:p2.example;lr>", ack:header("Route", 2))
    assert.is_nil(ack:header "Require")
    assert.equal("", ack:body())
  end)

  -- @rfc 3261 17.1.1.3 MUST C-51
  it("acknowledges a failure, however long the route and the To are", function()
    rig = rig_of.new { stream = true }
    local route = ("<sip:%s.example;lr>"):format(("p"):rep(30000))
    local tag = ("z"):rep(30000)
    rig:request { method = "INVITE", transport = "tcp", headers = { "Route", route } }
    rig:run(0)
    local got = rig:take(rig.stream)
    rig.stream:write(got[#got].id, response(got[#got].message, 404, { to_tag = tag }))
    rig:run(0)
    local ack = rig:take(rig.stream)[1].bytes
    assert.truthy(ack:find("^ACK ") and ack:find(";tag=" .. tag .. "\r\n", 1, true))
    assert.truthy(ack:find("\r\nRoute: " .. route .. "\r\n", 1, true))
  end)

  -- @rfc 3261 17.1.1.3 MUST C-51
  it("sends its ACK where the INVITE went, whoever answered", function()
    local invite = start()
    rig:say(response(invite, 486), 5999)
    assert.same({ "0.000 response 486" }, rig:told())
    assert.same({ "0.000 ACK" }, rig:heard())
    assert.same({}, rig.sockets[5999]:take())
  end)

  -- @rfc 3261 17.1.1.2 MUST C-52
  it("answers a repeated failure itself until timer D", function()
    local invite = start()
    rig:say_at(1, response(invite, 486))
    rig:say_at(1.5, response(invite, 486))
    rig:say_at(32.9, response(invite, 486))
    assert.same({ "0.500 INVITE", "1.000 ACK", "1.500 ACK", "32.900 ACK" }, rig:heard())
    assert.same({ "1.000 response 486" }, rig:told())
    assert.equal("completed", tx:state())
    rig:run(33)
    assert.same({ "33.000 ended" }, rig:told())
    rig:say_at(33.1, response(invite, 486))
    assert.same({}, rig:heard())
    assert.same({}, rig:told())
  end)

  -- @rfc 3261 17.1.1.2 MUST C-52
  it("absorbs in Completed whatever else comes", function()
    local invite = start()
    rig:say(response(invite, 486))
    rig:say_at(1, response(invite, 180))
    rig:say_at(2, response(invite, 200))
    assert.same({ "0.000 ACK" }, rig:heard())
    assert.same({ "0.000 response 486" }, rig:told())
  end)

  -- @rfc 3261 17.1.1.2 MUST C-52
  it("keeps timer D at 32 s when T1 is shorter", function()
    local invite = start { t1 = 0.1 }
    rig:say(response(invite, 486))
    rig:run(31.999)
    assert.equal("completed", tx:state())
    rig:run(32)
    assert.equal("terminated", tx:state())
  end)

  -- @rfc 3261 17.1.3 MUST C-55
  -- @rfc 3261 18.1.2 MUST C-24
  it("is matched by branch and method of CSeq alone", function()
    local invite = start()
    local via = invite:header "Via"
    local other = via:gsub("z9hG4bK%w+", "z9hG4bKother")
    rig:say(response(invite, 180, { via = { other } }))
    rig:say(response(invite, 180, { cseq = "1 CANCEL" }))
    rig:say(response(invite, 180, { cseq = "1 OPTIONS" }))
    assert.same({}, rig:told())
    assert.equal(3, rig.stack:stats().stray)
    rig:say(response(invite, 180))
    assert.same({ "0.000 response 180" }, rig:told())
    rig:say(response(invite, 486))
  end)

  -- @rfc 3261 17.1.3 MUST C-55
  it("is matched however long the Request-URI before its Via is", function()
    rig = rig_of.new { stream = true, limits = { message_bytes = 67000 } }
    local user = ("u"):rep(66000)
    rig:request { transport = "tcp", uri = "sip:" .. user .. "@a.example" }
    rig:run(0)
    local got = rig:take(rig.stream)
    local ask = got[#got].bytes:gsub("u+", "u", 1)
    rig.stream:write(got[#got].id, response(ask, 200))
    rig:run(0)
    assert.same({ "0.000 response 200", "0.000 ended" }, rig:told())
  end)

  -- @rfc 3261 18.1.2 MUST C-23
  it("discards a response whose top Via is somebody else's", function()
    local invite = start()
    local via = invite:header "Via"
    local changes = { ["192%.0%.2%.2"] = "192.0.2.77", [":5060"] = ":5070" }
    for ours, theirs in pairs(changes) do
      local other = via:gsub(ours, theirs)
      assert.not_equal(via, other)
      rig:say(response(invite, 180, { via = { other } }))
    end
    assert.same({}, rig:told())
    rig:say(response(invite, 603))
  end)

  -- @rfc 3261 8.1.3.3 MUST C-89
  it("discards a response with more Vias than were sent", function()
    local invite = start()
    local via = invite:header "Via"
    local far = "SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKx"
    rig:say(response(invite, 200, { via = { via, far } }))
    rig:say(response(invite, 180, { via = { via .. ", SIP/2.0/UDP 192.0.2.8" } }))
    assert.same({}, rig:told())
    rig:say(response(invite, 603))
  end)

  -- @rfc 3261 17.1.4 MUST C-36
  it("ends at once when the port is unreachable", function()
    rig = rig_of.new { delay = 0.02 }
    tx = rig:request { method = "INVITE", port = 5999 }
    rig:run()
    assert.same({ "0.020 failed wire", "0.020 ended" }, rig:told())
  end)

  it("has a branch of its own, that begins as it must (C-84)", function()
    rig = rig_of.new()
    local seen = {}
    for i = 1, 50 do
      rig:request { method = i % 2 == 0 and "INVITE" or "OPTIONS", number = i }
    end
    rig:run(0)
    for _, event in ipairs(rig:take()) do
      local branch = event.message:branch()
      assert.truthy(branch:find "^z9hG4bK%w")
      assert.is_nil(seen[branch])
      seen[branch] = true
      rig:say(response(event.message, 486))
    end
  end)
end)

describe("a CANCEL of ours", function()
  local rig, tx, invite

  before_each(function()
    rig = rig_of.new()
    tx = rig:request { method = "INVITE", number = 4, uri = "sip:carol@chicago.example",
      headers = { "Route", "<sip:192.0.2.1;lr>", "Require", "timer",
        "Proxy-Require", "x", "Contact", "<sip:bob@192.0.2.2>" }, body = "x" }
    rig:run(0)
    invite = rig:take()[1].message
  end)

  after_each(function()
    rig:clean()
  end)

  -- @rfc 3261 9.1 MUST C-114
  it("waits for a provisional response", function()
    assert.is_true(tx:cancel())
    rig:run(0.4)
    assert.same({}, rig:heard())
    rig:say_at(0.4, response(invite, 100, { to_tag = false }))
    assert.same({ "0.400 CANCEL" }, rig:heard())
    rig:say(response(invite, 487))
  end)

  -- @rfc 3261 9.1 MUST C-114
  it("is not sent when the first response is final", function()
    assert.is_true(tx:cancel())
    rig:say_at(0.3, response(invite, 486))
    rig:run()
    assert.same({ "0.300 ACK" }, rig:heard())
    local ok, name = tx:cancel()
    assert.is_nil(ok)
    assert.equal("gone", name)
  end)

  -- @rfc 3261 9.1 MUST C-114
  it("is refused after the final response, and for other methods", function()
    rig:say(response(invite, 486))
    assert.equal("state", select(2, tx:cancel()))
    local other = rig:request()
    local ok, name = other:cancel()
    assert.is_nil(ok)
    assert.equal("invalid", name)
  end)

  -- @rfc 3261 9.1 MUST C-114
  it("is made of its INVITE, and requires nothing", function()
    rig:say(response(invite, 180))
    assert.is_true(tx:cancel())
    rig:run(0)
    local cancel = rig:take()[1].message
    assert.equal("CANCEL", cancel:method())
    assert.equal("sip:carol@chicago.example", cancel:uri())
    assert.equal(invite:header "Via", cancel:header "Via")
    assert.is_nil(cancel:header("Via", 2))
    for _, name in ipairs { "From", "To", "Call-ID", "Route" } do
      assert.equal(invite:header(name), cancel:header(name))
    end
    assert.equal("4 CANCEL", cancel:header "CSeq")
    assert.is_nil(cancel:header "Require")
    assert.is_nil(cancel:header "Proxy-Require")
    assert.equal("", cancel:body())
    rig:say(response(cancel, 200))
    rig:say(response(invite, 487))
    assert.same({ "0.000 ACK" }, rig:heard())
    assert.same({ "0.000 response 180", "0.000 response 487" }, rig:told())
  end)

  -- @rfc 3261 9.1 MUST C-114
  it("is sent once, however many provisionals follow", function()
    assert.is_true(tx:cancel())
    rig:say(response(invite, 180))
    local cancel = rig:take()[1].message
    rig:say(response(cancel, 200))
    rig:say_at(0.1, response(invite, 183))
    rig:say_at(0.2, response(invite, 180))
    assert.is_true(tx:cancel())
    rig:run(10)
    assert.same({}, rig:heard())
    rig:say_at(10, response(invite, 487))
  end)

  -- @rfc 3261 9.1 MUST C-114
  it("is repeated like every non-INVITE request", function()
    rig:say(response(invite, 180))
    tx:cancel()
    rig:run(8)
    assert.same({ 0, 0.5, 1.5, 3.5, 7.5 }, rig:instants "CANCEL")
    rig:say(response(invite, 487))
  end)

  -- @rfc 3261 9.1 SHOULD C-117
  it("gives the INVITE 64*T1 to end, and then it is over", function()
    rig:say(response(invite, 180))
    rig:say_at(3, response(invite, 183))
    tx:cancel()
    rig:run(3)
    rig:say(response(rig:take()[1].message, 200))
    rig:say_at(20, response(invite, 183))
    rig:run()
    assert.same({ "0.000 response 180", "3.000 response 183", "20.000 response 183",
      "35.000 failed timeout", "35.000 ended" }, rig:told())
  end)

  -- @rfc 3261 9.1 MUST C-116
  it("that crosses a 2xx leaves the 2xx to the user", function()
    rig:say(response(invite, 180))
    tx:cancel()
    rig:run(0)
    local cancel = rig:take()[1].message
    rig:say_at(0.1, response(invite, 200))
    rig:say_at(0.1, response(cancel, 200))
    rig:run()
    assert.same({ "0.000 response 180", "0.100 response 200", "32.100 ended" },
      rig:told())
    assert.same({}, rig:heard())
  end)
end)

describe("a non-INVITE client transaction", function()
  local rig, tx

  local function start(options)
    rig = rig_of.new(options)
    tx = rig:request()
    rig:run(0)
    return rig:take()[1].message
  end

  after_each(function()
    rig:clean()
  end)

  -- @rfc 3261 17.1.2.2 MUST C-54
  it("repeats from T1 to T2, then times out at 64*T1", function()
    start()
    rig:run()
    assert.same({ 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5 },
      rig:instants "OPTIONS")
    assert.same({ "32.000 failed timeout", "32.000 ended" }, rig:told())
  end)

  -- @rfc 3261 17.1.2.2 MUST C-54
  it("goes on at T2 after a provisional, and ends all the same", function()
    local options = start()
    rig:say_at(0.2, response(options, 100))
    rig:run()
    assert.same({ 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5 }, rig:instants "OPTIONS")
    assert.same({ "32.000 failed timeout", "32.000 ended" }, rig:told())
  end)

  -- @rfc 3261 17.1.2.2 MUST C-54
  it("absorbs repeated finals for T4, and is gone", function()
    local options = start()
    rig:say_at(0.1, response(options, 200))
    rig:say_at(0.6, response(options, 200))
    rig:say_at(5, response(options, 404))
    assert.equal("completed", tx:state())
    rig:run()
    assert.same({ "0.100 response 200", "5.100 ended" }, rig:told())
    assert.same({}, rig:heard())
    rig:say_at(6, response(options, 200))
    assert.same({}, rig:told())
    assert.equal(1, rig.stack:stats().stray)
  end)

  -- @rfc 3261 17.1.4 MUST C-36
  it("ends at once when the port is unreachable", function()
    rig = rig_of.new { delay = 0.02 }
    tx = rig:request { port = 5999 }
    rig:run()
    assert.same({ "0.020 failed wire", "0.020 ended" }, rig:told())
  end)
end)

describe("a client transaction over a stream", function()
  local rig

  before_each(function()
    rig = rig_of.new { stream = true }
  end)

  after_each(function()
    rig:clean()
  end)

  -- @rfc 3261 17.1.1.2 MUST C-49
  -- @rfc 3261 17.1.2.2 MUST C-54
  it("sends once, and times out at 64*T1", function()
    rig:request { method = "INVITE", transport = "tcp" }
    rig:request { method = "OPTIONS", transport = "tcp", number = 2 }
    rig:run(40)
    assert.same({ "0.000 INVITE", "0.000 OPTIONS" }, rig:heard(rig.stream))
    assert.same({ "32.000 failed timeout", "32.000 ended", "32.000 failed timeout",
      "32.000 ended" }, rig:told())
  end)

  -- @rfc 3261 17.1.1.2 MUST C-52
  -- @rfc 3261 17.1.2.2 MUST C-54
  it("is gone with its final: timers D and K are zero", function()
    rig:request { method = "INVITE", transport = "tcp" }
    rig:request { method = "OPTIONS", transport = "tcp", number = 2 }
    rig:run(0)
    local got = rig:take(rig.stream)
    rig.stream:write(got[1].id, response(got[1].message, 486))
    rig.stream:write(got[2].id, response(got[2].message, 200))
    rig:run(0)
    assert.same({ "0.000 response 486", "0.000 response 200", "0.000 ended",
      "0.000 ended" }, rig:told())
    assert.same({ "0.000 ACK" }, rig:heard(rig.stream))
  end)

  -- @rfc 3261 18.4 MUST C-36
  it("ends at once when the connection is refused", function()
    rig:request { method = "INVITE", transport = "tcp", port = 5999 }
    rig:run(1)
    assert.same({ "0.000 closed tcp", "0.000 failed wire", "0.000 ended" }, rig:told())
  end)
end)

describe("a transport error", function()
  local OTHER = "192.0.2.9"
  local rig, tx

  after_each(function()
    rig:say(response(tx, 486))
    rig:clean()
  end)

  -- What has waited for an answer, and what not any more, by method and by status.
  local waits = { [0] = true, [180] = true }

  for _, method in ipairs { "INVITE", "OPTIONS" } do
    for _, status in ipairs { 0, 180, 200, 486 } do
      local name = ("%s that %s"):format(method, status == 0 and "nobody has answered"
        or "was answered " .. status)

      -- @rfc 3261 17.1.4 MUST C-36
      it("of another datagram " .. (waits[status] and "ends an " or "is nothing to an ")
        .. name, function()
        rig = rig_of.new { delay = 0.02 }
        local there = rig.far:raw { host = OTHER, port = 5060 }
        local mine = rig:request { method = method, host = OTHER }
        rig:run(0.1)
        tx = there:take()[1].bytes
        if status > 0 then
          assert(there:send(rig_of.OURS, 5060, response(tx, status)))
        end
        rig:run(0.2)
        there:close()
        local before = mine:state()
        rig:told()
        rig:request { host = OTHER, call_id = "ours-2" }
        rig:run(0.3)
        assert.equal(waits[status] and "terminated" or before, mine:state())
        local told = { "0.220 failed wire", "0.220 ended" }
        if waits[status] then
          table.move(told, 1, 2, 3)
        end
        assert.same(told, rig:told())
      end)

      -- The answer comes by a new connection (18.2.2).
      -- @rfc 3261 17.1.4 MUST C-36
      it("is none when a stream ends in order: " .. name, function()
        rig = rig_of.new { delay = 0.02, stream = true }
        local mine = rig:request { method = method, transport = "tcp" }
        rig:run(0.1)
        local got = rig:take(rig.stream)
        local id = got[#got].id
        tx = got[#got].bytes
        if status > 0 then
          assert(rig.stream:write(id, response(tx, status)))
        end
        rig:run(0.2)
        local before = mine:state()
        rig:told()
        rig.stream:shut(id)
        rig:run(0.3)
        assert.same({ "0.220 closed tcp" }, rig:told())
        assert.equal(before, mine:state())
        if waits[status] then
          id = rig.stream:connect(rig_of.OURS, 5060)
          rig:run(0.4)
          rig.stream:write(id, response(tx, 404))
          rig:run(0.5)
          assert.same({ "0.420 response 404", "0.420 ended" }, rig:told())
          rig:run(0.6) -- by a connection of its own
          assert.equal(method == "INVITE" and 1 or 0, #rig:instants("ACK", rig.stream))
        end
      end)
    end
  end

  for transport, test in pairs { tcp = it, tls = simulated(it, "TLS") } do
    -- @rfc 3261 9.1 MUST C-114
    test("is none to a CANCEL when its stream has ended in order: " .. transport,
      function()
        rig = rig_of.new { stream = transport }
        local mine = rig:request { method = "INVITE", transport = transport }
        rig:run(0.5)
        local got = rig:take(rig.stream)
        tx = got[#got].bytes
        rig.stream:write(got[#got].id, response(tx, 180))
        rig.stream:shut(got[#got].id)
        rig:run(1)
        rig:told()
        assert.is_true(mine:cancel())
        rig:run(2)
        got = rig:take(rig.stream)
        local cancel = got[#got]
        assert.equal("CANCEL", cancel.message:method())
        rig.stream:write(cancel.id, response(cancel.bytes, 200) .. response(tx, 487))
        rig:run(3)
        assert.same({ "2.000 response 487", "2.000 ended" }, rig:told())
        assert.same({ "2.000 ACK" }, rig:heard(rig.stream))
      end)
  end

  -- @rfc 3261 18.4 MUST C-36
  it("is half a message, and then silence", function()
    rig = rig_of.new { stream = true }
    rig:request { transport = "tcp" }
    rig:run(0)
    local got = rig:take(rig.stream)
    tx = got[#got].bytes
    rig.stream:write(got[#got].id, "SIP/2.0 200 OK\r\nVia: ")
    rig:run(9)
    assert.same({}, rig:told())
    rig:run(11)
    local told = rig:told()
    assert.equal("10.000 failed wire", told[#told - 1], table.concat(told, ", "))
  end)

  -- @rfc 3261 17.1.4 MUST C-36
  it("ends an INVITE that nobody can be told is cancelled", function()
    rig = rig_of.new { stream = true }
    local mine = rig:request { method = "INVITE", transport = "tcp" }
    rig:run(0)
    local got = rig:take(rig.stream)
    tx = got[#got].bytes
    rig.stream:write(got[#got].id, response(tx, 180))
    rig.stream:shut(got[#got].id)
    rig.stream:close()
    rig:run(1)
    rig:told()
    assert.is_true(mine:cancel())
    rig:run(2)
    assert.same({ "1.000 closed tcp", "1.000 failed wire", "1.000 ended" }, rig:told())
  end)
end)

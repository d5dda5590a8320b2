-- The transport layer: RFC 3261 18, RFC 5626 4.4.1. C-20 to C-22, C-26, C-30 to C-32,
-- C-36, C-37. Virtual time, exact to the millisecond.

local heap = require("sip.test").heap
local rig_of = require "spec.support.rig"
local simulated = require "spec.support.simulated"

local request, response = rig_of.request, rig_of.response

describe("a large request", function()
  local rig

  after_each(function()
    rig:clean()
  end)

  -- @rfc 3261 18.1.1 MUST C-20
  it("goes by TCP, and its Via says so", function()
    rig = rig_of.new { stream = true }
    rig:request { method = "MESSAGE", body = ("x"):rep(1300) }
    rig:run(0)
    assert.same({}, rig:heard())
    local got = rig:take(rig.stream)
    assert.equal("TCP", got[1].message:via(1).transport)
    assert.equal(1300, #got[1].message:body())
    assert.equal("1300", got[1].message:header "Content-Length")
    rig.stream:write(got[1].id, response(got[1].message, 200))
    rig:run(1)
    assert.same({ "0.000 response 200", "0.000 ended" }, rig:told())
  end)

  -- @rfc 3261 18.1.1 MUST C-20
  it("is one of more than 1300 bytes as it would go by UDP, Via and all", function()
    for _, name in ipairs { "192.0.2.2", ("a"):rep(60) .. ".a-very-long-name.example",
      "2" } do
      rig = rig_of.new { stream = true, advertise = name }
      rig:request { method = "MESSAGE", body = "" }
      rig:run(0)
      local room = 1300 - #rig:take()[1].bytes
      room = room - #tostring(room) + #"0" -- of Content-Length
      for more = 0, 1 do
        rig:request { method = "MESSAGE", body = ("x"):rep(room + more),
          call_id = "ours-" .. more + 2 }
        rig:run(0)
        local datagrams, stream = rig:take(), rig:take(rig.stream)
        assert.equal(1 - more, #datagrams)
        assert.equal(more, #stream)
        if more == 0 then
          assert.equal(1300, #datagrams[1].bytes)
        end
      end
      if name ~= "2" then
        rig:clean()
      end
    end
  end)

  -- @rfc 3261 18.1.1 SHOULD C-21
  it("goes by UDP after all when TCP is refused", function()
    rig = rig_of.new { stream = true }
    rig.stream:close()
    rig:request { method = "MESSAGE", body = ("x"):rep(1300) }
    rig:run(0)
    local got = rig:take()
    assert.equal("UDP", got[1].message:via(1).transport)
    rig:run(4)
    assert.same({ "0.500 MESSAGE", "1.500 MESSAGE", "3.500 MESSAGE" }, rig:heard())
    rig:say(response(got[1].message, 200))
    assert.same({ "0.000 closed tcp", "4.000 response 200" }, rig:told())
    rig:run(40)
  end)

  -- @rfc 3261 18.1.1 SHOULD C-21
  it("is acknowledged and cancelled by what it has gone by", function()
    for _, refused in ipairs { false, true } do
      rig = rig_of.new { stream = true }
      if refused then
        rig.stream:close()
      end
      local socket = not refused and rig.stream or rig.peer
      local function answer(event, status)
        local bytes = response(event.message, status)
        if refused then
          return rig:say(bytes)
        end
        rig.stream:write(event.id, bytes)
        rig:run(rig.world:now())
      end
      local tx = rig:request { method = "INVITE", body = ("x"):rep(1300) }
      rig:run(0)
      local invite = rig:take(socket)[1]
      answer(invite, 180)
      tx:cancel()
      rig:run(0)
      local cancel = rig:take(socket)[1]
      answer(cancel, 200)
      answer(invite, 487)
      local ack = rig:take(socket)[1]
      assert.same({ "CANCEL", "ACK" },
        { cancel.message:method(), ack.message:method() })
      for _, event in ipairs { cancel, ack } do
        assert.equal(invite.message:header "Via", event.message:header "Via")
        assert.equal(invite.id, event.id)
      end
      if not refused then
        rig:clean()
      end
    end
  end)

  -- @rfc 3261 17.1.2.2 MUST C-54
  simulated(it, "a host that is down")("has its 64*T1 once, whatever it goes by",
    function()
      rig = rig_of.new { stream = true }
      rig.far:set_down(true)
      rig:request { method = "MESSAGE", body = ("x"):rep(1300) }
      rig:request { method = "INVITE", number = 2, body = ("x"):rep(1300) }
      rig:run(20) -- when the connection is given up
      rig.far:set_down(false)
      rig:run(40)
      assert.same({ "20.500 MESSAGE", "20.500 INVITE", "21.500 MESSAGE",
        "21.500 INVITE", "23.500 MESSAGE", "23.500 INVITE", "27.500 MESSAGE",
        "27.500 INVITE", "31.500 MESSAGE" }, rig:heard())
      assert.same({ "20.000 closed tcp", "32.000 failed timeout", "32.000 ended",
        "32.000 failed timeout", "32.000 ended" }, rig:told())
    end)

  -- @rfc 3261 18.1.1 SHOULD C-21
  it("goes by UDP at once where nobody listens to streams", function()
    rig = rig_of.new()
    rig:request { method = "MESSAGE", body = ("x"):rep(1300) }
    rig:run(0)
    local got = rig:take()
    assert.equal("UDP", got[1].message:via(1).transport)
    rig:say(response(got[1].message, 200))
  end)
end)

describe("a large request whose stack is closed", function()
  local function used()
    collectgarbage()
    collectgarbage()
    return { heap.used() }
  end

  -- What it was to be sent by later goes with it.
  it("leaves nothing behind (C-21)", function()
    local before = used()
    do
      local rig = rig_of.new { stream = true, delay = 0.1 }
      rig:request { method = "MESSAGE", body = ("x"):rep(1300) }
      rig:run(0.1) -- its connection is being opened
      rig.stack:close()
      rig.world:close()
    end
    assert.same(before, used())
  end)
end)

describe("a request bound to a connection", function()
  it("that is being opened goes by it, whatever its address will be", function()
    local rig = rig_of.new { stream = true, delay = 0.1 }
    local host = rig.world:host "192.0.2.3"
    host:set_dispatch(function() end)
    local stack = host:stack { dispatch = function() end }
    assert(stack:listen { transport = "tcp", host = "0.0.0.0", port = 5060 })
    local function ask(number, flow)
      return stack:request { method = "OPTIONS", uri = "sip:192.0.2.1", flow = flow,
        transport = "tcp", host = rig_of.PEER, port = 5060, headers = {
          "From", "<sip:a@x>;tag=1", "To", "<sip:b@x>", "Call-ID", "c",
          "CSeq", number .. " OPTIONS" } }
    end
    assert(ask(1))
    local bound = 0
    for id = 1, 40 do -- one of them is its number
      bound = bound + (ask(1 + id, id) and 1 or 0)
    end
    assert.equal(1, bound)
    rig:run(1)
    local got = rig:take(rig.stream)
    assert.equal(2, #got)
    assert.equal("192.0.2.3", got[2].message:via(1).host)
    rig:run(40)
    stack:close()
    rig:clean()
  end)
end)

describe("Via", function()
  -- @rfc 3261 18.1.1 MUST C-22
  it("names the listener, the port it has, and what is advertised", function()
    local rig = rig_of.new { advertise = "gate.example" }
    rig:request()
    rig:run(0)
    local got = rig:take()[1].message
    assert.equal("gate.example", got:via(1).host)
    assert.equal(5060, got:via(1).port)
    rig:say(response(got, 200))
    assert.same({ "0.000 response 200" }, rig:told())
    rig:clean()
  end)
end)

describe("a response over a stream", function()
  local rig, tx, id

  before_each(function()
    rig = rig_of.new { stream = true }
    rig.on.request = function(object)
      tx = object
    end
    id = rig.stream:connect(rig_of.OURS, 5060)
    rig.stream:write(id, request { method = "INVITE", transport = "TCP",
      sent_by = "192.0.2.1:5060" })
    rig:run(0)
  end)

  after_each(function()
    rig:clean()
  end)

  -- @rfc 3261 18.2.2 MUST C-26
  it("goes by the connection of its request", function()
    tx:respond(486)
    rig:run(0)
    local got = rig:take(rig.stream)
    assert.equal(id, got[1].id)
    assert.equal(486, got[1].message:status())
  end)

  -- @rfc 3261 18.2.2 MUST C-26
  it("goes by a new one to sent-by when that has been closed", function()
    rig.stream:shut(id)
    rig:run(1)
    tx:respond(486)
    rig:run(1)
    local got = rig:take(rig.stream)
    assert.equal(486, got[#got].message:status())
    assert.not_equal(id, got[#got].id)
    assert.equal("192.0.2.1:5060", got[#got].to)
  end)
end)

describe("a stream", function()
  local rig, id

  before_each(function()
    rig = rig_of.new { stream = true }
    rig.on.request = function(tx)
      tx:respond(200)
    end
    id = rig.stream:connect(rig_of.OURS, 5060)
    rig:run(0)
  end)

  after_each(function()
    rig:clean()
  end)

  local function write(bytes)
    assert(rig.stream:write(id, bytes))
    rig:run(rig.world:now())
  end

  local function closed()
    for _, event in ipairs(rig.events) do
      if event.kind == "closed" then
        return event.at
      end
    end
  end

  -- @rfc 3261 18.3 MUST C-30
  it("is framed byte by byte, pipelined, and with bodies apart", function()
    local one = request { transport = "TCP", method = "MESSAGE", body = "hello" }
    local two = request { transport = "TCP", method = "MESSAGE", body = "wor ld!",
      branch = "z9hG4bK2", number = 2 }
    for i = 1, #one do
      write(one:sub(i, i))
    end
    write(one .. two .. one:sub(1, 30))
    write(one:sub(31, -3))
    write(one:sub(-2) .. two)
    local bodies = {}
    for i, event in ipairs(rig.events) do
      bodies[i] = event.kind == "request" and event.message:body() or nil
    end
    rig.events = {}
    assert.equal(5, #rig:take(rig.stream))
    assert.equal("hello", bodies[1])
  end)

  -- @rfc 3261 7.5 MUST C-5
  it("may have empty lines between messages", function()
    write("\r\n" .. request { transport = "TCP" })
    write("\r\n\r\n\r\n" .. request { transport = "TCP", number = 2 })
    assert.equal(2, #rig.told(rig) / 2)
  end)

  -- @rfc 5626 4.4.1 MUST C-32
  it("answers two CRLFs with one", function()
    write "\r\n\r\n"
    local got = rig:take(rig.stream)
    assert.equal(1, #got)
    assert.equal("\r\n", got[1].bytes)
    write "\r\n"
    write "\r\n"
    assert.equal(1, #rig:take(rig.stream))
    assert.same({}, rig:told())
  end)

  -- @rfc 3261 18.3 MUST C-31
  it("is answered and closed for a length that makes no sense", function()
    for _, case in ipairs { { false, 400 }, { "-1", 400 }, { "ten", 400 },
      { "99999999999999", 513 } } do
      local length = case[1]
      id = rig.stream:connect(rig_of.OURS, 5060)
      rig:run(rig.world:now())
      rig:take(rig.stream)
      rig.events = {}
      write(request { transport = "TCP", length = length, method = "MESSAGE",
        extra = { "Subject: " .. tostring(length) } }
        .. request { transport = "TCP", branch = "z9hG4bKsmuggled" })
      local got = rig:take(rig.stream)
      assert.equal(1, #got)
      assert.equal(case[2], got[1].message:status())
      assert.is_not_nil(closed())
      for _, event in ipairs(rig.events) do
        assert.not_equal("request", event.kind)
      end
    end
  end)

  -- @rfc 3261 18.3 MUST C-31
  it("is closed when two lengths differ", function()
    write(request { transport = "TCP", length = 5, extra = { "Content-Length: 0" },
      body = "hello", method = "MESSAGE" })
    assert.equal(400, rig:take(rig.stream)[1].message:status())
    assert.is_not_nil(closed())
  end)

  it("is closed, and the log is told why, when it speaks TLS or HTTP", function()
    for i, case in ipairs { { "\22\3\1\2\0\1", "TLS" },
      { "GET / HTTP/1.1\r\nHost: pbx.example\r\n\r\n", "HTTP" } } do
      rig:run(60 * i) -- the log hears of a source once a minute
      id = rig.stream:connect(rig_of.OURS, 5060)
      rig:run(60 * i)
      rig:take(rig.stream)
      rig.events = {}
      write(case[1])
      assert.same({}, rig:take(rig.stream))
      assert.is_not_nil(closed())
      assert.equal("notice", rig.events[1].kind)
      assert.matches("^192%.0%.2%.1:%d+: this is " .. case[2] .. ", not SIP$",
        rig.events[1][1])
    end
  end)

  it("that speaks TLS to a request of ours fails it, and says why", function()
    local why
    rig.on.failed = function(_, _, ...)
      why = table.concat({ ... }, " ")
    end
    rig:request { transport = "tcp", method = "OPTIONS" }
    rig:run(1)
    local list = rig.stream:take()
    rig.stream:write(list[#list].id, "\21\3\3\0\2\2\40")
    rig:run(2)
    assert.matches("192.0.2.1:5060: this is TLS, not SIP", why, 1, true)
  end)

  -- @rfc 3261 18 SHOULD C-37
  it("is kept while it is idle, longer than 64*T1, and closed at last", function()
    write(request { transport = "TCP" })
    rig:run(599)
    assert.is_nil(closed())
    write(request { transport = "TCP", branch = "z9hG4bK2" })
    rig:run(1198)
    assert.is_nil(closed())
    rig:run(1200)
    assert.equal(1199, closed())
  end)

  -- @rfc 3261 18 SHOULD C-37
  it("is kept for an answer, however long it has been silent", function()
    write(request { transport = "TCP" })
    rig:take(rig.stream)
    rig:run(599)
    local _, message = rig:last "request"
    local host, port, transport, flow = message:source()
    local tx = assert(rig.stack:request { method = "OPTIONS", uri = "sip:a@192.0.2.1",
      host = host, port = port, transport = transport, flow = flow, headers = { "From",
        "<sip:b@192.0.2.2>;tag=1", "To", "<sip:a@192.0.2.1>", "Call-ID", "late", "CSeq",
        "1 OPTIONS" } })
    rig:run(630) -- 31 s of its 32
    assert.is_nil(closed())
    rig:take(rig.stream)
    rig:run(1198)
    assert.is_nil(closed())
    rig:run(1200)
    assert.equal(1199, closed())
    assert.truthy(tx)
  end)

  -- @rfc 3261 18 SHOULD C-37
  it("is kept for 64*T1, whatever the limit is", function()
    rig:clean()
    rig = rig_of.new { stream = true, limits = { stream_idle_ms = 1000 } }
    rig.on.request = function(tx)
      tx:respond(200)
    end
    id = rig.stream:connect(rig_of.OURS, 5060)
    rig:run(0)
    write(request { transport = "TCP" })
    rig:run(31.9)
    assert.is_nil(closed())
    rig:run(33)
    assert.equal(32, closed())
  end)

  -- Somebody rings for longer than nothing may go by it.
  -- @rfc 3261 18 SHOULD C-37
  it("is kept while a request on it has no answer, theirs or ours", function()
    for _, ours in ipairs { true, false } do
      rig:clean()
      rig = rig_of.new { stream = true, limits = { stream_idle_ms = 32000 } }
      local answer
      if ours then
        rig:request { method = "INVITE", transport = "tcp" }
        rig:run(0)
        local event = rig:take(rig.stream)[1]
        id = event.id
        write(response(event.message, 180))
        function answer()
          write(response(event.message, 486))
          return rig:last "response"
        end
      else
        id = rig.stream:connect(rig_of.OURS, 5060)
        rig:run(0)
        write(request { transport = "TCP", method = "INVITE" })
        local tx = rig:last "request"
        tx:respond(180)
        rig:run(0)
        rig:take(rig.stream)
        function answer()
          tx:respond(486)
          rig:run(rig.world:now())
          local event = rig:take(rig.stream)[1]
          return event and event.id == id, event and event.message
        end
      end
      rig:run(170)
      local ok, message = answer()
      assert.truthy(ok)
      assert.equal(486, message:status())
      assert.is_nil(closed())
      rig:run(300) -- and no longer than that
      assert.equal(0, rig.stack:stats().connections)
    end
  end)

  it("is closed when half a message is all that comes in 10 s (C-31)", function()
    write(request { transport = "TCP" }:sub(1, 50))
    rig:run(5)
    write "x"
    rig:run(9.9)
    assert.is_nil(closed())
    rig:run(11)
    assert.equal(10, closed())
  end)

  -- @rfc 3261 18.4 MUST C-36
  it("that is reset fails who waits on it, at once", function()
    rig:request { method = "INVITE", transport = "tcp" }
    rig:run(1)
    rig:told()
    rig:request { transport = "tcp", number = 2 }
    rig.stream:close() -- with something unread: the peer has crashed
    rig:run(2)
    local told = table.concat(rig:told(), ", ")
    assert.truthy(told:find("1.000 failed wire", 1, true), told)
    rig.stream = rig.far:raw { transport = "tcp", host = "192.0.2.1", port = 5060 }
  end)

  -- @rfc 3261 18.4 MUST C-36
  it("that loses its place fails who waits on it, at once", function()
    for _, length in ipairs { "99999999", "-1" } do
      rig:request { method = "OPTIONS", transport = "tcp", call_id = "l" .. length }
      rig:run(rig.world:now())
      local event = rig:take(rig.stream)[1]
      rig:told()
      rig.stream:write(event.id, (response(event.message, 200)
        :gsub("Content%-Length: 0", "Content-Length: " .. length)))
      rig:run(rig.world:now() + 1)
      local told = table.concat(rig:told(), ", ")
      assert.truthy(told:find("failed wire", 1, true), told)
    end
  end)

  -- The one that rang has closed the connection, as many do after a minute.
  -- @rfc 3261 9.1 MUST
  -- @rfc 3261 18.1.1 SHOULD C-37
  it("that has ended is replaced for the CANCEL of what went by it", function()
    local tx = rig:request { method = "INVITE", transport = "tcp" }
    rig:run(0)
    local event = rig:take(rig.stream)[1]
    rig.stream:write(event.id, response(event.message, 180))
    rig:run(0)
    rig.stream:shut(event.id)
    rig:run(1)
    rig.stream:take()
    assert.is_true(tx:cancel())
    rig:run(1)
    local cancel = assert(rig:take(rig.stream)[1])
    assert.equal("CANCEL", cancel.message:method())
    assert.equal(event.message:header "Via", cancel.message:header "Via")
    rig.stream:write(cancel.id, response(cancel.message, 200))
    rig.stream:write(cancel.id, response(event.message, 487))
    rig:run(1)
    local _, final = rig:last "response"
    assert.equal(487, final:status())
    assert.equal("ACK", rig:take(rig.stream)[1].message:method())
  end)

  it("is used again for the next request to the same place (C-37)", function()
    for i = 1, 3 do
      rig:request { transport = "tcp", number = i }
    end
    rig:run(0)
    local got = rig:take(rig.stream)
    assert.equal(3, #got)
    assert.equal(got[1].id, got[3].id)
    for _, event in ipairs(got) do
      rig.stream:write(event.id, response(event.message, 200))
    end
  end)
end)

describe("an ICMP error", function()
  -- @rfc 3261 18.4 MUST C-36
  it("ends those who wait for that address and port, and nobody else", function()
    local rig = rig_of.new { delay = 0.05 }
    rig:request { port = 5999, number = 1 }
    rig:request { method = "INVITE", port = 5999, number = 2 }
    rig:request { number = 3 }
    rig:run(0.2)
    assert.same({ "0.050 failed wire", "0.050 ended", "0.050 failed wire",
      "0.050 ended" }, rig:told())
    rig:run(0.4)
    rig:say(response(rig:take()[1].message, 200))
    rig:run(0.5)
    assert.same({ "0.450 response 200" }, rig:told())
    rig:clean()
  end)
end)

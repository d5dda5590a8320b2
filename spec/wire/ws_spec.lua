-- WebSockets on loopback, served to strangers who speak bytes and to ourselves.  C-41,
-- C-238 (half handshakes).  As a client of strangers: ws_client_spec.lua.  What frames
-- and heads are: spec/rfc/rfc6455_spec.lua.

local certificates = require "spec.support.certificates"
local websocket = require "spec.support.websocket"
local wire = require "spec.support.wire"

local client, frame = websocket.client, websocket.frame
local TEXT, BINARY = websocket.TEXT, websocket.BINARY
local CLOSE, PING, PONG = websocket.CLOSE, websocket.PING, websocket.PONG

describe("a WebSocket", function()
  local w, port

  before_each(function()
    w = wire.new()
    port = select(2, assert(w.net:listen("WS", "127.0.0.1", 0)))
  end)

  after_each(function()
    w:close()
  end)

  -- A wire with other limits, in place of that one.
  local function with(limits)
    w:close()
    w = wire.new(limits)
    port = select(2, assert(w.net:listen("WS", "127.0.0.1", 0)))
  end

  local function send(id, bytes)
    assert.is_true(w.net:send(id, bytes, 1))
  end

  -- A TCP connection to the listener, whose other end is nobody's yet.
  local function stranger()
    local id = assert(w.net:open("TCP", "127.0.0.1", port))
    w:expect { kind = "opened", id = id }
    return id
  end

  local function hear(id, ending)
    return websocket.hear(w, id, ending)
  end

  local function hear_frame(id)
    return websocket.hear_frame(w, id)
  end

  -- Both ends of one that a stranger has opened.
  local function joined(changes)
    local id = stranger()
    send(id, websocket.request(changes))
    local opened = w:expect { kind = "opened" }
    hear(id, "\r\n\r\n")
    return id, opened.id, opened
  end

  -- Both ends of one that is ours.
  local function ours(host, to)
    local id = assert(w.net:open("WS", host or "127.0.0.1", to or port))
    w:expect { kind = "opened", id = id }
    return id, w:expect({ kind = "opened" }).id
  end

  -- @rfc 6455 4.2.2 MUST C-41
  -- @rfc 7118 4.1 MUST
  it("is opened by the handshake, whose answer proves it", function()
    local id = stranger()
    send(id, websocket.request {
      extra = "Sec-WebSocket-Extensions: permessage-deflate" })
    assert.equal(websocket.response(), hear(id, "\r\n\r\n"))
    local opened = w:expect { kind = "opened" }
    assert.is_nil(opened.origin)
    assert.same({}, w.events)
  end)

  it("is opened by a handshake that comes byte by byte", function()
    local id = stranger()
    for _, byte in ipairs(websocket.bytewise(websocket.request())) do
      send(id, byte)
      w:poll(0)
    end
    assert.equal(websocket.response(), hear(id, "\r\n\r\n"))
    w:expect { kind = "opened" }
  end)

  -- @rfc 7118 5 MUST C-41
  it("carries whole messages both ways, also those sent before it was open", function()
    local id = assert(w.net:open("WS", "127.0.0.1", port))
    send(id, "early")
    send(id, "bird")
    w:expect { kind = "opened", id = id }
    local theirs = w:expect({ kind = "opened" }).id
    assert.equal("early", w:expect({ kind = "bytes", id = theirs }).bytes)
    assert.equal("bird", w:expect({ kind = "bytes", id = theirs }).bytes)
    local long = ("x"):rep(65535)
    for _, text in ipairs { "worm", long, ("y"):rep(126), "" } do
      send(theirs, text)
      assert.equal(text, w:expect({ kind = "bytes", id = id }).bytes)
      send(id, text)
      assert.equal(text, w:expect({ kind = "bytes", id = theirs }).bytes)
    end
  end)

  -- @rfc 7118 4.2 MUST C-41
  it("has text frames, and binary ones for what is no text", function()
    local id, theirs = joined()
    send(theirs, "SIP/2.0 200 \u{fc}bel")
    local got = hear_frame(id)
    assert.same({ TEXT, "SIP/2.0 200 \u{fc}bel" }, { got.opcode, got.bytes })
    send(theirs, "SIP/2.0 200 \xfcbel")
    assert.equal(BINARY, hear_frame(id).opcode)
    send(id, client(BINARY, "\0\255") .. client(TEXT, "text"))
    assert.equal("\0\255", w:expect({ kind = "bytes", id = theirs }).bytes)
    assert.equal("text", w:expect({ kind = "bytes", id = theirs }).bytes)
  end)

  it("takes frames byte by byte, in pieces, and several at once", function()
    local id, theirs = joined()
    local stream = client(TEXT, "one ", { more = true }) .. client(PING, "?")
      .. client(0, "message") .. client(TEXT, "another")
    for _, byte in ipairs(websocket.bytewise(stream)) do
      send(id, byte)
      w:poll(0)
    end
    assert.equal("", w:expect({ kind = "bytes", id = theirs }).bytes) -- it is there
    assert.equal("one message", w:expect({ kind = "bytes", id = theirs }).bytes)
    assert.equal("another", w:expect({ kind = "bytes", id = theirs }).bytes)
    send(id, stream)
    w:expect { kind = "bytes", id = theirs, bytes = "one message" }
    w:expect { kind = "bytes", id = theirs, bytes = "another" }
  end)

  it("takes frames that come with the handshake", function()
    local id = stranger()
    send(id, websocket.request() .. client(TEXT, "at once"))
    local theirs = w:expect({ kind = "opened" }).id
    assert.equal("at once", w:expect({ kind = "bytes", id = theirs }).bytes)
  end)

  -- @rfc 6455 5.5.2 MUST C-41
  it("answers pings with what they say, and tells that the peer is there", function()
    local id, theirs = joined()
    send(id, client(PING, "are you there"))
    local pong = hear_frame(id)
    assert.same({ PONG, "are you there" }, { pong.opcode, pong.bytes })
    assert.equal("", w:expect({ kind = "bytes", id = theirs }).bytes)
    send(id, client(PONG, "unasked"))
    assert.equal("", w:expect({ kind = "bytes", id = theirs }).bytes)
  end)

  describe("ends", function()
    -- @rfc 6455 5.5.1 MUST
    -- @rfc 6455 7.4.1 - C-41
    it("with 1001 when the server goes, and 1000 when a client does", function()
      local id, theirs = joined()
      send(theirs, "last")
      w.net:shut(theirs)
      local text = ""
      while #text < 10 do
        text = text .. w:expect({ kind = "bytes", id = id }).bytes
      end
      assert.equal("\x81\x04last\x88\x02\x03\xe9", text)
      assert.is_nil(w:expect({ kind = "closed", id = id }).err)
      assert.is_nil(w:expect({ kind = "closed", id = theirs }).err)

      local a, b = ours()
      send(a, "last")
      w.net:shut(a)
      assert.equal("last", w:expect({ kind = "bytes", id = b }).bytes)
      assert.is_nil(w:expect({ kind = "closed", id = a }).err)
      assert.is_nil(w:expect({ kind = "closed", id = b }).err)
    end)

    -- @rfc 6455 5.5.1 MUST C-41
    it("when the peer says so, with its own code, and then at once", function()
      for code, wanted in pairs { ["\x03\xe8bye"] = 1000, ["\x03\xe9"] = 1001,
        [""] = false, ["\x0f\xa0"] = 4000 } do
        local id, theirs = joined()
        send(id, client(CLOSE, code) .. client(TEXT, "unheard"))
        local close = hear_frame(id)
        assert.same({ CLOSE, wanted or nil }, { close.opcode, close.code })
        w:expect { kind = "closed", id = id }
        local closed = w:expect { kind = "closed", id = theirs }
        if wanted == 4000 then
          assert.matches("^127.0.0.1:%d+ closed the WebSocket with 4000$", closed.why)
        else
          assert.is_nil(closed.err)
        end
        assert.same({}, w.events)
      end
    end)

    for _, case in ipairs {
      { "a frame without a mask", 1002, frame(TEXT, "x"),
        "a frame of a client is not masked" },
      { "text that is none", 1007, client(TEXT, "\xff"), "a text is not UTF-8" },
      { "too much", 1009, client(TEXT, "", { says = 65536 }), "a message is too long" },
    } do
      -- @rfc 6455 7.1.7 MUST C-41
      it("with a code and a reason after " .. case[1], function()
        local id, theirs = joined()
        send(id, case[3])
        local close = hear_frame(id)
        assert.same({ CLOSE, case[2], case[4] },
          { close.opcode, close.code, close.bytes:sub(3) })
        local closed = w:expect { kind = "closed", id = theirs }
        assert.equal("wire", closed.err)
        assert.equal(("does not keep to the WebSocket protocol: %s (%d)"):format(
          case[4], case[2]), closed.why:match "^127.0.0.1:%d+ (.*)$")
      end)
    end

    it("when a message is not complete in time, pings or not", function()
      with { stream_head_ms = 200 }
      local id, theirs = joined()
      send(id, client(TEXT, "half", { more = true }))
      local begun, closed = w.net:now(), nil
      while not closed and w.net:now() < begun + 60 do
        w.net:send(id, client(PING, ""), 1)
        w:poll(0.02)
        for _, event in ipairs(w.events) do
          closed = closed or event.kind == "closed" and event.id == theirs and event
        end
      end
      assert.matches("half a message, and no more of it %(1002%)$", closed.why)
      assert.is_true(w.net:now() - begun >= 0.19)
    end)

    it("when half messages take more than they may", function()
      with { source_unread_bytes = 4000 }
      local id, theirs = joined()
      send(id, client(BINARY, ("x"):rep(1000), { says = 5000 }))
      w:poll(0.02)
      assert.same({}, w.events)
      send(id, ("x"):rep(3900))
      local close = hear_frame(id)
      assert.same({ 1013, "too many messages that are not complete" },
        { close.code, close.bytes:sub(3) })
      w:expect { kind = "closed", id = theirs }
    end)

    it("when the peer reads none of our pongs", function()
      with { stream_queue_bytes = 20000 }
      local other = wire.new() -- a loop that nobody turns reads nothing
      local id = assert(other.net:open("TCP", "127.0.0.1", port))
      other:expect { kind = "opened", id = id }
      assert.is_true(other.net:send(id, websocket.request(), 1))
      local theirs = w:expect({ kind = "opened" }).id
      local pings = client(PING, ("x"):rep(125)):rep(400)
      local sent, closed = 0, nil
      while not closed and sent < 1000 do
        sent = sent + 1
        assert.is_true(other.net:send(id, pings, 1))
        w:poll(0)
        for _, event in ipairs(w.events) do
          closed = closed or event.kind == "closed" and event
        end
        w.events = {}
      end
      other:close()
      assert.equal(theirs, closed and closed.id)
      assert.equal("wire", closed.err)
    end)
  end)

  describe("is refused, and the log says to whom and why,", function()
    local function refused(bytes, status)
      local id = stranger()
      send(id, bytes)
      local answer = hear(id, "\n\r\n")
      assert.matches(("^HTTP/1.1 %d "):format(status), answer)
      local notice = w:expect { kind = "notice" }
      local closed = w:expect { kind = "closed", id = id }
      assert.is_nil(closed.err)
      assert.same({}, w.events)
      return notice.why, answer
    end

    local function says(why, text)
      assert.matches("^no WebSocket with 127.0.0.1:%d+: ", why)
      assert.equal(text, why:match "^no WebSocket with [%d.:]+: (.*)$")
    end

    -- @rfc 6455 4.2.1 MUST C-41
    it("when it asks for nothing of the kind", function()
      says(refused(websocket.request { Upgrade = false }, 426),
        "it does not ask for a WebSocket (426)")
      says(refused(websocket.request { line = "POST / HTTP/1.1" }, 405),
        "its method is not GET (405)")
      says(refused("GET / HTTP/1.0\r\n\r\n", 505),
        "its HTTP is not that of version 1.1 (505)")
    end)

    -- @rfc 6455 4.4 MUST
    it("when its version is another, and is told ours", function()
      local why, answer = refused(
        websocket.request { ["Sec-WebSocket-Version"] = "8" }, 426)
      says(why, "its Sec-WebSocket-Version is not 13 (426)")
      assert.matches("\r\nSec-WebSocket-Version: 13\r\n", answer, 1, true)
    end)

    it("when it speaks SIP or anything else, as on TCP", function()
      says(refused("OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\nTo: sip:bob@a\r\n\r\n", 400),
        "it speaks SIP without a WebSocket (400)")
      says(refused("\r\n\r\n", 400), "it speaks SIP without a WebSocket (400)")
      says(refused("\x16\x03\x01\x02\x00\x01", 400),
        "it speaks TLS where none is wanted (400)")
      says(refused("SSH-2.0-OpenSSH_9.2\r\n", 400), "it does not speak HTTP (400)")
      says(refused("\0\1\2\3", 400), "it does not speak HTTP (400)")
    end)

    it("when its head is too long", function()
      says(refused("GET / HTTP/1.1\r\nA: " .. ("x"):rep(9000), 431),
        "its head is too long (431)")
    end)

    -- @rfc 6455 4.2.2 MUST C-41
    it("when its page is of another host", function()
      says(refused(websocket.request {
        Host = "127.0.0.1:8080", Origin = "https://evil.example" }, 403),
        "its page is of https://evil.example, which is not among ws.origins (403)")
    end)

    it("when it says too little for too long", function()
      with { tls_handshake_ms = 500 }
      local id = stranger()
      send(id, "GET / HTTP/1.1\r\n")
      assert.matches("^the WebSocket handshake with 127.0.0.1:%d+ took too long$",
        w:expect({ kind = "notice" }).why)
      w:expect { kind = "closed", id = id }
      id = stranger()
      assert.matches("^127.0.0.1:%d+ says nothing to a WebSocket handshake$",
        w:expect({ kind = "notice" }).why)
      w:expect { kind = "closed", id = id }
    end)

    -- @rfc - - SHOULD C-238
    it("when there are too many, the oldest of them", function()
      with { tls_handshakes = 3 }
      local open = joined()
      local ids = {}
      for i = 1, 4 do
        ids[i] = stranger()
        send(ids[i], "GET ")
        w:poll(0.01)
      end
      assert.matches("^too many WebSocket handshakes at once, that with "
        .. "127.0.0.1:%d+ is the oldest$", w:expect({ kind = "notice" }).why)
      w:expect { kind = "closed", id = ids[1] }
      assert.same({}, w.events)
      send(open, client(TEXT, "still here"))
      w:expect { kind = "bytes", bytes = "still here" }
    end)

    it("when it goes in between; who only looks is not worth a line", function()
      local id = stranger()
      send(id, "GET / HT")
      w.net:shut(id)
      assert.matches("^127.0.0.1:%d+ closed the connection during the WebSocket "
        .. "handshake$", w:expect({ kind = "notice" }).why)
      w:expect { kind = "closed", id = id }
      id = stranger()
      w.net:shut(id)
      w:expect { kind = "closed", id = id }
      w:poll(0.02)
      assert.same({}, w.events)
    end)
  end)

  describe("of a page", function()
    -- @rfc 7118 7 MUST C-41
    it("is told with its origin, what it asks for, and its cookie", function()
      local _, _, opened = joined { Host = "a.example:8080",
        Origin = "https://a.example", line = "GET /sip?t=1 HTTP/1.1",
        extra = "Cookie: sid=x; b=c" }
      assert.same({ "https://a.example", "/sip?t=1", "sid=x; b=c" },
        { opened.origin, opened.target, opened.cookie })
      opened = select(3, joined())
      assert.same({ "/" }, { opened.target, opened.origin, opened.cookie })
    end)

    -- @rfc 6455 10.2 SHOULD C-41
    it("is only for the pages that are named", function()
      assert.is_true(w.net:origins "https://b.example\nhttps://c.example:8443\n")
      joined { Origin = "https://b.example" }
      joined { Origin = "https://C.example:8443" }
      joined() -- who is no browser
      for _, origin in ipairs { "https://c.example", "http://b.example", "null",
        "https://192.0.2.1", "https://b.example.evil.example" } do
        local id = stranger()
        send(id, websocket.request { Origin = origin })
        assert.matches("^HTTP/1.1 403 Forbidden\r\n", hear(id, "\r\n\r\n"))
        assert.matches("its page is of " .. origin,
          w:expect({ kind = "notice" }).why, 1, true)
        w:expect { kind = "closed", id = id }
      end
      assert.is_true(w.net:origins "*\n")
      joined { Origin = "https://d.example" }
    end)
  end)

  it("survives that memory is short at any allocation", function()
    local n, through = 0, false
    repeat
      n = n + 1
      w:close()
      w = wire.new()
      w.net:fail_at(n)
      local listener, at = w.net:listen("WS", "127.0.0.1", 0)
      local id = listener and w.net:open("WS", "127.0.0.1", at, nil, "a.example")
      local over = not (id and w.net:send(id, "x", 1))
      local ends = w.net:now() + 1
      while not over and w.net:now() < ends do
        w:poll(0.1)
        for _, event in ipairs(w.events) do
          if event.kind == "opened" and event.id ~= id then
            w.net:send(event.id, ("y"):rep(1000), 2)
          end
          through = through or event.kind == "bytes" and event.id == id
          over = over or through or event.kind == "closed"
        end
        w.events = {}
      end
    until through or n == 100
    assert.is_true(through and n > 10)
  end)

  describe("over IPv6", function()
    it("is the same", function()
      if not wire.has_ipv6() then
        pending "there is no ::1 here"
        return
      end
      local at = select(2, assert(w.net:listen("WS", "::1", 0)))
      local a, b = ours("::1", at)
      send(a, "hello")
      assert.equal("hello", w:expect({ kind = "bytes", id = b }).bytes)
    end)
  end)

  describe("over TLS", function()
    local made, pair

    setup(function()
      made = certificates.new()
      pair = made:issue { san = "DNS:*.a.example,IP:127.0.0.1" }
    end)

    teardown(function()
      made:remove()
    end)

    -- Both ends, or the client's end and why it closed.
    local function secured(name)
      assert(w.net:tls { ca = made.ca, pairs = { pair } })
      local at = select(2, assert(w.net:listen("WSS", "127.0.0.1", 0)))
      local id = assert(w.net:open("WSS", "127.0.0.1", at, nil, name))
      local ends = w.net:now() + 60
      while w.net:now() < ends do
        w:poll(0.02)
        for i, event in ipairs(w.events) do
          if event.id == id then
            table.remove(w.events, i)
            if event.kind == "closed" then
              return id, nil, event.why
            end
            return id, w:expect({ kind = "opened" }).id
          end
        end
      end
      error "nothing came"
    end

    it("wants a certificate to listen with", function()
      local id, name, why = w.net:listen("WSS", "127.0.0.1", 0)
      assert.same({ nil, "wire" }, { id, name })
      assert.matches("^TLS needs a certificate", why)
    end)

    -- @rfc 7118 5 MUST C-41
    it("carries messages both ways, and closes in order", function()
      local a, b = secured()
      local long = ("x"):rep(65535)
      send(a, long)
      assert.equal(long, w:expect({ kind = "bytes", id = b }).bytes)
      send(b, long)
      assert.equal(long, w:expect({ kind = "bytes", id = a }).bytes)
      w.net:shut(b)
      assert.is_nil(w:expect({ kind = "closed", id = a }).err)
      assert.is_nil(w:expect({ kind = "closed", id = b }).err)
    end)

    -- @rfc 7118 9.1 MUST C-41
    it("believes a certificate as the web does, wildcards too", function()
      local _, theirs = secured "sip.a.example"
      assert.is_truthy(theirs)
      for _, name in ipairs { "a.example", "x.y.a.example", "b.example" } do
        local _, none, why = secured(name)
        assert.is_nil(none)
        assert.matches("^the certificate of " .. name:gsub("%.", "%%.")
          .. " %(127.0.0.1:%d+%) is for", why)
      end
    end)

    it("refuses plain WebSockets, and says so", function()
      assert(w.net:tls { ca = made.ca, pairs = { pair } })
      local at = select(2, assert(w.net:listen("WSS", "127.0.0.1", 0)))
      local id = assert(w.net:open("WS", "127.0.0.1", at))
      assert.matches("^127.0.0.1:%d+ speaks HTTP to our TLS port$",
        w:expect({ kind = "notice" }).why)
      w:expect { kind = "closed", id = id }
    end)
  end)
end)

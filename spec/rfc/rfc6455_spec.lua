-- WebSocket as the codecs have it: frames (RFC 6455 5, 7.4, 8.1) and the heads of the
-- opening handshake (4, RFC 7118 4.1).  C-41.  On sockets: spec/wire/ws_spec.lua.

local test = require "sip.test"
local websocket = require "spec.support.websocket"

local codec = test.ws
local client, frame = websocket.client, websocket.frame
local bytewise = websocket.bytewise
local CONTINUATION, TEXT, BINARY =
  websocket.CONTINUATION, websocket.TEXT, websocket.BINARY
local CLOSE, PING, PONG = websocket.CLOSE, websocket.PING, websocket.PONG

-- What a server makes of what a client sends; the rows, without what is between.
local function read(stream, max)
  return (codec.frames({ stream }, true, max))
end

local function refusal(stream, max)
  local rows = read(stream, max)
  local last = rows[#rows]
  return last and { last[1], last[3], last[2] }
end

describe("frames", function()
  -- @rfc 6455 5.1 MUST C-41
  -- @rfc 6455 5.3 MUST
  it("are read and written as the RFC's examples are", function()
    local hello = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    assert.same({ { "text", "Hello" } }, read(hello))
    assert.equal(hello, codec.frame(TEXT, "Hello", "\x37\xfa\x21\x3d"))
    assert.equal("\x81\x05Hello", codec.frame(TEXT, "Hello"))
    assert.same({ { "text", "Hello" } },
      (codec.frames({ "\x01\x03Hel", "\x80\x02lo" }, false)))
    assert.same({ { "ping", "Hello" } }, (codec.frames({ "\x89\x05Hello" }, false)))
    assert.same({ { "pong", "Hello" } },
      read "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
  end)

  it("of every form of length are read as they were written", function()
    for _, len in ipairs { 0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536, 70000 } do
      local text = ("0123456789abcdef"):rep(len // 16 + 1):sub(1, len)
      for _, mask in ipairs { false, "\1\2\3\255" } do
        local written = codec.frame(BINARY, text, mask or nil)
        assert.equal(frame(BINARY, text, { mask = mask or nil }), written)
        assert.same({ { "binary", text } },
          (codec.frames({ written }, mask and true or false, 100000)))
      end
    end
  end)

  local mixed = client(TEXT, "A\xc3", { more = true }) .. client(PING, "p")
    .. client(CONTINUATION, "", { more = true })
    .. client(CONTINUATION, "\xa9B", { more = true }) .. client(PONG, "")
    .. client(CONTINUATION, "C") .. client(BINARY, ("x"):rep(200))
    .. client(CLOSE, "\x03\xe8bye")
  local all = {
    { "ping", "p" }, { "pong", "" }, { "text", "A\xc3\xa9BC" },
    { "binary", ("x"):rep(200) }, { "close", "bye", 1000 },
  }

  -- @rfc 6455 5.4 MUST C-41
  it("of a message may come in pieces, with control frames between", function()
    assert.same(all, read(mixed))
  end)

  it("are read the same byte by byte, and at every split", function()
    assert.same(all, (codec.frames(bytewise(mixed), true)))
    for at = 1, #mixed - 1 do
      local pieces = { mixed:sub(1, at), mixed:sub(at + 1) }
      assert.same(all, (codec.frames(pieces, true)))
    end
  end)

  it("hold no memory between messages, and what has come within", function()
    local whole = { client(TEXT, "a"), client(PING, "") }
    local _, within, blocks = codec.frames(whole, true)
    assert.same({ false, 0 }, { within, blocks })
    _, within, blocks = codec.frames({ client(TEXT, "", { says = 60000 }) }, true)
    assert.same({ true, 0 }, { within, blocks })
    _, within, blocks = codec.frames({ client(TEXT, "a", { says = 60000 }) }, true)
    assert.same({ true, 1 }, { within, blocks })
  end)
end)

describe("a peer is refused that sends", function()
  -- @rfc 6455 5.1 MUST C-41
  it("a frame without a mask, as a client, or with one, as a server", function()
    assert.same({ "syntax", 1002, "a frame of a client is not masked" },
      refusal(frame(TEXT, "x")))
    assert.same({ { "syntax", "a frame of a server is masked", 1002 } },
      (codec.frames({ client(TEXT, "x") }, false)))
  end)

  -- @rfc 6455 5.2 MUST
  it("a reserved bit", function()
    for _, bit in ipairs { 0x10, 0x20, 0x40 } do
      assert.same({ "syntax", 1002, "a reserved bit of a frame is set" },
        refusal(client(TEXT, "x", { bits = bit })))
    end
  end)

  -- @rfc 6455 5.2 MUST
  it("a kind of frame that nobody knows", function()
    for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      assert.same({ "syntax", 1002, "a frame is of no kind that is known" },
        refusal(client(opcode, "x")))
    end
  end)

  -- @rfc 6455 5.2 MUST
  it("a length that could be written shorter, or is negative", function()
    local why = "the length of a frame is not written as short as can be"
    for _, case in ipairs {
      { says = 125, length = "126" }, { says = 0, length = "126" },
      { says = 65535, length = "127" }, { says = 126, length = "127" },
      { says = math.mininteger, length = "127" }, { says = -1, length = "127" },
    } do
      assert.same({ "syntax", 1002, why }, refusal(client(BINARY, "", case)))
    end
    assert.same({}, read(client(BINARY, "", { says = 126 })))
  end)

  -- @rfc 6455 5.5 MUST
  it("a control frame that is long or in pieces", function()
    for _, opcode in ipairs { CLOSE, PING, PONG } do
      assert.same({ "syntax", 1002, "a control frame is too long" },
        refusal(client(opcode, ("x"):rep(126))))
      assert.same({ "syntax", 1002, "a control frame is in pieces" },
        refusal(client(opcode, "", { more = true })))
    end
    assert.same({ { "ping", ("x"):rep(125) } }, read(client(PING, ("x"):rep(125))))
  end)

  -- @rfc 6455 5.4 MUST
  it("pieces of nothing, or a message within a message", function()
    assert.same({ "syntax", 1002, "a frame continues a message that has not begun" },
      refusal(client(CONTINUATION, "x")))
    assert.same({ "syntax", 1002, "a frame continues a message that has not begun" },
      refusal(client(TEXT, "x") .. client(CONTINUATION, "x")))
    for _, opcode in ipairs { TEXT, BINARY } do
      assert.same({ "syntax", 1002, "a message begins within another one" },
        refusal(client(TEXT, "x", { more = true }) .. client(opcode, "x")))
    end
  end)

  -- @rfc 6455 10.4 SHOULD C-41
  it("more than a message may have, and before it has come", function()
    local why = { "limit", 1009, "a message is too long" }
    assert.same(why, refusal(client(TEXT, "", { says = 65536 })))
    assert.same(why, refusal(client(TEXT, "", { says = math.maxinteger })))
    assert.same(why, refusal(client(TEXT, "12345678", { more = true })
      .. client(CONTINUATION, "", { says = 3 }), 10))
    assert.same({ { "text", "12345678ab" } }, read(client(TEXT, "12345678",
      { more = true }) .. client(CONTINUATION, "ab"), 10))
  end)

  it("what is wrong in the first two bytes, as soon as they are there", function()
    assert.same({ "syntax", 1002, "a frame of a client is not masked" },
      refusal("\x81\x7f"))
  end)

  -- @rfc 6455 8.1 MUST C-41
  it("a text that is no UTF-8, as soon as that is seen", function()
    for _, bad in ipairs {
      "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
      "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
      "\xc3\x28", "\xe2\x28\xa1", "\xe2\x82\x28", "\xf0\x9f\x92\x28",
      "12345678\xff12345678", "1234567\xc3",
    } do
      assert.same({ "syntax", 1007, "a text is not UTF-8" },
        refusal(client(TEXT, bad)), bad)
      assert.same({ { "binary", bad } }, read(client(BINARY, bad)))
      assert.is_false(codec.is_utf8 { bad })
      assert.is_false(codec.is_utf8(bytewise(bad)))
    end
    assert.same({ "syntax", 1007, "a text is not UTF-8" },
      refusal(client(TEXT, "\xff", { says = 5000 })))
    assert.same({ "syntax", 1007, "a text is not UTF-8" },
      refusal(client(TEXT, "\xe2\x82", { more = true }) .. client(CONTINUATION, "")))
  end)

  it("every character that there is, in pieces or not, is UTF-8", function()
    for _, code in ipairs { 0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff,
      0x10000, 0x10ffff } do
      local text = "12345678" .. utf8.char(code) .. "x"
      assert.is_true(codec.is_utf8 { text })
      assert.is_true(codec.is_utf8(bytewise(text)))
    end
  end)

  -- @rfc 6455 5.5.1 MUST
  -- @rfc 6455 7.4.1 MUST NOT
  it("a Close with a code that nobody may send, or half a code", function()
    local why = { "syntax", 1002, "a Close has a code that nobody may send" }
    assert.same(why, refusal(client(CLOSE, "x")))
    for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535 } do
      assert.same(why, refusal(client(CLOSE, string.pack(">I2", code))))
    end
    for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1011, 3000, 4999 } do
      assert.same({ { "close", "", code } },
        read(client(CLOSE, string.pack(">I2", code))))
    end
    assert.same({ { "close", "", 1005 } }, read(client(CLOSE, "")))
    assert.same({ "syntax", 1007, "the reason of a Close is not UTF-8" },
      refusal(client(CLOSE, "\x03\xe8\xff")))
  end)
end)

describe("the handshake of a client", function()
  local request = websocket.request

  local function ask(changes)
    return { codec.request { request(changes) } }
  end

  -- @rfc 6455 4.2.1 MUST C-41
  -- @rfc 7118 4.1 MUST
  it("is understood as the RFC has it", function()
    local text = table.concat({
      "GET /chat HTTP/1.1", "Host: sip-ws.example.com", "Upgrade: websocket",
      "Connection: Upgrade", "Sec-WebSocket-Key: " .. websocket.KEY,
      "Origin: http://www.example.com", "Sec-WebSocket-Protocol: sip",
      "Cookie: sid=a; lang=\xe9",
      "Sec-WebSocket-Version: 13", "", "" }, "\r\n")
    local wanted = { host = "sip-ws.example.com", origin = "http://www.example.com",
      target = "/chat", cookie = "sid=a; lang=\xe9", key = websocket.KEY, head = text,
      same_host = false }
    assert.same(wanted, codec.request { text .. "more" })
    assert.same(wanted, codec.request(bytewise(text)))
    for at = 1, #text - 1 do
      assert.is_nil((codec.request { text:sub(1, at) }))
      assert.same(wanted, codec.request { text:sub(1, at), text:sub(at + 1) })
    end
  end)

  it("is understood as browsers and proxies write it", function()
    for _, changes in ipairs {
      { Upgrade = "WebSocket" }, { Connection = "keep-alive, Upgrade" },
      { Connection = "UPGRADE" }, { ["Sec-WebSocket-Protocol"] = "xmpp,\tsip" },
      { ["Sec-WebSocket-Protocol"] = false,
        extra = "sec-websocket-protocol: a\r\nsec-websocket-protocol:sip" },
      { extra = "Sec-WebSocket-Extensions: permessage-deflate\r\nCookie: a=b\xe9" },
      { extra = "Content-Length: 0" }, { extra = "A#$&^|b: c" },
      { line = "GET /a?b=c HTTP/1.1" },
      { line = "GET http://192.0.2.1/ HTTP/1.1" },
    } do
      assert.equal(websocket.KEY, ask(changes)[1].key)
    end
    assert.equal("/a?b=c&d", ask { line = "GET /a?b=c&d HTTP/1.1" }[1].target)
  end)

  for _, case in ipairs {
    { 405, "its method is not GET", { line = "POST / HTTP/1.1" } },
    { 505, "its HTTP is not that of version 1.1", { line = "GET / HTTP/1.0" } },
    { 505, "its HTTP is not that of version 1.1", { line = "GET / HTTP/2.0" } },
    { 400, "it does not speak HTTP", { line = "GET /" } },
    { 400, "it does not speak HTTP", { line = "GET  HTTP/1.1" } },
    { 400, "it does not speak HTTP", { line = "GET / HTTP/1.11" } },
    { 400, "it does not speak HTTP", { line = "GET /\1 HTTP/1.1" } },
    { 400, "it speaks SIP without a WebSocket", { line = "OPTIONS sip:a@b SIP/2.0" } },
    { 400, "it speaks SIP without a WebSocket", { line = "SIP/2.0 200 OK" } },
    { 400, "it has no Host, or several", { Host = false } },
    { 400, "it has no Host, or several", { extra = "Host: b" } },
    { 400, "it has no Host, or several", { Host = "a b" } },
    { 426, "it does not ask for a WebSocket", { Upgrade = false } },
    { 426, "it does not ask for a WebSocket", { Upgrade = "h2c" } },
    { 426, "it does not ask for a WebSocket", { Connection = "close" } },
    { 426, "its Sec-WebSocket-Version is not 13", { ["Sec-WebSocket-Version"] = "8" } },
    { 426, "its Sec-WebSocket-Version is not 13",
      { ["Sec-WebSocket-Version"] = false } },
    { 400, "its Sec-WebSocket-Key is not 16 bytes in base64",
      { ["Sec-WebSocket-Key"] = false } },
    { 400, "its Sec-WebSocket-Key is not 16 bytes in base64",
      { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=" } },
    { 400, "its Sec-WebSocket-Key is not 16 bytes in base64",
      { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25j*Q==" } },
    { 400, "its Sec-WebSocket-Key is not 16 bytes in base64",
      { extra = "Sec-WebSocket-Key: " .. websocket.KEY } },
    { 400, "sip is not among its Sec-WebSocket-Protocol",
      { ["Sec-WebSocket-Protocol"] = false } },
    { 400, "sip is not among its Sec-WebSocket-Protocol",
      { ["Sec-WebSocket-Protocol"] = "sips, SIP, sip/2" } },
    { 400, "it has several Origins", { extra = "Origin: a\r\nOrigin: b" } },
    { 400, "its Origin is none", { Origin = "" } },
    { 400, "its Origin is none", { Origin = "http://192.0.2.1:80 http://a.example" } },
    { 400, "its Origin is none", { Origin = "http://\xe9.example" } },
    { 400, "it has several Cookies", { extra = "Cookie: a=1\r\nCookie: a=2" } },
    { 400, "it announces a body", { extra = "Content-Length: 1" } },
    { 400, "it announces a body", { extra = "Transfer-Encoding: chunked" } },
    { 400, "a line of its head is no header field", { extra = "nothing" } },
    { 400, "a line of its head is no header field", { extra = "A : b" } },
    { 400, "a line of its head is no header field", { extra = "A: b\r\n c: d" } },
    { 400, "a line of its head is no header field", { extra = "A: b\0" } },
    { 400, "a line of its head does not end as it should", { extra = "A: b\nC: d" } },
  } do
    -- @rfc 6455 4.2.1 MUST C-41
    -- @rfc 6455 4.4 MUST
    it(("is refused with %d: %s (%s)"):format(case[1], case[2],
      next(case[3]) .. "=" .. tostring(select(2, next(case[3])))), function()
      assert.same({ nil, case[1], case[2] }, ask(case[3]))
      local status, why = select(2, codec.request(bytewise(request(case[3]))))
      assert.same({ case[1], case[2] }, { status, why })
    end)
  end

  it("is refused as soon as it can be no HTTP", function()
    for text, why in pairs {
      ["\x16\x03\x01"] = "it speaks TLS where none is wanted",
      ["\r"] = "it speaks SIP without a WebSocket",
      ["\0"] = "it does not speak HTTP",
      ["INVITE sip:a@b SIP/2.0\r\n"] = "it speaks SIP without a WebSocket",
      ["EHLO example.com\r\n"] = "it does not speak HTTP",
    } do
      assert.same({ nil, 400, why }, { codec.request { text } })
    end
  end)

  -- @rfc 6585 5 - C-41
  it("is refused with 431 when it is long, whole or not", function()
    local long = { nil, 431, "its head is too long" }
    assert.same(long, ask { extra = "A: " .. ("x"):rep(8192) })
    assert.same(long, { codec.request { "GET /" .. ("x"):rep(8200) } })
    assert.same(long, { codec.request(bytewise("GET /" .. ("x"):rep(8200))) })
  end)

  it("says whether its page is of the host that it asks", function()
    for _, row in ipairs {
      { "http://a.example", "a.example", true },
      { "https://A.example", "a.example", true },
      { "https://a.example:8443", "a.example:5443", true },
      { "http://[2001:db8::1]:80", "[2001:DB8::1]:8080", true },
      { "https://b.a.example", "a.example", false }, { "null", "null", false },
      { "file://", "a.example", false }, { "http://", "a.example", false },
      { "https://a.example.evil.example", "a.example", false },
    } do
      assert.equal(row[3], ask({ Origin = row[1], Host = row[2] })[1].same_host, row[1])
    end
  end)
end)

describe("the handshake of a server", function()
  local response = websocket.response

  local function judge(changes)
    return { codec.response({ response(changes) }, websocket.ACCEPT) }
  end

  -- @rfc 6455 4.1 MUST C-41
  it("is believed when it proves that it has understood", function()
    local text = response()
    assert.same({ text }, { codec.response({ text .. "\x81\x00" }, websocket.ACCEPT) })
    assert.same({ text }, { codec.response(bytewise(text), websocket.ACCEPT) })
    assert.same({ response { Upgrade = "WebSocket", Connection = "upgrade" } },
      judge { Upgrade = "WebSocket", Connection = "upgrade" })
  end)

  for _, case in ipairs {
    { 404, "it does not switch protocols", { line = "HTTP/1.1 404 Not Found" } },
    { 200, "it does not switch protocols", { line = "HTTP/1.1 200" } },
    { 0, "it does not speak HTTP", { line = "HTTP/1.1 99 Odd" } },
    { 0, "it does not speak HTTP", { line = "220 mail.example ESMTP" } },
    { 0, "it speaks SIP without a WebSocket", { line = "SIP/2.0 400 Bad Request" } },
    { 101, "its HTTP is not that of version 1.1", { line = "HTTP/1.0 101 Fine" } },
    { 101, "its HTTP is not that of version 1.1", { line = "HTTP/2.0 101 Fine" } },
    { 101, "it switches to something else", { Upgrade = "h2c" } },
    { 101, "it switches to something else", { Upgrade = "websocket, h2c" } },
    { 101, "it switches to something else", { extra = "Upgrade: websocket" } },
    { 101, "it switches to something else", { Connection = "close" } },
    { 101, "its Sec-WebSocket-Accept is wrong", { ["Sec-WebSocket-Accept"] = false } },
    { 101, "its Sec-WebSocket-Accept is wrong",
      { ["Sec-WebSocket-Accept"] = websocket.ACCEPT:lower() } },
    { 101, "its Sec-WebSocket-Protocol is not sip",
      { ["Sec-WebSocket-Protocol"] = false } },
    { 101, "its Sec-WebSocket-Protocol is not sip",
      { ["Sec-WebSocket-Protocol"] = "sip, xmpp" } },
    { 101, "it wants extensions that were not offered",
      { extra = "Sec-WebSocket-Extensions: permessage-deflate" } },
  } do
    -- @rfc 6455 4.1 MUST C-41
    -- @rfc 7118 4.1 MUST
    it(("is not believed: %s (%s)"):format(case[2],
      next(case[3]) .. "=" .. tostring(select(2, next(case[3])))), function()
      assert.same({ nil, case[1], case[2] }, judge(case[3]))
    end)
  end
end)

describe("what we write", function()
  -- @rfc 6455 4.1 MUST C-41
  it("is understood by ourselves, and is no more than it must be", function()
    local asked = codec.write_request("/ws?a=b", "a.example:8080", websocket.KEY)
    assert.same({ host = "a.example:8080", target = "/ws?a=b", origin = "", cookie = "",
      key = websocket.KEY, head = asked, same_host = false }, codec.request { asked })
    local given = codec.write_accept(websocket.ACCEPT)
    assert.equal(given, codec.response({ given }, websocket.ACCEPT))
    assert.equal(websocket.response(), given)
  end)

  -- @rfc 6455 4.2.2 MUST
  -- @rfc 6455 4.4 MUST
  it("says why, and what would do", function()
    local text = codec.write_refusal(426, "its Sec-WebSocket-Version is not 13")
    assert.matches("^HTTP/1.1 426 Upgrade Required\r\n", text)
    assert.matches("\r\nSec%-WebSocket%-Version: 13\r\n", text)
    assert.matches("\r\nContent-Length: 36\r\n\r\n"
      .. "its Sec-WebSocket-Version is not 13\n", text, 1, true)
    assert.matches("\r\nAllow: GET\r\n", codec.write_refusal(405, "x"))
    for _, status in ipairs { 400, 403, 405, 426, 431, 503, 505 } do
      assert.matches("^HTTP/1.1 " .. status .. " %u", codec.write_refusal(status, "x"))
    end
  end)

  it("has no line that somebody else has put in", function()
    assert.has_error(function()
      codec.write_request("/", "a\r\nB: c", websocket.KEY)
    end)
    assert.has_error(function()
      codec.write_request("/ HTTP/1.1\r\nB: c", "a", websocket.KEY)
    end)
  end)
end)

-- Endpoints over WebSockets on the loop of production, with strangers who speak bytes.
-- C-41.

local certificates = require "spec.support.certificates"
local production = require "spec.support.production"
local websocket = require "spec.support.websocket"
local wire = require "spec.support.wire"

local assert = require "luassert"

local port_of = production.port

local SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
  .. "m=audio 4000 RTP/AVP 0\r\n"

describe("an endpoint over WebSocket", function()
  local made, pair, real, loop, sip, warned

  setup(function()
    made = certificates.new()
    pair = made:issue { san = "IP:127.0.0.1" }
  end)

  teardown(function()
    made:remove()
  end)

  before_each(function()
    real = production.new()
    loop, sip, warned = real.loop, real.sip, real.warned
  end)

  after_each(function()
    real:close()
  end)

  -- A stranger who has asked for a WebSocket, and its connection.
  local function stranger(ua, changes)
    local w = wire.new()
    local id = assert(w.net:open("TCP", "127.0.0.1", port_of(ua)))
    w:expect { kind = "opened", id = id }
    assert(w.net:send(id, websocket.request(changes), 1))
    return w, id
  end

  -- What the stranger hears, while our loop goes on.
  local function hear(w, ready)
    local text, ends = "", loop:now() + 60
    repeat
      sip.sleep(0.005)
      w:poll(0)
      for _, event in ipairs(w.events) do
        text = text .. (event.bytes or "")
      end
      w.events = {}
    until text:find(ready, 1, true) or loop:now() > ends
    return text
  end

  for _, kind in ipairs { "ws", "wss" } do
    -- @rfc 7118 5 MUST C-41
    it("is called by another over " .. kind .. ", and both ask inside", function()
      local bob = sip.new { listen = kind .. ":127.0.0.1:0",
        tls = { cert = pair.cert, key = pair.key } }
      local alice = sip.new { listen = "udp:127.0.0.1:0", tls = { ca = made.ca },
        ws = { path = "/sip?token=7" } }
      local info, transport, asked
      bob:on_call(function(call)
        assert(call:answer { sdp = call.request:body() })
        info = assert(call:send { method = "INFO" })
        call:wait()
      end)
      bob:on("OPTIONS", function(req)
        transport = req.source.transport
        assert.is_nil(req:origin())
        asked = req:handshake().target
        req:reply(200)
      end)
      local peer
      sip.run(function()
        local scheme = kind == "wss" and "sips" or "sip"
        local to = ("%s:bob@127.0.0.1:%d;transport=ws"):format(scheme, port_of(bob))
        assert(alice:request { method = "OPTIONS", uri = to })
        peer = assert(alice:dial(to, { sdp = SDP }))
        assert(peer:send { method = "INFO" })
        real:wait_for(function()
          return info
        end)
        assert.equal(1, alice.stack:stats().connections)
        peer:hangup()
        bob:close()
        alice:close()
      end)
      assert.equal(kind, transport)
      assert.equal("/sip?token=7", asked)
      assert.equal(200, info:status())
      assert.equal("ended", peer.state)
      assert.same({}, warned)
    end)
  end

  -- @rfc 7118 5 MUST C-41
  -- @rfc 7118 7 MUST
  it("understands a page that says no Content-Length, and knows whose it is", function()
    local bob = sip.new { listen = "ws:127.0.0.1:0" }
    local origin, said, text
    bob:on("MESSAGE", function(req)
      origin, said = req:origin(), req:handshake()
      text = req.message:body()
      req:reply(200)
    end)
    local answer
    sip.run(function()
      local w, id = stranger(bob, { Host = "127.0.0.1", Origin = "https://127.0.0.1",
        line = "GET /sip?token=7 HTTP/1.1", extra = "Cookie: sid=" .. ("x"):rep(4000) })
      hear(w, "\r\n\r\n")
      assert(w.net:send(id, websocket.client(1, table.concat({
        "MESSAGE sip:bob@127.0.0.1 SIP/2.0",
        "Via: SIP/2.0/WS x7.invalid;branch=z9hG4bK1", "Max-Forwards: 70",
        "From: <sip:a@x>;tag=1", "To: <sip:bob@127.0.0.1>", "Call-ID: 1",
        "CSeq: 1 MESSAGE", "Content-Type: text/plain", "", "hello" }, "\r\n")), 1))
      answer = hear(w, "\r\n\r\n")
      w:close()
      bob:close()
    end)
    assert.same({ "https://127.0.0.1", "hello" }, { origin, text })
    assert.same({ target = "/sip?token=7", origin = "https://127.0.0.1",
      cookie = "sid=" .. ("x"):rep(4000) }, said)
    local got = websocket.read(answer)
    assert.same({ 1, true }, { got.opcode, got.final })
    assert.matches("^SIP/2.0 200 OK\r\nVia: SIP/2.0/WS x7.invalid;branch=z9hG4bK1;",
      got.bytes)
  end)

  for _, limit in ipairs { "unread_bytes", "source_unread_bytes" } do
    it("bounds what half messages take, by limits." .. limit, function()
      local bob = sip.new { listen = "ws:127.0.0.1:0",
        limits = { [limit] = 9000, loopback = true } }
      local half = websocket.client(2, ("x"):rep(4000), { says = 60000 })
      local heard = {}
      sip.run(function()
        local list = {}
        for i = 1, 3 do
          local w, id = stranger(bob)
          hear(w, "\r\n\r\n")
          assert(w.net:send(id, half, 1))
          list[i] = w
        end
        heard[3] = websocket.read(hear(list[3], "\x03\xf5"))
        list[1]:close() -- and what it has said is nothing any more
        list[2]:close()
        real:wait_for(function()
          return bob.stack:stats().connections == 1
        end)
        local w, id = stranger(bob)
        hear(w, "\r\n\r\n")
        assert(w.net:send(id, half, 1))
        sip.sleep(0.02)
        w:poll(0)
        assert.same({}, w.events)
        list[3]:close()
        w:close()
        bob:close()
      end)
      assert.equal(1013, heard[3].code)
    end)
  end

  -- @rfc 6455 4.2.2 MUST C-41
  it("lets in the pages that are named, and the log says who else came", function()
    local bob = sip.new { listen = "ws:127.0.0.1:0",
      ws = { origins = { "https://a.example" } } }
    local heard = {}
    sip.run(function()
      for i, origin in ipairs { "https://a.example", "https://b.example" } do
        local w = stranger(bob, { Origin = origin })
        heard[i] = hear(w, "\r\n\r\n"):match "^HTTP/1.1 (%d+)"
        w:close()
      end
      local w = wire.new()
      local id = assert(w.net:open("TCP", "127.0.0.1", port_of(bob)))
      assert(w.net:send(id, "OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\n", 1))
      heard[3] = hear(w, "\r\n\r\n"):match "^HTTP/1.1 (%d+)"
      w:close()
      real:wait_for(function()
        return warned[2]
      end)
      bob:close()
    end)
    assert.same({ "101", "403", "400" }, heard)
    assert.equal(2, #warned)
    assert.matches("^no WebSocket with 127.0.0.1:%d+: its page is of "
      .. "https://b.example, which is not among ws.origins %(403%)$", warned[1])
    assert.matches("^no WebSocket with 127.0.0.1:%d+: it speaks SIP without a "
      .. "WebSocket %(400%)$", warned[2])
  end)

  it("says in a sentence why nobody was reached", function()
    local bob = sip.new { listen = "tcp:127.0.0.1:0" }
    local alice = sip.new { listen = "udp:127.0.0.1:0", t1 = 0.01 }
    local e
    sip.run(function()
      e = select(2, alice:request { method = "OPTIONS",
        uri = ("sip:bob@127.0.0.1:%d;transport=ws"):format(port_of(bob)) })
      bob:close()
      alice:close()
    end)
    assert.equal("unreachable", e.name)
    assert.matches("127.0.0.1:" .. port_of(bob), tostring(e), 1, true)
  end)
end)

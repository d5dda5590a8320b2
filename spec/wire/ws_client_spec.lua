-- WebSockets that we open on loopback to strangers who speak bytes.  C-41.

local websocket = require "spec.support.websocket"
local wire = require "spec.support.wire"

local TEXT, CLOSE = websocket.TEXT, websocket.CLOSE

describe("a WebSocket to a server that is a stranger", function()
  local w, at

  local function listen(limits)
    w = wire.new(limits)
    at = select(2, assert(w.net:listen("TCP", "127.0.0.1", 0)))
  end

  before_each(function()
    listen()
  end)

  after_each(function()
    w:close()
  end)

  local function send(id, bytes)
    assert.is_true(w.net:send(id, bytes, 1))
  end

  -- Ours asks; what it asked, and the end of the server.
  local function ask(name)
    local id = assert(w.net:open("WS", "127.0.0.1", at, nil, name))
    send(id, "held")
    local theirs = w:expect({ kind = "opened" }).id
    return id, theirs, websocket.hear(w, theirs, "\r\n\r\n")
  end

  -- @rfc 6455 4.1 MUST C-41
  -- @rfc 7118 4.1 MUST
  it("asks for the host that it wants, and for sip", function()
    local _, _, head = ask "a.example"
    assert.matches("^GET / HTTP/1.1\r\nHost: a.example:" .. at .. "\r\n", head)
    assert.matches("\r\nSec-WebSocket-Protocol: sip\r\n", head, 1, true)
    local key = head:match "\r\nSec%-WebSocket%-Key: (%S+)\r\n"
    assert.equal(24, #key)
    local _, _, other = ask()
    assert.matches("^GET / HTTP/1.1\r\nHost: 127.0.0.1:" .. at .. "\r\n", other)
    assert.not_equal(key, other:match "\r\nSec%-WebSocket%-Key: (%S+)\r\n")
  end)

  for answer, why in pairs {
    ["HTTP/1.1 404 Not Found\r\n\r\n"] = "it does not switch protocols (404)",
    ["SIP/2.0 400 Bad Request\r\n\r\n"] = "it speaks SIP without a WebSocket",
    [websocket.response()] = "its Sec-WebSocket-Accept is wrong (101)",
  } do
    -- @rfc 6455 4.1 MUST
    it("says why: " .. why, function()
      local id, theirs = ask "a.example"
      send(theirs, answer)
      local wanted = ("no WebSocket with a.example (127.0.0.1:%d): %s"):format(at,
        why)
      assert.equal(wanted, w:expect({ kind = "failed", id = id }).why)
      assert.equal(wanted, w:expect({ kind = "closed", id = id }).why)
      w:expect { kind = "closed", id = theirs }
    end)
  end

  it("waits no longer than a handshake may take", function()
    w:close()
    listen { tls_handshake_ms = 100 }
    local id = ask()
    assert.equal("127.0.0.1:" .. at .. " says nothing to a WebSocket handshake",
      w:expect({ kind = "closed", id = id }).why)
  end)

  -- @rfc 6455 5.1 MUST C-41
  it("masks what it sends, with another mask each time", function()
    local id, theirs, head = ask()
    local key = head:match "\r\nSec%-WebSocket%-Key: (%S+)\r\n"
    local other = wire.new() -- a server of ours works out the proof
    local accept_port = select(2, assert(other.net:listen("WS", "127.0.0.1", 0)))
    local asking = assert(other.net:open("TCP", "127.0.0.1", accept_port))
    local request = websocket.request { ["Sec-WebSocket-Key"] = key }
    assert(other.net:send(asking, request, 1))
    local proof = websocket.hear(other, asking, "\r\n\r\n")
    other:close()
    send(theirs, proof)
    w:expect { kind = "opened", id = id }
    local first = w:expect({ kind = "bytes", id = theirs }).bytes
    send(id, "held")
    local second = w:expect({ kind = "bytes", id = theirs }).bytes
    for _, bytes in ipairs { first, second } do
      local got = websocket.read(bytes)
      assert.same({ TEXT, "held", true }, { got.opcode, got.bytes, got.masked })
    end
    assert.not_equal(first:sub(3, 6), second:sub(3, 6))
    w.net:shut(id)
    local close = websocket.read(w:expect({ kind = "bytes", id = theirs }).bytes)
    assert.same({ CLOSE, 1000, true }, { close.opcode, close.code, close.masked })
  end)
end)

-- The bounds of csrc/base/limits.h that are about the kernel's sockets, set for one
-- endpoint by sip.new: what is at the bound passes, one more does not. The others are
-- in spec/sim/limits_spec.lua. C-19.

local certificates = require "spec.support.certificates"
local production = require "spec.support.production"
local wire = require "spec.support.wire"

describe("the limit", function()
  local real, loop, sip, far, warned, made

  lazy_setup(function()
    made = certificates.new()
  end)

  lazy_teardown(function()
    made:remove()
  end)

  before_each(function()
    real = production.new()
    loop, sip, warned = real.loop, real.sip, real.warned
    far = wire.new()
  end)

  after_each(function()
    far:close()
    real:close()
  end)

  -- Both loops turn until this is so.
  local function until_there(ready)
    local ends = far.net:now() + 60
    repeat
      loop:step(0)
      far:poll(0.001)
      local value = ready()
      if value then
        return value
      end
    until far.net:now() > ends
    error "nothing came"
  end

  -- What comes of an OPTIONS of an endpoint with this limit: how long it was, or why it
  -- was not sent.
  local function request(transport, limits)
    local ua = sip.new { listen = transport .. ":127.0.0.1:0", limits = limits }
    local at, port = assert(far.net:listen(transport:upper(), "127.0.0.1", 0))
    local length, why
    sip.spawn(function()
      local _, e = ua:request { method = "OPTIONS", timeout = 60,
        uri = ("sip:x@127.0.0.1:%d;transport=%s"):format(port, transport) }
      why = e
    end)
    until_there(function()
      for _, event in ipairs(far.events) do
        length = event.kind == "bytes" and (transport == "tcp" or event.id == at)
          and #event.bytes or length
      end
      return length or why
    end)
    far.events = {}
    ua:shut() -- nobody answers
    return length, why
  end

  for name, transport in pairs {
    datagram_queue_bytes = "udp", stream_queue_bytes = "tcp",
  } do
    it(name .. " is an error, as a 503 is", function()
      local length = request(transport)
      assert.equal(length, (request(transport, { [name] = length })))
      local sent, e = request(transport, { [name] = length - 1 })
      assert.is_nil(sent)
      assert.equal("unreachable", e.name)
    end)
  end

  -- @rfc 3261 18.1.1 MUST C-19
  it("message_bytes lets the largest datagram through", function()
    local ua = sip.new { listen = "udp:127.0.0.1:0" }
    local port = tonumber(ua.listening[1]:match ":(%d+)$")
    local body
    ua:on("MESSAGE", function(req)
      body = req.message:body()
      req:reply(200)
    end)
    local at, own = assert(far.net:listen("UDP", "127.0.0.1", 0))
    local head = table.concat({ "MESSAGE sip:b@127.0.0.1 SIP/2.0",
      ("Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bKlarge"):format(own),
      "Max-Forwards: 70", "From: <sip:a@a.example>;tag=1", "To: <sip:b@b.example>",
      "Call-ID: large", "CSeq: 1 MESSAGE", "Content-Type: text/plain", "", "" }, "\r\n")
    local text = head .. ("x"):rep(65507 - #head) -- what IPv4 can carry
    assert(far.net:send(at, text, 1, "127.0.0.1", port))
    local answer = until_there(function()
      return far.events[1]
    end)
    assert.matches("^SIP/2.0 200 ", answer.bytes)
    assert.equal(65507 - #head, #body)
    sip.run(function()
      ua:close()
    end)
  end)

  local function secure(limits)
    local pair = made:issue { san = "IP:127.0.0.1" }
    local ua = sip.new { listen = "tls:127.0.0.1:0", limits = limits,
      tls = { ca = made.ca, cert = pair.cert, key = pair.key } }
    return ua, tonumber(ua.listening[1]:match ":(%d+)$")
  end

  local function silent(port)
    local id = assert(far.net:open("TCP", "127.0.0.1", port))
    until_there(function()
      for i, event in ipairs(far.events) do
        if event.kind == "opened" and event.id == id then
          return table.remove(far.events, i)
        end
      end
    end)
    return id
  end

  local function closed(id)
    for _, event in ipairs(far.events) do
      if event.kind == "closed" and event.id == id then
        return true
      end
    end
  end

  it("tls_handshakes is closed: the oldest one", function()
    local ua, port = secure { tls_handshakes = 2 }
    local one, two = silent(port), silent(port)
    for _ = 1, 5 do
      loop:step(0)
    end
    far:poll(0)
    assert.is_nil(closed(one))
    local three = silent(port)
    until_there(function()
      return closed(one)
    end)
    assert.same({}, { closed(two), closed(three) })
    until_there(function()
      return warned[1]
    end)
    assert.matches("too many TLS handshakes at once", warned[1])
    sip.run(function()
      ua:close()
    end)
  end)

  it("tls_handshake_ms is closed", function()
    local ua, port = secure { tls_handshake_ms = 60 }
    local before = loop:now()
    local one = silent(port)
    until_there(function()
      return closed(one)
    end)
    assert.is_true(loop:now() - before > 0.055)
    until_there(function()
      return warned[1]
    end)
    assert.matches("says nothing to a TLS handshake", warned[1])
    sip.run(function()
      ua:close()
    end)
  end)
end)

-- Connection reuse (RFC 5923): which connection a new request goes by.  C-35.

local core = require "sip.core"
local rig_of = require "spec.support.rig"
local simulated = require "spec.support.simulated"

local OURS, PEER = rig_of.OURS, rig_of.PEER

simulated(describe, "certificates")("a TLS connection", function()
  local rig, door

  before_each(function()
    rig = rig_of.new { stream = true }
    assert(rig.stack:listen { transport = "tls", host = OURS, port = 5061 })
    door = rig.far:raw { transport = "tls", host = PEER, port = 5061 }
  end)

  after_each(function()
    rig:clean()
  end)

  -- The peer connects to us, says a request with this Via, and has its answer.
  local function come(via_more, names, sent_by)
    if names then
      rig.far:certificate(table.unpack(names))
    end
    local id = assert(door:connect(OURS, 5061))
    rig:run(rig.world:now())
    assert(door:write(id, rig_of.request { transport = "TLS",
      sent_by = sent_by or "p1.example", branch = "z9hG4bKc" .. id,
      call_id = "c" .. id, via_more = via_more }))
    rig:run(rig.world:now())
    rig:last("request"):respond(200)
    rig:run(rig.world:now())
    door:take()
    return id
  end

  -- Our stack sends a request there; by which connection the peer hears it, and the
  -- Via.
  local function go(name, port)
    local tx = assert(rig.stack:request {
      method = "OPTIONS", uri = "sip:a@p1.example",
      transport = "tls", host = PEER, port = port, server_name = name,
      headers = { "From", "<sip:b@192.0.2.2>;tag=1", "To", "<sip:a@p1.example>",
        "Call-ID", "g" .. #rig.held, "CSeq", "1 OPTIONS" } })
    rig.held[#rig.held + 1] = tx
    rig:run(rig.world:now())
    for _, event in ipairs(door:take()) do
      if event.what == "bytes" and event.bytes:find "^OPTIONS" then
        return event.id, core.parse(event.bytes):via(1)
      end
    end
  end

  -- @rfc 5923 8.2 MUST C-35
  it("C-35 of a peer with an alias carries requests for whom it has proven", function()
    local id = come(";alias", { "p1.example", "example.com" })
    assert.equal(id, (go("p1.example")))
    assert.equal(id, (go("example.com", 5061)))
  end)

  -- @rfc 5923 8.2 MUST C-35
  it("C-35 at the port of its sent-by", function()
    local id = come(";alias", { "p1.example" }, "p1.example:5077")
    local other = rig.far:raw { transport = "tls", host = PEER, port = 5077 }
    local first = go("p1.example", 5061)
    assert.truthy(first)
    assert.not_equal(id, first)
    assert.equal(id, (go("p1.example", 5077)))
    assert.same({}, other:take())
  end)

  -- @rfc 5923 8.2 MUST C-35
  it("C-35 but not for anybody else at that address, nor for an address", function()
    local id = come(";alias", { "p1.example", "p2.example" })
    rig.far:certificate("p1.example", "p2.example", "p3.example")
    assert.not_equal(id, (go("p3.example")))
    assert.not_equal(id, (go(nil)))
  end)

  -- @rfc 5923 9.2 MUST NOT C-35
  it("C-35 nor when the peer has shown no certificate", function()
    local id = come(";alias")
    assert.not_equal(id, (go("p1.example")))
  end)

  -- @rfc 5923 8.2 MUST C-35
  it("C-35 nor without an alias", function()
    local id = come("", { "p1.example" })
    local new = go("p1.example")
    assert.truthy(new)
    assert.not_equal(id, new)
  end)

  it("C-35 nor at its own far end, which is nobody's address", function()
    local id = come("", { "p1.example" })
    local _, request = rig:last "request"
    local _, port = request:source()
    assert.is_nil((go("p1.example", port)))
    assert.truthy(id)
  end)

  -- @rfc 5923 8.2 MUST
  it("C-35 is replaced by another when it is gone", function()
    local id = come(";alias", { "p1.example" })
    door:shut(id)
    rig:run(rig.world:now())
    local new = go("p1.example")
    assert.truthy(new)
    assert.not_equal(id, new)
  end)
end)

simulated(describe, "certificates")("a Via over TLS", function()
  local rig, door

  local function start(tls)
    rig = rig_of.new { stream = true }
    if tls then
      assert(rig.stack:tls(tls))
    end
    if not tls or tls.listens ~= false then
      assert(rig.stack:listen { transport = "tls", host = OURS, port = 5061 })
    end
    door = rig.far:raw { transport = "tls", host = PEER, port = 5061 }
  end

  local function via(transport)
    rig.held[1] = assert(rig:request { transport = transport or "tls",
      port = transport and 5060 or 5061 })
    rig:run(rig.world:now())
    for _, event in ipairs((transport and rig.stream or door):take()) do
      if event.what == "bytes" then
        local line = event.bytes:match "\r\n(Via:[^\r]*)"
        return line:find(";alias", 1, true) ~= nil
      end
    end
  end

  local PAIR = { { cert = "cert.pem", key = "key.pem" } }

  after_each(function()
    rig:clean()
  end)

  -- @rfc 5923 8.1 MUST C-35
  it("C-35 has an alias when both ends prove who they are", function()
    start { pairs = PAIR }
    assert.is_true(via())
  end)

  -- @rfc 5923 8.1 MUST C-35
  it("C-35 has none when the peer is not verified", function()
    start { pairs = PAIR, verify = false }
    assert.is_false(via())
  end)

  it("C-35 has none when we have no certificate to show", function()
    start {}
    assert.is_false(via())
  end)

  it("C-35 has none when nobody could reach us there", function()
    start { pairs = PAIR, listens = false }
    assert.is_false(via())
  end)

  -- @rfc 5923 9.3 MUST NOT C-35
  it("C-35 has none over TCP", function()
    start { pairs = PAIR }
    assert.is_false(via "tcp")
  end)
end)

-- Endpoints over TLS on the loop of production, with certificates of their own.  C-38
-- (sips on the wire), C-39 (whose certificate it is).

local certificates = require "spec.support.certificates"
local openssl = require "spec.support.openssl"
local production = require "spec.support.production"

local assert = require "luassert"

local port_of = production.port

describe("an endpoint over TLS", function()
  local made, server, client, real, sip, warned

  setup(function()
    made = certificates.new()
    server = made:issue { san = "URI:sip:b.example,IP:127.0.0.1" }
    client = made:issue { san = "URI:sip:a.example,IP:127.0.0.1" }
  end)

  teardown(function()
    made:remove()
  end)

  before_each(function()
    real = production.new()
    sip, warned = real.sip, real.warned
  end)

  after_each(function()
    real:close()
  end)

  local function endpoint(pair, more)
    local tls = { ca = made.ca, cert = pair.cert, key = pair.key }
    for key, value in pairs(more or {}) do
      tls[key] = value
    end
    return sip.new { listen = "tls:127.0.0.1:0", tls = tls, trace = true }
  end

  it("is called, hangs up, and knows who called", function()
    local bob = endpoint(server, { clients = "required" })
    local alice = endpoint(client)
    local names, transport
    bob:on("OPTIONS", function(req)
      names, transport = req:peer_names(), req.source.transport
      req:reply(200)
    end)
    bob:on_call(function(call)
      assert(call:answer { sdp = call.request:body() })
      call:wait()
    end)
    local peer
    sip.run(function()
      local to = "sips:bob@127.0.0.1:" .. port_of(bob)
      assert(alice:request { method = "OPTIONS", uri = to })
      peer = assert(alice:dial(to, { sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
        .. "c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n" }))
      peer:hangup()
      bob:close()
      alice:close()
    end)
    assert.same({ "a.example", "127.0.0.1" }, names)
    assert.equal("tls", transport)
    assert.equal("ended", peer.state)
    assert.equal("sips:127.0.0.1:" .. port_of(bob), peer.dialog.remote_target)
  end)

  -- @rfc 5923 8.2 MUST C-35
  it("uses the connection of a peer that has proven its name, and of no other (C-35)",
    function()
      local named = made:issue { san = "DNS:localhost,IP:127.0.0.1" }
      for clients, wanted in pairs { required = 1, none = 2 } do
        local bob = endpoint(server, { clients = clients })
        local alice = endpoint(named)
        local vias, connections = {}, nil
        for _, ua in ipairs { alice, bob } do
          ua:on("OPTIONS", function(req)
            vias[#vias + 1] = req:header "Via"
            req:reply(200)
          end)
        end
        sip.run(function()
          assert(alice:request { method = "OPTIONS",
            uri = "sips:bob@127.0.0.1:" .. port_of(bob) })
          assert(bob:request { method = "OPTIONS",
            uri = "sips:alice@localhost:" .. port_of(alice) })
          connections = bob.stack:stats().connections
          bob:close()
          alice:close()
        end)
        assert.equal(wanted, connections, clients)
        assert.truthy(vias[1]:find(";alias", 1, true), vias[1])
        -- bob asks for one on a connection of its own
        assert.equal(wanted == 2, vias[2]:find(";alias", 1, true) ~= nil, vias[2])
      end
    end)

  it("is told in a sentence why nobody was reached, and both logs say it", function()
    local foreign = certificates.new()
    local wrong = foreign:issue { san = "IP:127.0.0.1" }
    local bob, alice = endpoint(wrong), endpoint(client)
    local e
    sip.run(function()
      e = select(2, alice:request { method = "OPTIONS",
        uri = "sips:bob@127.0.0.1:" .. port_of(bob) })
      bob:close()
      alice:close()
    end)
    foreign:remove()
    assert.equal("unreachable", e.name)
    assert.matches("the certificate of 127.0.0.1:" .. port_of(bob) .. " is signed by "
      .. "/CN=ca, who is not among those of tls.ca", tostring(e), 1, true)
    assert.equal(1, #warned)
    assert.matches("does not trust whoever signed our certificate " .. wrong.cert,
      warned[1], 1, true)
  end)

  it("is not made with a certificate that cannot be used", function()
    local ok, why = pcall(sip.new, { listen = "tls:127.0.0.1:0",
      tls = { cert = server.cert, key = client.key } })
    assert.is_false(ok)
    assert.matches("sip.new: tls: key: " .. client.key .. ": the key does not belong "
      .. "to the certificate " .. server.cert, tostring(why), 1, true)
    ok, why = pcall(sip.new, { listen = "tls:127.0.0.1:0" })
    assert.is_false(ok)
    assert.matches("sip.new: cannot listen at tls:127.0.0.1:0: TLS needs a certificate",
      tostring(why), 1, true)
  end)

  local function stranger(words, input)
    return openssl.start(made, sip, words, input)
  end

  local function options(port)
    return table.concat({
      "OPTIONS sips:bob@127.0.0.1:" .. port .. " SIP/2.0",
      "Via: SIP/2.0/TLS 127.0.0.1:28001;branch=z9hG4bKs1;rport",
      "Max-Forwards: 70", "From: <sip:s@127.0.0.1>;tag=1", "To: <sip:bob@127.0.0.1>",
      "Call-ID: s1", "CSeq: 1 OPTIONS", "Content-Length: 0", "", "" }, "\r\n")
  end

  for _, version in ipairs { "tls1_2", "tls1_3" } do
    it("answers openssl s_client by " .. version, function()
      local bob = endpoint(server)
      bob:on_call(function() end) -- ready for calls, and says so
      local port, said = port_of(bob), nil
      sip.run(function()
        local ended = stranger(("s_client -connect 127.0.0.1:%d -CAfile ca.pem "
          .. "-verify_return_error -quiet -no_ign_eof -alpn sip/2 -%s"):format(port,
          version), options(port))
        said = ended("Content-Length: 0\r\n\r\n")
        bob:close()
      end)
      assert.matches("SIP/2.0 200 OK\r\n", said, 1, true)
      assert.matches("z9hG4bKs1;received=127.0.0.1;rport=%d+\r\n", said)
      assert.same({}, warned)
    end)
  end

  it("refuses TLS 1.1 and who wants to speak HTTP, and says so", function()
    local bob = endpoint(server)
    local port = port_of(bob)
    sip.run(function()
      stranger(("s_client -connect 127.0.0.1:%d -tls1_1 -cipher ALL@SECLEVEL=0")
        :format(port), "") "alert"
      stranger(("s_client -connect 127.0.0.1:%d -alpn http/1.1"):format(port), "")
        "alert"
      bob:close()
    end)
    assert.equal(2, #warned)
    assert.matches("has no TLS version that we have: TLS 1.2 or newer$", warned[1])
    assert.matches("wants to speak something else than SIP$", warned[2])
  end)

  it("resumes sessions", function()
    local bob = endpoint(server)
    local command = "s_client -connect 127.0.0.1:" .. port_of(bob) .. " -CAfile ca.pem "
    local first, second
    sip.run(function()
      local ended = stranger(command .. "-sess_out session", options(port_of(bob)))
      first = ended("Content-Length: 0\r\n\r\n")
      ended = stranger(command .. "-sess_in session", options(port_of(bob)))
      second = ended("Content-Length: 0\r\n\r\n")
      bob:close()
    end)
    assert.matches("New, TLSv1.3", first, 1, true)
    assert.matches("Reused, TLSv1.3", second, 1, true)
  end)

  -- Outside of any task: inside of one it would be closed when its turn is over.
  local function free_port()
    local ua = endpoint(server)
    ua:close()
    return port_of(ua)
  end

  it("calls openssl s_server", function()
    local port, alice = free_port(), endpoint(client)
    local said, e
    sip.run(function()
      local ended = stranger(("s_server -accept 127.0.0.1:%d -cert %s -key %s")
        :format(port, server.cert:match "[^/]+$", server.key:match "[^/]+$"), "")
      e = select(2, openssl.ask(made, sip, alice, "sips:bob@127.0.0.1:" .. port, 5))
      said = ended "Call-ID"
      alice:close()
    end)
    assert.equal("timeout", e.name) -- it answers nothing
    assert.matches("OPTIONS sips:bob@127.0.0.1", said, 1, true)
    assert.matches("Via: SIP/2.0/TLS 127.0.0.1:" .. port_of(alice), said, 1, true)
  end)

  describe("calls an openssl s_server that wants a certificate, and", function()
    local port, foreign, stray

    setup(function()
      foreign = certificates.new()
      stray = foreign:issue { san = "IP:127.0.0.1" }
    end)

    teardown(function()
      foreign:remove()
    end)

    -- What a request with these options of TLS comes to, as a text.
    local function refused(version, tls)
      local e
      port = free_port()
      sip.run(function()
        local ended = stranger(("s_server -accept 127.0.0.1:%d -cert %s -key %s -%s "
          .. "-Verify 1 -verify_return_error -CAfile ca.pem"):format(port,
          server.cert:match "[^/]+$", server.key:match "[^/]+$", version), "")
        local alice <close> = sip.new { listen = "udp:127.0.0.1:0", tls = tls }
        e = select(2, openssl.ask(made, sip, alice, "sips:bob@127.0.0.1:" .. port))
        ended ""
      end)
      return tostring(e)
    end

    -- TLS 1.3 tells it when our handshake is over (RFC 8446 4.4.2.4).
    for _, version in ipairs { "tls1_2", "tls1_3" } do
      it("has none: that is said by " .. version, function()
        for _, tls in ipairs { { ca = made.ca }, { verify = false } } do
          local said = refused(version, tls)
          assert.matches(("(127.0.0.1:%d wants a certificate of ours)"):format(port),
            said, 1, true)
        end
      end)

      it("has one that is not accepted: that is said by " .. version, function()
        local said = refused(version, { ca = made.ca, cert = stray.cert,
          key = stray.key })
        assert.matches(("(127.0.0.1:%d does not trust whoever signed our certificate "
          .. "%s)"):format(port, stray.cert), said, 1, true)
      end)
    end
  end)
end)

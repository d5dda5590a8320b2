-- sips URIs: RFC 5630 3 to 5 whole.  C-40.  What RFC 3261 says of them is in
-- spec/sim/tls_spec.lua, what else a registrar does in rfc3261_registrar_spec.lua.

local net_of = require "spec.support.net"
local simulated = require "spec.support.simulated"

local SDP = net_of.SDP
local A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"

simulated(describe, "certificates")("a sips URI", function()
  local net

  before_each(function()
    net = net_of.new { delay = 0.01 }
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function ask(ua, sip, uri, more)
    return net:script(sip, function()
      local fields = { method = "OPTIONS", uri = uri }
      for key, value in pairs(more or {}) do
        fields[key] = value
      end
      return ua:request(fields)
    end)
  end

  -- An endpoint that takes calls, and tells what it was asked by.
  local function callee(ip, options)
    local ua = net:certified(ip, options)
    local seen = { transports = {}, uris = {} }
    local function note(req, transport)
      seen.transports[#seen.transports + 1] = transport
      seen.uris[#seen.uris + 1] = req:uri()
      seen.request = req
    end
    ua:on_call(function(call)
      note(call.request, call.source and call.source.transport)
      assert(call:answer { sdp = SDP })
      call:wait()
    end)
    ua:on("OPTIONS", function(req)
      note(req.message, req.source.transport)
      req:reply(200)
    end)
    return ua, seen
  end

  local function answer(stranger)
    net:run(net.world:now() + 1)
    local res = stranger.last "response"
    return { res:status(), res:header "Warning" }, res
  end

  describe("at whoever is called", function()
    -- @rfc 5630 5.1.2 MUST C-40
    -- @rfc 5630 5.1.2 SHOULD C-40
    it("is refused with 480 and Warning 380 where nobody listens for TLS", function()
      local bob = net:endpoint(B)
      bob:on_call(function(call)
        call:answer { sdp = SDP }
      end)
      for i, method in ipairs { "INVITE", "OPTIONS" } do
        local stranger = i == 1 and net:stranger(A) or net.strangers[1]
        stranger.request(B, { method = method, uri = "sips:bob@" .. B, cseq = i,
          call_id = "c" .. i, headers = { "Contact", "<sips:192.0.2.1>" } })
        assert.same({ 480, '380 192.0.2.2 "SIPS Not Allowed"' },
          (answer(stranger)), method)
      end
    end)

    -- @rfc 5630 5.1.2 MUST C-40
    it("is refused so where the policy says it", function()
      net:certified(B, { tls = { cert = "c", key = "k", sips = "refused" } })
      local alice, sip_a = net:certified(A)
      local _, e = ask(alice, sip_a, "sips:bob@" .. B)
      assert.equal(480, e.status)
      assert.equal('380 192.0.2.2 "SIPS Not Allowed"', e.response:header "Warning")
    end)

    -- @rfc 5630 5.1.2 MUST C-40
    -- @rfc 5630 5.1.2 SHOULD C-40
    it("is asked for with 480 and Warning 381 where the policy says so", function()
      local bob = callee(B, { tls = { cert = "c", key = "k", sips = "required" } })
      bob.handlers = nil
      local stranger = net:stranger(A)
      stranger.request(B, { method = "INVITE" })
      assert.same({ 480, '381 192.0.2.2 "SIPS Required"' }, (answer(stranger)))
      local carol, sip_c = net:certified(C)
      local peer = net:script(sip_c, function()
        local peer = assert(carol:dial("sips:bob@" .. B, { sdp = SDP }))
        peer:hangup()
        return peer
      end)
      assert.equal("ended", peer.state)
    end)

    -- @rfc 5630 5.1.2 MUST C-40
    it("makes no call with a Contact that may leave TLS: 400", function()
      callee(B)
      local stranger = net:stranger(A)
      stranger.request(B, { method = "INVITE", uri = "sips:bob@" .. B })
      local _, res = answer(stranger)
      assert.same({ 400, "Contact Is Not sips" }, { res:status(), res:reason() })
    end)

    -- @rfc 5630 5.1.2 MUST C-40
    it("in a Contact is answered with one, whatever that came by", function()
      callee(B)
      local stranger = net:stranger(A)
      stranger.request(B, { method = "INVITE", uri = "sip:bob@" .. B,
        headers = { "Record-Route", "<sips:192.0.2.1;lr>" } })
      local _, res = answer(stranger)
      assert.same({ 200, "<sips:192.0.2.2:5061>" },
        { res:status(), res:header "Contact" })
      stranger.request(B, { method = "BYE", cseq = 2, uri = "sips:192.0.2.2:5061",
        to = res:header "To" })
      assert.same({ 200 }, (answer(stranger)))
    end)
  end)

  describe("at whoever calls", function()
    -- @rfc 5630 5.1.1 MUST C-40
    it("makes all routes sips", function()
      local alice, sip_a = net:certified(A)
      local _, seen = callee(B)
      local peer = net:script(sip_a, function()
        local peer = assert(alice:dial("sips:bob@example.net", { sdp = SDP,
          via = "sip:" .. B .. ":5061" }))
        peer:hangup()
        return peer
      end)
      assert.equal("<sips:192.0.2.2:5061;lr>", seen.request:header "Route")
      assert.equal("ended", peer.state)
    end)

    -- @rfc 5630 5.1.1 MUST C-40
    -- @rfc 5630 5.1.1.2 MUST C-40
    it("as the first route is TLS, and a sips Contact, for a sip URI", function()
      local alice, sip_a = net:certified(A)
      local _, seen = callee(B)
      net:script(sip_a, function()
        local peer = assert(alice:dial("sip:bob@" .. B, { sdp = SDP,
          via = "sips:" .. B }))
        peer:hangup()
      end)
      assert.equal("TLS", seen.request:via(1).transport)
      assert.equal("sip:bob@" .. B, seen.request:uri())
      assert.equal("<sips:192.0.2.1:5061>", seen.request:header "Contact")
    end)

    -- @rfc 5630 5.1.1.2 MUST C-40
    it("is no Contact of a call to a sip URI, though that goes by TLS", function()
      local alice, sip_a = net:certified(A)
      local _, seen = callee(B)
      net:script(sip_a, function()
        assert(alice:dial("sip:bob@" .. B .. ";transport=tls", { sdp = SDP })):hangup()
      end)
      assert.equal("<sip:192.0.2.1:5061;transport=tls>", seen.request:header "Contact")
    end)

    -- @rfc 5630 5.1.1 MUST NOT C-40
    it("is not given up for the sip URI of a redirection", function()
      local alice, sip_a = net:certified(A)
      local proxy = net:certified(B)
      local _, seen = callee(C)
      local where = { "sip:bob@" .. C }
      proxy:on("*", function(req)
        req:redirect(where)
      end)
      local _, e = ask(alice, sip_a, "sips:bob@" .. B, { redirects = 2 })
      assert.equal(302, e.status)
      where = { "sip:bob@" .. C, "sips:bob@" .. C }
      assert.equal(200, ask(alice, sip_a, "sips:bob@" .. B, { redirects = 2 }):status())
      assert.same({ "sips:bob@" .. C }, seen.uris)
    end)

    -- @rfc 5630 5.1.1 MUST NOT C-40
    it("is not tried as a sip URI after 480 with Warning 380", function()
      local alice, sip_a = net:certified(A)
      local count = 0
      local bob = net:certified(B)
      bob:on("*", function(req)
        count = count + 1
        req:reply(480, { headers = { Warning = '380 b "SIPS Not Allowed"' } })
      end)
      local _, e = ask(alice, sip_a, "sips:bob@" .. B, { redirects = 2 })
      assert.same({ 480, 1 }, { e.status, count })
    end)

    -- @rfc 5630 5.1.1.1 MUST C-40
    it("is what a registration says of itself, in all three headers or in none",
      function()
        local bob = net:certified(B)
        local seen = {}
        bob:on("REGISTER", function(req)
          seen[#seen + 1] = { req.uri, req.message:from_uri(), req.message:to_uri(),
            (req.message:contact_uri()) }
          req:reply(200, { headers = { Contact = req:header "Contact" } })
        end)
        local alice = net:certified(A)
        for _, options in ipairs {
          { aor = "sips:a@example.com", registrar = "sips:" .. B },
          { aor = "sip:b@example.com", registrar = "sips:" .. B },
          { aor = "sips:c@example.com", registrar = "sip:" .. B },
          { aor = "sips:d@example.com", registrar = "sips:" .. B,
            contact = "sip:d@" .. A },
        } do
          assert(alice:register(options))
          net:run(net.world:now() + 1)
        end
        assert.same({
          { "sips:" .. B, "sips:a@example.com", "sips:a@example.com",
            "sips:a@192.0.2.1:5061" },
          { "sips:" .. B, "sips:b@example.com", "sips:b@example.com",
            "sips:b@192.0.2.1:5061" },
          { "sip:" .. B, "sip:c@example.com", "sip:c@example.com",
            "sip:c@192.0.2.1:5060" },
          { "sips:" .. B, "sip:d@example.com", "sip:d@example.com",
            "sip:d@192.0.2.1" },
        }, seen)
        assert.has_error(function()
          alice:register { aor = "sip:e@example.com", registrar = "sip:" .. B,
            contact = "sips:e@" .. A }
        end, 'register: the contact "sips:e@192.0.2.1" wants a sips registrar '
          .. '(RFC 5630 5.2), not "sip:192.0.2.2"')
      end)
  end)

  describe("at a registrar", function()
    local registrar, alice

    before_each(function()
      registrar = net:certified(B, { domain = "example.com",
        location = net:sip(B).location.memory() })
      registrar:on("REGISTER", net:sip(B).registrar())
      net.world:name("example.com", B)
      net:sip(B).runtime.driver:certificate "example.com"
      alice = net:certified(A)
    end)

    local function contacts()
      local list = {}
      for i, b in ipairs(registrar.location:bindings "sip:a@example.com") do
        list[i] = b.uri
      end
      return list
    end

    local function register(contact, uri)
      return ask(alice, net:sip(A), uri or "sips:example.com", { method = "REGISTER",
        to = "<sip:a@example.com>", headers = { "Contact", contact } })
    end

    -- @rfc 5630 5.2 MUST C-40
    it("is bound only where everything is sips", function()
      for _, contact in ipairs { "<sips:a@192.0.2.1>, <sip:a@192.0.2.9>",
        "<sip:a@192.0.2.9>, <sips:a@192.0.2.1>" } do
        local _, e = register(contact)
        assert.equal(400, e.status)
      end
      assert.equal(200, register("<sips:a@192.0.2.1>"):status())
      assert.same({ "sips:a@192.0.2.1" }, contacts())
    end)

    -- @rfc 5630 5.1.1.1 SHOULD C-40
    it("takes the place of the same sip Contact, and the other way round", function()
      for _, scheme in ipairs { "sip", "sips", "sip" } do
        local uri = scheme .. ":a@192.0.2.1"
        assert.equal(200, register("<" .. uri .. ">"):status())
        assert.same({ uri }, contacts())
      end
    end)

    it("is dialled as it was registered, and never as sip", function()
      local dialled = {}
      local bob, seen = callee(C)
      for i, contact in ipairs { "<sip:bob@192.0.2.3>", "<sips:bob@192.0.2.3>" } do
        register(contact)
        dialled[i] = net:script(net:sip(B), function()
          local peer, e = registrar:dial("sips:a@example.com", { sdp = SDP })
          if peer then
            peer:hangup()
          end
          return peer and peer.state or tostring(e)
        end)
      end
      assert.is_truthy(bob)
      assert.same({ "no answer (480 SIPS Not Allowed)", "ended" }, dialled)
      assert.same({ "sips:bob@192.0.2.3" }, seen.uris)
    end)
  end)

  describe("at a proxy", function()
    local alice, sip_a, proxy, seen, targets

    before_each(function()
      alice, sip_a = net:certified(A)
      proxy = net:certified(B)
      seen = select(2, callee(C))
      proxy:on("*", function(req)
        return req:forward(targets, { redirects = 5 })
      end)
    end)

    -- @rfc 5630 5.3 MUST NOT C-40
    -- @rfc 5630 5.3 MUST C-40
    -- @rfc 5630 5.3 SHOULD C-40
    it("is forwarded to no sip URI: 480, and Warning 380", function()
      targets = { "sip:bob@" .. C, "sip:bob@" .. C .. ";transport=tls" }
      local _, e = ask(alice, sip_a, "sips:bob@" .. B)
      assert.equal(480, e.status)
      assert.equal('380 192.0.2.2 "SIPS Not Allowed"', e.response:header "Warning")
      assert.same({}, seen.uris)
    end)

    -- @rfc 5630 5.3 MUST C-40
    it("is forwarded to those that are sips", function()
      targets = { "sip:bob@" .. C, "sips:bob@" .. C }
      assert.equal(200, ask(alice, sip_a, "sips:bob@" .. B):status())
      assert.same({ { "sips:bob@" .. C }, { "tls" } }, { seen.uris, seen.transports })
    end)

    -- @rfc 5630 5.3 MUST NOT C-40
    -- @rfc 5630 5.3 MUST C-40
    it("is what no request for a sip URI becomes: that goes there by TLS", function()
      targets = { "sips:bob@" .. C .. ";x=1" }
      assert.equal(200, ask(alice, sip_a, "sip:bob@" .. B):status())
      assert.same({ { "sip:bob@192.0.2.3;x=1" }, { "tls" } },
        { seen.uris, seen.transports })
    end)

    it("is no Record-Route of such a call, and yet both ways go by TLS", function()
      targets = { "sips:bob@" .. C }
      proxy:on("*", function(req)
        req:record_route()
        return req:forward(targets)
      end)
      local peer = net:script(sip_a, function()
        local peer = assert(alice:dial("sip:bob@" .. B, { sdp = SDP }))
        peer:hangup()
        return peer
      end)
      local routes = seen.request:values "Record-Route"
      assert.matches("^<sip:192.0.2.2:5061;transport=tls;lr;mark=", routes[1])
      assert.matches("^<sip:192.0.2.2:5060;lr;mark=", routes[2])
      assert.equal("ended", peer.state)
    end)

    -- @rfc 5630 5.3 MUST NOT C-40
    it("is not left or entered by a 3xx", function()
      local where
      local dave = net:certified("192.0.2.4")
      dave:on("*", function(req)
        req:redirect(where)
      end)
      for _, case in ipairs {
        { "sips:", "sip:bob@" .. C, 302 }, { "sip:", "sips:bob@" .. C, 302 },
        { "sips:", "sips:bob@" .. C, 200 }, { "sip:", "sip:bob@" .. C, 200 },
      } do
        local scheme, status
        scheme, where, status = table.unpack(case)
        targets = { scheme .. "bob@192.0.2.4" }
        local res, e = ask(alice, sip_a, scheme .. "bob@" .. B)
        assert.equal(status, res and res:status() or e.status, scheme .. where)
      end
    end)
  end)
end)

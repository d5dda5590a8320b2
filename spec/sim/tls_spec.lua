-- TLS as the simulator has it: streams whose ends have proven who they are.  C-38
-- (sips goes by TLS on every hop), C-39 (for whom a certificate is), C-40 (sips
-- Contacts).  What is encrypted is in spec/wire/tls_spec.lua.

local net_of = require "spec.support.net"
local simulated = require "spec.support.simulated"

local SDP = net_of.SDP
local A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"

simulated(describe, "certificates")("TLS in the simulator", function()
  local net

  before_each(function()
    net = net_of.new { delay = 0.01 }
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function named(name, ip, ...)
    net.world:name(name, ip)
    net:sip(ip).runtime.driver:certificate(name, ...)
  end

  local function ask(ua, sip, fields)
    return net:script(sip, function()
      return ua:request(fields)
    end)
  end

  it("listens at 5061 unless told otherwise", function()
    local bob = net:certified(B)
    assert.same({ "tls:" .. B .. ":5061", "udp:" .. B .. ":5060" }, bob.listening)
  end)

  -- @rfc 3261 26.2.2 MUST
  it("carries what is sent to a sips URI, and nothing else does (C-38)", function()
    local alice, sip_a = net:certified(A)
    local bob = net:certified(B)
    local seen
    bob:on("OPTIONS", function(req)
      seen = { req.source.transport, req.uri,
        (req:header "Via":match "^SIP/2.0/%u+ [%d.:]+") }
      req:reply(200)
    end)
    assert.equal(200, ask(alice, sip_a, { method = "OPTIONS", uri = "sips:" .. B })
      :status())
    assert.same({ "tls", "sips:" .. B, "SIP/2.0/TLS 192.0.2.1:5061" }, seen)
  end)

  -- @rfc 3261 8.1.2 MUST
  it("carries it also when a route says otherwise (C-40)", function()
    local alice, sip_a = net:certified(A)
    local bob = net:certified(B)
    local transport
    bob:on("OPTIONS", function(req)
      transport = req.source.transport
      req:reply(200)
    end)
    ask(alice, sip_a, { method = "OPTIONS", uri = "sips:bob@" .. C,
      via = "sip:" .. B .. ":5061;transport=udp;lr" })
    assert.equal("tls", transport)
  end)

  it("fails where nobody speaks TLS, and does not fall back", function()
    local alice, sip_a = net:certified(A)
    local bob = net:certified(B, { listen = { "tcp:" .. B .. ":5061", "udp:" .. B } })
    bob:on("OPTIONS", function(req)
      req:reply(200)
    end)
    local ok, e = ask(alice, sip_a, { method = "OPTIONS", uri = "sips:" .. B })
    assert.is_nil(ok)
    assert.equal("unreachable", e.name)
    assert.matches("no TLS is spoken by 192.0.2.2:5061", tostring(e), 1, true)
  end)

  -- @rfc 5922 7.3 MUST
  it("goes to who proves to be the domain that was asked for (C-39)", function()
    named("b.example", B)
    net.world:name("c.example", B)
    local alice, sip_a = net:certified(A)
    local bob = net:certified(B)
    local names = {}
    bob:on("OPTIONS", function(req)
      names[#names + 1] = req:peer_names()
      req:reply(200)
    end)
    assert.equal(200,
      ask(alice, sip_a, { method = "OPTIONS", uri = "sips:b.example" }):status())
    local ok, e = ask(alice, sip_a, { method = "OPTIONS", uri = "sips:c.example" })
    assert.is_nil(ok)
    assert.matches("the certificate is for others", tostring(e), 1, true)
    assert.same({ {} }, names) -- who asked has shown nothing
  end)

  it("has one connection for a domain, and for all that it has proven", function()
    named("b.example", B, "c.example")
    net.world:name("c.example", B)
    net.world:name("d.example", B)
    local alice, sip_a = net:certified(A)
    local bob = net:certified(B)
    bob:on("OPTIONS", function(req)
      req:reply(200)
    end)
    for _, host in ipairs { "b.example", "c.example", "B.Example", B } do
      assert.equal(200,
        ask(alice, sip_a, { method = "OPTIONS", uri = "sips:" .. host }):status())
      assert.equal(1, alice.stack:stats().connections)
    end
    assert.is_nil(ask(alice, sip_a, { method = "OPTIONS", uri = "sips:d.example" }))
  end)

  it("tells who has shown a certificate", function()
    named("b.example", B)
    named("a.example", A)
    local alice, sip_a = net:certified(A)
    local bob = net:certified(B)
    local names
    bob:on("OPTIONS", function(req)
      names = req:peer_names()
      req:reply(200)
    end)
    ask(alice, sip_a, { method = "OPTIONS", uri = "sips:b.example" })
    assert.same({ "a.example" }, names)
  end)

  -- @rfc 3261 8.1.1.8 MUST
  -- @rfc 3261 12.1.1 MUST
  it("has sips Contacts on both sides of a sips call (C-40)", function()
    local alice, sip_a = net:certified(A)
    local bob = net:certified(B)
    local theirs
    bob:on_call(function(call)
      theirs = call.request:header "Contact"
      assert(call:answer { sdp = SDP })
      call:wait()
    end)
    local peer
    sip_a.spawn(function()
      peer = assert(alice:dial("sips:bob@" .. B, { sdp = SDP }))
      sip_a.sleep(1)
      peer:hangup()
    end)
    net:run()
    assert.equal("<sips:192.0.2.1:5061>", theirs)
    assert.equal("sips:192.0.2.2:5061", peer.dialog.remote_target)
    assert.equal("ended", peer.state)
  end)

  it("is what Contacts name when it is what a sip call came by", function()
    local alice, sip_a = net:certified(A)
    local bob = net:certified(B)
    local theirs
    bob:on_call(function(call)
      theirs = call.request:header "Contact"
      assert(call:answer { sdp = SDP })
      call:wait()
    end)
    local peer
    sip_a.spawn(function()
      peer = assert(alice:dial("sip:bob@" .. B .. ";transport=tls", { sdp = SDP }))
      peer:hangup()
    end)
    net:run()
    assert.equal("<sip:192.0.2.1:5061;transport=tls>", theirs)
    assert.equal("sip:192.0.2.2:5061;transport=tls", peer.dialog.remote_target)
  end)

  -- @rfc 3261 16.6 MUST
  it("is kept by a proxy, whose Record-Route is sips then (C-40)", function()
    local alice, sip_a = net:certified(A)
    local proxy = net:certified(B)
    local bob = net:certified(C)
    proxy:on("*", function(req)
      req:record_route()
      return req:forward("sips:bob@" .. C)
    end)
    local routes
    bob:on_call(function(call)
      routes = call.request:values "Record-Route"
      assert(call:answer { sdp = SDP })
      call:wait()
    end)
    local peer
    sip_a.spawn(function()
      peer = assert(alice:dial("sips:bob@" .. B, { sdp = SDP }))
      sip_a.sleep(1)
      peer:hangup()
    end)
    net:run()
    assert.equal(1, #routes)
    assert.matches("^<sips:192.0.2.2:5061;lr;mark=%w+>$", routes[1])
    assert.equal("ended", peer.state)
  end)

  describe("misuse", function()
    local function refused(options, text)
      local ok, e = pcall(net:sip(A).new, options)
      assert.is_false(ok)
      assert.matches(text, tostring(e), 1, true)
    end

    it("of the options reads as a sentence", function()
      refused({ tls = { cert = "a.pem" } }, "sip.new: tls: a certificate and its key "
        .. 'go together: cert = "...", key = "..."')
      refused({ tls = { clients = "perhaps" } }, 'clients: "perhaps" is none of '
        .. '"none", "optional" and "required"')
      refused({ tls = { cret = "a.pem" } }, 'unknown option "cret"')
      refused({ tls = { cert = "a", key = "b",
        domains = { ["b.example"] = { cert = "c" } } } },
        "domains: b.example: a certificate and its key go together")
      refused({ listen = "tsl:192.0.2.1" }, '"tls:192.0.2.1:5061" or "wss:')
    end)
  end)
end)

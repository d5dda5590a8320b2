-- WebSocket as a transport for SIP: RFC 7118.  C-41, C-32 (pings), C-36 (a connection
-- that ends).  Virtual time, exact to the millisecond.

local natted = require "spec.support.natted"
local net_of = require "spec.support.net"
local rig_of = require "spec.support.rig"
local simulated = require "spec.support.simulated"

local request, response = rig_of.request, rig_of.response
local A, B = "192.0.2.1", "192.0.2.2"

-- As a browser writes it: it knows no address of its own (7118 B.1).
local function browser(fields)
  fields.transport, fields.sent_by = "WS", "df7jal23ls0d.invalid"
  if fields.length == nil then
    fields.length = false
  end
  return request(fields)
end

simulated(describe, "WebSocket")("a stack with WebSockets", function()
  local rig, id, tx

  before_each(function()
    rig = rig_of.new { stream = "ws", limits = { stream_first_ms = 0 } }
    rig.on.request = function(object)
      tx = object
    end
    id = rig.stream:connect(rig_of.OURS, 5060)
    rig:run(0)
    rig.stream:take()
  end)

  after_each(function()
    rig:clean()
  end)

  local function say(bytes)
    assert(rig.stream:write(id, bytes))
    rig:run(rig.world:now())
  end

  -- Who has said nothing yet is not waited for long (limits.stream_first_ms).
  local function introduce()
    say(browser { method = "OPTIONS", branch = "z9hG4bKhello" })
    tx:respond(200)
    rig:run(rig.world:now())
    rig.stream:take()
    rig:told()
  end

  -- @rfc 7118 5 MUST C-41
  it("takes one message for one message, without a Content-Length", function()
    say(browser { method = "MESSAGE", body = "hello" })
    assert.equal("hello", select(2, rig:last "request"):body())
    assert.equal("WS", select(2, rig:last "request"):via(1).transport)
    tx:respond(200)
    rig:run(0)
    local got = rig.stream:take()
    assert.equal(1, #got)
    assert.matches("^SIP/2.0 200 ", got[1].bytes)
    assert.equal(id, got[1].id)
  end)

  it("believes a Content-Length that is there", function()
    say(browser { method = "MESSAGE", body = "hello", length = 4 })
    assert.equal("hell", select(2, rig:last "request"):body())
    say(browser { method = "MESSAGE", body = "hello", length = 6, branch = "z9hG4bK2",
      number = 2 })
    assert.equal(1, #rig.events)
    assert.matches("^SIP/2.0 400 ", rig.stream:take()[1].bytes)
    tx:respond(200)
  end)

  -- @rfc 7118 5 MUST NOT C-41
  it("takes no second message out of one", function()
    say(browser { method = "MESSAGE", body = "a", length = 1 }
      .. browser { method = "MESSAGE", branch = "z9hG4bK2", number = 2 })
    assert.equal(1, #rig.events)
    tx:respond(200)
  end)

  -- @rfc 5626 4.4.1 MUST C-32
  -- @rfc 7118 6 - C-41
  it("answers two CRLFs with one, and takes nothing else for a ping", function()
    say "\r\n\r\n"
    assert.same({ "\r\n" }, { rig.stream:take()[1].bytes })
    for _, bytes in ipairs { "\r\n", "", " ", "\r\n\r\n\r\n" } do
      say(bytes)
      assert.same({}, rig.stream:take())
    end
    assert.equal(0, rig.stack:stats().malformed)
  end)

  -- @rfc 5626 4.4.1 MUST C-32
  -- @rfc 7118 6 - C-41
  it("pings its peer so, too, and goes on for as long as that answers", function()
    rig:request { transport = "ws", method = "OPTIONS" }
    rig:run(0)
    local list = rig.stream:take()
    rig.stream:write(list[2].id, response(list[2].bytes, 200))
    rig:run(0)
    local host, port, transport, flow = select(2, rig:last "response"):source()
    local keep = assert(rig.stack:keep { transport = transport, host = host,
      port = port, flow = flow, low = 20, high = 20, answered = true })
    for at = 20, 60, 20 do
      rig:run(at)
      local got = rig.stream:take()
      assert.same({ "\r\n\r\n", at }, { got[#got].bytes, got[#got].at })
      rig.stream:write(got[#got].id, "\r\n")
      rig:run(at)
    end
    rig:run(79)
    assert.same({}, rig.stream:take())
    rig.stack:keep_end(keep)
  end)

  -- A web server ends its TLS and hands it on, or its library says what it likes.
  it("answers who writes another transport in Via by the same connection", function()
    for i, transport in ipairs { "WSS", "TCP", "UDP", "TLS" } do
      say(request { method = "OPTIONS", transport = transport, length = false,
        sent_by = "df7jal23ls0d.invalid", branch = "z9hG4bK" .. i, number = i })
      tx:respond(200)
      rig:run(0)
      local list = rig.stream:take()
      assert.same({ 1, id }, { #list, list[1].id })
      assert.matches(("\r\nVia: SIP/2.0/%s df7jal23ls0d.invalid;branch=z9hG4bK%d;"
        .. "received=192.0.2.1\r\n"):format(transport, i), list[1].bytes, 1, true)
    end
  end)

  it("counts what is no SIP, and goes on", function()
    say "hello"
    say "\0\1\2"
    assert.equal(2, rig.stack:stats().malformed)
    say(browser { method = "OPTIONS" })
    tx:respond(200)
    rig:run(0)
    assert.matches("^SIP/2.0 200 ", rig.stream:take()[1].bytes)
  end)

  -- @rfc 7118 5.3 - C-41
  it("answers by the connection that asked, and by no other", function()
    say(browser { method = "INVITE" })
    rig.stream:shut(id)
    rig:run(1)
    rig.stream:take()
    tx:respond(486)
    rig:run(60)
    assert.same({}, rig.stream:take())
    assert.same({}, rig:take())
  end)

  -- @rfc 7118 5 MUST C-41
  it("sends nothing twice, and has the timers of reliable transports", function()
    introduce()
    rig:request { transport = "ws", method = "OPTIONS" }
    rig:run(40)
    local list = rig.stream:take()
    assert.same({ "opened", "bytes" }, { list[1].what, list[2].what })
    assert.is_nil(list[3])
    assert.matches("\r\nVia: SIP/2.0/WS 192.0.2.2:5060;branch=", list[2].bytes)
    assert.same({ "32.000 failed timeout", "32.000 ended" }, rig:told())
  end)

  it("carries what is too large for datagrams", function()
    rig:request { transport = "ws", method = "MESSAGE", body = ("x"):rep(60000) }
    rig:run(0)
    local list = rig.stream:take()
    assert.is_true(#list[2].bytes > 60000)
    rig.stream:write(list[2].id, response(list[2].bytes, 200))
    rig:run(0)
    assert.same({ "0.000 response 200", "0.000 ended" }, rig:told())
  end)

  -- @rfc 3261 18.4 MUST C-36
  it("fails who waits for an answer when the connection ends", function()
    rig:request { transport = "ws", method = "OPTIONS" }
    rig:run(1)
    local list = rig.stream:take()
    rig.stream:shut(list[2].id)
    rig:run(2)
    assert.same({ "1.000 closed ws", "1.000 failed wire", "1.000 ended" }, rig:told())
  end)

  -- @rfc 3261 18 SHOULD C-37
  it("is closed when it is idle, not while the peer says that it is there", function()
    introduce()
    rig:run(599)
    say ""
    rig:run(1100)
    assert.same({}, rig.stream:take())
    rig:run(1200)
    local closed = rig.stream:take()[1]
    assert.same({ "closed", 1199 }, { closed.what, closed.at })
  end)
end)

simulated(describe, "WebSocket")("an endpoint with WebSockets", function()
  local net, alice, bob, sip

  before_each(function()
    net = net_of.new { delay = 0.01 }
    alice, bob, sip = nil, nil, nil
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function endpoint(ip, options)
    options = options or {}
    options.listen = options.listen or { "ws:" .. ip, "wss:" .. ip, "udp:" .. ip }
    options.tls = options.tls or { cert = "cert.pem", key = "key.pem" }
    return net:endpoint(ip, options)
  end

  local function ask(fields)
    local results
    sip.spawn(function()
      results = table.pack(alice:request(fields))
    end)
    net:run(net.world:now() + 60)
    return table.unpack(results, 1, results.n)
  end

  -- What an OPTIONS to this URI came by.
  local function way(uri, more, asks)
    local seen, said
    if not bob then
      alice, sip = endpoint(A, { ws = asks })
      bob = endpoint(B, more)
    end
    bob:on("OPTIONS", function(req)
      seen = { req.source.transport, req:header "Via":match "^SIP/2.0/%u+ [%d.:]+" }
      said = req:handshake()
      req:reply(200)
    end)
    local res, e = ask { method = "OPTIONS", uri = uri }
    return seen, res and res:status(), e, said
  end

  -- @rfc 7118 5.5 - C-41
  it("listens at 80 and 443 unless told otherwise", function()
    assert.same({ "ws:" .. B .. ":80", "wss:" .. B .. ":443", "udp:" .. B .. ":5060" },
      endpoint(B).listening)
  end)

  -- @rfc 7118 5.1 MUST C-41
  -- @rfc 7118 5.2 MUST
  it("goes by WebSocket to a URI that says so, and Via says it", function()
    assert.same({ "ws", "SIP/2.0/WS 192.0.2.1:80" },
      (way("sip:" .. B .. ";transport=ws")))
  end)

  it("tells what the handshake of who asks has said", function()
    local function said(uri)
      return (select(4, way(uri)))
    end
    assert.same({ target = "/" }, said("sip:" .. B .. ";transport=ws"))
    assert.same({ target = "/" }, said("sips:" .. B .. ";transport=ws"))
    assert.is_nil(said("sip:" .. B))
  end)

  -- @rfc 6455 4.1 MUST
  it("asks for the path that it was told", function()
    for _, scheme in ipairs { "sip:", "sips:" } do
      local said = select(4, way(scheme .. B .. ";transport=ws", nil,
        { path = "/sip?token=7" }))
      assert.same({ target = "/sip?token=7" }, said)
    end
  end)

  -- @rfc 7118 9.2 MUST C-41
  it("goes by WebSocket over TLS when the URI is sips", function()
    assert.same({ "wss", "SIP/2.0/WSS 192.0.2.1:443" },
      (way("sips:" .. B .. ";transport=ws")))
  end)

  it("understands transport=wss, which some write", function()
    assert.same({ "wss", "SIP/2.0/WSS 192.0.2.1:443" },
      (way("sip:" .. B .. ";transport=wss")))
  end)

  -- @rfc 6455 4.1 MUST C-41
  it("has a connection for each host at an address, for it asks that one", function()
    net.world:name("a.example", B)
    net.world:name("b.example", B)
    for _, scheme in ipairs { "sip", "sips" } do
      local before = alice and alice.stack:stats().connections or 0
      way(scheme .. ":a.example;transport=ws")
      way(scheme .. ":b.example;transport=ws")
      way(scheme .. ":a.example;transport=ws")
      assert.equal(before + 2, alice.stack:stats().connections)
    end
  end)

  -- @rfc 7118 9.2 MUST C-41
  it("does not go in the clear where sips wants it secure", function()
    local seen, status, e = way("sips:bob@" .. B .. ":80;transport=ws")
    assert.same({ nil, nil, "unreachable" }, { seen, status, e.name })
    assert.matches("no TLS is spoken by 192.0.2.2:80", tostring(e), 1, true)
  end)

  it("says that there is no WebSocket where there is none", function()
    local seen, status, e = way("sip:" .. B .. ":5060;transport=ws",
      { listen = { "tcp:" .. B, "udp:" .. B } })
    assert.same({ nil, nil, "unreachable" }, { seen, status, e.name })
    assert.matches("no WebSocket with 192.0.2.2:5060", tostring(e), 1, true)
  end)

  -- @rfc 7118 5.5 - C-41
  it("finds servers by NAPTR, by SRV, and by address at 80 and 443", function()
    net.world:name("b.example", B)
    assert.equal("ws", way("sip:b.example;transport=ws")[1])
    assert.equal("wss", way("sips:b.example;transport=ws")[1])
    net.world:dns { name = "_sip._ws.e.example", type = "SRV", priority = 1, weight = 1,
      port = 80, target = "b.example" }
    assert.equal("ws", way("sip:e.example;transport=ws")[1])
    assert.is_nil((way "sip:e.example")) -- nobody looks there for what may be anything
    net.world:dns { name = "c.example", type = "NAPTR", order = 1, preference = 1,
      flags = "s", service = "SIP+D2W", target = "_sip._ws.c.example" }
    net.world:dns { name = "_sip._ws.c.example", type = "SRV", priority = 1, weight = 1,
      port = 80, target = "b.example" }
    assert.equal("ws", way("sip:c.example")[1])
    assert.equal("ws", way("sip:c.example;transport=ws")[1])
    net.world:dns { name = "d.example", type = "NAPTR", order = 1, preference = 1,
      flags = "a", service = "SIPS+D2W", target = "b.example" }
    assert.equal("wss", way("sip:d.example")[1])
  end)

  for uri, contact in pairs {
    ["sip:bob@192.0.2.2;transport=ws"] = "sip:192.0.2.2:80;transport=ws",
    ["sips:bob@192.0.2.2;transport=ws"] = "sips:192.0.2.2:443;transport=ws",
  } do
    -- @rfc 7118 5.2 MUST C-41
    it("carries a call, and its requests both ways, to " .. uri, function()
      local sip_a, sip_b
      alice, sip_a = endpoint(A)
      bob, sip_b = endpoint(B)
      local peer, answered
      bob:on_call(function(call)
        assert(call:answer { sdp = net_of.SDP })
        answered = call
        call:wait()
      end)
      sip_a.spawn(function()
        peer = assert(alice:dial(uri, { sdp = net_of.SDP }))
        assert.equal(200, peer:send { method = "INFO" }:status())
        sip_b.spawn(function()
          assert.equal(200, answered:send { method = "INFO" }:status())
          answered:hangup()
        end)
        peer:wait()
      end)
      net:run(10)
      assert.equal(contact, peer.dialog.remote_target)
      assert.equal("ended", peer.state)
    end)
  end

  it("is told how to write what it listens on, and whose pages may come", function()
    local function refused(options, text)
      local ok, e = pcall(net:sip(A).new, options)
      assert.is_false(ok)
      assert.matches(text, tostring(e), 1, true)
    end
    refused({ listen = "wsss:192.0.2.1" }, 'or "wss:192.0.2.1:443"')
    refused({ ws = { origins = {} } }, "sip.new: ws: origins: at least one, as in")
    refused({ ws = { origin = "x" } }, 'unknown option "origin"')
    for _, origin in ipairs { "a.example", "https://a.example/", "https://a b", "" } do
      refused({ ws = { origins = { origin } } },
        ('origins: "%s" is none'):format(origin))
    end
    local long = "/" .. ("x"):rep(512)
    for _, path in ipairs { "ws", "", "/a b", "/a#b", "/\u{e9}", long } do
      refused({ ws = { path = path } }, ('ws: path: "%s" is none'):format(path))
    end
    refused({ ws = { path = "/\r\n" } }, 'sip.new: ws: option "path" is')
    net:endpoint(A, { listen = "ws:" .. A, ws = { origins = { "*", "null",
      "https://a.example:8443" }, path = "/" .. ("~"):rep(511) } })
  end)
end)

simulated(describe, "WebSocket")("who is only at the end of a WebSocket", function()
  local CALLER = "192.0.2.3"
  local net, proxy, proxy_sip

  before_each(function()
    net = net_of.new()
    proxy, proxy_sip = net:endpoint(B, { domain = "example.org",
      location = net:sip(B).location.memory(), tls = { cert = "c.pem", key = "c.key" },
      listen = { "ws:" .. B, "wss:" .. B, "udp:" .. B } })
    proxy:on("REGISTER", proxy_sip.registrar())
    proxy:on("*", function(req)
      req:record_route()
      req:forward(proxy.location:lookup(req.uri))
    end)
  end)

  after_each(function()
    net:clean()
    assert.same({}, net.errors)
  end)

  -- A caller by UDP, who calls through the proxy.
  local function dial()
    local ua, sip = net:endpoint(CALLER)
    local result = { sip = sip }
    sip.spawn(function()
      result.call, result.err = ua:dial("sip:bob@example.org",
        { via = "sip:" .. B, sdp = net_of.SDP, timeout = 20 })
    end)
    return result
  end

  for _, transport in ipairs { "ws", "wss" } do
    describe("over " .. transport .. ",", function()
      local page

      before_each(function()
        page = natted.new(net, { ip = A, transport = transport, to = B,
          contact = "sip:bob@df7jal23ls0d.invalid;transport=ws",
          sent_by = "df7jal23ls0d.invalid", rport = false })
        assert.equal(200, page:register())
      end)

      after_each(function()
        page.raw:close()
      end)

      -- @rfc 7118 5 MUST C-41
      it("is called, and asked inside the call, by its connection alone", function()
        local caller = dial()
        page:wait(0)
        local invite = assert(page:last "INVITE")
        assert.equal("sip:bob@df7jal23ls0d.invalid;transport=ws", invite:uri())
        page:respond(invite, 200, { body = net_of.SDP })
        assert.truthy(page:last "ACK")
        local info
        caller.sip.spawn(function()
          info = caller.call:send { method = "INFO" }
          caller.call:hangup()
        end)
        page:wait(0)
        page:respond(assert(page:last "INFO"), 200)
        assert.equal(200, info:status())
        page:respond(assert(page:last "BYE"), 200)
        page:wait(1)
        assert.equal("ended", caller.call.state)
      end)

      it("calls, and is asked inside the call", function()
        local held
        local bob = net:endpoint(CALLER)
        bob:on_call(function(call)
          held = call
          call:answer { sdp = net_of.SDP }
          call:send { method = "INFO" }
        end)
        proxy:on("INVITE", function(req)
          req:record_route()
          req:forward("sip:carol@" .. CALLER)
        end)
        page:request("INVITE", { uri = "sip:carol@example.org", body = net_of.SDP,
          to = "<sip:carol@example.org>", extra = { "Content-Type: application/sdp" } })
        local ok = assert(page:last(200))
        local routes = {}
        for _, value in ipairs(ok:values "Record-Route") do
          table.insert(routes, 1, "Route: " .. value)
        end
        assert.matches(";transport=ws;", routes[1], 1, true)
        page:request("ACK", { uri = ok:contact_uri(), to = ok:header "To",
          number = page.number, contact = false, extra = routes })
        page:respond(assert(page:last "INFO"), 200)
        page:respond(assert(page:last "BYE"), 200)
        assert.equal("ended", held.state)
      end)

      -- @rfc 7118 5 MUST C-41
      it("is not looked for when its connection is gone: 480, or an end", function()
        local first = dial()
        page:wait(0)
        page:respond(assert(page:last "INVITE"), 200, { body = net_of.SDP })
        page:shut()
        local info
        first.sip.spawn(function()
          info = table.pack(first.call:send { method = "INFO" })
        end)
        page:wait(1)
        assert.equal(500, info[2].status)
        first.call:hangup()
        page:wait(40)
        local second
        first.sip.spawn(function()
          second = table.pack(net.endpoints[#net.endpoints]:dial("sip:bob@example.org",
            { via = "sip:" .. B, sdp = net_of.SDP }))
        end)
        page:wait(1)
        assert.equal(480, second[2].status)
        assert.equal(0, net.world:lookups())
      end)

      -- @rfc 7118 5.3 - C-41
      it("is answered without a transaction, too, by its connection alone", function()
        local bob = net:stranger(CALLER)
        local door = page.host:raw { transport = transport, host = A,
          port = transport == "ws" and 80 or 443 }
        proxy:on("MESSAGE", function(req)
          req:forward("sip:bob@" .. CALLER, { stateless = true })
        end)
        for i = 1, 2 do
          page:request("MESSAGE", { uri = "sip:bob@" .. CALLER })
          local message, tx = bob.last "request"
          assert.equal("MESSAGE", message:method())
          if i == 2 then
            page:shut()
          end
          tx:respond(202)
          page:wait(40)
          page.got = i == 1 and assert(page:last(202)) and {} or page.got
        end
        assert.same({}, page.got)
        assert.same({}, door:take())
      end)

      it("fails the INVITE that it has not answered when it goes", function()
        local caller = dial()
        page:wait(0)
        page:respond(assert(page:last "INVITE"), 180)
        page:shut()
        page:wait(0)
        assert.is_nil(caller.call)
        assert.same({ "no_answer", 480 }, { caller.err.name, caller.err.status })
      end)
    end)

    -- @rfc 7118 B.1 - C-41
    it("is us, as a client of " .. transport .. ": called, asked, asking", function()
      local alice, sip = net:endpoint(A, { listen = "udp:" .. A })
      local scheme = transport == "wss" and "sips" or "sip"
      local heard, held = {}, nil
      alice:on_call(function(call)
        held = call
        call:answer { sdp = net_of.SDP }
        heard[1] = assert(call:send { method = "INFO" })
        call:wait()
      end)
      local registration
      sip.spawn(function()
        registration = assert(alice:register { aor = "sip:bob@example.org",
          registrar = scheme .. ":" .. B .. ";transport=ws" })
      end)
      net:run(1)
      assert.matches("^" .. scheme .. ":[%w]*@?%w+%.invalid;transport=ws$",
        registration.contact)
      local caller = dial()
      net:run(2)
      assert(caller.call, tostring(caller.err))
      assert.equal(200, heard[1]:status())
      caller.sip.spawn(function()
        heard[2] = caller.call:send { method = "INFO" }
        caller.call:hangup()
      end)
      net:run(3)
      assert.equal(200, heard[2]:status())
      assert.equal("ended", held.state)
      assert.equal(1, alice.stack:stats().connections)
      assert.equal(1, proxy.stack:stats().connections)
    end)
  end
end)

-- Finding servers: RFC 3263 4, RFC 2782, RFC 7984 4, RFC 2308. C-42, C-43, C-44, C-45,
-- C-47.

local net_of = require "spec.support.net"

local A = "192.0.2.1"

describe("a request to a name", function()
  local net, sip, got

  before_each(function()
    net = net_of.new()
    sip = net:sip(A)
    got = {}
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function alice(options)
    return (net:endpoint(A, options))
  end

  -- Someone who answers OPTIONS with this, and notes by what it came.
  local function server(ip, status, fields)
    net:stranger(ip, { request = function(tx, req)
      got[#got + 1] = ("%s %s"):format(ip, req:via(1).transport:lower())
      if status then
        tx:respond(status, fields)
      end
    end })
  end

  -- An endpoint that answers by itself, at a transport and port.
  local function listener(ip, at)
    local ua = net:endpoint(ip, { listen = at })
    ua:on("OPTIONS", function(req)
      local source = req.source
      got[#got + 1] = ("%s %s"):format(at, source.transport)
      req:reply(200)
    end)
  end

  local function dns(name, type, fields)
    fields.name, fields.type = name, type
    net.world:dns(fields)
  end

  local function srv(name, priority, weight, target, port, ttl)
    dns(name, "SRV", { priority = priority, weight = weight, target = target,
      port = port, ttl = ttl })
  end

  -- Ask, and give the status or the name of the error, and how long it took.
  local function ask(ua, uri)
    local result, at
    local began = net.world:now()
    sip.spawn(function()
      local res, e = ua:request { method = "OPTIONS", uri = uri }
      result, at = res and res:status() or e.name, sip.now() - began
    end)
    net:run(began + 200)
    return result, at
  end

  describe("without transport and port (4.1)", function()
    it("goes by NAPTR: to the transport that the domain prefers (C-42)", function()
      dns("example.net", "NAPTR", { order = 50, preference = 60, service = "SIP+D2U",
        target = "_sip._udp.example.net" })
      dns("example.net", "NAPTR", { order = 50, preference = 50, service = "SIP+D2T",
        target = "_sip._tcp.example.net" })
      srv("_sip._udp.example.net", 0, 0, "u.example.net", 5060)
      srv("_sip._tcp.example.net", 0, 0, "t.example.net", 5070)
      net.world:name("u.example.net", "192.0.2.3")
      net.world:name("t.example.net", "192.0.2.4")
      server("192.0.2.3", 200)
      listener("192.0.2.4", "tcp:192.0.2.4:5070")
      assert.equal(200, ask(alice(), "sip:bob@example.net"))
      assert.same({ "tcp:192.0.2.4:5070 tcp" }, got)
    end)

    it("leaves out what we do not have (C-42)", function()
      dns("example.net", "NAPTR", { order = 10, preference = 1, service = "SIPS+D2T",
        target = "_sips._tcp.example.net" })
      dns("example.net", "NAPTR", { order = 20, preference = 1, service = "SIP+D2T",
        target = "_sip._tcp.example.net" })
      dns("example.net", "NAPTR", { order = 30, preference = 1, service = "SIP+D2U",
        target = "_sip._udp.example.net" })
      srv("_sip._udp.example.net", 0, 0, "u.example.net", 5060)
      srv("_sip._tcp.example.net", 0, 0, "u.example.net", 5060)
      net.world:name("u.example.net", "192.0.2.3")
      server("192.0.2.3", 200)
      assert.equal(200, ask(alice { listen = "udp:192.0.2.1:5060" },
        "sip:bob@example.net"))
      assert.same({ "192.0.2.3 udp" }, got)
    end)

    it("follows NAPTR into another domain, and to a host (C-42)", function()
      dns("example.net", "NAPTR", { order = 1, preference = 1, service = "SIP+D2U",
        flags = "A", target = "sip.provider.example" })
      net.world:name("sip.provider.example", "192.0.2.3")
      server("192.0.2.3", 200)
      assert.equal(200, ask(alice(), "sip:bob@example.net"))
      assert.same({ "192.0.2.3 udp" }, got)
    end)

    it("goes by SRV of each transport when there is no NAPTR (C-43)", function()
      srv("_sip._tcp.example.net", 0, 0, "t.example.net", 5070)
      net.world:name("t.example.net", "192.0.2.4")
      net.world:name("example.net", "192.0.2.9")
      listener("192.0.2.4", "tcp:192.0.2.4:5070")
      assert.equal(200, ask(alice(), "sip:bob@example.net"))
      assert.same({ "tcp:192.0.2.4:5070 tcp" }, got)
    end)

    it("goes by SRV when no NAPTR is for us, or no server answers it (C-43)", function()
      dns("example.net", "NAPTR", { order = 1, preference = 1, service = "E2U+sip",
        flags = "u", target = "x" })
      srv("_sip._udp.example.net", 0, 0, "u.example.net", 5060)
      net.world:name("u.example.net", "192.0.2.3")
      server("192.0.2.3", 200)
      local ua = alice()
      assert.equal(200, ask(ua, "sip:bob@example.net"))
      srv("_sip._udp.example.org", 0, 0, "u.example.net", 5060)
      net.world:dns { name = "example.org", type = "NAPTR", fail = true, delay = 7 }
      local status, took = ask(ua, "sip:bob@example.org")
      assert.same({ 200, 7 }, { status, took })
    end)

    it("goes by UDP to its addresses when there is no SRV (C-43)", function()
      net.world:name("example.net", "192.0.2.3")
      server("192.0.2.3", 200)
      assert.equal(200, ask(alice(), "sip:bob@example.net"))
      assert.same({ "192.0.2.3 udp" }, got)
    end)

    it("goes on from one transport to another (C-45)", function()
      srv("_sip._udp.example.net", 0, 0, "u.example.net", 5060)
      srv("_sip._tcp.example.net", 0, 0, "t.example.net", 5070)
      net.world:name("u.example.net", "192.0.2.3")
      net.world:name("t.example.net", "192.0.2.4")
      server("192.0.2.3", 503)
      listener("192.0.2.4", "tcp:192.0.2.4:5070")
      assert.equal(200, ask(alice(), "sip:bob@example.net"))
      assert.same({ "192.0.2.3 udp", "tcp:192.0.2.4:5070 tcp" }, got)
    end)
  end)

  describe("with a transport (4.2)", function()
    it("goes by SRV of that one alone (C-44)", function()
      srv("_sip._udp.example.net", 0, 0, "u.example.net", 5060)
      srv("_sip._tcp.example.net", 0, 0, "t.example.net", 5070)
      net.world:name("t.example.net", "192.0.2.4")
      listener("192.0.2.4", "tcp:192.0.2.4:5070")
      assert.equal(200, ask(alice(), "sip:bob@example.net;transport=tcp"))
      assert.same({ "tcp:192.0.2.4:5070 tcp" }, got)
      assert.equal(3, net.world:lookups()) -- SRV, A and AAAA
    end)

    it("goes to its addresses when there is no SRV (C-44)", function()
      net.world:name("example.net", "192.0.2.4")
      listener("192.0.2.4", "tcp:192.0.2.4:5060")
      assert.equal(200, ask(alice(), "sip:bob@example.net;transport=tcp"))
      assert.same({ "tcp:192.0.2.4:5060 tcp" }, got)
    end)
  end)

  it("with a port goes to its addresses, whatever else there is (4.2, C-44)", function()
    dns("example.net", "NAPTR", { order = 1, preference = 1, service = "SIP+D2T",
      target = "_sip._tcp.example.net" })
    srv("_sip._udp.example.net", 0, 0, "elsewhere.example.net", 5060)
    net.world:name("example.net", "192.0.2.4")
    listener("192.0.2.4", "udp:192.0.2.4:5099")
    assert.equal(200, ask(alice(), "sip:bob@example.net:5099"))
    assert.same({ "udp:192.0.2.4:5099 udp" }, got)
    assert.equal(2, net.world:lookups())
  end)

  it("that is numeric asks nobody (4.1, 4.2)", function()
    server("192.0.2.3", 200)
    local ua = alice()
    assert.equal(200, ask(ua, "sip:bob@192.0.2.3"))
    assert.equal(200, ask(ua, "sip:bob@192.0.2.3:5060;transport=udp"))
    assert.equal(0, net.world:lookups())
  end)

  it("of whose service there decidedly is none goes nowhere (RFC 2782)", function()
    srv("_sip._udp.example.net", 0, 0, ".", 5060)
    net.world:name("example.net", "192.0.2.3")
    server("192.0.2.3", 200)
    assert.equal("unreachable", ask(alice(), "sip:bob@example.net"))
    assert.same({}, got)
  end)

  it("that no name server answers is unreachable", function()
    net.world:dns { name = "example.net", fail = true, delay = 4 }
    local status, took = ask(alice(), "sip:bob@example.net")
    assert.same({ "unreachable", 8 }, { status, took }) -- NAPTR, then the addresses
  end)

  describe("with several servers", function()
    local function three(...)
      for i, weight in ipairs { ... } do
        srv("_sip._udp.example.net", 0, weight, ("s%d.example.net"):format(i), 5060)
        net.world:name(("s%d.example.net"):format(i), "192.0.2.1" .. i)
        server("192.0.2.1" .. i, 200)
      end
    end

    it("prefers by weight, and the same again with the same seed (C-44)", function()
      local function counted()
        three(10, 30, 60)
        local ua, count = alice(), {}
        for _ = 1, 200 do
          assert.equal(200, ask(ua, "sip:bob@example.net"))
        end
        for _, at in ipairs(got) do
          count[at:sub(10, 10)] = (count[at:sub(10, 10)] or 0) + 1
        end
        return { count["1"], count["2"], count["3"] }
      end
      local first = counted()
      assert.is_true(first[1] < first[2] and first[2] < first[3])
      net:clean()
      net, got = net_of.new(), {}
      sip = net:sip(A)
      assert.same(first, counted())
    end)

    it("tries the next one on 503, silence and a refusal (4.3, C-45)", function()
      srv("_sip._udp.example.net", 1, 0, "busy.example.net", 5060)
      srv("_sip._udp.example.net", 2, 0, "mute.example.net", 5060)
      srv("_sip._udp.example.net", 3, 0, "shut.example.net", 5090)
      srv("_sip._udp.example.net", 4, 0, "good.example.net", 5060)
      net.world:name("busy.example.net", "192.0.2.11")
      net.world:name("mute.example.net", "192.0.2.12")
      net.world:name("shut.example.net", "192.0.2.11")
      net.world:name("good.example.net", "192.0.2.13")
      local branches = {}
      net:stranger("192.0.2.11", { request = function(tx, req)
        branches[#branches + 1] = req:branch()
        tx:respond(503)
      end })
      net:stranger("192.0.2.12", {})
      net.world:link { to = "192.0.2.12", loss = 1 }
      net:stranger("192.0.2.13", { request = function(tx, req)
        branches[#branches + 1] = req:branch()
        tx:respond(200)
      end })
      local status, took = ask(alice(), "sip:bob@example.net")
      assert.same({ 200, 32 }, { status, took })
      assert.equal(2, #branches)
      assert.not_equal(branches[1], branches[2])
    end)

    it("remembers for half a minute who did not answer (4.3)", function()
      srv("_sip._udp.example.net", 1, 0, "s1.example.net", 5060, 3600)
      srv("_sip._udp.example.net", 2, 0, "s2.example.net", 5060, 3600)
      for i = 1, 2 do
        dns(("s%d.example.net"):format(i), "A", { host = "192.0.2.1" .. i, ttl = 3600 })
        server("192.0.2.1" .. i, 200)
      end
      net.world:link { to = "192.0.2.11", loss = 1 }
      local ua, times = alice(), {}
      sip.spawn(function()
        local function once()
          local began = sip.now()
          assert(ua:request { method = "OPTIONS", uri = "sip:bob@example.net" })
          times[#times + 1] = sip.now() - began
        end
        once()
        once() -- at 32
        sip.sleep(29)
        net.world:link { to = "192.0.2.11" }
        once()
        sip.sleep(1)
        once()
      end)
      net:run(200)
      assert.same({ 32, 0, 0, 0 }, times)
      assert.same({ "192.0.2.12 udp", "192.0.2.12 udp", "192.0.2.12 udp",
        "192.0.2.11 udp" }, got)
    end)

    it("leaves alone who says for how long (RFC 3261 21.5.4)", function()
      srv("_sip._udp.example.net", 1, 0, "s1.example.net", 5060, 3600)
      srv("_sip._udp.example.net", 2, 0, "s2.example.net", 5060, 3600)
      for i = 1, 2 do
        dns(("s%d.example.net"):format(i), "A", { host = "192.0.2.1" .. i, ttl = 3600 })
      end
      server("192.0.2.11", 503, { headers = { "Retry-After", "100" } })
      server("192.0.2.12", 200)
      local ua = alice()
      for _, instant in ipairs { 0, 99.999, 100 } do
        net:run(instant)
        sip.spawn(function()
          assert(ua:request { method = "OPTIONS", uri = "sip:bob@example.net" })
        end)
        net:run(instant)
      end
      assert.same({ "192.0.2.11 udp", "192.0.2.12 udp", "192.0.2.12 udp",
        "192.0.2.11 udp", "192.0.2.12 udp" }, got)
    end)
  end)

  it("tries both families, IPv6 first (RFC 7984 4, C-47)", function()
    local own = net:sip("192.0.2.7", "2001:db8::7")
    local ua = net:endpoint("192.0.2.7", {
      listen = { "udp:192.0.2.7:5060", "udp:[2001:db8::7]:5060" },
    })
    srv("_sip._udp.example.net", 0, 0, "both.example.net", 5060)
    net.world:name("both.example.net", "192.0.2.3")
    net.world:name("both.example.net", "2001:db8::3")
    server("192.0.2.3", 200)
    server("2001:db8::3", 503)
    local status
    own.spawn(function()
      status = assert(ua:request { method = "OPTIONS", uri = "sip:b@example.net" })
        :status()
    end)
    net:run(1)
    assert.equal(200, status)
    assert.same({ "2001:db8::3 udp", "192.0.2.3 udp" }, got)
  end)
end)

describe("what is known of names", function()
  local net, sip

  before_each(function()
    net = net_of.new()
    sip = net:sip(A)
    net:stranger("192.0.2.3", { request = function(tx) tx:respond(200) end })
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  -- At each of these instants one request; how many questions that took.
  local function lookups_at(ua, instants, uri)
    local list = {}
    for _, instant in ipairs(instants) do
      net:run(instant)
      local before = net.world:lookups()
      sip.spawn(function()
        ua:request { method = "OPTIONS", uri = uri or "sip:bob@example.net:5060" }
      end)
      net:run(instant)
      list[#list + 1] = net.world:lookups() - before
    end
    return list
  end

  it("is kept for its time to live", function()
    net.world:dns { name = "example.net", type = "A", host = "192.0.2.3", ttl = 50 }
    net.world:dns { name = "example.net", type = "AAAA", ttl = 200 }
    local ua = net:endpoint(A)
    assert.same({ 2, 0, 1, 0, 2 }, lookups_at(ua, { 0, 49.999, 50, 99.999, 200 }))
  end)

  it("is the new truth after that", function()
    net.world:dns { name = "example.net", type = "A", host = "192.0.2.4", ttl = 10 }
    net.world:forget "example.net"
    local ua = net:endpoint(A)
    assert.same({ 2 }, lookups_at(ua, { 0 }))
    net.world:dns { name = "example.net", type = "A", host = "192.0.2.3", ttl = 10 }
    assert.same({ 0, 2 }, lookups_at(ua, { 29, 30 }))
    assert.equal("request", net.strangers[1].got[1].kind)
  end)

  it("that it has none is kept too, for 30 seconds or as long as is said (RFC 2308)",
    function()
      net.world:dns { name = "long.example", ttl = 9000 }
      local ua = net:endpoint(A)
      assert.same({ 2, 0, 2 }, lookups_at(ua, { 0, 29.999, 30 }))
      assert.same({ 2, 0, 2 }, lookups_at(ua, { 40, 339.999, 340 },
        "sip:bob@long.example:5060"))
    end)

  it("that nobody answers is kept for five seconds (RFC 2308 7)", function()
    net.world:dns { name = "example.net", fail = true }
    local ua = net:endpoint(A)
    assert.same({ 2, 0, 2 }, lookups_at(ua, { 0, 4.999, 5 }))
  end)

  it("is not kept without a time to live", function()
    net.world:dns { name = "example.net", type = "A", host = "192.0.2.3", ttl = 0 }
    local ua = net:endpoint(A)
    assert.same({ 2, 1 }, lookups_at(ua, { 0, 0.001 }))
  end)

  it("is asked once for all who want it at once, whatever the case", function()
    net.world:dns { name = "example.net", type = "A", host = "192.0.2.3", ttl = 0 }
    net.world:dns { name = "example.net", delay = 1 }
    local ua, done = net:endpoint(A), {}
    for _, uri in ipairs { "sip:a@example.net:5060", "sip:b@Example.NET:5060",
      "sip:c@example.net:5060" } do
      sip.spawn(function()
        assert(ua:request { method = "OPTIONS", uri = uri })
        done[#done + 1] = sip.now()
      end)
    end
    net:run(5)
    assert.same({ 1, 1, 1 }, done)
    assert.equal(2, net.world:lookups())
  end)

  it("is bounded: the oldest makes room", function()
    for i = 1, 3 do
      net.world:dns { name = "h" .. i, type = "A", host = "192.0.2.3", ttl = 500 }
    end
    local ua = net:endpoint(A, { limits = { names = 4 } }) -- A and AAAA of two hosts
    local uris = { "sip:h1:5060", "sip:h2:5060", "sip:h3:5060" }
    local counts = {}
    for i, which in ipairs { 1, 2, 2, 1, 3, 2, 1 } do
      counts[i] = lookups_at(ua, { i }, uris[which])[1]
    end
    assert.same({ 2, 2, 0, 0, 2, 0, 2 }, counts)
  end)

  it("is nothing any more when the endpoint ends, and nobody waits", function()
    net.world:dns { name = "example.net", delay = 100 }
    local ua = net:endpoint(A, { limits = { drain = 1 } })
    local e
    sip.spawn(function()
      local _
      _, e = ua:request { method = "OPTIONS", uri = "sip:bob@example.net" }
    end)
    net:run(1)
    ua:shut()
    net:run(2)
    assert.equal("unreachable", e.name)
    net:run(300)
  end)

  it("is not waited for by who gives up", function()
    net.world:dns { name = "example.net", delay = 10 }
    local ua = net:endpoint(A)
    local results, at
    sip.spawn(function()
      results = table.pack(ua:dial("sip:bob@example.net", { sdp = net_of.SDP,
        timeout = 3 }))
      at = sip.now()
    end)
    net:run(60)
    assert.same({ "no_answer", 3 }, { results[2].name, at })
  end)
end)

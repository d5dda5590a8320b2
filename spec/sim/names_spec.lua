-- Names where requests are passed on, and where registrations go: RFC 3263 4.3 in
-- proxies with and without transactions. C-44, C-45.

local net_of = require "spec.support.net"

local PROXY, CLIENT = "192.0.2.10", "192.0.2.1"

describe("a proxy to a domain with several servers", function()
  local net, proxy, client, got

  before_each(function()
    net = net_of.new()
    proxy = net:endpoint(PROXY, { domain = "example.org" })
    client = net:stranger(CLIENT)
    got = {}
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function server(name, ip, priority, weight, status)
    net.world:dns { name = "_sip._udp.example.net", type = "SRV", target = name,
      priority = priority, weight = weight, ttl = 3600 }
    net.world:dns { name = name, type = "A", host = ip, ttl = 3600 }
    net:stranger(ip, { request = function(tx, req)
      got[#got + 1] = { ip = ip, branch = req:branch(), method = req:method() }
      tx:respond(status)
    end })
  end

  local function forwarding(options)
    proxy:on("*", function(req)
      req:forward(nil, options)
    end)
  end

  it("asks the next one, with a branch of its own (C-45)", function()
    server("one.example.net", "192.0.2.21", 1, 0, 503)
    server("two.example.net", "192.0.2.22", 2, 0, 200)
    forwarding()
    client.request(PROXY, { method = "MESSAGE", uri = "sip:bob@example.net" })
    net:run(1)
    assert.same({ 200 }, client.statuses())
    assert.equal("192.0.2.21", got[1].ip)
    assert.equal("192.0.2.22", got[2].ip)
    assert.not_equal(got[1].branch, got[2].branch)
  end)

  it("asks who was silent last, for half a minute", function()
    server("one.example.net", "192.0.2.21", 1, 0, 200)
    server("two.example.net", "192.0.2.22", 2, 0, 200)
    net.world:link { to = "192.0.2.21", loss = 1 }
    forwarding()
    for i, instant in ipairs { 0, 33, 63 } do
      net:run(instant)
      client.request(PROXY, { method = "MESSAGE", uri = "sip:bob@example.net",
        call_id = "c" .. i })
      net.world:link { to = "192.0.2.21", loss = i == 1 and 1 or 0 }
    end
    net:run(100)
    local order = {}
    for i, item in ipairs(got) do
      order[i] = item.ip
    end
    assert.same({ "192.0.2.22", "192.0.2.22", "192.0.2.21" }, order)
  end)

  it("without a transaction sends what belongs together to the same one (4.3, C-44)",
    function()
      for i = 1, 4 do
        server(("s%d.example.net"):format(i), "192.0.2.2" .. i, 1, 25, 486)
      end
      forwarding { stateless = true }
      local seen = {}
      for i = 1, 20 do
        got = {}
        local branch = "z9hG4bKcaller" .. i
        local function say(method, via)
          client.bytes(PROXY, table.concat({
            method .. " sip:bob@example.net SIP/2.0",
            "Via: SIP/2.0/UDP " .. CLIENT .. ":5060;branch=" .. via,
            "From: <sip:a@" .. CLIENT .. ">;tag=1", "To: <sip:bob@example.net>",
            "Call-ID: c" .. i, "CSeq: 1 " .. method, "Max-Forwards: 70",
            "Content-Length: 0", "", "" }, "\r\n"))
          net:run(net.world:now())
        end
        say("OPTIONS", branch)
        say("OPTIONS", branch) -- its repetition: the server has a transaction for it
        say("OPTIONS", branch)
        assert.equal(1, #got)
        seen[got[1].ip] = (seen[got[1].ip] or 0) + 1
      end
      local count = 0
      for _ in pairs(seen) do
        count = count + 1
      end
      assert.equal(4, count) -- and others go elsewhere
    end)
end)

describe("a registration at a domain with several servers", function()
  it("goes to the next one when the first is silent, and stays there (C-45)", function()
    local net = net_of.new()
    local ua = net:endpoint(CLIENT)
    local at = {}
    for i, name in ipairs { "one", "two" } do
      local ip = "192.0.2.2" .. i
      net.world:dns { name = "_sip._udp.example.net", type = "SRV", priority = i,
        target = name .. ".example.net", ttl = 7200 }
      net.world:dns { name = name .. ".example.net", type = "A", host = ip, ttl = 7200 }
      net:stranger(ip, { request = function(tx, req)
        at[#at + 1] = ("%s %g"):format(name, net.world:now())
        tx:respond(200, req:method() == "REGISTER" and {
          headers = { "Contact", req:header "Contact" .. ";expires=20" },
        } or nil)
      end })
    end
    net.world:link { to = "192.0.2.21", loss = 1 }
    local reg = ua:register { aor = "sip:2001@example.net", password = "x",
      expires = 20 }
    net:run(45)
    assert.equal("registered", reg.state)
    assert.same({ "two 32", "two 42" }, at) -- the first is left alone until 62
    net:clean()
  end)
end)

describe("sip.name_servers", function()
  it("takes addresses, with or without ports", function()
    local net = net_of.new()
    local sip = net:sip(CLIENT)
    sip.name_servers { "192.0.2.53", "192.0.2.53:5353", "[2001:db8::1]",
      "[2001:db8::1]:53" }
    for _, wrong in ipairs { "192.0.2.53", {}, { "ns.example" }, { "192.0.2.53:70000" },
      { "192.0.2.530" }, { "2001:db8::1" }, { 53 } } do
      assert.has_error(function()
        sip.name_servers(wrong)
      end)
    end
    net:clean()
  end)
end)

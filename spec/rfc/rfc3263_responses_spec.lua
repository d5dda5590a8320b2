-- Responses whose client is not where its request came from (RFC 3263 5, RFC 3261
-- 18.2.2): they go where the Via leads.  C-46.

local core = require "sip.core"
local net_of = require "spec.support.net"
local rig_of = require "spec.support.rig"

local OURS, CLIENT, ONE, TWO = "192.0.2.1", "192.0.2.9", "192.0.2.21", "192.0.2.22"

describe("a response that nobody takes where its request came from", function()
  local net, ua, status

  before_each(function()
    net = net_of.new()
    ua = net:endpoint(OURS)
    status = 200
    ua:on("OPTIONS", function(req)
      net:sip(OURS).sleep(1)
      req:reply(status)
    end)
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function dns(name, type, fields)
    fields.name, fields.type = name, type
    net.world:dns(fields)
  end

  local function srv(name, priority, target, port)
    dns(name, "SRV", { priority = priority, weight = 0, target = target, port = port })
  end

  local function raw(ip, transport, port)
    return net.world:host(ip):raw { transport = transport, host = ip, port = port }
  end

  local function options(transport, sent_by, more)
    return rig_of.request { transport = transport:upper(), sent_by = sent_by,
      uri = "sip:" .. OURS, via_more = more }
  end

  -- A client that says this over a stream and is gone before it is answered.
  local function leave(sent_by)
    local client = raw(CLIENT, "tcp", 5999)
    local id = client:connect(OURS, 5060)
    net:run(0)
    client:write(id, options("tcp", sent_by))
    net:run(0.5)
    client:shut(id)
    net:run(0.9)
    return client
  end

  -- What has come there, as "200 by TCP at 1.000".
  local function heard(socket)
    local list = {}
    for _, event in ipairs(socket:take()) do
      if event.what == "bytes" then
        local res = core.parse(event.bytes)
        list[#list + 1] = ("%d %s at %.3f"):format(res:status(), res:via(1).host,
          event.at)
      end
    end
    return list
  end

  -- @rfc 3263 5 MUST C-46
  it("goes to the servers of its sent-by, in order", function()
    local two = raw(TWO, "tcp", 5080)
    srv("_sip._tcp.client.example", 1, "one.example", 5080) -- nobody is there
    srv("_sip._tcp.client.example", 2, "two.example", 5080)
    net.world:name("one.example", ONE)
    net.world:name("two.example", TWO)
    net.world:host(ONE)
    local client = leave "client.example"
    net:run(3)
    assert.same({ "200 client.example at 1.000" }, heard(two))
    assert.equal(2, ua.stack:stats().astray)
    client:close()
    two:close()
  end)

  -- @rfc 3263 5 MUST C-46
  it("or to its addresses, at a port that it names", function()
    local one = raw(ONE, "tcp", 5070)
    net.world:name("client.example", ONE)
    srv("_sip._tcp.client.example", 1, "nobody.example", 5080)
    local client = leave "client.example:5070"
    net:run(3)
    assert.same({ "200 client.example at 1.000" }, heard(one))
    client:close()
    one:close()
  end)

  -- @rfc 3263 5 MUST C-46
  it("or to the address that it is", function()
    local one = raw(ONE, "tcp", 5070)
    local client = leave(ONE .. ":5070")
    net:run(3)
    assert.same({ "200 " .. ONE .. " at 1.000" }, heard(one))
    client:close()
    one:close()
  end)

  -- @rfc 3263 5 MUST C-46
  it("or by a connection that is being opened to there for another", function()
    local one = raw(ONE, "tcp", 5070)
    local other = "192.0.2.2"
    net:endpoint(other, { listen = "tcp:0.0.0.0:5060" }):on("OPTIONS", function(req)
      net:sip(other).sleep(1)
      req:reply(200)
    end)
    local client = raw(CLIENT, "tcp", 5999)
    local id = client:connect(other, 5060)
    net:run(0)
    for i = 1, 2 do
      client:write(id, rig_of.request { transport = "TCP", sent_by = ONE .. ":5070",
        uri = "sip:" .. other, branch = "z9hG4bK" .. i })
    end
    net:run(0.5)
    client:shut(id)
    net:run(3)
    local bytes = ""
    for _, event in ipairs(one:take()) do
      bytes = bytes .. (event.bytes or "")
    end
    assert.equal(2, select(2, bytes:gsub("SIP/2.0 200 OK\r\n", "")))
    client:close()
    one:close()
  end)

  -- @rfc 3261 18.2.2 MUST C-26
  it("but first to where it came from, at the port of its Via", function()
    local one = raw(ONE, "tcp", 5070)
    local host = net.world:host(CLIENT)
    local client = host:raw { transport = "tcp", host = CLIENT, port = 5999 }
    local back = host:raw { transport = "tcp", host = CLIENT, port = 5070 }
    net.world:name("client.example", ONE)
    local id = client:connect(OURS, 5060)
    net:run(0)
    client:write(id, options("tcp", "client.example:5070"))
    net:run(0.5)
    client:shut(id)
    net:run(3)
    assert.same({ "200 client.example at 1.000" }, heard(back))
    assert.same({}, heard(one))
    assert.equal(0, ua.stack:stats().astray)
    client:close()
    back:close()
    one:close()
  end)

  -- @rfc 3263 5 MUST C-46
  it("also over UDP, when the kernel says that nobody is there", function()
    local one = raw(ONE, "udp", 5060)
    local host = net.world:host(CLIENT)
    net.world:name("client.example", ONE)
    local client = host:raw { host = CLIENT, port = 5060 }
    client:send(OURS, 5060, options("udp", "client.example"))
    net:run(0.5)
    client:close()
    net:run(3)
    assert.same({ "200 client.example at 1.000" }, heard(one))
    one:close()
  end)

  it("and once only, whatever is repeated to whom it came from", function()
    local one = raw(ONE, "udp", 5060)
    local host = net.world:host(CLIENT)
    net.world:name("client.example", ONE)
    ua:on("INVITE", function(req)
      req:reply(486)
    end)
    local client = host:raw { host = CLIENT, port = 5060 }
    client:send(OURS, 5060, rig_of.request { method = "INVITE",
      sent_by = "client.example", uri = "sip:" .. OURS })
    client:close()
    net:run(40)
    assert.equal(1, #heard(one))
    one:close()
  end)

  it("and nowhere, when its Via names nobody", function()
    local client = leave "client.example"
    net:run(40)
    assert.equal(1, ua.stack:stats().astray)
    client:close()
  end)
end)

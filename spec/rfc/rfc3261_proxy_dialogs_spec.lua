-- RFC 3261 16.12, 16.6 step 4: what a proxy does inside of dialogs, as one that stays
-- in their way; with RFC 5658. In virtual time.

local core = require "sip.core"
local forwarding = require "spec.support.forwarding"
local net_of = require "spec.support.net"

local at, AOR = forwarding.at, forwarding.AOR
local PROXY, CLIENT = forwarding.PROXY, forwarding.CLIENT
local ONE, TWO = forwarding.ONE, forwarding.TWO

describe("a proxy inside of dialogs", function()
  local rig, net, proxy, client, servers

  before_each(function()
    rig = forwarding.new()
    net, proxy, client, servers = rig.net, rig.proxy, rig.client, rig.servers
  end)

  after_each(function()
    rig:finish()
  end)

  local forward_to, send, run, answers,
    requests, statuses, last_response = forwarding.verbs(function()
      return rig
    end, "forward_to", "send", "run", "answers",
      "requests", "statuses", "last_response")

  describe("16.12", function()
    -- A call through the proxy, answered.
    local function call(headers)
      forward_to(at(ONE), nil, function(req)
        req:record_route()
      end)
      answers(ONE, 0, 200)
      send { headers = headers }
      run(1)
      return requests(ONE, "INVITE")[1], last_response()
    end

    it("C-205: Record-Route of its own, on top, with lr", function()
      local got, res = call { "Record-Route", "<sip:192.0.2.77;lr>" }
      local routes = got:values "Record-Route"
      assert.equal(2, #routes)
      assert.truthy(routes[1]:find "^<sip:192.0.2.10:5060;lr;mark=%w+>$")
      assert.same(routes, res:values "Record-Route")
    end)

    it("C-221: an ACK to a 2xx follows the route, without a transaction", function()
      local got = call()
      local route = got:values("Record-Route")[1]
      client.request(PROXY, { method = "ACK", uri = at(ONE), send = true,
        to = "<" .. AOR .. ">;tag=" .. last_response():to_tag(),
        headers = { "Route", route } })
      local before = proxy.stack:stats().transactions
      run(1.5)
      assert.equal(before, proxy.stack:stats().transactions)
      local ack = requests(ONE, "ACK")[1]
      assert.equal(at(ONE), ack:uri())
      assert.is_nil(ack:header "Route")
      assert.equal(69, ack:max_forwards())
    end)

    it("16.11: an ACK that is sent again has the same branch", function()
      local got = call()
      local sent = client.request(PROXY, { method = "ACK", uri = at(ONE), send = true,
        to = "<" .. AOR .. ">;tag=" .. last_response():to_tag(),
        headers = { "Route", got:values("Record-Route")[1] } })
      run(1.5)
      sent:again()
      run(2)
      local first, second = table.unpack(requests(ONE, "ACK"))
      assert.truthy(first:branch():find "^z9hG4bK")
      assert.equal(first:branch(), second:branch())
    end)

    it("C-219: a BYE of either side is relayed, without a script", function()
      local got, res = call()
      local route = got:values("Record-Route")[1]
      answers(ONE, 0, 200)
      client.request(PROXY, { method = "BYE", uri = at(ONE), cseq = 2,
        to = res:header "To", headers = { "Route", route } })
      run(2)
      assert.equal(1, #requests(ONE, "BYE"))
      assert.equal(200, last_response():status())
      client.on.request = function(tx)
        tx:respond(200)
      end
      servers[ONE].request(PROXY, { method = "BYE", uri = "sip:" .. CLIENT,
        call_id = got:call_id(), from = res:header "To", to = got:header "From",
        headers = { "Route", route } })
      run(3)
      assert.equal(200, servers[ONE].last "response":status())
    end)

    -- A request of the client inside the dialog, and the responses to it.
    local function inside(res, route, fields)
      fields.method = fields.method or "BYE"
      fields.uri = fields.uri or at(ONE)
      fields.cseq, fields.to = fields.cseq or 2, res:header "To"
      fields.headers = { "Route", route, table.unpack(fields.headers or {}) }
      local before = #statuses()
      client.request(PROXY, fields)
      run(net.world:now() + 100)
      return table.move(statuses(), before + 1, #statuses(), 1, {})
    end

    it("passes the answer back, whatever it is", function()
      local got, res = call()
      local route = got:values("Record-Route")[1]
      answers(ONE, 0.3, 481)
      assert.same({ 481 }, inside(res, route, {}))
      assert.equal(1, #requests(ONE, "BYE"))
      assert.equal("60", requests(ONE, "BYE")[1]:header "Max-Breadth")
      assert.equal(69, requests(ONE, "BYE")[1]:max_forwards())
    end)

    it("gives no answer to what had none, and 500 for an error of the wire", function()
      local got, res = call()
      local route = got:values("Record-Route")[1]
      answers(ONE)
      assert.same({}, inside(res, route, {}))
      assert.same({}, inside(res, route, { uri = "sip:x@198.51.100.99", cseq = 3 }))
      local tcp = "sip:x@198.51.100.99;transport=tcp"
      assert.same({ 500 }, inside(res, route, { uri = tcp, cseq = 4 }))
      assert.same({ 483 },
        inside(res, route, { cseq = 5, headers = { "Max-Forwards", "0" } }))
    end)

    it("goes on by the routes of others, to names too", function()
      local got, res = call()
      local route = got:values("Record-Route")[1]
      answers(TWO, 0, 200)
      net.world:name("far.example", TWO)
      local next_route = { "Route", "<sip:192.0.2.22;lr>, <sip:192.0.2.23;lr>" }
      assert.same({ 200 }, inside(res, route, { headers = next_route }))
      assert.same({ "<sip:192.0.2.22;lr>", "<sip:192.0.2.23;lr>" },
        requests(TWO, "BYE")[1]:values "Route")
      assert.same({ 200 }, inside(res, route, { uri = "sip:x@far.example", cseq = 3 }))
      assert.equal("sip:x@far.example", requests(TWO, "BYE")[2]:uri())
    end)

    it("C-202: a strict router's Request-URI is undone", function()
      local got, res = call()
      local route = got:values("Record-Route")[1]
      answers(ONE, 0, 200)
      client.request(PROXY, { method = "BYE", uri = route:match "<(.*)>", cseq = 2,
        to = res:header "To", headers = { "Route", "<" .. at(ONE) .. ">" } })
      run(2)
      local bye = requests(ONE, "BYE")[1]
      assert.equal(at(ONE), bye:uri())
      assert.is_nil(bye:header "Route")
    end)

    it("is watched, and edited, by on_dialog_request", function()
      proxy:on_dialog_request(function(req)
        req:set("X-Seen", "yes")
        if req.method == "INFO" then
          req:reply(603)
        end
      end)
      local got, res = call()
      local route = got:values("Record-Route")[1]
      answers(ONE, 0, 200)
      assert.same({ 603 }, inside(res, route, { method = "INFO" }))
      assert.same({ 200 }, inside(res, route, { cseq = 3 }))
      assert.equal("yes", requests(ONE, "BYE")[1]:header "X-Seen")
    end)

    it("C-205, C-213: two Record-Routes between two transports; both are removed from "
      .. "requests, and responses need no rewriting", function()
      local ua = net:endpoint "192.0.2.31"
      ua:on_call(function(leg)
        leg:answer { sdp = net_of.SDP }
        leg:wait()
      end)
      forward_to("sip:bob@192.0.2.31;transport=tcp", nil, function(req)
        req:record_route()
      end)
      send { body = net_of.SDP }
      run(1)
      local res = last_response()
      local routes = res:values "Record-Route"
      assert.equal(2, #routes)
      local sent
      for _, record in ipairs(net.trace:list()) do
        local message = record.kind == "message" and core.parse(record.text)
        if message and message:status() == 200 and record.to:find(PROXY, 1, true) then
          sent = message:values "Record-Route"
        end
      end
      assert.same(sent, routes)
      assert.truthy(routes[1]:find("transport=tcp", 1, true))
      assert.is_nil(routes[2]:find("transport=tcp", 1, true))
      local set = { "Route", routes[2], "Route", routes[1] }
      client.request(PROXY, { method = "ACK", uri = res:contact_uri(), send = true,
        to = res:header "To", headers = set })
      run(1.5)
      client.request(PROXY, { method = "BYE", uri = res:contact_uri(), cseq = 2,
        to = res:header "To", headers = set })
      run(3)
      assert.equal(200, last_response():status())
      assert.equal(0, ua.calls)
    end)
  end)
end)

-- RFC 3261 16.4, 16.6 steps 4 and 6, 16.12, RFC 5658: whom a Route means, and what a
-- proxy in the way of a dialog sees of it.

local forwarding = require "spec.support.forwarding"
local net_of = require "spec.support.net"

local PROXY, CLIENT, AOR = forwarding.PROXY, forwarding.CLIENT, forwarding.AOR
local ONE, TWO = forwarding.ONE, forwarding.TWO
local at = forwarding.at

describe("a proxy in the way", function()
  local f, proxy, net

  before_each(function()
    f = forwarding.new()
    proxy, net = f.proxy, f.net
  end)

  after_each(function()
    f:finish()
  end)

  local function recorded(ua, target)
    ua:on("*", function(req)
      req:record_route()
      req:forward(target)
    end)
  end

  -- The route set of whoever has called, as headers (12.1.2).
  local function route_set(res)
    local values, set = res:values "Record-Route", {}
    for i = #values, 1, -1 do
      set[#set + 1] = "Route"
      set[#set + 1] = values[i]
    end
    return set
  end

  -- A request of the client inside the dialog.
  local function inside(host, method, res, fields)
    fields = fields or {}
    fields.method, fields.uri = method, fields.uri or at(ONE)
    fields.to, fields.headers = res:header "To", fields.headers or route_set(res)
    fields.send = method == "ACK"
    f.client.request(host, fields)
    f:run(net.world:now() + 1)
  end

  -- A call through a proxy, answered with this.
  local function call(status)
    recorded(proxy, at(ONE))
    f:answers(ONE, 0, status or 200)
    f:send()
    f:run(1)
    return f:last_response()
  end

  describe("16.12", function()
    it("relays PRACK, UPDATE and a re-INVITE of an early dialog", function()
      local res = call(183)
      f:answers(ONE, 0, 200)
      for i, method in ipairs { "PRACK", "UPDATE", "INFO" } do
        inside(PROXY, method, res, { cseq = 1 + i })
        assert.equal(200, f:last_response():status())
        assert.equal(1, #f:requests(ONE, method))
      end
    end)

    it("16.6 step 4, RFC 6665 4.3: what refreshes or makes a dialog keeps us there",
      function()
        local res = call()
        local first = res:header "Record-Route"
        f:answers(ONE, 0, 200)
        for i, method in ipairs { "INVITE", "UPDATE", "NOTIFY", "INFO", "BYE" } do
          inside(PROXY, method, res, { cseq = 1 + i })
          local got = f:requests(ONE, method)
          local record = got[#got]:header "Record-Route"
          assert.equal(i <= 3 and first or nil, record, method)
        end
        f.servers[ONE].request(PROXY, { method = "NOTIFY", uri = "sip:" .. CLIENT,
          call_id = res:call_id(), from = res:header "To", to = res:header "From",
          headers = { "Route", first } })
        f:run(net.world:now() + 1)
        local notify = f.client.last "request"
        assert.equal("NOTIFY", notify:method())
        -- With the mark of the other side, which both have in what they send.
        inside(PROXY, "INFO", res, { cseq = 9,
          headers = { "Route", notify:header "Record-Route" } })
        assert.equal(2, #f:requests(ONE, "INFO"))
      end)

    it("sends nobody round in circles, and no ACK at all", function()
      proxy:on_dialog_request(function() end)
      local res = call()
      f:answers(ONE, 0, 200)
      local own = res:header "Record-Route"
      for times = 8, 9 do
        local route = { "Route", own .. (", " .. own):rep(times - 1) }
        inside(PROXY, "INFO", res, { cseq = times, headers = route })
        inside(PROXY, "ACK", res, { cseq = 1, headers = route })
      end
      assert.equal(482, f:last_response():status())
      assert.same({ 1, 1 }, { #f:requests(ONE, "INFO"), #f:requests(ONE, "ACK") })
    end)

    it("C-217: relays the CANCEL of a re-INVITE", function()
      local res = call()
      f:answers(ONE, 0, 180)
      f:gives_up(ONE)
      local tx = f:send { uri = at(ONE), cseq = 2, to = res:header "To",
        headers = route_set(res) }
      f:run(2)
      tx:cancel()
      f:run(3)
      assert.equal(1, #f:requests(ONE, "CANCEL"))
      assert.same({ 200, 180, 487 }, f:statuses())
    end)

    it("C-219: through a strict router, as in 16.12.1.2", function()
      local A, STRICT, B = "192.0.2.41", "192.0.2.61", "192.0.2.42"
      recorded(net:endpoint(A), "sip:bob@" .. B)
      recorded(net:endpoint(B), at(ONE))
      f:answers(ONE, 0, 200)
      f.client.request(A, { method = "INVITE" })
      f:run(1)
      local res = f:last_response()
      local by = res:values "Record-Route" -- B, A
      local strict, seen = nil, nil
      -- What RFC 2543 did: the first Route becomes the Request-URI.
      strict = net:stranger(STRICT, { request = function(tx, req)
        local route = req:values "Route"
        seen = { req:uri(), table.unpack(route) }
        tx:respond(200)
        strict.request(B, { method = "BYE", uri = route[1]:match "<(.*)>",
          call_id = req:call_id(), from = req:header "From", to = req:header "To",
          cseq = 2, headers = { "Route", table.concat(route, ", ", 2) } })
      end })
      f.client.request(A, { method = "BYE", uri = at(ONE), cseq = 2,
        to = res:header "To",
        headers = { "Route", by[2] .. ", <sip:" .. STRICT .. ">, " .. by[1] } })
      f:run(2)
      assert.same({ "sip:" .. STRICT, by[1], "<" .. at(ONE) .. ">" }, seen)
      local bye = f:requests(ONE, "BYE")[1]
      assert.equal(at(ONE), bye:uri())
      assert.is_nil(bye:header "Route")
      assert.equal(200, strict.statuses()[1])
    end)

    it("16.6 step 7: relays nothing for sips: but by TLS", function()
      local res = call()
      inside(PROXY, "BYE", res, { cseq = 2, uri = "sips:bob@" .. ONE, headers = {
        "Route", res:header "Record-Route", "Route", "<sip:192.0.2.21;lr>" } })
      assert.same({}, f:requests(ONE, "BYE"))
      assert.equal(500, f:last_response():status())
    end)

    it("C-200: relays nothing that has no breadth left", function()
      local res = call()
      local set = route_set(res)
      table.move({ "Max-Breadth", "0" }, 1, 2, #set + 1, set)
      inside(PROXY, "INFO", res, { cseq = 2, headers = set })
      assert.equal(440, f:last_response():status())
    end)

    it("C-221: passes no ACK that has no mark", function()
      local res = call()
      inside(PROXY, "ACK", res, { headers = { "Route", "<sip:192.0.2.10;lr>" } })
      inside(PROXY, "ACK", res, { headers = {} })
      assert.same({}, f:requests(ONE, "ACK"))
      inside(PROXY, "ACK", res)
      assert.equal(1, #f:requests(ONE, "ACK"))
    end)

    it("C-221: an ACK that may go no further goes nowhere", function()
      local res = call()
      local set = route_set(res)
      table.move({ "Max-Forwards", "0" }, 1, 2, #set + 1, set)
      inside(PROXY, "ACK", res, { headers = set })
      assert.same({}, f:requests(ONE, "ACK"))
    end)
  end)

  describe("with marks", function()
    it("takes none of another call or of another caller", function()
      local res = call()
      local set = route_set(res)
      f:answers(ONE, 0, 200)
      inside(PROXY, "BYE", res, { headers = set, call_id = "another", cseq = 2 })
      assert.equal(481, f:last_response():status())
      f.client.request(PROXY, { method = "BYE", uri = at(ONE), cseq = 3, headers = set,
        from = "<sip:x@y>;tag=other", to = "<sip:z@y>;tag=odd" })
      f:run(net.world:now() + 1)
      assert.equal(481, f:last_response():status())
      assert.same({}, f:requests(ONE, "BYE"))
    end)

    it("begins nothing new by them: that is for a script", function()
      local res = call()
      local asked = 0
      proxy:on("*", function(req)
        asked = asked + 1
        req:reply(403)
      end)
      f.client.request(PROXY, { method = "INVITE", uri = at(TWO), cseq = 2,
        headers = route_set(res) })
      f:run(net.world:now() + 1)
      assert.same({ 1, 403 }, { asked, f:last_response():status() })
      assert.same({}, f:requests(TWO))
    end)

    it("leaves the Route of the next proxy, which has the same secret", function()
      local secret = "0123456789abcdef"
      local A, B = "192.0.2.41", "192.0.2.42"
      local a = net:endpoint(A, { secret = secret })
      local b = net:endpoint(B, { secret = secret })
      recorded(a, "sip:bob@" .. B)
      recorded(b, at(ONE))
      f:answers(ONE, 0, 200)
      f.client.request(A, { method = "INVITE" })
      f:run(1)
      local res = f:last_response()
      assert.equal(2, #res:values "Record-Route")
      inside(A, "BYE", res, { cseq = 2 })
      local bye = f:requests(ONE, "BYE")[1]
      assert.equal(B, bye:via(1).host)
      assert.equal(A, bye:via(2).host)
      assert.is_nil(bye:header "Route")
    end)
  end)

  describe("16.4", function()
    -- Whether the first Route is taken for our own, by what the server gets.
    local number = 0
    local function takes(ua, host, port, route)
      local before = #f:requests(ONE)
      number = number + 1
      recorded(ua, at(ONE))
      f:answers(ONE, 0, 200)
      f.client.stack:request {
        method = "MESSAGE", uri = AOR, transport = "udp", host = host, port = port,
        headers = { "From", "<sip:a@x>;tag=1", "To", "<" .. AOR .. ">", "Call-ID",
          "call-" .. number, "CSeq", "1 MESSAGE", "Route", route },
      }
      f:run(net.world:now() + 60)
      local got = f:requests(ONE)
      return #got > before and not got[#got]:header "Route"
    end

    it("C-202: knows itself by IPv6, however it is written", function()
      net:sip("192.0.2.52", "2001:db8::52")
      local ua = net:endpoint("192.0.2.52",
        { listen = { "udp:0.0.0.0:5060", "udp:[::]:5060" } })
      assert.is_true(takes(ua, "192.0.2.52", 5060, "<sip:[2001:DB8:0::52];lr>"))
      assert.is_false(takes(ua, "192.0.2.52", 5060, "<sip:[2001:db8::53];lr>"))
    end)

    it("C-202: knows its domain, its addresses, its ports", function()
      assert.is_true(takes(proxy, PROXY, 5060, "<sip:example.org;lr>"))
      assert.is_true(takes(proxy, PROXY, 5060, "<sip:EXAMPLE.org:5060;lr>"))
      assert.is_true(takes(proxy, PROXY, 5060, "<sip:192.0.2.10;transport=tcp;lr>"))
      assert.is_false(takes(proxy, PROXY, 5060, "<sip:192.0.2.10:5070;lr>"))
      assert.is_false(takes(proxy, PROXY, 5060, "<sip:other.example;lr>"))
    end)

    it("C-202, C-205: listens everywhere, on another port, under a public name",
      function()
        net:sip("192.0.2.50", "192.0.2.51")
        local ua = net:endpoint("192.0.2.50", { listen = "udp:0.0.0.0:5071",
          advertise = { sip = "sip.example.net" } })
        assert.is_true(takes(ua, "192.0.2.50", 5071, "<sip:sip.example.net:5071;lr>"))
        assert.is_true(takes(ua, "192.0.2.50", 5071, "<sip:192.0.2.50:5071;lr>"))
        assert.is_true(takes(ua, "192.0.2.51", 5071, "<sip:192.0.2.51:5071;lr>"))
        local got = f:requests(ONE)[1]
        assert.equal("sip.example.net", got:via(1).host)
        assert.equal(5071, got:via(1).port)
        assert.truthy(got:header "Record-Route":find("^<sip:sip.example.net:5071;lr;"))
      end)
  end)

  describe("RFC 5658", function()
    it("C-205: between IPv4 and IPv6 has two Record-Routes, both taken away", function()
      local FOUR, SIX, FAR = "192.0.2.60", "2001:db8::60", "2001:db8::21"
      net:sip(FOUR, SIX)
      local both = net:endpoint(FOUR, { listen = { "udp:" .. FOUR .. ":5060",
        "udp:[" .. SIX .. "]:5060" } })
      local far = net:endpoint(FAR, { listen = "udp:[" .. FAR .. "]:5060" })
      far:on_call(function(leg)
        leg:answer { sdp = net_of.SDP }
        leg:wait()
      end)
      recorded(both, "sip:bob@[" .. FAR .. "]")
      f.client.request(FOUR, { method = "INVITE", body = net_of.SDP })
      f:run(1)
      local res = f:last_response()
      assert.equal(200, res:status())
      local routes = res:values "Record-Route"
      assert.equal(2, #routes)
      assert.equal(1, (routes[1]:find("<sip:[2001:db8::60]:5060;lr;mark=", 1, true)))
      assert.equal(1, (routes[2]:find("<sip:192.0.2.60:5060;lr;mark=", 1, true)))
      inside(FOUR, "ACK", res, { uri = res:contact_uri() })
      inside(FOUR, "INFO", res, { uri = res:contact_uri(), cseq = 2 })
      inside(FOUR, "BYE", res, { uri = res:contact_uri(), cseq = 3 })
      assert.equal(200, f:last_response():status())
      assert.equal(0, far.calls)
    end)
  end)

  describe("a Route to nowhere", function()
    local function status_of(...)
      f:forward_to(AOR)
      f:send { method = "MESSAGE", headers = { ... } }
      f:run(100)
      return f:statuses()[1]
    end

    it("by a name that is none is 500", function()
      assert.equal(500, status_of("Route", "<sip:nowhere.invalid;lr>"))
    end)

    it("to an address where nobody is comes to nothing, as RFC 4320 wants it",
      function()
        assert.is_nil(status_of("Route", "<sip:198.51.100.99;lr>"))
      end)

    it("to an address where nobody is is 408 to an INVITE", function()
      f:forward_to(AOR)
      f:send { headers = { "Route", "<sip:198.51.100.99;lr>" } }
      f:run(100)
      assert.same({ 408 }, f:statuses())
    end)

    it("that is no SIP URI is 416", function()
      assert.equal(416, status_of("Route", "<sip:192.0.2.10;lr>, <tel:+49301234>"))
    end)

    it("that is garbage is 416", function()
      assert.equal(416, status_of("Route", "<sip:192.0.2.10;lr>, <<garbage"))
    end)

    it("by a transport that we do not have is 416", function()
      assert.equal(416, status_of("Route", "<sip:192.0.2.22;transport=sctp;lr>"))
    end)

    -- Each is looked at: with 1,500 of them in a request one source kept a processor
    -- busy.
    it("is a loop when it leads by us again and again", function()
      local ours = "<sip:192.0.2.10;lr>"
      f:forward_to(at(ONE))
      f:answers(ONE, 0, 200)
      for times = 8, 9 do
        f:send { method = "MESSAGE",
          headers = { "Route", ours .. (", " .. ours):rep(times - 1) } }
      end
      f:run(100)
      local got = f:statuses()
      table.sort(got)
      assert.same({ 200, 482 }, got)
    end)

    it("by a name of ours that we do not know is a loop", function()
      net.world:name("unknown.example", PROXY)
      assert.equal(482, status_of("Route", "<sip:unknown.example;lr>"))
    end)
  end)
end)

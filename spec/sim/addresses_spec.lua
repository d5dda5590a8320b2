-- Several addresses on one endpoint, and what each of them is called by others: Via,
-- Contact, Record-Route and descriptions (rule 11).  C-22 (sent-by).  What the kernel
-- has to say to that is in spec/wire/addresses_spec.lua.

local natted = require "spec.support.natted"
local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, B, B2, C = "192.0.2.1", "192.0.2.2", "192.0.2.12", "192.0.2.3"

describe("an endpoint with several addresses", function()
  local net, sip_b, stranger

  before_each(function()
    net = net_of.new { delay = 0.01 }
    sip_b = net:sip(B, B2)
    stranger = net:stranger(A)
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function two(options)
    options = options or {}
    options.listen = options.listen or {
      { "udp:" .. B .. ":5060", advertise = "198.51.100.7:5070" },
      { "udp:" .. B2 .. ":5060",
        advertise = { sip = "gate.example", media = "203.0.113.9" } },
    }
    return net:endpoint(B, options)
  end

  local function last()
    net:run(net.world:now() + 1)
    return stranger.last "response"
  end

  local function answering(ua)
    ua:on_call(function(call)
      assert(call:answer())
      call:wait()
    end)
    return ua
  end

  local OFFER = SDP

  -- @rfc 3261 12.1.1 MUST
  it("names in its answers what the listener is called that they came to", function()
    answering(two())
    local seen = {}
    for i, to in ipairs { B, B2 } do
      stranger.request(to, { method = "INVITE", call_id = "c" .. i, body = OFFER })
      local res = last()
      seen[i] = { res:header "Contact", res:body():match "\r\nc=IN IP4 ([%d.]+)" }
      stranger.request(to, { method = "ACK", call_id = "c" .. i, send = true,
        to = res:header "To" })
      stranger.request(to, { method = "BYE", call_id = "c" .. i, cseq = 2,
        to = res:header "To" })
      assert.equal(200, last():status())
    end
    assert.same({
      { "<sip:198.51.100.7:5070>", "198.51.100.7" },
      { "<sip:gate.example:5060>", "203.0.113.9" },
    }, seen)
  end)

  -- @rfc 3261 18.1.1 MUST C-22
  it("names in its requests what the listener is called that they leave by", function()
    local ua = two()
    local via, contact, sdp
    stranger.on.request = function(tx, req)
      via, contact = req:header "Via":match "^SIP/2.0/UDP ([^;]+)", req:header "Contact"
      sdp = req:body():match "\r\nc=IN IP4 ([%d.]+)"
      tx:respond(486)
    end
    sip_b.spawn(function()
      ua:dial("sip:x@" .. A)
    end)
    net:run(1)
    assert.same({ "198.51.100.7:5070", "<sip:198.51.100.7:5070>", "198.51.100.7" },
      { via, contact, sdp })
  end)

  -- @rfc 3261 18.1.2 MUST C-23
  -- @rfc 3261 13.2.2.4 MUST
  for _, name in ipairs { "gate.example", "198.51.100.7" } do
    it("knows a late answer to what it has sent as " .. name, function()
      local ua = net:endpoint(B, { listen = {
        { "udp:" .. B .. ":5060", advertise = { sip = name, media = "203.0.113.9" } },
      } })
      local phone = natted.new(net, { ip = C, transport = "udp", to = B, port = 5060,
        contact = "sip:bob@" .. C })
      sip_b.spawn(function()
        assert(ua:dial("sip:bob@" .. C, { sdp = SDP })):wait()
      end)
      phone:wait(1)
      local invite = assert(phone:last "INVITE")
      assert.equal(name, invite:via(1).host)
      phone:respond(invite, 200, { body = SDP })
      phone:wait(40) -- the transaction is gone
      phone.got = {}
      phone:respond(invite, 200, { body = SDP })
      phone:wait(1)
      assert.truthy(phone:last "ACK")
      phone.raw:close()
    end)
  end

  it("is called by the endpoint's name where a listener has none", function()
    answering(two { advertise = "203.0.113.1", listen = { "udp:" .. B .. ":5060",
      { "udp:" .. B2 .. ":5060", advertise = "198.51.100.7:5070" } } })
    local seen = {}
    for i, to in ipairs { B, B2 } do
      stranger.request(to, { method = "INVITE", call_id = "c" .. i, body = OFFER })
      local res = last()
      seen[i] = { res:header "Contact", res:body():match "\r\nc=IN IP4 ([%d.]+)" }
      stranger.request(to, { method = "ACK", call_id = "c" .. i, send = true,
        to = res:header "To" })
    end
    assert.same({
      { "<sip:203.0.113.1:5060>", "203.0.113.1" },
      { "<sip:198.51.100.7:5070>", "198.51.100.7" },
    }, seen)
  end)

  -- @rfc 3261 16.4 MUST
  it("knows itself by all of these names, with their ports", function()
    local ua = two { domain = "pbx.example" }
    for uri, is in pairs {
      ["sip:198.51.100.7:5070"] = true, ["sip:198.51.100.7"] = false,
      ["sip:gate.example"] = true, ["sip:GATE.example:5060"] = true,
      ["sip:gate.example:5070"] = false, ["sip:192.0.2.2"] = true,
      ["sip:192.0.2.12:5060"] = true, ["sip:192.0.2.12:5070"] = false,
      ["sip:pbx.example"] = true, ["sip:203.0.113.9"] = false,
    } do
      assert.equal(is, ua:is_local(uri), uri)
    end
  end)

  -- @rfc 3261 16.12 MUST
  -- @rfc 5658 4 MUST
  it("stays in the way of a call by the names of both sides", function()
    local proxy = two { listen = {
      { "udp:" .. B .. ":5060", advertise = "198.51.100.7:5070" },
      { "tcp:" .. B2 .. ":5060", advertise = "203.0.113.9:5080" },
    } }
    local bob = net:endpoint(C)
    local routes
    bob:on_call(function(call)
      routes = call.request:values "Record-Route"
      assert(call:answer { sdp = SDP })
      call:wait()
    end)
    proxy:on("*", function(req)
      req:record_route()
      return req:forward("sip:bob@" .. C .. ";transport=tcp")
    end)
    stranger.request(B, { method = "INVITE", body = OFFER })
    local res = last()
    assert.matches("^<sip:203.0.113.9:5080;transport=tcp;lr;mark=", routes[1])
    assert.matches("^<sip:198.51.100.7:5070;lr;mark=", routes[2])
    local before = proxy.stack:stats().passed
    local set = res:values "Record-Route"
    stranger.request(B, { method = "BYE", cseq = 2, to = res:header "To",
      uri = res:contact_uri(),
      headers = { "Route", set[2] .. ", " .. set[1] } })
    assert.equal(200, last():status())
    assert.equal(0, bob.calls)
    assert.equal(before, proxy.stack:stats().passed) -- in a transaction
  end)

  -- @rfc 3261 18.1.1 MUST C-22
  for _, listen in ipairs { "udp:0.0.0.0:5060",
    { "udp:" .. B .. ":5060", "udp:" .. B2 .. ":5060" } } do
    it("is the same for its peer to the end of a call, at "
      .. (type(listen) == "string" and "a wildcard" or "two listeners"), function()
      local ua = two { listen = listen }
      local got
      stranger.on.request = function(tx, req)
        got = { req:method(), (req:source()), req:via(1).host }
        tx:respond(200, { headers = { "Contact", "<sip:" .. A .. ">" } })
      end
      ua:on_call(function(call)
        assert(call:answer { sdp = SDP })
        sip_b.sleep(1)
      end)
      for i, to in ipairs { B, B2 } do
        stranger.request(to, { method = "INVITE", call_id = "c" .. i, body = OFFER })
        local res = last()
        assert.equal("<sip:" .. to .. ":5060>", res:header "Contact")
        stranger.request(to, { method = "ACK", call_id = "c" .. i, send = true,
          to = res:header "To" })
        net:run(net.world:now() + 2)
        assert.same({ "BYE", to, to }, got)
      end
    end)
  end

  -- A NAT lets in what comes from where its phone has sent to, and nothing else.
  -- @rfc 5626 5.3.1 MUST
  -- @rfc 3581 4 MUST C-28
  for _, watched in ipairs { false, true } do
    it("reaches who is behind a NAT from the address that he knows, "
      .. (watched and "by a script" or "by itself"), function()
        local proxy = net:endpoint(B, { domain = "example.org",
          listen = "udp:0.0.0.0:5060", location = sip_b.location.memory() })
        proxy:on("REGISTER", sip_b.registrar())
        proxy:on("*", function(req)
          req:record_route()
          req:forward(proxy.location:lookup(req.uri))
        end)
        if watched then
          proxy:on_dialog_request(function() end)
        end
        local phone = natted.new(net, { ip = C, transport = "udp", to = B2 })
        phone:request "REGISTER"
        phone:wait(1)
        local contact = assert(phone:last(200)):contact_uri()
        phone.from = nil
        stranger.request(B, { method = "INVITE", uri = "sip:bob@example.org",
          to = "<sip:bob@example.org>", body = OFFER })
        phone:wait(1)
        local invite = assert(phone:last "INVITE")
        assert.equal(B2 .. ":5060", phone.from)
        assert.equal(B2, invite:via(1).host)
        phone:respond(invite, 200, { body = SDP })
        local res = last()
        local routes = {}
        for _, value in ipairs(res:values "Record-Route") do
          table.insert(routes, 1, value)
        end
        for i, method in ipairs { "ACK", "INFO", "UPDATE", "BYE" } do
          phone.from = nil
          stranger.request(B, { method = method, cseq = math.max(i - 1, 1),
            to = res:header "To", uri = contact, send = method == "ACK",
            headers = { "Route", table.concat(routes, ", ") } })
          phone:wait(1)
          assert.equal(B2 .. ":5060", phone.from, method)
          if method ~= "ACK" then
            phone:respond(assert(phone:last(method)), 200)
            phone:wait(1)
          end
        end
        phone.raw:close()
      end)
  end

  -- @rfc 3261 8.1.1.8 MUST
  it("calls him from there too, and names that address to him", function()
    local ua = net:endpoint(B, { domain = "example.org", listen = "udp:0.0.0.0:5060",
      location = sip_b.location.memory() })
    ua:on("REGISTER", sip_b.registrar())
    local phone = natted.new(net, { ip = C, transport = "udp", to = B2 })
    phone:request "REGISTER"
    phone:wait(1)
    assert(phone:last(200))
    sip_b.spawn(function()
      local call = assert(ua:dial("bob"))
      call:send { method = "INFO" }
      call:hangup()
    end)
    phone:wait(1)
    local invite = assert(phone:last "INVITE")
    assert.same({ B2 .. ":5060", B2, "<sip:" .. B2 .. ":5060>", B2 }, { phone.from,
      invite:via(1).host, invite:header "Contact",
      invite:body():match "\r\nc=IN IP4 ([%d.]+)" })
    phone:respond(invite, 200, { body = SDP })
    phone:wait(1)
    for _, method in ipairs { "INFO", "BYE" } do
      assert.equal(B2 .. ":5060", phone.from, method)
      phone:respond(assert(phone:last(method)), 200)
      phone:wait(1)
    end
    phone.raw:close()
  end)

  -- @rfc 5626 4.4.2 MUST
  it("keeps a way open from the address that it was opened from", function()
    local ua = net:endpoint(B, { listen = "udp:0.0.0.0:5060" })
    local phone = natted.new(net, { ip = C, transport = "udp", to = B2 })
    local keep = assert(ua.stack:keep { transport = "udp", host = C, port = 40000,
      own = B2, low = 5, high = 5, answered = false })
    phone:wait(6)
    assert.equal(B2 .. ":5060", phone.from)
    ua.stack:keep_end(keep)
    phone.raw:close()
  end)

  -- @rfc 3261 18.1.1 SHOULD C-21
  it("is that same address when what was too large for UDP goes there after all",
    function()
      local ua = net:endpoint(B, {
        listen = { "udp:0.0.0.0:5060", "tcp:0.0.0.0:5060" },
      })
      ua:on_call(function(call)
        assert(call:answer { sdp = SDP })
        call:send { method = "INFO", headers = { Subject = ("x"):rep(1300) } }
      end)
      local got
      stranger.on.request = function(tx, req)
        if req:method() == "INFO" then
          got = { (req:source()), req:via(1).host, req:via(1).transport }
        end
        tx:respond(200)
      end
      stranger.request(B2, { method = "INVITE", body = OFFER })
      local res = last()
      stranger.request(B2, { method = "ACK", send = true, to = res:header "To" })
      net:run(net.world:now() + 5)
      assert.same({ B2, B2, "UDP" }, got)
    end)

  it("says what is wrong with what is to be advertised", function()
    for _, case in ipairs {
      { { { "udp:" .. B, advertise = "a b" } }, 'advertise: "a b" is no host' },
      { { { "udp:" .. B, advertise = "192.0.2.9:0" } },
        'sip.new: listen: udp:192.0.2.2: advertise: "192.0.2.9:0" is no host' },
      { { { "udp:" .. B, advertise = "192.0.2.9:70000" } }, "is no host" },
      { { { "udp:" .. B, advertise = "gate.example:5070" } },
        'advertise: media at "gate.example": descriptions want an address; write '
        .. '{ sip = "name", media = "198.51.100.7" }' },
      { { { "udp:" .. B, advertize = "192.0.2.9" } },
        'sip.new: listen: unknown option "advertize"' },
      { { { "udp:" .. B, "tcp:" .. B } },
        "sip.new: listen: one address in each table" },
      { { "udp:" .. B, advertise = "192.0.2.9" },
        "sip.new: listen: advertise is of one listener" },
    } do
      local ok, e = pcall(sip_b.new, { listen = case[1] })
      assert.is_false(ok)
      assert.matches(case[2], tostring(e), 1, true)
    end
    local ok, e = pcall(sip_b.new, { listen = "udp:" .. B,
      advertise = "192.0.2.9:5070" })
    assert.is_false(ok)
    assert.matches('sip.new: advertise: the port of "192.0.2.9:5070" is that of one '
      .. 'listener: listen = { { "udp:0.0.0.0:5060", advertise = "192.0.2.9:5070" } }',
      tostring(e), 1, true)
  end)
end)

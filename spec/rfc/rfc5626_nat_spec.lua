-- Who is behind a NAT is reached where it came from: a registrar, a proxy and a call
-- bind to flows (RFC 5626 5.3, 7; RFC 7118 5 as to ".invalid").

local natted = require "spec.support.natted"
local net_of = require "spec.support.net"
local simulated = require "spec.support.simulated"

local PROXY, CALLER, OUTSIDE = "192.0.2.10", "192.0.2.1", "192.0.2.50"
local SECURE = os.getenv "SIP_WIRE" ~= "real"
local virtual = simulated(it, "certificates")
local INVALID = "sip:bob@d4x7.invalid;transport="

describe("a phone that its Contact does not lead to", function()
  local net, proxy, sip, phone, options

  local function start(registrar_options)
    net = net_of.new()
    sip = net:sip(PROXY)
    proxy = net:endpoint(PROXY, { domain = "example.org",
      location = sip.location.memory(),
      listen = { "udp:" .. PROXY, "tcp:" .. PROXY,
        SECURE and "tls:" .. PROXY or nil } })
    proxy:on("REGISTER", sip.registrar(registrar_options))
    proxy:on("*", function(req)
      local targets = proxy.location:lookup(req.uri)
      req:record_route()
      req:forward(targets)
    end)
  end

  local function at(transport, contact, more)
    options = { ip = OUTSIDE, transport = transport, to = PROXY, contact = contact }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    phone = natted.new(net, options)
    return phone
  end

  -- A caller outside, who calls through the proxy.
  local function dial()
    local ua, caller = net:endpoint(CALLER)
    local result = { ua = ua, sip = caller }
    caller.spawn(function()
      result.call, result.err = ua:dial("sip:bob@example.org",
        { via = "sip:" .. PROXY, sdp = net_of.SDP })
    end)
    phone:wait(0)
    return result
  end

  local function answered()
    local caller = dial()
    phone:respond(assert(phone:last "INVITE"), 200, { body = net_of.SDP })
    assert(caller.call, tostring(caller.err))
    return caller
  end

  local function spawn(caller, fn)
    local result = {}
    caller.sip.spawn(function()
      result.values = table.pack(fn(caller.call))
    end)
    phone:wait(0)
    return result
  end

  before_each(function()
    phone = nil
    start()
  end)

  after_each(function()
    phone.raw:close()
    net:clean()
    assert.same({}, net.errors)
  end)

  local function calls(transport, contact)
    at(transport, contact)
    assert.equal(200, phone:register())
    local caller = answered()
    assert.truthy(phone:last "ACK")
    local info = spawn(caller, function(call)
      return call:send { method = "INFO" }
    end)
    phone:respond(assert(phone:last "INFO"), 200)
    assert.equal(200, info.values[1]:status())
    caller.call:hangup()
    phone:wait(0)
    phone:respond(assert(phone:last "BYE"), 200)
    phone:wait(0)
    assert.equal("ended", caller.call.state)
  end

  -- @rfc 5626 7 MUST
  -- @rfc 5626 5.3.1 MUST
  for _, transport in ipairs { "tcp", "tls", "udp" } do
    local case = transport == "tls" and virtual or it
    case("is called, and hung up on, where it came from: " .. transport, function()
      calls(transport)
    end)
  end

  it("also when a script looks at what is relayed", function()
    proxy:on_dialog_request(function() end)
    calls "tcp"
  end)

  -- @rfc 7118 5 MUST
  for _, transport in ipairs { "tcp", "tls" } do
    local case = transport == "tls" and virtual or it
    case("so is one whose host nobody can look up: " .. transport, function()
      calls(transport, INVALID .. transport)
    end)
  end

  it("is dialled by its own registrar, and hears the BYE", function()
    at(SECURE and "tls" or "tcp")
    assert.equal(200, phone:register())
    local call
    sip.spawn(function()
      call = assert(proxy:dial("bob", { sdp = net_of.SDP }))
      call:hangup()
    end)
    phone:wait(0)
    assert.equal("INVITE", phone:last("INVITE"):method())
    phone:respond(phone:last "INVITE", 200, { body = net_of.SDP })
    assert.truthy(phone:last "ACK")
    phone:respond(assert(phone:last "BYE"), 200)
  end)

  it("calls an endpoint, and hears its requests on that connection", function()
    proxy:on("INVITE", function(req)
      local call = assert(req:call())
      call:answer { sdp = net_of.SDP }
      call:send { method = "INFO" }
      call:hangup()
    end)
    for _, transport in ipairs { "tcp", "udp" } do
      at(transport, nil, { host = phone and phone.host })
      phone:request("INVITE", { uri = "sip:menu@example.org", call_id = transport,
        to = "<sip:menu@example.org>", body = net_of.SDP,
        extra = { "Content-Type: application/sdp" } })
      local ok = assert(phone:last(200))
      phone:request("ACK", { uri = ok:contact_uri(), call_id = transport,
        to = ok:header "To", number = phone.number, contact = false })
      phone:respond(assert(phone:last "INFO"), 200)
      phone:respond(assert(phone:last "BYE"), 200)
      if transport == "tcp" then
        phone.raw:close()
      end
    end
  end)

  it("calls through the proxy, and is hung up on", function()
    at "tcp"
    local ua = net:endpoint(CALLER)
    local held
    ua:on_call(function(call)
      held = call
      call:answer { sdp = net_of.SDP }
      call:send { method = "INFO" }
    end)
    proxy:on("INVITE", function(req)
      req:record_route()
      req:forward("sip:alice@" .. CALLER)
    end)
    phone:request("INVITE", { uri = "sip:alice@example.org", body = net_of.SDP,
      to = "<sip:alice@example.org>", extra = { "Content-Type: application/sdp" } })
    local ok = assert(phone:last(200))
    local routes = {}
    for i, value in ipairs(ok:values "Record-Route") do
      table.insert(routes, 1, "Route: " .. value)
      assert.is_nil(value:find(OUTSIDE, 1, true), i)
    end
    phone:request("ACK", { uri = ok:contact_uri(), to = ok:header "To",
      number = phone.number, contact = false, extra = routes })
    phone:respond(assert(phone:last "INFO"), 200)
    phone:respond(assert(phone:last "BYE"), 200)
    assert.equal("ended", held.state)
  end)

  -- @rfc 5626 7 MUST
  it("is not looked for anywhere else when its connection is gone", function()
    at "tcp"
    phone:register()
    phone:shut()
    local caller = dial()
    assert.equal(480, caller.err.status)
  end)

  -- @rfc 5626 7 MUST
  for _, transport in ipairs { "tcp", "tls" } do
    local case = transport == "tls" and virtual or it
    case("nor is it a target any more, though it is registered: " .. transport,
      function()
        at(transport)
        phone:register()
        local location = proxy.location
        assert.equal(1, #location:lookup "sip:bob@example.org")
        phone:shut()
        assert.same({}, location:lookup "sip:bob@example.org")
        assert.equal(1, #location:bindings "sip:bob@example.org")
        local call, e
        sip.spawn(function()
          call, e = proxy:dial "bob"
        end)
        phone:wait(0)
        assert.same({ nil, 480, "Not Registered" }, { call, e.status, e.message })
        phone:connect()
        phone:register()
        assert.equal(1, #location:lookup "sip:bob@example.org")
      end)
  end

  -- @rfc 5626 7 MUST
  it("nor when the endpoint has closed that had its connection", function()
    at "tcp"
    phone:register()
    local location = proxy.location
    assert.equal(1, #location:lookup "sip:bob@example.org")
    proxy:shut()
    assert.same({}, location:lookup "sip:bob@example.org")
  end)

  it("is a target over UDP, where each request finds out for itself", function()
    at "udp"
    phone:register()
    phone.raw:close()
    assert.equal(1, #proxy.location:lookup "sip:bob@example.org")
    local e
    sip.spawn(function()
      e = select(2, proxy:dial("bob", { sdp = net_of.SDP }))
    end)
    net:run(net.world:now() + 1)
    assert.equal("unreachable", e.name)
  end)

  -- @rfc 3261 16.9 MUST C-216
  it("nor inside a dialog: 500, and the caller's BYE has an answer", function()
    at "tcp"
    phone:register()
    local caller = answered()
    phone:shut()
    local info = spawn(caller, function(call)
      return call:send { method = "INFO" }
    end)
    assert.equal(500, info.values[2].status)
    caller.call:hangup()
    phone:wait(0)
    assert.equal("ended", caller.call.state)
  end)

  -- @rfc 5626 5.3.1 SHOULD
  it("430 when it had asked for its flow", function()
    at("tcp", "sip:bob@198.51.100.9;transport=tcp;ob")
    phone:register()
    local caller = answered()
    phone:shut()
    local info = spawn(caller, function(call)
      return call:send { method = "INFO" }
    end)
    assert.equal(430, info.values[2].status)
    caller.call:hangup()
  end)

  -- @rfc 5626 5.2 MUST
  it("is not reached by a token that was made up, or is of another call", function()
    at "tcp"
    phone:register()
    local caller = answered()
    local route
    for _, value in ipairs(caller.call.dialog.route_set) do
      route = value:find("callee", 1, true) and value or route
    end
    local tag, own = caller.call.dialog.remote_tag, caller.call.dialog.local_tag
    local stranger = net:stranger "192.0.2.77"
    local count = #phone.got
    local function say(call_id, value, from, method)
      stranger.request(PROXY, { method = method or "INFO", cseq = method and 9,
        uri = phone.contact, call_id = call_id,
        from = "<sip:x@192.0.2.1>;tag=" .. from,
        to = "<sip:bob@example.org>;tag=" .. tag,
        headers = { "Route", value } })
      phone:wait(0)
    end
    -- another's call, with the mark and the token of this one
    say("other", route, own)
    -- the token with one letter changed
    local at_char = route:find("callee=", 1, true) + 20
    local letter = route:sub(at_char, at_char) == "a" and "b" or "a"
    say(caller.call.dialog.call_id,
      route:sub(1, at_char - 1) .. letter .. route:sub(at_char + 1), own)
    assert.equal(count, #phone.got)
    -- as it is, it works
    say(caller.call.dialog.call_id, route, own)
    assert.equal("INFO", phone.got[#phone.got]:method())
    phone:respond(phone.got[#phone.got], 200)
    say(caller.call.dialog.call_id, route, own, "INVITE")
    assert.equal("INVITE", phone.got[#phone.got]:method())
    phone:respond(phone.got[#phone.got], 486)
    caller.call:hangup()
    phone:wait(0)
    phone:respond(phone:last "BYE", 200)
  end)

  it("is reached by a new connection once it has registered by that", function()
    at "tcp"
    phone:register()
    phone:shut()
    phone:connect()
    phone:register()
    local caller = answered()
    caller.call:hangup()
    phone:wait(0)
    phone:respond(assert(phone:last "BYE"), 200)
  end)

  it("is not believed to be there when it says it is somebody else", function()
    -- registered by a third party: the Contact is no address of the sender's
    local other = net:stranger("198.51.100.9")
    at("udp", "sip:bob@198.51.100.9", { sent_by = OUTSIDE })
    phone:register()
    dial()
    assert.is_nil(phone:last "INVITE")
    assert.equal("INVITE", other.last("request"):method())
    other.got[#other.got].object:respond(486)
  end)

  it("is looked for at its Contact, when the registrar is told so", function()
    net:clean()
    start { nat = false }
    at "udp"
    phone:register()
    local caller = dial()
    phone:wait(40)
    assert.is_nil(phone:last "INVITE")
    assert.equal("no_answer", caller.err.name)
  end)
end)

describe("a phone on a stream that no NAT hides", function()
  local net, proxy, sip

  before_each(function()
    net = net_of.new()
    sip = net:sip(PROXY)
    proxy = net:endpoint(PROXY, { domain = "example.org",
      location = sip.location.memory() })
    proxy:on("REGISTER", sip.registrar())
    proxy:on("*", function(req)
      req:forward(proxy.location:lookup(req.uri))
    end)
  end)

  it("is called by its connection, and without that at its Contact", function()
    local phone = natted.new(net, { ip = OUTSIDE, transport = "tcp", to = PROXY,
      contact = "sip:bob@192.0.2.50:5066;transport=tcp", sent_by = OUTSIDE })
    local door = phone.host:raw { transport = "tcp", host = OUTSIDE,
      port = 5066 }
    phone:register()
    local caller = net:stranger(CALLER)
    local function call(id)
      caller.request(PROXY, { method = "MESSAGE", uri = "sip:bob@example.org",
        call_id = id })
      phone:wait(0)
    end
    call "1"
    phone:respond(assert(phone:last "MESSAGE"), 200)
    assert.same({}, door:take())
    phone:shut()
    call "2"
    local heard
    for _, event in ipairs(door:take()) do
      heard = event.bytes and event.bytes:match "^MESSAGE" or heard
    end
    assert.equal("MESSAGE", heard)
    door:close()
    phone.raw:close()
    net:clean()
  end)
end)

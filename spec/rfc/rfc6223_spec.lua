-- The "keep" parameter of Via (RFC 6223), both ways.  C-34.

local natted = require "spec.support.natted"
local net_of = require "spec.support.net"
local provider = require "spec.support.provider"
local rig_of = require "spec.support.rig"
local simulated = require "spec.support.simulated"

describe("an offer of keep-alives", function()
  local rig

  before_each(function()
    rig = rig_of.new { stream = true }
  end)

  after_each(function()
    rig:clean()
  end)

  -- The top Via of the answer to such a request.
  local function answer(fields, status, headers)
    fields.via_more = fields.via_more or ";keep;rport"
    rig:say(rig_of.request(fields))
    rig:last("request"):respond(status or 200, { headers = headers })
    rig:run(rig.world:now())
    local list = rig:take()
    return list[#list].message:via(1)
  end

  -- @rfc 6223 4.4 MUST C-34
  it("C-34 is taken up in the 2xx to a REGISTER, and to an INVITE", function()
    assert.equal("29", answer { method = "REGISTER" }.params.keep)
    local via = answer { method = "INVITE", number = 2, branch = "z9hG4bKi" }
    assert.equal("29", via.params.keep)
    assert.equal(5060, via.rport)
    assert.equal("192.0.2.1", via.received)
    rig:say(rig_of.request { method = "ACK", number = 2, branch = "z9hG4bKa" })
  end)

  it("C-34 also when nothing else is to be said in the Via", function()
    local via = answer { method = "REGISTER", via_more = ";x=y;keep;z" }
    assert.same({ "29", "y" }, { via.params.keep, via.params.x })
    assert.is_nil(via.received)
  end)

  it("C-34 and in nothing else", function()
    assert.is_true(answer({ method = "REGISTER", branch = "z9hG4bK1" }, 401)
      .params.keep)
    assert.is_true(answer { method = "OPTIONS", number = 2, branch = "z9hG4bK2" }
      .params.keep)
    -- inside a dialog they were agreed upon before, or were not (4.3)
    assert.is_true(answer { method = "INVITE", number = 3, branch = "z9hG4bK3",
      to_tag = "b1" }.params.keep)
    rig:say(rig_of.request { method = "ACK", number = 3, branch = "z9hG4bKa",
      to_tag = "b1" })
    -- a value of its own is none of ours
    assert.equal("5", answer { method = "REGISTER", number = 4, branch = "z9hG4bK4",
      via_more = ";keep=5" }.params.keep)
    assert.is_nil(answer { method = "REGISTER", number = 5, branch = "z9hG4bK5",
      via_more = ";keeper" }.params.keep)
  end)

  -- A REGISTER by a connection, and its answer.
  local function register(id, fields)
    assert(rig.stream:write(id, rig_of.request {
      method = "REGISTER", transport = "TCP", via_more = fields.offer and ";keep" or "",
      number = fields.number, branch = "z9hG4bK" .. fields.number,
    }))
    rig:run(rig.world:now())
    rig:last("request"):respond(200)
    rig:run(rig.world:now())
    local list = rig:take(rig.stream)
    return list[#list].message:via(1).params
  end

  local function connect()
    local id = assert(rig.stream:connect(rig_of.OURS, 5060))
    rig:run(rig.world:now())
    return id
  end

  -- @rfc 5626 5.4 MUST C-34
  it("C-34 on a stream is a promise: who breaks it is not there any more", function()
    local id = connect()
    assert.equal("120", register(id, { number = 1, offer = true }).keep)
    rig:run(140)
    rig.stream:write(id, "\r\n\r\n")
    rig:run(289)
    assert.equal(1, rig.stack:stats().connections)
    rig:run(290)
    assert.equal(0, rig.stack:stats().connections)
    assert.equal(1, rig.stack:stats().unkept)
  end)

  -- @rfc 5626 5.4 MUST C-34
  it("C-34 and what still waits for an answer of its is told then", function()
    local id = connect()
    register(id, { number = 1, offer = true })
    local host, port, transport, flow = select(2, rig:last "request"):source()
    rig:run(149)
    rig:told()
    rig:request { transport = transport, host = host, port = port, flow = flow }
    rig:run(149.9)
    assert.same({}, rig:told())
    rig:run(150)
    local told = table.concat(rig:told(), "\n")
    assert.matches("failed wire", told)
    assert.equal(1, rig.stack:stats().unkept)
  end)

  it("C-34 until a REGISTER comes without it", function()
    local id = connect()
    register(id, { number = 1, offer = true })
    assert.is_nil(register(id, { number = 2 }).keep)
    rig:run(599)
    assert.equal(1, rig.stack:stats().connections)
    rig:run(600)
    assert.same({ 0, 0 }, { rig.stack:stats().connections, rig.stack:stats().unkept })
  end)

  it("C-34 is not expected of whom it was not asked", function()
    local id = connect()
    register(id, { number = 1 })
    rig:run(590)
    assert.equal(1, rig.stack:stats().connections)
  end)

  it("C-34 the time is a limit of the endpoint", function()
    local small = rig_of.new { stream = true, limits = { stream_keep_ms = 20000 } }
    rig:clean()
    rig = small
    local id = connect()
    assert.equal("20", register(id, { number = 1, offer = true }).keep)
    rig:run(24.9)
    assert.equal(1, rig.stack:stats().connections)
    rig:run(25)
    assert.equal(0, rig.stack:stats().connections)
  end)
end)

describe("a registration that offers keep-alives", function()
  local world, net

  before_each(function()
    world = provider.new()
    net = world.net
  end)

  after_each(function()
    world:clean()
  end)

  -- A registrar without a stack, on UDP: its answers have this in their Via.
  local function registrar(keep, more)
    local raw = net.world:host(provider.REGISTRAR):raw { host = provider.REGISTRAR,
      port = 5060 }
    local server = { got = {}, raw = raw }
    function server.run(till)
      while net.world:step(till) do
        for _, event in ipairs(raw:take()) do
          if event.bytes:find "^REGISTER" then
            server.via = event.bytes:match "\r\nVia: ([^\r]*)"
            raw:send(provider.OURS, 5060, (event.bytes:gsub("^[^\r]*", "SIP/2.0 200 OK",
              1):gsub(";rport", ";rport=" .. (more or 5060) .. ";received=192.0.2.1", 1)
              :gsub(";keep", keep, 1)))
          else
            server.got[#server.got + 1] = { at = event.at, bytes = event.bytes }
            if event.bytes:byte() == 0 then
              raw:send(provider.OURS, 5060, "\1\1\0\12" .. event.bytes:sub(5, 20)
                .. "\0\x20\0\8\0\1" .. (">I2"):pack(5060 ~ 0x2112)
                .. (">I4"):pack(0xc0000201 ~ 0x2112a442))
            end
          end
        end
      end
    end
    server.reg = world:register()
    server.run(0)
    assert.equal("registered", server.reg.state)
    return server
  end

  local function waits(server)
    local list, last = {}, 0
    for i, one in ipairs(server.got) do
      list[i], last = one.at - last, one.at
    end
    table.sort(list)
    return list
  end

  -- @rfc 6223 5 MUST C-34
  it("C-34 sends them as often as it is told, four fifths of that at least", function()
    local server = registrar ";keep=10"
    assert.truthy(server.via:find(";keep;", 1, true) or server.via:find ";keep$")
    server.run(1000)
    local list = waits(server)
    assert.is_true(list[1] >= 8 and list[#list] <= 10, list[1] .. " " .. list[#list])
    assert.is_true(#list > 100 and list[1] < 8.2 and list[#list] > 9.8)
    assert.equal("\0\1\0\0\x21\x12\xa4\x42", server.got[1].bytes:sub(1, 8))
    server.raw:close()
  end)

  -- @rfc 6223 5 MAY C-34
  it("C-34 as RFC 5626 has it when it is told 0", function()
    local server = registrar ";keep=0"
    server.run(1000)
    local list = waits(server)
    assert.is_true(list[1] >= 24 and list[#list] <= 29, list[1] .. " " .. list[#list])
    server.raw:close()
  end)

  -- @rfc 6223 4.3 MUST C-34
  it("C-34 sends none when nobody takes it up and no NAT is seen", function()
    local server = registrar ";keep"
    server.run(1000)
    assert.same({}, server.got)
    server.raw:close()
  end)

  -- @rfc 5626 8 MUST NOT C-33
  it("C-33 sends no STUN to whom has not said that it understands", function()
    local server = registrar(";keep", 40000) -- a NAT is
    server.run(100)
    assert.is_true(#server.got >= 3 and #server.got <= 4)
    for _, one in ipairs(server.got) do
      assert.equal("\r\n\r\n", one.bytes)
    end
    server.raw:close()
  end)
end)

describe("a call that offers keep-alives", function()
  local OURS, PEER = "192.0.2.1", "192.0.2.50"
  local net, ua, sip, phone, call

  before_each(function()
    net = net_of.new()
    ua, sip = net:endpoint(OURS)
  end)

  after_each(function()
    phone.raw:close()
    net:clean()
    assert.same({}, net.errors)
  end)

  -- A call of ours, which is answered by this.
  local function dial(options, fields)
    local transport = options.transport or "udp"
    phone = natted.new(net, { ip = PEER, transport = "udp", to = OURS, port = 5060,
      contact = "sip:bob@" .. PEER })
    fields.body = net_of.SDP
    sip.spawn(function()
      call = assert(ua:dial("sip:bob@" .. PEER .. ";transport=" .. transport,
        { sdp = net_of.SDP, keep_alive = options.keep_alive }))
      call:wait()
    end)
    phone:wait(0)
    phone:respond(assert(phone:last "INVITE"), 200, fields)
    phone:wait(0)
    return call
  end

  local function hang_up()
    call:hangup()
    phone:wait(0)
    phone:respond(assert(phone:last "BYE"), 200)
    phone:wait(0)
  end

  local function keep_of(method)
    return assert(phone:last(method)):via(1).params.keep
  end

  local function answer_stun()
    local request = phone.pings[#phone.pings].bytes
    phone.raw:send(OURS, 5060, "\1\1\0\12" .. request:sub(5, 20)
      .. "\0\x20\0\8\0\1" .. (">I2"):pack(5060 ~ 0x2112)
      .. (">I4"):pack(0xc0000201 ~ 0x2112a442))
  end

  -- @rfc 6223 4.3 MUST C-34
  it("C-34 sends them, when they are taken up, until it ends", function()
    dial({ keep_alive = true }, { keep = "10" })
    assert.is_true(keep_of "INVITE")
    local last = 0
    for count = 1, 20 do
      repeat
        phone:wait(0.25)
      until phone.pings[count]
      local ping = phone.pings[count]
      assert.equal("\0\1\0\0\x21\x12\xa4\x42", ping.bytes:sub(1, 8))
      assert.is_true(ping.at - last >= 8 and ping.at - last <= 10, ping.at - last)
      answer_stun()
      last = net.world:now()
    end
    local count = #phone.pings
    hang_up()
    phone:wait(100)
    assert.equal(count, #phone.pings)
  end)

  -- @rfc 6223 4.3 MUST NOT C-34
  it("C-34 offers them in its first request alone", function()
    dial({ keep_alive = true }, { keep = "1000" })
    assert.is_nil(keep_of "ACK")
    sip.spawn(function()
      call:send { method = "INFO" }
    end)
    phone:wait(0)
    assert.is_nil(keep_of "INFO")
    phone:respond(phone:last "INFO", 200)
    hang_up()
    assert.is_nil(keep_of "BYE")
  end)

  -- @rfc 6223 4.3 MUST C-34
  it("C-34 sends none that nobody has taken up, or that were not offered", function()
    for _, case in ipairs { { true }, { nil, "10" } } do
      dial({ keep_alive = case[1] }, { keep = case[2] })
      assert.equal(case[1], keep_of "INVITE")
      phone:wait(100)
      assert.same({}, phone.pings)
      hang_up()
      if case[1] then
        phone.raw:close()
        net:clean()
        net = net_of.new()
        ua, sip = net:endpoint(OURS)
      end
    end
  end)

  it("C-34 goes on without them when they are not answered", function()
    dial({ keep_alive = true }, { keep = "10" })
    phone:wait(60)
    assert.equal(7, #phone.pings)
    phone:wait(100)
    assert.equal(7, #phone.pings)
    assert.equal("answered", call.state)
    hang_up()
  end)
end)

describe("a call by TCP that offers keep-alives", function()
  -- @rfc 6223 4.3 MUST C-34
  simulated(it, "a stream to a host that is down")("C-34 pings, and goes by a new "
    .. "connection when nobody answers", function()
    local net = net_of.new()
    local ua, sip = net:endpoint "192.0.2.1"
    local peer = net:endpoint "192.0.2.2"
    local call, held
    peer:on_call(function(incoming)
      held = incoming
      incoming:answer { sdp = net_of.SDP }
      incoming:wait()
    end)
    sip.spawn(function()
      call = assert(ua:dial("sip:bob@192.0.2.2;transport=tcp",
        { sdp = net_of.SDP, keep_alive = true }))
      call:wait()
    end)
    net:run(1)
    assert.equal("120", call.response:via(1).params.keep)
    net:run(1000) -- far longer than a connection may be idle
    assert.equal(1, ua.stack:stats().connections)
    assert.equal("answered", call.state)
    peer.runtime.driver:set_down(true)
    net:run(1200)
    assert.equal(0, ua.stack:stats().connections)
    peer.runtime.driver:set_down(false)
    call:hangup()
    net:run(1210)
    assert.equal("ended", held.state)
    net:clean()
  end)
end)

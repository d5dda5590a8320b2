-- Keep-alives, both ways (RFC 5626 4.4, 4.5, 5.4): below, and as a registration has
-- them.  C-32, C-33.

local provider = require "spec.support.provider"
local rig_of = require "spec.support.rig"
local simulated = require "spec.support.simulated"

local COOKIE = "\x21\x12\xa4\x42"

-- The answer to a STUN request, which says that we are seen at 192.0.2.2 and this port.
local function stun_answer(request, port)
  return "\1\1\0\12" .. request:sub(5, 20) .. "\0\x20\0\8\0\1"
    .. (">I2"):pack((port or 5060) ~ 0x2112) .. (">I4"):pack(0xc0000202 ~ 0x2112a442)
end

describe("keep-alives of ours", function()
  local rig

  before_each(function()
    rig = rig_of.new { stream = true }
  end)

  after_each(function()
    rig:clean()
  end)

  -- Our stack sends a request by TCP, and has its answer; its connection here, and
  -- keep-alives on it.
  local function connected(fields, by)
    local tx = rig:request { transport = by or "tcp", call_id = "k" .. #rig.held }
    rig:run(rig.world:now())
    local event = rig:take(rig.stream)[1]
    assert(rig.stream:write(event.id, rig_of.response(event.message, 200)))
    rig:run(rig.world:now())
    assert.truthy(tx)
    local _, res = rig:last "response"
    local host, port, transport, flow = res:source()
    local spec = { transport = transport, host = host, port = port, flow = flow,
      low = 8, high = 10, answered = true }
    for key, value in pairs(fields or {}) do
      spec[key] = value
    end
    rig.stream:take()
    rig:told()
    return event.id, assert(rig.stack:keep(spec))
  end

  local function pings(socket)
    local list = {}
    for _, event in ipairs((socket or rig.stream):take()) do
      if event.what == "bytes" and event.bytes == "\r\n\r\n" then
        list[#list + 1] = event.at
      end
    end
    return list
  end

  -- @rfc 5626 4.4.1 MUST C-32
  it("C-32 are pings on a stream, at intervals by chance, while they are answered",
    function()
      local id, keep = connected()
      local last, waits = rig.world:now(), {}
      for _ = 1, 20 do
        rig:run(last + 10)
        local at = pings()
        assert.equal(1, #at)
        waits[#waits + 1] = at[1] - last
        last = rig.world:now()
        rig.stream:write(id, "\r\n")
        rig:run(last)
      end
      table.sort(waits)
      assert.is_true(waits[1] >= 8 and waits[20] <= 10 and waits[1] < 8.5
        and waits[20] > 9.5, waits[1] .. " " .. waits[20])
      assert.same({ "kept" }, { rig:told()[1]:match "kept" })
      rig.stack:keep_end(keep)
    end)

  -- @rfc 5626 4.4.1 MUST C-32
  it("C-32 end the flow that does not answer within 10 s, and tell who waits",
    function()
      connected { low = 5, high = 5 }
      local started = rig.world:now()
      rig:run(started + 14)
      assert.same({ started + 5 }, pings())
      -- a request is under way
      rig:request { transport = "tcp", call_id = "late" }
      rig:run(started + 15)
      local told = table.concat(rig:told(), "\n")
      assert.truthy(told:find("kept", 1, true), told)
      assert.truthy(told:find("failed wire", 1, true), told)
      assert.equal(0, rig.stack:stats().connections)
      -- and the next one goes by a new connection
      rig:request { transport = "tcp", call_id = "next" }
      rig:run(rig.world:now())
      local heard = table.concat(rig:heard(rig.stream), "\n")
      assert.equal(1, rig.stack:stats().connections)
      assert.truthy(heard:find "OPTIONS")
    end)

  -- What is being received then may have the answer behind it.
  -- @rfc 5626 4.4.1 MUST C-32
  it("C-32 are waited for while a message is coming", function()
    local id = connected { low = 5, high = 5 }
    local started = rig.world:now()
    local message = rig_of.request { transport = "TCP", method = "MESSAGE" }
    rig.on.request = function(tx)
      tx:respond(200)
    end
    rig:run(started + 14)
    rig.stream:write(id, message:sub(1, 100))
    rig:run(started + 17)
    assert.equal(1, rig.stack:stats().connections)
    rig.stream:write(id, message:sub(101) .. "\r\n")
    rig:run(started + 21)
    assert.equal(1, rig.stack:stats().connections)
    local told = table.concat(rig:told(), "\n")
    assert.truthy(told:find("request MESSAGE", 1, true), told)
    -- but half a message is not waited for longer than it may take
    rig.stream:write(id, message:sub(1, 100))
    rig:run(started + 40)
    assert.equal(0, rig.stack:stats().connections)
  end)

  it("C-32 are not waited for where nobody has said that they are answered",
    function()
      local id, keep = connected { low = 5, high = 5, answered = false }
      local started = rig.world:now()
      rig:run(started + 52)
      assert.equal(10, #pings())
      assert.same({}, rig:told())
      -- but who has answered once is expected to go on
      rig.stream:write(id, "\r\n")
      rig:run(started + 55)
      assert.equal(1, #pings())
      rig:run(started + 65)
      assert.equal(0, rig.stack:stats().connections)
      assert.is_nil((rig.stack:keep_end(keep)))
    end)

  -- @rfc 7118 6 MAY C-32
  simulated(it, "WebSocket")("C-32 are messages of their own on a WebSocket", function()
    rig:clean()
    rig = rig_of.new { stream = "ws" }
    local id, keep = connected({ low = 5, high = 5 }, "ws")
    for i = 1, 3 do
      rig:run(i * 5)
      assert.same({ i * 5 }, pings())
      rig.stream:write(id, "\r\n")
      rig:run(i * 5)
    end
    assert.equal(1, #rig:told())
    rig:run(30)
    assert.equal(0, rig.stack:stats().connections)
    assert.equal(keep, rig.events[1][1])
  end)

  it("C-32 end with their connection, and say so", function()
    local id, keep = connected()
    rig.stream:shut(id)
    rig:run(rig.world:now())
    local found
    for _, event in ipairs(rig.events) do
      if event.kind == "kept" then
        found = { event[1], event[2], event[3] }
      end
    end
    assert.same({ keep, "wire" }, { found[1], found[2] })
    assert.is_string(found[3])
    assert.same({ "gone", "the connection is gone" }, { select(2, rig.stack:keep {
      transport = "tcp", host = rig_of.PEER, port = 5060, flow = 4711, low = 1,
      high = 2 }) })
  end)

  local function datagrams()
    local list = {}
    for _, event in ipairs(rig.peer:take()) do
      list[#list + 1] = { at = event.at, bytes = event.bytes }
    end
    return list
  end

  local function by_udp(fields)
    local spec = { transport = "udp", host = rig_of.PEER, port = 5060, low = 24,
      high = 29, answered = true }
    for key, value in pairs(fields or {}) do
      spec[key] = value
    end
    return assert(rig.stack:keep(spec))
  end

  -- @rfc 5626 4.4.2 MUST C-33
  it("C-33 are STUN over UDP, each with an id of its own", function()
    local keep = by_udp()
    local last, ids = 0, {}
    for _ = 1, 10 do
      rig:run(last + 29)
      local list = datagrams()
      local first = list[1]
      assert.is_true(first.at - last >= 24 and first.at - last <= 29)
      assert.equal("\0\1\0\0" .. COOKIE, first.bytes:sub(1, 8))
      assert.equal(20, #first.bytes)
      assert.is_nil(ids[first.bytes:sub(9)])
      ids[first.bytes:sub(9)] = true
      rig:say(stun_answer(first.bytes))
      last = rig.world:now()
    end
    local kept = 0
    for _, event in ipairs(rig.events) do
      kept = kept + (event.kind == "kept" and 1 or 0)
    end
    assert.equal(1, kept)
    rig.stack:keep_end(keep)
  end)

  -- @rfc 8489 6.2.1 MUST C-33
  it("C-33 are repeated, and over after 39.5 s without an answer", function()
    local keep = by_udp { low = 30, high = 30 }
    rig:run(100)
    local at, bytes = {}, nil
    for _, one in ipairs(datagrams()) do
      at[#at + 1] = one.at - 30
      assert.equal(bytes or one.bytes, one.bytes)
      bytes = one.bytes
    end
    assert.same({ 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 }, at)
    assert.equal("kept", rig.events[1].kind)
    assert.equal(69.5, rig.events[1].at)
    assert.same({ keep, "timeout" }, { rig.events[1][1], rig.events[1][2] })
    assert.equal(1, #rig.events)
  end)

  -- @rfc 5626 4.4.2 MUST C-33
  it("C-33 are over when our address seen from outside changes, or by an error",
    function()
      local function outcome(answer, again)
        by_udp { low = 1, high = 1 }
        rig:run(rig.world:now() + 1)
        rig:say(stun_answer(datagrams()[1].bytes, 40000))
        rig:run(rig.world:now() + 1)
        local request = datagrams()[1].bytes
        rig:say(answer(request))
        rig:run(rig.world:now() + (again or 0))
        local event = rig.events[#rig.events]
        return event[2], event[3]
      end
      assert.same({ "wire", "our address as seen from outside is another" },
        { outcome(function(request)
          return stun_answer(request, 40001)
        end) })
      assert.same({ "wire", "a keep-alive was refused" },
        { outcome(function(request)
          return "\1\x11\0\8" .. request:sub(5, 20) .. "\0\9\0\4\0\0\5\0"
        end) })
    end)

  it("C-33 do not listen to answers of others, or to other questions", function()
    local keep = by_udp { low = 1, high = 1 }
    rig:run(1)
    local request = datagrams()[1].bytes
    local other = stun_answer(request)
    rig:say(other:sub(1, 8) .. "\0" .. other:sub(10))
    rig:say(other, 5070) -- from another port
    rig:run(8.9)
    assert.equal(4, #datagrams()) -- it still asks
    assert.same({}, rig:told())
    rig.stack:keep_end(keep)
  end)

  it("C-33 are two CRLFs where nobody has said that STUN is understood", function()
    local keep = by_udp { low = 10, high = 10, answered = false }
    rig:run(35)
    local list = datagrams()
    assert.equal(3, #list)
    assert.equal("\r\n\r\n", list[3].bytes)
    rig.stack:keep_end(keep)
    rig:run(60)
    assert.same({}, datagrams())
  end)

  it("have a bound", function()
    local small = rig_of.new { limits = { keep_alives = 2 } }
    local spec = { transport = "udp", host = rig_of.PEER, port = 5060, low = 1,
      high = 1 }
    local one, two = assert(small.stack:keep(spec)), assert(small.stack:keep(spec))
    assert.same({ "limit", "too many keep-alives" },
      { select(2, small.stack:keep(spec)) })
    small.stack:keep_end(one)
    local three = assert(small.stack:keep(spec))
    small.stack:keep_end(two)
    small.stack:keep_end(three)
    small:clean()
  end)
end)

describe("a registration whose way is kept open", function()
  local world, net

  before_each(function()
    world = provider.new()
    net = world.net
  end)

  after_each(function()
    world:clean()
  end)

  -- A registrar on TCP that answers REGISTERs, and pings while it `pongs`.
  local function streaming(options)
    local raw = net.world:host(provider.REGISTRAR):raw { transport = "tcp",
      host = provider.REGISTRAR, port = 5060 }
    local server = { raw = raw, at = {}, ids = {}, pongs = true, pings = 0,
      headers = "", keep = "", seen = "" }
    function server.run(till)
      while net.world:step(till) do
        for _, event in ipairs(raw:take()) do
          if event.what == "bytes" and event.bytes:find "^REGISTER" then
            server.at[#server.at + 1], server.ids[#server.ids + 1] = event.at, event.id
            server.via = event.bytes:match "\r\nVia: ([^\r]*)"
            local text = event.bytes:gsub("^[^\r]*", "SIP/2.0 200 OK", 1)
              :gsub("\r\nMax%-Forwards[^\r]*", server.headers, 1)
              :gsub(";keep", ";keep" .. server.keep .. server.seen, 1)
            if not server.silent then
              raw:write(event.id, text)
            end
          elseif event.bytes == "\r\n\r\n" then
            server.pings = server.pings + 1
            if server.pongs then
              raw:write(event.id, "\r\n")
            end
          end
        end
      end
    end
    local all = { aor = provider.AOR .. ";transport=tcp" }
    for key, value in pairs(options or {}) do
      all[key] = value
    end
    server.pongs = all.pongs ~= false
    server.seen = all.seen or ""
    all.pongs, all.seen = nil, nil
    server.reg = assert(world.ua:register(all))
    server.run(0)
    assert.equal("registered", server.reg.state)
    return server
  end

  -- @rfc 5626 4.5 MUST C-32
  it("C-32 registers again at once, by a new flow, when pongs stop", function()
    local server = streaming()
    server.run(300)
    assert.is_true(server.pings >= 2 and server.pings <= 3)
    server.pongs = false
    local pings = server.pings
    server.run(500)
    assert.equal(2, #server.at)
    assert.not_equal(server.ids[1], server.ids[2])
    local waited = server.at[2] % 1000 - 300
    assert.is_true(waited > 10 and waited <= 130, waited)
    assert.truthy(pings)
    assert.equal("registered", server.reg.state)
    server.raw:close()
  end)

  -- @rfc 5626 4.4 MUST C-32
  it("C-32 does not expect an answer of whom it does not know to give any", function()
    local server = streaming()
    server.pongs = false
    server.run(1000)
    assert.equal(1, #server.at)
    assert.is_true(server.pings >= 8)
    server.raw:close()
  end)

  -- A NAT lets nobody in but by that connection, whether pings are answered or not.
  -- @rfc 5626 4.5 MUST C-32
  for seen, count in pairs { [";received=198.51.100.1"] = 2,
    [";received=192.0.2.1"] = 1, [""] = 1 } do
    it(("C-32 registers %s when its connection ends: the registrar sees it at %q")
      :format(count == 2 and "again" or "no more", seen), function()
        local server = streaming { pongs = false, seen = seen }
        server.run(200)
        server.raw:shut(server.ids[1])
        server.run(240)
        assert.equal(count, #server.at)
        assert.same({ "registered", nil }, { server.reg.state, server.reg.err })
        server.raw:close()
      end)
  end

  -- @rfc 5626 4.5 MUST C-32
  it("C-32 waits longer each time when a flow has never worked", function()
    local server = streaming { keep_alive = true, expires = 7200 }
    server.pongs = false
    server.run(3000)
    local waits = {}
    for i = 2, #server.at do
      waits[i - 1] = server.at[i] - server.at[i - 1]
    end
    -- 95 to 120 s to the ping, 10 to its end, and then 15 to 30, 30 to 60 ... of 4.5
    assert.is_true(#waits >= 4, #waits)
    for i, bounds in ipairs { { 15, 30 }, { 30, 60 }, { 60, 120 }, { 120, 240 } } do
      assert.is_true(waits[i] >= 105 + bounds[1] and waits[i] <= 130 + bounds[2],
        i .. ": " .. waits[i])
    end
    server.raw:close()
  end)

  -- @rfc 5626 4.4.1 MUST
  it("C-32 as often as Flow-Timer says, when it is outbound", function()
    local server = streaming()
    server.headers = "\r\nRequire: outbound\r\nFlow-Timer: 20"
    server.reg:refresh()
    server.run(0)
    server.run(200)
    assert.is_true(server.pings >= 10 and server.pings <= 12, server.pings)
    server.raw:close()
  end)

  it("C-32 never, when it is told not to", function()
    local server = streaming { keep_alive = false }
    server.run(590)
    assert.equal(0, server.pings)
    assert.is_nil(server.via:find(";keep", 1, true))
    server.raw:close()
  end)

  it("C-32 as often as the script says", function()
    local server = streaming { keep_alive = 10 }
    server.run(100)
    assert.is_true(server.pings >= 10 and server.pings <= 12, server.pings)
    server.pongs = false
    server.run(125)
    assert.equal(2, #server.at)
    server.raw:close()
  end)

  it("C-32 no more once it is removed", function()
    local server = streaming { keep_alive = 10 }
    server.reg:remove()
    server.run(1)
    local pings = server.pings
    server.run(200)
    assert.equal(pings, server.pings)
    server.raw:close()
  end)

  -- @rfc 5626 4.4.2 MUST C-33
  it("C-33 over UDP by STUN, and registers again when that finds nobody", function()
    local server = world:registrar()
    local reg = world:register { expires = 7200 }
    net:run(200)
    assert.is_true(server.stranger.stack:stats().stun >= 6)
    assert.equal(1, #server.seen)
    server.stranger.driver:set_down(true)
    while not reg.err do
      net:run(net.world:now() + 0.5)
    end
    assert.equal("unreachable", reg.err.name)
    assert.is_true(net.world:now() > 239 and net.world:now() < 270)
    server.stranger.driver:set_down(false)
    net:run(500)
    assert.same({ "registered", nil }, { reg.state, reg.err })
    assert.equal(2, #server.seen)
  end)
end)

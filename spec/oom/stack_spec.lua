-- The allocator of the stack fails, at the first, the second, the third ... call, until
-- a whole call passes: OPTIONS, INVITE, 180, 200, ACK, INFO, BYE between two endpoints,
-- and by a proxy that stays in their way. After each failure the next OPTIONS is
-- answered, and nothing is left.

local heap = require("sip.test").heap
local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, B, P = "192.0.2.1", "192.0.2.2", "192.0.2.3"
local TLS = { cert = "cert.pem", key = "key.pem" } -- the simulator reads neither

local function options_of(ip, way)
  local transport = way:match "transport=(%w+)"
  return transport and {
    tls = TLS, listen = { "udp:" .. ip, transport .. ":" .. ip },
  } or nil
end

-- What comes inside of dialogs it relays below Lua, by its mark (RFC 3261 16.12).
local function add_proxy(net)
  net:endpoint(P):on("*", function(req)
    req:record_route()
    req:forward("sip:bob@" .. B)
  end)
end

-- One run, that fails at the n-th allocation; true when it came to that.
local function run(n, way)
  local net = net_of.new { delay = 0.02 }
  net.world:dns { name = "_sip._udp.bob.example", type = "SRV", port = 5060,
    target = "host.example" }
  net.world:dns { name = "host.example", type = "A", host = B }
  local alice, sip_a = net:endpoint(A, options_of(A, way))
  local bob, sip_b = net:endpoint(B, options_of(B, way))
  add_proxy(net)
  local uri = "sip:bob@" .. way
  local answered
  bob:on_call(function(call)
    call:ring()
    sip_b.sleep(1)
    call:answer { sdp = SDP }
    call:wait()
  end)
  sip_a.spawn(function()
    alice:request { method = "OPTIONS", uri = uri }
    local peer = alice:dial(uri, { sdp = SDP, timeout = 60 })
    if peer then
      peer:send { method = "INFO" }
      sip_a.sleep(1)
      peer:hangup()
    end
  end)
  heap.fail(n)
  net:run(300)
  local failed = heap.failed()
  heap.fail(0)
  sip_a.spawn(function()
    answered = alice:request { method = "OPTIONS", uri = uri }
  end)
  net:run(net.world:now() + 40)
  assert.equal(200, answered and answered:status(), "the next OPTIONS")
  net:clean()
  return failed
end

local function used()
  collectgarbage()
  collectgarbage()
  return { heap.used() }
end

describe("a call in short memory", function()
  for name, way in pairs { UDP = B, TCP = B .. ";transport=tcp",
    TLS = B .. ";transport=tls", WebSocket = B .. ":80;transport=ws",
    ["UDP by SRV"] = "bob.example",
    ["a proxy"] = P, ["TCP and a proxy"] = P .. ";transport=tcp" } do
    it("leaves nothing behind, whichever allocation fails, over " .. name, function()
      local n, before = 0, used()
      repeat
        n = n + 1
        local fine, failed = pcall(run, n, way)
        heap.fail(0)
        if not fine then
          error(("allocation %d: %s"):format(n, tostring(failed)))
        end
        assert.same(before, used(), "bytes and blocks after failure " .. n)
      until not failed
      assert.is_true(n > 50)
      print(("oom: %d allocations of the stack failed in turn, over %s"):format(
        n - 1, name))
    end)
  end
end)

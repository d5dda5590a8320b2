-- The allocator of the stack fails, at the first, the second, the third ... call, until
-- a whole call passes: OPTIONS, INVITE, 180, 200, ACK, BYE between two endpoints. After
-- each failure the next OPTIONS is answered, and nothing is left.

local heap = require("sip.test").heap
local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, B = "192.0.2.1", "192.0.2.2"

-- One run, that fails at the n-th allocation; true when it came to that.
local function run(n, way)
  local net = net_of.new { delay = 0.02 }
  net.world:dns { name = "_sip._udp.bob.example", type = "SRV", port = 5060,
    target = "host.example" }
  net.world:dns { name = "host.example", type = "A", host = B }
  local alice, sip_a = net:endpoint(A)
  local bob, sip_b = net:endpoint(B)
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
    ["UDP by SRV"] = "bob.example" } do
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

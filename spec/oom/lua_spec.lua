-- Lua's own allocator fails, at the first, the second, the third ... allocation of a
-- whole simulated call, each time in a fresh state, and twice in a row: the second time
-- is Lua's attempt after an emergency collection.

require "sip.core"

local heap = require("sip.test").heap

-- What a fresh state runs: it gives what is to be done in short memory, and what looks
-- at the state of things afterwards.
local CODE = ([[
package.path, package.cpath = %q, %q
local net_of = require "spec.support.net"
local A, B = "192.0.2.1", "192.0.2.2"
local net = net_of.new { delay = 0.02 }
local alice, sip_a = net:endpoint(A, { trace = false })
local bob, sip_b = net:endpoint(B, { trace = false })
local uri, answered = "sip:bob@" .. B, nil
bob:on_call(function(call)
  call:ring()
  sip_b.sleep(1)
  call:answer { sdp = net_of.SDP }
  call:wait()
end)
sip_a.spawn(function()
  alice:request { method = "OPTIONS", uri = uri }
  local peer = alice:dial(uri, { sdp = net_of.SDP, timeout = 60 })
  if peer then
    sip_a.sleep(1)
    peer:hangup()
  end
end)
local function go()
  while net.world:step(300) do end
end
local function look()
  go()
  sip_a.spawn(function()
    answered = alice:request { method = "OPTIONS", uri = uri }
  end)
  net:run(net.world:now() + 40)
  assert(answered and answered:status() == 200, "the next OPTIONS is not answered")
end
return go, look
]]):format(package.path, package.cpath)

describe("a call for which Lua has no memory", function()
  it("keeps no later OPTIONS from its answer", function()
    local n = 0
    repeat
      n = n + 1
      local failed, why = heap.state(CODE, n)
      assert.is_nil(why, "allocation " .. n)
    until not failed
    assert.is_true(n > 100)
    print(("oom: %d allocations of Lua failed in turn"):format(n - 1))
  end)

  pending("leaves nothing behind: a scheduler or an endpoint that is interrupted in "
    .. "the middle of its bookkeeping keeps a task or a call")
end)

-- Lua is told what C holds: while calls are held, messages pass without the process
-- growing by more than a fifth. HELD and PASSED say how many (10,000 and 500,000).
-- Each message is a response of 1.8 KB to a request of the same size, read by both.

local core = require "sip.core"

local HELD = tonumber(os.getenv "HELD") or 10000
local PASSED = tonumber(os.getenv "PASSED") or 500000
local BODY = ("x"):rep(1300)

local function resident()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s+(%d+)"
    if kb then
      return tonumber(kb)
    end
  end
end

-- Two stacks with a perfect link between them; `on[kind]` of each is what it does.
local function world_of()
  local world = core.world { seed = 1 }
  local ends = {}
  for i = 1, 2 do
    local ip = "192.0.2." .. i
    local host = world:host(ip)
    local one = { on = {}, ip = ip }
    host:set_dispatch(function() end)
    one.stack = host:stack {
      t1 = 0.01, t2 = 0.01, t4 = 0.01, -- transactions are soon over
      limits = { sources = 0 }, -- one source says it all
      dispatch = function(kind, object, message)
        if one.on[kind] then
          one.on[kind](object, message)
        end
      end,
    }
    assert(one.stack:listen { host = ip, port = 5060 })
    ends[i] = one
  end
  return world, ends[1], ends[2]
end

local function request(near, far, method, number, call_id)
  return assert(near.stack:request {
    method = method, uri = "sip:x@" .. far.ip, host = far.ip, port = 5060,
    headers = { "From", "<sip:a@x>;tag=a", "To", "<sip:b@x>", "Call-ID", call_id,
      "CSeq", ("%d %s"):format(number, method), "X-Long", BODY:sub(1, 400) },
    body = BODY,
  })
end

describe("messages that pass while calls are held", function()
  it("do not make the process grow by more than a fifth", function()
    local world, near, far = world_of()
    local held, answered = {}, 0

    far.on.request = function(tx, message)
      if message:method() == "INVITE" then
        message:keep()
        held[#held + 1] = { tx = tx, request = message }
        tx:respond(180)
      else
        assert(message:header "X-Long")
        tx:respond(200, { body = BODY, headers = { "X-Long", BODY:sub(1, 400) } })
      end
    end
    near.on.response = function(_, message)
      if message:status() == 200 then
        answered = answered + #message:body() // #BODY
      end
    end
    local function pass(count)
      local goal = answered + count
      for i = 1, count do
        request(near, far, "MESSAGE", i, "passing")
        if i % 100 == 0 or i == count then -- time passes, and its transactions expire
          local till = world:now() + 2
          while world:step(till) do end
        end
      end
      assert.equal(goal, answered)
    end

    near.clients = {} -- held as well
    for i = 1, HELD do
      near.clients[i] = request(near, far, "INVITE", i, "held")
      if i % 100 == 0 then
        local till = world:now() + 0.005
        while world:step(till) do end
      end
    end
    pass(PASSED // 50) -- until whatever is pooled has its size
    collectgarbage()
    local before = resident()
    pass(PASSED // 2) -- requests; as many responses
    local after = resident()
    print(("soak: %d calls held, %d messages passed: %.1f MB, then %.1f MB"):format(
      HELD, PASSED // 2 * 2, before / 1024, after / 1024))
    assert.equal(HELD, #held)
    assert.is_true(after < before * 1.2, ("%d KB grew to %d KB"):format(before, after))
    assert.is_truthy(held[1].request:call_id())
    world:close()
  end)
end)

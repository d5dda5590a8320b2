-- Who keeps whom alive in a simulated world.

local core = require "sip.core"

describe("a simulated host", function()
  it("lives as long as its world, whoever else has let go of it", function()
    local world = core.world { seed = 1 }
    local stack = world:host("192.0.2.1"):stack { dispatch = function() end }
    collectgarbage()
    collectgarbage()
    assert.equal(5060, stack:listen { host = "192.0.2.1", port = 5060 })
    world:close()
  end)

  it("is let go of with its world", function()
    local weak = setmetatable({}, { __mode = "k" })
    do
      local world = core.world { seed = 1 }
      weak[world] = true
      weak[world:host "192.0.2.1"] = true
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)
end)

describe("a simulated world that holds datagrams", function()
  local world, near, far

  before_each(function()
    world = core.world { seed = 1 }
    near = world:host("192.0.2.1"):raw { host = "192.0.2.1" }
    far = world:host("192.0.2.2"):raw { host = "192.0.2.2" }
    world:link { loss = 1 } -- has no say in what is held
    world:hold(true)
    near:send("192.0.2.2", 5060, "one")
    near:send("192.0.2.2", 5060, "two")
  end)

  after_each(function()
    world:close()
  end)

  local function arrived()
    local list = {}
    for _, event in ipairs(far:take()) do
      list[#list + 1] = event.bytes
    end
    return list
  end

  it("keeps them until somebody says what becomes of them", function()
    local flying = world:flying()
    assert.same({ "one", "two" }, { flying[1].bytes, flying[2].bytes })
    assert.same({ "192.0.2.1", 5060, "192.0.2.2", 5060 }, { flying[1].from,
      flying[1].from_port, flying[1].to, flying[1].to_port })
    world:step(100)
    assert.same({}, arrived())
    assert.equal(2, world:pending())
    assert.is_true(world:deliver(flying[2].id))
    assert.is_true(world:deliver(flying[1].id, true))
    assert.is_true(world:deliver(flying[1].id))
    assert.is_false(world:deliver(flying[1].id))
    assert.same({ "two", "one", "one" }, arrived())
    assert.equal(0, world:pending())
  end)

  it("loses what it is told to, and no other", function()
    assert.is_true(world:lose(world:flying()[1].id))
    assert.equal("two", world:flying()[1].bytes)
    assert.is_false(world:lose(999))
    world:hold(false)
    near:send("192.0.2.2", 5060, "three")
    assert.equal(1, #world:flying())
  end)
end)

describe("the fingerprint of a simulated host", function()
  it("is the same for the same state, and another for every other", function()
    local function host_of(seconds)
      local world = core.world { seed = 1 }
      local host = world:host "192.0.2.1"
      host:set_dispatch(function() end)
      local stack = host:stack { dispatch = function() end }
      stack:listen { host = "192.0.2.1", port = 5060 }
      if seconds then
        host:arm(seconds)
      end
      return world, host, stack
    end
    local world, host, stack = host_of(1)
    local _, twin = host_of(1)
    local _, other = host_of(2)
    local mark = host:fingerprint()
    assert.equal(mark, twin:fingerprint())
    assert.not_equal(mark, other:fingerprint())
    world:hold(true)
    local tx = stack:request { method = "OPTIONS", uri = "sip:x@192.0.2.2",
      host = "192.0.2.2", port = 5060, headers = { "From", "<sip:a@x>;tag=a", "To",
      "<sip:b@x>", "Call-ID", "c", "CSeq", "1 OPTIONS" } }
    assert.truthy(tx)
    assert.not_equal(mark, host:fingerprint())
    mark = host:fingerprint()
    world:step(0.5) -- it is sent again: its timer is another
    assert.not_equal(mark, host:fingerprint())
    host:wake()
    assert.is_nil(host:fingerprint())
    world:close()
  end)
end)

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

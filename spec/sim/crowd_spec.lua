-- Random calls with loss, duplication and reordering: every script ends, every dial
-- returns, and nothing is left alive.

local crowd = require "spec.support.crowd"

describe("a crowd of calls over bad links", function()
  for seed = 1, 4 do
    it("ends with nothing left alive, SEED=" .. seed, function()
      local tally, returned = crowd.run(seed, 40), 0
      for _, count in pairs(tally) do
        returned = returned + count
      end
      assert.equal(40, returned)
      assert.is_true((tally.answered or 0) > 5)
    end)
  end

  for proxies = 1, 2 do
    it(("through %d proxies does as well"):format(proxies), function()
      local options = { loss = 0.1, duplicate = 0.1, reorder = 0.1, delay = 0.02,
        proxies = proxies }
      local tally = crowd.run(proxies, 40, options)
      assert.is_true(tally.answered > 5)
    end)
  end

  it("runs the same way twice from one seed", function()
    assert.same((crowd.run(99, 20)), (crowd.run(99, 20)))
  end)
end)

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

  it("runs the same way twice from one seed", function()
    assert.same((crowd.run(99, 20)), (crowd.run(99, 20)))
  end)
end)

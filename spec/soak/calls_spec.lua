-- Random calls over bad links from as many seeds as SEEDS says (200: 20,000 calls): no
-- script hangs, nothing is left alive. A seed that fails replays bit for bit; it then
-- becomes a line in spec/sim/crowd_spec.lua.

local crowd = require "spec.support.crowd"

local SEEDS = tonumber(os.getenv "SEEDS") or 200

describe("a hundred calls over bad links", function()
  for seed = 1, SEEDS do
    it("end with nothing left alive, SEED=" .. seed, function()
      local tally, returned = crowd.run(seed, 100), 0
      for _, count in pairs(tally) do
        returned = returned + count
      end
      assert.equal(100, returned)
    end)
  end
end)

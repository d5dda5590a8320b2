-- Random calls over bad links from as many seeds as SEEDS says (200: 20,000 calls), and
-- as many through one or two forking proxies: no script hangs, nothing is left alive. A
-- seed that fails replays bit for bit; it then becomes a line in
-- spec/sim/crowd_spec.lua.

local crowd = require "spec.support.crowd"

local SEEDS = tonumber(os.getenv "SEEDS") or 200

local function run(seed, proxies)
  local tally, returned = crowd.run(seed, 100, { loss = 0.1, duplicate = 0.1,
    reorder = 0.1, delay = 0.02, proxies = proxies }), 0
  for _, count in pairs(tally) do
    returned = returned + count
  end
  assert.equal(100, returned)
end

describe("a hundred calls over bad links", function()
  for seed = 1, SEEDS do
    it("end with nothing left alive, SEED=" .. seed, function()
      run(seed, 0)
    end)

    it(("through %d proxies do as well, SEED=%d"):format(seed % 2 + 1, seed), function()
      run(seed, seed % 2 + 1)
    end)
  end
end)

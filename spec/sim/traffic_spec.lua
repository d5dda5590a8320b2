-- Transactions of every kind under faults, a few of those of spec/soak.

local simulated = require "spec.support.simulated"
local traffic = require "spec.support.traffic"

simulated(describe, "hosts that are away")("transactions under faults", function()
  for seed = 1, 2 do
    it("all end, once and in time, SEED=" .. seed, function()
      local tally = traffic.run(seed, 200)
      assert.equal(200, tally.begun + tally["user's requests"])
    end)
  end

  it("run the same way twice from one seed", function()
    assert.same(traffic.run(99, 60), traffic.run(99, 60))
  end)
end)

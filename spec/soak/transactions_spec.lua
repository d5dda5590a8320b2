-- A hundred thousand transactions of every kind over links that lose three packets in
-- ten, repeat and reorder, that go away and come back, between hosts that restart: none
-- is stuck, none has two outcomes, nothing is left (RFC 3261 17, RFC 6026, RFC 4320).
-- SEEDS worlds (200), in each so many that users begin (TRANSACTIONS: 500); what is
-- forwarded of them comes on top. A seed that fails replays bit for bit, and becomes a
-- line in spec/sim/traffic_spec.lua.

local traffic = require "spec.support.traffic"

local SEEDS = tonumber(os.getenv "SEEDS") or 200
local EACH = tonumber(os.getenv "TRANSACTIONS") or 500

local total, began = {}, nil

local function print_total()
  local names = {}
  for name in pairs(total) do
    names[#names + 1] = name
  end
  table.sort(names)
  print(("soak: %d transactions begun by users in %d worlds, %d forwarded, %d "
    .. "answered, in %.0f s of processor time"):format(EACH * SEEDS, SEEDS,
    total.forwarded or 0, total.answered or 0, os.clock() - began))
  for _, name in ipairs(names) do
    print(("soak: %9d %s"):format(total[name], name))
  end
end

describe("transactions under faults", function()
  setup(function()
    began = os.clock()
  end)

  teardown(print_total)

  for seed = 1, SEEDS do
    it("all end, once and in time, SEED=" .. seed, function()
      local tally = traffic.run(seed, EACH)
      assert.equal(EACH, tally.begun + tally["user's requests"])
      for name, count in pairs(tally) do
        total[name] = (total[name] or 0) + count
      end
    end)
  end
end)

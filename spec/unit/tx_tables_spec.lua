-- The four transaction tables: what doc/fsm.md says of them, and what holds of each.

local doc_fsm = require "tools.doc_fsm"
local messages = require "spec.support.messages"

local machines = require("sip.test").tx.fsm_tables

describe("the transaction tables", function()
  it("are those of doc/fsm.md", function()
    assert.equal(messages.read "doc/fsm.md", (doc_fsm.render()))
  end)

  for _, machine in ipairs(machines()) do
    local function each(visit)
      for _, state in ipairs(machine.states) do
        for i = 2, #state do
          visit(state[1], table.unpack(state[i]))
        end
      end
    end

    it("let no " .. machine.name .. " wait in a state without a way on", function()
      local leaves, entered = {}, { [machine.states[1][1]] = true }
      each(function(state, _, next_state)
        entered[next_state] = true
        leaves[state] = leaves[state] or next_state ~= state
      end)
      for state in pairs(entered) do
        assert.is_true(leaves[state] or state == "terminated", state)
      end
      assert.is_true(entered.terminated)
    end)

    it("arm in every " .. machine.name .. " what they hear of", function()
      local armed, heard = {}, {}
      each(function(_, event, _, actions)
        for _, action in ipairs(actions) do
          local letter = action:match "^ARM_(%u)$"
          if letter then
            armed[letter] = true
          end
        end
        local letter = event:match "^TIMER_(%u)$"
        if letter then
          heard[letter] = true
        end
      end)
      assert.same(armed, heard)
    end)
  end
end)

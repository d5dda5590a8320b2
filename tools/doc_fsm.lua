--- doc/fsm.md: the four transaction machines as they are compiled, so that a change of
--- behaviour is a changed table in review.
---
--- `tx.fsm_tables()` of sip.test gives an array in the order of the RFCs:
--- { name, states = { { name, { event, next_state, { action, ... } }, ... }, ... } }.

local M = {}

local INTRO = [[
# Transaction machines

Printed by `make docs` from the tables in `csrc/tx`; not by hand. What is not listed is
absorbed: the event does nothing and the state stays. Actions run from left to right,
after the state is set.
]]

local function write_machine(out, machine)
  out[#out + 1] = ("\n## %s\n\n| state | event | next state | actions |\n"):format(
    machine.name)
  out[#out + 1] = "|---|---|---|---|\n"
  for _, state in ipairs(machine.states) do
    for i = 2, #state do
      local event, next_state, actions = table.unpack(state[i])
      out[#out + 1] = ("| %s | %s | %s | %s |\n"):format(i == 2 and state[1] or "",
        event, next_state, table.concat(actions, ", "))
    end
  end
end

--- The page.
---@return string? text
---@return string? why
function M.render()
  local found, test = pcall(require, "sip.test")
  if not found or not test.tx then
    return nil, "the tables are not in sip.test"
  end
  local out = { INTRO }
  for _, machine in ipairs(test.tx.fsm_tables()) do
    write_machine(out, machine)
  end
  return table.concat(out)
end

return M

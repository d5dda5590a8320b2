-- Instructions per call and per phone, counted by callgrind: see count.lua. The
-- difference of two runs leaves out what happens but once.
--
--   lua5.4 spec/bench/counted.lua [kind ...]

package.path = "./?.lua;" .. package.path

local process = require "spec.bench.process"

local M = {}

--- What is counted, in the order of the table.
M.KINDS = { "register", "register_digest", "proxy_call", "uas_call", "options" }

local N = 1000

local function collected(kind, count)
  local said = process.output(("env LUA_PATH='./lua/?.lua;./lua/?/init.lua' "
    .. "valgrind --tool=callgrind --callgrind-out-file=/dev/null "
    .. "--collect-atstart=no --toggle-collect=sip_stack_input "
    .. "--toggle-collect=l_driver_turn %s spec/bench/count.lua %s %d 2>&1")
    :format(os.getenv "LUA" or "lua5.4", kind, count))
  assert(not said:find "were served", said)
  return assert(tonumber(said:match "Collected : (%d+)"), said)
end

--- Instructions of one.
---@param kind string
---@return integer
function M.instructions(kind)
  return (collected(kind, 2 * N) - collected(kind, N)) // N
end

--- All of them, or these.
---@param out file*
---@param kinds? string[]
function M.print(out, kinds)
  if not os.execute "command -v valgrind >/dev/null" then
    return
  end
  out:write "\ninstructions of a server for one, in the simulator\n"
  for _, kind in ipairs(kinds or M.KINDS) do
    out:write(("%-16s %8d\n"):format(kind, M.instructions(kind)))
  end
end

if arg and arg[0]:find "counted%.lua$" then
  M.print(io.stdout, arg[1] and arg)
end

return M

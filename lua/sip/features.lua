--- What this installation can do, and why not what it cannot: parts that need a
--- library of their own are built only where that was found.

local M = {}

local has_opus, opus = pcall(require, "sip.codec.opus")

local function reason(found, why)
  return found or "not built: " .. tostring(why):match "[^\n]*"
end

--- Each optional part: true, or the reason why it is missing.
---@return table<string, true|string>
function M.list()
  return { opus = reason(has_opus, opus) }
end

return M

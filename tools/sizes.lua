--- The sizes that a file and a Lua function should have. `lua5.4 tools/sizes.lua`
--- prints what is over; a spec fails at half as much again. (clang-tidy measures C
--- functions.)

local tree = require "spec.support.tree"

local M = {}

---@class tools.Size
---@field path string
---@field line integer?         of a function
---@field lines integer
---@field limit integer

local FILES = {
  { "csrc", ".c", 600 },
  { "csrc", ".h", 150 },
  { "lua", ".lua", 400 },
  { "tools", ".lua", 400 },
  { "spec", ".lua", 600 },
}
local LUA_FUNCTION = 50

-- A function starts and ends at the same indentation: luacheck and two spaces hold.
local function scan_functions(path, text, found)
  local open = {}
  for number, line in tree.lines(tree.bare_lua(text)) do
    local space = line:match "^ *"
    if line:find "%f[%w_]function%f[^%w_]" and not line:find "%f[%w_]end%f[^%w_]" then
      open[#space] = number
    elseif line:find "^ *end%f[^%w_]" and open[#space] then
      local lines = number - open[#space] + 1
      if lines > LUA_FUNCTION then
        found[#found + 1] =
          { path = path, line = open[#space], lines = lines, limit = LUA_FUNCTION }
      end
      open[#space] = nil
    end
  end
end

--- Everything that is longer than it should be.
---@return tools.Size[]
function M.over()
  local found = {}
  for _, kind in ipairs(FILES) do
    for _, path in ipairs(tree.files({ kind[1] }, { kind[2] })) do
      local text = tree.read(path)
      local _, lines = text:gsub("\n", "")
      if lines > kind[3] then
        found[#found + 1] = { path = path, lines = lines, limit = kind[3] }
      end
      if kind[1] == "lua" then
        scan_functions(path, text, found)
      end
    end
  end
  return found
end

--- One of them as a line of text.
---@param item tools.Size
---@return string
function M.sentence(item)
  return ("%s%s: %d lines, %d would do"):format(item.path,
    item.line and ":" .. item.line .. ": a function" or "", item.lines, item.limit)
end

if not pcall(debug.getlocal, 4, 1) then
  for _, item in ipairs(M.over()) do
    print(M.sentence(item))
  end
end

return M

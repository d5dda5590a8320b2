--- Networks of a spec's own: a script of the shell in a namespace of Linux, where Lua
--- finds our release. A sanitizer's build would want an interpreter of its own.

local busted = require "busted"

local M = {}

local may = os.execute "unshare -n ip link add x type veth peer name y >/dev/null 2>&1"

--- `it`, where such a network may be made; elsewhere the spec is pending, by name.
---@param name string
---@param fn function
function M.it(name, fn)
  if may then
    return busted.it(name, fn)
  end
  busted.pending(name .. ": no network may be made here")
end

local function quoted(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- What a script says, in a namespace that ends with it.
---@param script string
---@param ... string  its arguments
---@return string
function M.run(script, ...)
  local words = {}
  for i, word in ipairs { ... } do
    words[i] = quoted(word)
  end
  local pipe <close> = assert(io.popen(("LUA_PATH='./?.lua;./lua/?.lua;"
    .. "./lua/?/init.lua;;' LUA_CPATH='build/?.so;;' "
    .. "timeout 120 unshare -n sh -c %s sh %s 2>&1"):format(quoted(script),
    table.concat(words, " "))))
  return pipe:read "a"
end

return M

--- Misuse is a bug in the script: it raises, with the place where the script called,
--- however deep inside luasip it is found.

local M = {}

local getinfo = debug.getinfo

-- Where our own files are; a script is what is elsewhere.
local OURS = getinfo(1, "S").source:match "^(.*[/\\])rt[/\\]misuse%.lua$" or "@"

-- "script.lua:7: " of the innermost function that is not ours, or nothing.
local function place()
  local level = 3
  local info = getinfo(level, "Sl")
  while info do
    if info.currentline > 0 and info.source:sub(1, #OURS) ~= OURS then
      return ("%s:%d: "):format(info.short_src, info.currentline)
    end
    level = level + 1
    info = getinfo(level, "Sl")
  end
  return ""
end

--- Raise: the verb or function, what is wrong with what it was given.
---@param format string
---@param ... any
function M.raise(format, ...)
  error(place() .. format:format(...), 0)
end

--- Raise unless this is so.
---@param ok any
---@param format string
---@param ... any
function M.unless(ok, format, ...)
  if not ok then
    error(place() .. format:format(...), 0)
  end
end

return M

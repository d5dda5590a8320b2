--- The log: a line for each thing that happened, with its fields as key=value in
--- the order of the keys. No line ever holds a credential or a line break.

local mask = require "sip.rt.mask"
local misuse = require "sip.rt.misuse"

local M = {}

---@alias sip.LogLevel "error"|"warn"|"info"|"debug"

local rank = { error = 1, warn = 2, info = 3, debug = 4 }

---@class sip.Log
---@field level sip.LogLevel   what is less urgent is not logged
---@field private clock fun(): number
---@field private sink fun(level: sip.LogLevel, text: string, fields: table)
local Log = {}
local log_mt = { __name = "sip.Log", __index = Log }

local function one_line(text)
  text = text:gsub("%s+", function(blanks)
    return blanks:find("\n", 1, true) and " | " or nil
  end)
  return (text:gsub("%c", function(c)
    return ("\\x%02x"):format(c:byte())
  end))
end

local function quoted(value)
  if value ~= "" and not value:find '[%s"=\\]' then
    return value
  end
  return '"' .. value:gsub('[\\"]', "\\%0") .. '"'
end

local function safe(fields)
  local copy = {}
  for key, value in pairs(fields or {}) do
    if mask.is_secret(tostring(key)) then
      copy[key] = "***"
    else
      copy[key] = type(value) == "number" and value or mask.text(tostring(value))
    end
  end
  return copy
end

--- A line as the log writes it, without its end.
---@param at number     seconds
---@param level sip.LogLevel
---@param text string
---@param fields? table
---@return string
function M.format(at, level, text, fields)
  local keys, parts = {}, { ("%.3f %-5s %s"):format(at, level, one_line(text)) }
  for key in pairs(fields or {}) do
    keys[#keys + 1] = tostring(key)
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = key .. "=" .. quoted(one_line(tostring(fields[key])))
  end
  return table.concat(parts, " ")
end

--- A log.
---@param option? sip.LogLevel|fun(level: sip.LogLevel, text: string, fields: table)
---  a level: that and everything more urgent goes to standard error; without one
---  "warn". A function is given everything
---@param clock fun(): number  seconds
---@param write? fun(line: string)  instead of standard error
---@return sip.Log
function M.new(option, clock, write)
  option = option or "warn"
  local self = { clock = clock, level = option, sink = nil }
  if type(option) == "function" then
    self.level, self.sink = "debug", option
  elseif rank[option] then
    write = write or function(line)
      io.stderr:write(line, "\n")
    end
    self.sink = function(level, text, fields)
      write(M.format(clock(), level, text, fields))
    end
  else
    misuse.raise("log: a function, or one of \"error\", \"warn\", \"info\" and "
      .. "\"debug\", not %s", tostring(option))
  end
  return setmetatable(self, log_mt)
end

--- Whether such a line would be written: ask before making an expensive one.
---@param level sip.LogLevel
---@return boolean
function Log:enabled(level)
  return rank[level] <= rank[self.level]
end

--- Log a line. A sink that fails is told of on standard error, and hurts nobody.
---@param level sip.LogLevel
---@param text string
---@param fields? table<string, any>
function Log:write(level, text, fields)
  if rank[level] > rank[self.level] then
    return
  end
  text, fields = mask.text(text), safe(fields)
  local ok, e = pcall(self.sink, level, text, fields)
  if not ok then
    io.stderr:write(M.format(self.clock(), level, text, fields), "\n",
      "the log function failed: ", tostring(e), "\n")
  end
end

---@param text string
---@param fields? table<string, any>
function Log:error(text, fields)
  self:write("error", text, fields)
end

---@param text string
---@param fields? table<string, any>
function Log:warn(text, fields)
  self:write("warn", text, fields)
end

---@param text string
---@param fields? table<string, any>
function Log:info(text, fields)
  self:write("info", text, fields)
end

---@param text string
---@param fields? table<string, any>
function Log:debug(text, fields)
  self:write("debug", text, fields)
end

return M

--- The log: a line for each thing that happened, with its fields as key=value in
--- the order of the keys. No line ever holds a credential or a line break. Strangers
--- cause lines: of those that say the same there are so many in a second, and then how
--- many were left out.

local mask = require "sip.rt.mask"
local misuse = require "sip.rt.misuse"

local M = {}

---@alias sip.LogLevel "error"|"warn"|"info"|"debug"

local rank = { error = 1, warn = 2, info = 3, debug = 4 }

local SAME_MAX = 10    -- in a second
local TEXTS_MAX = 100   -- that are told apart in a second; others count as the last

---@class sip.Log
---@field level sip.LogLevel   what is less urgent is not logged
---@field private clock fun(): number
---@field private sink fun(level: sip.LogLevel, text: string, fields: table)
---@field private bounded boolean  a function is given all there is
---@field private second integer
---@field private heard table   in that second: { text, level, count }, also by text
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
---  a level: that and everything more urgent goes to standard error, ten lines a second
---  of those with the same text; without one "warn". A function is given everything
---@param clock fun(): number  seconds
---@param write? fun(line: string)  instead of standard error
---@return sip.Log
function M.new(option, clock, write)
  option = option or "warn"
  local self = { clock = clock, level = option, sink = nil, bounded = true, second = 0,
    heard = {} }
  if type(option) == "function" then
    self.level, self.sink, self.bounded = "debug", option, false
  elseif rank[option] then
    write = write or function(line)
      io.stderr:write(line, "\n")
    end
    self.sink = function(level, text, fields)
      write(M.format(clock(), level, text, fields))
    end
  else
    misuse.raise("log: a function, or one of \"error\", \"warn\", \"info\" and "
      .. "\"debug\", not %q", tostring(option))
  end
  return setmetatable(self, log_mt)
end

-- A sink that fails is told of on standard error.
local function put(self, level, text, fields)
  text, fields = mask.text(text), safe(fields)
  local ok, e = pcall(self.sink, level, text, fields)
  if not ok then
    io.stderr:write(M.format(self.clock(), level, text, fields), "\n",
      "the log function failed: ", tostring(e), "\n")
  end
end

-- A new second: what was left out of the one before.
local function turn_over(self, second)
  local heard = self.heard
  self.second, self.heard = second, {}
  for _, one in ipairs(heard) do
    if one.count > SAME_MAX then
      put(self, one.level, "lines were left out", {
        like = one.text, count = one.count - SAME_MAX,
      })
    end
  end
end

local function is_one_too_many(self, level, text)
  local second = self.clock() // 1
  if second ~= self.second then
    turn_over(self, second)
  end
  local heard = self.heard
  local one = heard[text] or heard[TEXTS_MAX]
  if not one then
    one = { text = text, level = level, count = 0 }
    heard[#heard + 1], heard[text] = one, one
  end
  one.count = one.count + 1
  return one.count > SAME_MAX
end

--- Log a line. A sink that fails is told of on standard error, and hurts nobody.
---@param level sip.LogLevel
---@param text string
---@param fields? table<string, any>
function Log:write(level, text, fields)
  if rank[level] <= rank[self.level]
    and not (self.bounded and is_one_too_many(self, level, text)) then
    put(self, level, text, fields)
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

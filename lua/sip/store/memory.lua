--- A store in memory: records by key, each with the instant at which it falls due. A
--- record is a text; what it means is its owner's.
---
--- This is the face that every store has. Its functions may wait, so they are called
--- from coroutines; a change names the version it is made from and fails with
--- "conflict" when the record is not that any more. It is all or nothing for a record.
--- Here nothing waits, and the version of a record is its text itself: equal texts are
--- the same record, whoever wrote them.
---
--- The records are not in tables: a million strings stop everything for 200 ms when
--- the collector goes through them, or when their table grows.

local core = require "sip.core"
local misuse = require "sip.rt.misuse"

local M = {}

---@class sip.Store
---@field private records sip.Records
---@field private limit integer
---@field private watchers function[]
local Store = {}
local store_mt = { __name = "sip.Store", __index = Store }

function store_mt:__tostring()
  return ("sip.Store{%d records}"):format(self:count())
end

--- A store.
---@param options { chance: string, records?: integer }  16 bytes that nobody can guess;
---   how many there may be
---@return sip.Store
function M.new(options)
  return setmetatable({
    records = core.records(options.chance),
    limit = options.records or math.huge,
    watchers = {},
  }, store_mt)
end

--- A record.
---@param key string
---@return string? value
---@return any version
function Store:get(key)
  local value = self.records:get(key)
  return value, value
end

--- Change a record, if it is still what it was.
---@param key string
---@param version any     what `get` gave; nil: there is none
---@param value? string   nil: it is removed
---@param due? number     when it falls due, in seconds of the program's clock
---@return any version    true for a record that is removed
---@return string? why    "conflict", "full", or what the store failed with
function Store:put(key, version, value, due)
  misuse.unless(value == nil or type(value) == "string" and due,
    "put: a record is a text, and falls due")
  local records = self.records
  local old = records:get(key)
  if old ~= version then
    return nil, "conflict"
  elseif value then
    if not old and records:count() >= self.limit then
      return nil, "full"
    end
    local ok, why = records:put(key, value, due)
    if not ok then
      return nil, why
    end
  else
    records:remove(key)
  end
  if old ~= value then
    for _, watcher in ipairs(self.watchers) do
      watcher(key, value, old)
    end
  end
  return value or true
end

--- The key of the record that falls due first, by now.
---@param now number
---@return string? key
function Store:due(now)
  return self.records:due(now)
end

--- When the first of all records falls due. Never waits.
---@return number?
function Store:deadline()
  return self.records:deadline()
end

--- How many records there are. Never waits.
---@return integer
function Store:count()
  return self.records:count()
end

--- Be told of every change, whoever made it: the key, the record, and what it was. The
--- function must not wait.
---@param fn fun(key: string, value: string?, old: string?)
function Store:watch(fn)
  self.watchers[#self.watchers + 1] = fn
end

return M

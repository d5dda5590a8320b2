--- A store in memory: records by key. A record is a text; what it means is its owner's.
---
--- This is the face that every store has. Its functions may wait, so they are called
--- from coroutines; a change names the version it is made from and fails with
--- "conflict" when the record is not that any more. It is all or nothing for a record.
--- Here nothing waits, and the version of a record is its text itself: equal texts are
--- the same record, whoever wrote them.
---
--- Texts and no tables: they have a quarter of the size, and nothing for the collector
--- to go through. The records lie in many small tables, because one of a million
--- entries stops everything for 150 ms when it grows.

local misuse = require "sip.rt.misuse"

local M = {}

local unpack = string.unpack

local SHARDS = 256 -- a power of two
local PRIME = 0x9E3779B97F4A7C15

---@class sip.Store
---@field count integer  records in it
---@field private shards table<string, string>[]
---@field private seed integer
---@field private limit integer
---@field private watchers function[]
local Store = {}
local store_mt = { __name = "sip.Store", __index = Store }

function store_mt:__tostring()
  return ("sip.Store{%d records}"):format(self.count)
end

--- A store.
---@param options? { records?: integer, seed?: integer }  how many at most; what makes
---   the place of a key not to be guessed
---@return sip.Store
function M.new(options)
  options = options or {}
  local shards = {}
  for i = 1, SHARDS do
    shards[i] = {}
  end
  return setmetatable({
    count = 0,
    shards = shards,
    seed = options.seed or 0,
    limit = options.records or math.huge,
    watchers = {},
  }, store_mt)
end

-- Eight bytes at a time; the last eight may overlap.
local function shard_of(self, key)
  local hash, n = self.seed, #key
  if n < 8 then
    key, n = key .. ("\0"):rep(8 - n), 8
  end
  for i = 1, n - 7, 8 do
    hash = (hash ~ unpack("<i8", key, i)) * PRIME
    hash = hash ~ hash >> 29
  end
  hash = (hash ~ unpack("<i8", key, n - 7)) * PRIME
  return self.shards[(hash >> 48) % SHARDS + 1]
end

--- A record.
---@param key string
---@return string? value
---@return any version
function Store:get(key)
  local value = shard_of(self, key)[key]
  return value, value
end

--- Change a record, if it is still what it was.
---@param key string
---@param version any     what `get` gave; nil: there is none
---@param value? string   nil: it is removed
---@return any version    true for a record that is removed
---@return string? why    "conflict", or "full"
function Store:put(key, version, value)
  misuse.unless(value == nil or type(value) == "string", "put: a record is a text")
  local shard = shard_of(self, key)
  local old = shard[key]
  if old ~= version then
    return nil, "conflict"
  elseif not old and value then
    if self.count >= self.limit then
      return nil, "full"
    end
    self.count = self.count + 1
  elseif old and not value then
    self.count = self.count - 1
  end
  shard[key] = value
  if old ~= value then
    for _, watcher in ipairs(self.watchers) do
      watcher(key, value, old)
    end
  end
  return value or true
end

--- All records, in no order; they may change meanwhile, and what is new may be missed.
---@return fun(): string?, string?
function Store:each()
  local shards, at, keys, i = self.shards, 0, {}, 0
  return function()
    while true do
      i = i + 1
      local key = keys[i]
      local value = key and shards[at][key]
      if value then
        return key, value
      elseif not key then
        at, i = at + 1, 0
        if at > SHARDS then
          return nil
        end
        keys = {}
        for name in pairs(shards[at]) do
          keys[#keys + 1] = name
        end
      end
    end
  end
end

--- Be told of every change, whoever made it: the key, the record, and what it was. The
--- function must not wait.
---@param fn fun(key: string, value: string?, old: string?)
function Store:watch(fn)
  self.watchers[#self.watchers + 1] = fn
end

return M

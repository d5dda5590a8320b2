--- What an endpoint knows of names: records for their time to live, names that have
--- none for a while too (RFC 2308), and which places have failed lately. A question
--- that is out is asked once for all who want to know.

local queue = require "sip.rt.queue"

local M = {}

local KEPT = 4096       -- of records, and of places, each; the oldest makes room
local DAY = 86400       -- what lives longer is asked again after a day
local NONE = 30         -- for how long there are no records, when nobody says
local NONE_MAX = 300    -- and at most
local SILENCE = 5       -- name servers that did not answer are left alone for so long
local FAILED = 30       -- for how long a place that has failed is tried last
local FAILED_MAX = 3600 -- and at most

---@class sip.Kept  values by key, each for a time
---@field private entries table<string, { value: any, till: number }>
---@field private order sip.Queue
local Kept = {}
local kept_mt = { __name = "sip.Kept", __index = Kept }

local function new_kept(bound)
  return setmetatable({ entries = {}, order = queue.new(bound) }, kept_mt)
end

function Kept:put(key, value, till)
  local entries, order = self.entries, self.order
  if not entries[key] and not order:push(key) then
    entries[order:pop()] = nil
    order:push(key)
  end
  entries[key] = { value = value, till = till }
end

function Kept:get(key, now)
  local entry = self.entries[key]
  if entry and now < entry.till then
    return entry.value
  end
end

---@class sip.Names
---@field private line sip.Line
---@field private kept sip.Kept    lists of records; false: no name server answered
---@field private failed sip.Kept  by place
---@field private asked table<any, string>      keys by the token of the question
---@field private waiting table<string, fun(records?: table)[]>
local Names = {}
local names_mt = { __name = "sip.Names", __index = Names }

function names_mt:__tostring()
  return ("sip.Names{%d known}"):format(#self.kept.order)
end

---@param line sip.Line
---@param bound? integer  how many names are known at most: 4096
---@return sip.Names
function M.new(line, bound)
  return setmetatable({
    line = line,
    kept = new_kept(bound or KEPT),
    failed = new_kept(bound or KEPT),
    asked = {},
    waiting = {},
  }, names_mt)
end

--- Ask for records. `done` is called once, at once when they are known: with a list,
--- which may be empty and is not the caller's; or with nil when there is no answer.
---@param name string
---@param type "A"|"AAAA"|"SRV"|"NAPTR"
---@param done fun(records?: table)
function Names:ask(name, type, done)
  local line = self.line
  local key = type .. " " .. name:lower():gsub("%.$", "")
  local known = self.kept:get(key, line.sched:now())
  if known ~= nil then
    return done(known or nil)
  end
  local waiting = self.waiting[key]
  if waiting then
    waiting[#waiting + 1] = done
    return
  end
  local token = line.stack:resolve(name, type)
  if not token then
    return done(nil)
  end
  self.waiting[key], self.asked[token] = { done }, key
  line.queries[token] = self
end

local function tell(self, token, records)
  local key = self.asked[token]
  if key then
    local waiting = self.waiting[key]
    self.asked[token], self.waiting[key] = nil, nil
    for _, done in ipairs(waiting) do
      done(records)
    end
  end
end

--- Records have come, or none (called by the line).
---@param token any
---@param records? table
---@param ttl? any  seconds; 0 without records: nobody says
function Names:records(token, records, ttl)
  local seconds = SILENCE
  if records and records[1] then
    seconds = math.min(ttl, DAY)
  elseif records then
    seconds = ttl > 0 and math.min(ttl, NONE_MAX) or NONE
  end
  if seconds > 0 then
    self.kept:put(self.asked[token], records or false, self.line.sched:now() + seconds)
  end
  tell(self, token, records)
end

--- No records will come any more.
---@param token any
function Names:give_up(token)
  tell(self, token)
end

local function key_of(place)
  return place.transport .. " " .. place.host .. " " .. place.port
end

--- A place has not answered, or wants to be left alone for a while: others come first.
---@param place sip.Place
---@param seconds? number
function Names:avoid(place, seconds)
  seconds = math.min(seconds or FAILED, FAILED_MAX)
  self.failed:put(key_of(place), true, self.line.sched:now() + seconds)
end

--- The same places, those that have failed lately behind the others.
---@param places sip.Place[]
---@return sip.Place[]
function Names:in_order(places)
  local now, list, last = self.line.sched:now(), {}, {}
  for _, place in ipairs(places) do
    local into = self.failed:get(key_of(place), now) and last or list
    into[#into + 1] = place
  end
  return table.move(last, 1, #last, #list + 1, list)
end

return M

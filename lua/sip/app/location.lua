--- The location service (RFC 3261 10.1, 16.5): bindings of addresses-of-record, over a
--- store. A binding is over at its second, for who looks and for who watches. All
--- functions may wait, as far as their store does.

local binding = require "sip.ua.binding"
local err = require "sip.rt.err"
local memory = require "sip.store.memory"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"

local M = {}

local BINDINGS = 1000000
local SLICE = 200 -- bindings that expire before others have their turn
local RETRY = 1   -- seconds, when the store fails

---@class sip.Location
---@field private store sip.Store
---@field private runtime sip.Runtime
---@field private sched sip.Scheduler
---@field private awake boolean  an endpoint is open
---@field private timer? integer  for what is over first
---@field private armed_for? number
---@field private expiring boolean
---@field private bindings_count integer
---@field private watchers table[]
local Location = {}
local location_mt = { __name = "sip.Location", __index = Location }

function location_mt:__tostring()
  return ("sip.Location{%d bindings}"):format(self.bindings_count)
end

---@class sip.Binding
---@field uri string        the Contact, as it was registered
---@field params string     of the Contact, but q and expires: ";reg-id=1", as written
---@field q? integer        thousandths, 0 to 1000
---@field call_id string
---@field cseq integer
---@field path string       Path values, joined by ", "; "" for none (RFC 3327)
---@field received string   where the REGISTER came from: "udp:192.0.2.1:5060"
---@field at? sip.Place      where it is, when the Contact does not lead there
---@field id integer        unique in its address-of-record; larger ones are younger
---@field due integer       when it expires, in milliseconds of the program's clock
---@field expires_in integer  in seconds, when it was read; at least 1

---@class sip.Located: sip.Target
---@field received string     where the REGISTER came from: "udp:192.0.2.1:5060"
---@field expires_in integer  seconds
---@field call_id string
---@field params string       of the Contact: ";+sip.instance=..."
---@field contact string      the URI as it was registered

---@class sip.LocationOptions
---@field bindings? integer  how many at most, 1000000; the answer to one more is 503

local schema = { bindings = "count" }

local function now_ms(self)
  return math.floor(self.sched:now() * 1000 + 0.5)
end

-- One timer, for whatever is over first.
local function arm(self, at_least)
  local due = self.awake and not self.expiring and self.store:deadline()
  if not due or self.timer and self.armed_for <= due then
    return
  elseif self.timer then
    self.sched:disarm(self.timer)
  end
  self.armed_for = due
  self.timer = self.sched:arm(math.max(due - self.sched:now(), at_least or 0), self)
end

local function tell(self, key, new, old)
  local now = now_ms(self)
  local list = binding.unpack(new, now)
  local changes = binding.changes(binding.unpack(old, -1), list, now)
  if changes[1] then
    local aor = binding.aor(key)
    for _, watcher in ipairs(table.move(self.watchers, 1, #self.watchers, 1, {})) do
      self.sched:guard(watcher.fn, aor, list, changes)
    end
  end
end

-- Every change of a record comes by here, whoever made it.
local function changed(self, key, new, old)
  self.bindings_count = self.bindings_count + binding.count(new) - binding.count(old)
  arm(self)
  if self.watchers[1] then
    tell(self, key, new, old)
  end
end

-- What a store failed with, as an error.
local function failed(why)
  return err.new("rejected", { status = why == "full" and 503 or 500,
    message = "the location service: " .. tostring(why) })
end

-- Change a record by a function of its bindings, until nobody was faster.
local function update(self, key, fn)
  while true do
    local record, version = self.store:get(key)
    local now = now_ms(self)
    local list, why = fn(binding.unpack(record, now), now)
    if not list then
      return nil, why
    end
    local more = #list - binding.count(record)
    if more > 0 and self.bindings_count + more > self.limit then
      return nil, failed "full"
    end
    local text, due = binding.pack(list)
    local done, problem = self.store:put(key, version, text, due and due / 1000)
    if done then
      return list
    elseif problem ~= "conflict" then
      return nil, failed(problem)
    end
  end
end

local function same(list)
  return list
end

-- Take out what is over, in a task: a store may wait.
local function expire(self, log)
  local count, sched = 0, self.sched
  local key, e = self.store:due(sched:now()), nil
  while key do
    e = select(2, update(self, key, same))
    if e then
      log:error("bindings cannot expire", { aor = binding.aor(key), err = e })
      break
    end
    count = count + 1
    if count % SLICE == 0 then
      sched:sleep(0)
    end
    key = self.store:due(sched:now())
  end
  self.expiring = false
  arm(self, e and RETRY)
end

---@param runtime sip.Runtime
---@param store sip.Store
---@param limit integer  of bindings
---@return sip.Location
---@private
function M.new(runtime, store, limit)
  local self = setmetatable({
    store = store,
    runtime = runtime,
    sched = runtime.sched,
    log = runtime.log,
    awake = false,
    expiring = false,
    limit = limit,
    bindings_count = 0,
    watchers = {},
  }, location_mt)
  store:watch(function(key, new, old)
    changed(self, key, new, old)
  end)
  runtime:visit(self)
  return self
end

--- A location service in memory.
---@param runtime sip.Runtime
---@param options? sip.LocationOptions
---@return sip.Location
---@private
function M.memory(runtime, options)
  options = option.check(options, schema, "sip.location.memory")
  local store = memory.new { chance = runtime.driver:token(16) }
  return M.new(runtime, store, options.bindings or BINDINGS)
end

--- An endpoint is open: bindings expire by themselves (called by the runtime).
---@private
function Location:wake()
  self.awake = true
  arm(self)
end

--- No endpoint is: nobody is told, and no timer is armed (called by the runtime).
---@private
function Location:rest()
  self.awake = false
  if self.timer then
    self.sched:disarm(self.timer)
    self.timer, self.armed_for = nil, nil
  end
end

--- Something is over (called by the scheduler).
---@private
function Location:expired()
  self.timer, self.armed_for = nil, nil
  self.expiring = true
  self.sched:spawn(expire, self, self.log)
end

local function key_of(aor, verb)
  misuse.unless(type(aor) == "string", "location: %s: an address-of-record", verb)
  return binding.key(aor)
end

-- RFC 5626 7: who was to be reached by his connection alone is no target once that is
-- gone, though he has registered. An ICMP error to a datagram is no such proof (against
-- 7): each request finds out for itself.
local function reachable(self, list)
  local kept = {}
  for _, b in ipairs(list) do
    local at = b.at
    if not (at and at.sole) or at.transport == "udp" or self.runtime:leads_to(at) then
      kept[#kept + 1] = b
    end
  end
  return kept
end

--- Where a request to this URI is to go, in q order: a list for `req:forward`, empty
--- when nobody has registered there, or is reached only by a connection that is gone.
--- Whoever has registered by sip is in it for a sips URI too, though nothing that is to
--- be secure is forwarded there (RFC 5630 5.3).
---@param uri string
---@return sip.Located[]
function Location:lookup(uri)
  local key = key_of(uri, "lookup")
  if not key then
    return {}
  end
  local list = binding.unpack(self.store:get(key), now_ms(self))
  return binding.targets(reachable(self, list))
end

--- All bindings of an address-of-record, oldest first.
---@param aor string
---@return sip.Binding[]
function Location:bindings(aor)
  local key = key_of(aor, "bindings")
  return key and binding.unpack(self.store:get(key), now_ms(self)) or {}
end

--- Change the bindings of an address-of-record, all or nothing. The function is given
--- those that there are, and the time in milliseconds; it gives those that are to be,
--- or nil and an error. It must not wait, and may be called again when somebody else
--- was faster.
---@param aor string
---@param fn fun(bindings: sip.Binding[], now: integer): sip.Binding[]?, any
---@return sip.Binding[]? bindings
---@return any err  of the function; or with status 503 when there is no more room
function Location:update(aor, fn)
  local key = key_of(aor, "update")
  misuse.unless(key, "location: update: %q is no address-of-record", aor)
  misuse.unless(type(fn) == "function", "location: update: a function")
  return update(self, key, fn)
end

--- The same, by a key of sip.ua.binding.
---@param key string
---@param fn fun(bindings: sip.Binding[], now: integer): sip.Binding[]?, any
---@return sip.Binding[]? bindings
---@return any err
---@private
function Location:change(key, fn)
  return update(self, key, fn)
end

local function none()
  return {}
end

--- Remove all bindings of an address-of-record.
---@param aor string
---@return boolean? removed  whether there were any
---@return sip.Error? err
function Location:remove(aor)
  local had = self:bindings(aor)[1] ~= nil
  local list, e
  if had then
    list, e = self:update(aor, none)
  end
  if e then
    return nil, e
  end
  return list ~= nil
end

--- Be told of every change: the address-of-record, its bindings from here on, and what
--- happened, each `{ event = "created", binding = ... }` in the words of RFC 3680:
--- created, refreshed, shortened, unregistered, expired. The function must not wait.
---@param fn fun(aor: string, bindings: sip.Binding[], changes: table[])
---@return fun() stop
function Location:watch(fn)
  misuse.unless(type(fn) == "function", "location: watch: a function")
  local watchers, watcher = self.watchers, { fn = fn }
  watchers[#watchers + 1] = watcher
  return function()
    for i, one in ipairs(watchers) do
      if one == watcher then
        table.remove(watchers, i)
        return
      end
    end
  end
end

--- How many there are.
---@return integer bindings
---@return integer aors
function Location:count()
  return self.bindings_count, self.store:count()
end

return M

--- The location service (RFC 3261 10.1, 16.5): bindings of addresses-of-record, over a
--- store. A binding is over at its second, for who looks and for who watches. All
--- functions may wait, as far as their store does.

local binding = require "sip.ua.binding"
local calendar = require "sip.rt.calendar"
local err = require "sip.rt.err"
local memory = require "sip.store.memory"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"

local M = {}

local BINDINGS = 1000000

---@class sip.Location
---@field private store sip.Store
---@field private sched sip.Scheduler
---@field private calendar sip.Calendar  the keys, by what is due first of each
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

-- Every change of a record comes by here, whoever made it.
local function changed(self, key, new, old)
  local due, count = binding.head(new)
  local was_due, was_count = binding.head(old)
  self.bindings_count = self.bindings_count + count - was_count
  if due ~= was_due then
    if was_due then
      self.calendar:remove(key, was_due)
    end
    if due then
      self.calendar:add(key, due)
    end
  end
  if self.watchers[1] then
    local now = self.calendar:now()
    local list = binding.unpack(new, now)
    local changes = binding.changes(binding.unpack(old, -1), list, now)
    local aor = binding.aor(key)
    if changes[1] then
      for _, watcher in ipairs(table.move(self.watchers, 1, #self.watchers, 1, {})) do
        self.sched:guard(watcher.fn, aor, list, changes)
      end
    end
  end
end

-- Change a record by a function of its bindings, until nobody was faster.
local function update(self, key, fn)
  while true do
    local record, version = self.store:get(key)
    local now = self.calendar:now()
    local list, why = fn(binding.unpack(record, now), now)
    if not list then
      return nil, why
    end
    local _, before = binding.head(record)
    if #list > before and self.bindings_count + #list - before > self.limit then
      return nil, err.new("rejected", { status = 503,
        message = "the location service is full" })
    end
    local done, problem = self.store:put(key, version, binding.pack(list))
    if done then
      return list
    elseif problem ~= "conflict" then
      return nil, err.new("rejected", { status = problem == "full" and 503 or 500,
        message = "the store: " .. tostring(problem) })
    end
  end
end

local function same(list)
  return list
end

---@param runtime sip.Runtime
---@param store sip.Store
---@param limit integer  of bindings
---@return sip.Location
---@private
function M.new(runtime, store, limit)
  local self = setmetatable({
    store = store,
    sched = runtime.sched,
    limit = limit,
    bindings_count = 0,
    watchers = {},
  }, location_mt)
  self.calendar = calendar.new(runtime.sched, function(keys)
    runtime.sched:spawn(function() -- a store may wait
      for _, key in ipairs(keys) do
        local _, e = update(self, key, same)
        if e then
          runtime.log:error("bindings cannot expire", { aor = key, err = e })
        end
      end
    end)
  end)
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
  local store = memory.new { seed = string.unpack("<i8", runtime.driver:token(8)) }
  return M.new(runtime, store, options.bindings or BINDINGS)
end

--- An endpoint is open: bindings expire by themselves (called by the runtime).
---@private
function Location:wake()
  self.calendar:wake()
end

--- No endpoint is: nobody is told, and no timer is armed (called by the runtime).
---@private
function Location:rest()
  self.calendar:rest()
end

local function key_of(aor, verb)
  misuse.unless(type(aor) == "string", "location: %s: an address-of-record", verb)
  return binding.key(aor)
end

--- Where a request to this URI is to go, in q order: a list for `req:forward`, empty
--- when nobody has registered there.
---@param uri string
---@return sip.Located[]
function Location:lookup(uri)
  local key, _, _, parsed = key_of(uri, "lookup")
  if not key then
    return {}
  end
  local list = binding.unpack(self.store:get(key), self.calendar:now())
  return binding.targets(list, parsed.scheme == "sips")
end

--- All bindings of an address-of-record, oldest first.
---@param aor string
---@return sip.Binding[]
function Location:bindings(aor)
  local key = key_of(aor, "bindings")
  return key and binding.unpack(self.store:get(key), self.calendar:now()) or {}
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
  return self.bindings_count, self.store.count
end

return M

--- What everything of one program stands on: a driver (libuv's loop, or a host of
--- the simulator), the scheduler over it, the endpoints that are open.

local address = require "sip.msg.address"
local endpoint_of = require "sip.app.endpoint"
local log_of = require "sip.rt.log"
local misuse = require "sip.rt.misuse"
local sched_of = require "sip.rt.sched"
local tracer_of = require "sip.app.tracer"

local M = {}

local LINGER = 1 -- seconds that an endpoint answers on after its last call

---@class sip.Runtime
---@field driver any
---@field sched sip.Scheduler
---@field name? string
---@field trace? sip.Trace       what all its endpoints write to
---@field log sip.Log
---@field endpoints sip.Endpoint[]
---@field guests table[]         what works while an endpoint is open: a location, say
---@field sessions table<any, sip.Sound>  by media session
---@field signalled integer      how often it was asked to stop
---@field on_open? fun(ua: sip.Endpoint)  is told of every endpoint
---@field checking? boolean       endpoints are made to be checked, which logs nothing
---@field tracing? sip.Tracer[]  every endpoint is traced, and its tracer put here
local Runtime = {}
local runtime_mt = { __name = "sip.Runtime", __index = Runtime }

function runtime_mt:__tostring()
  return ("sip.Runtime{%s; %d endpoints}"):format(self.name or "-", #self.endpoints)
end

---@class sip.RuntimeOptions
---@field driver any
---@field name? string
---@field trace? sip.Trace
---@field log? sip.LogLevel|function
---@field limits? { slice?: number, cleanup?: number }
---@field on_error? fun(traceback: string, task?: sip.Task)

local kinds = {}

---@private
function kinds.timer(self, id)
  self.sched:fired(id)
end

---@private
function kinds.turn(self)
  self.sched:turn()
end

---@private
function kinds.signal(self, name)
  self:stop(name)
end

local function sound(kind)
  return function(self, session, ...)
    local of = self.sessions[session]
    if of then
      of:event(kind, ...)
    end
  end
end

for _, kind in ipairs { "digit", "played", "recorded", "media_failed",
  "media_closed" } do
  kinds[kind] = sound(kind)
end

---@param options sip.RuntimeOptions
---@return sip.Runtime
---@private
function M.new(options)
  local driver = options.driver
  local self = setmetatable({
    driver = driver,
    name = options.name,
    trace = options.trace,
    endpoints = {},
    guests = {},
    sessions = {},
    signalled = 0,
    short = false,
  }, runtime_mt)
  self.log = self:log_for(options.log)
  local limits = options.limits or {}
  self.sched = sched_of.new(driver, {
    slice = limits.slice,
    cleanup = limits.cleanup,
    on_kill = function(_, why)
      self.log:warn("script ended by force", { why = why })
    end,
    on_error = options.on_error or function(traceback)
      self.log:error("script failed", { traceback = traceback })
    end,
  })
  self.changed = self.sched:event()
  driver:set_dispatch(function(kind, ...)
    local handler = kinds[kind]
    if handler then
      return handler(self, ...)
    end
  end)
  return self
end

--- Whether Lua's memory is short: a good part of its reserve is used, and could not be
--- filled up again. Meanwhile nothing new is begun.
---@return boolean
---@private
function Runtime:is_short()
  local short = self.driver:is_short()
  if short ~= self.short then
    self.short = short
    self.log:warn(short and "memory is short: calls are refused"
      or "memory is no longer short")
  end
  return short
end

--- A log for an endpoint; without an option of its own, that of the runtime.
---@param wanted? sip.LogLevel|function
---@return sip.Log
---@private
function Runtime:log_for(wanted)
  if not wanted and self.log then
    return self.log
  end
  local driver = self.driver
  return log_of.new(wanted, function()
    return driver:now()
  end)
end

--- What traces an endpoint.
---@param ua sip.Endpoint
---@param wanted boolean|integer  how many records are kept
---@return sip.Tracer
---@private
function Runtime:tracer_for(ua, wanted)
  local tracer = tracer_of.new(ua, self.trace, math.type(wanted) and wanted or nil)
  if self.tracing then
    table.insert(self.tracing, tracer)
  end
  return tracer
end

--- An endpoint.
---@param options table
---@return sip.Endpoint
---@private
function Runtime:endpoint(options)
  return endpoint_of.new(self, options)
end

--- Ask these name servers from here on.
---@param servers string[]
---@private
function Runtime:name_servers(servers)
  misuse.unless(type(servers) == "table" and servers[1],
    "name_servers: a list of addresses")
  for _, server in ipairs(servers) do
    local host, port = tostring(server):match "^%[([%x:.]+)%]:?(%d*)$"
    if not host then
      host, port = tostring(server):match "^([%d.]+):?(%d*)$"
    end
    if not host or not address.is_numeric(host) or (tonumber(port) or 53) > 65535 then
      misuse.raise("name_servers: %q is no address; write \"192.0.2.53\" or "
        .. "\"[2001:db8::53]:5353\"", tostring(server))
    end
  end
  if self.driver.name_servers then
    self.driver:name_servers(table.concat(servers, ","))
  end
end

--- A media session at an address of ours.
---@param host string
---@return any? session
---@return string? why
---@private
function Runtime:media_session(host)
  if not self.media then
    local ok, media = pcall(self.driver.media, self.driver)
    if not ok then
      return nil, media
    end
    self.media = media
  end
  return self.media:session { host = host }
end

--- What an endpoint says of the bounds of scripts; they share a scheduler, and the
--- last word counts.
---@param limits { cleanup?: number, slice?: number }
---@private
function Runtime:bound(limits)
  local sched = self.sched
  sched.cleanup = limits.cleanup or sched.cleanup
  sched.slice = limits.slice or sched.slice
end

--- Something that has its own timers, and wants them only while an endpoint is open:
--- it is told `wake` and `rest`.
---@param guest { wake: fun(self), rest: fun(self) }
---@private
function Runtime:visit(guest)
  table.insert(self.guests, guest)
  if self.endpoints[1] then
    guest:wake()
  end
end

--- Whether one of the endpoints has the way that a place is bound to.
---@param place sip.Place
---@return boolean
---@private
function Runtime:leads_to(place)
  for _, ua in ipairs(self.endpoints) do
    if ua.stack:is_there(place) then
      return true
    end
  end
  return false
end

--- An endpoint is open (called by it).
---@private
function Runtime:opened(ua)
  table.insert(self.endpoints, ua)
  for _, guest in ipairs(self.guests) do
    guest:wake()
  end
  if self.on_open then
    self.on_open(ua)
  end
end

--- An endpoint is closed (called by it).
---@private
function Runtime:left(ua)
  for i, one in ipairs(self.endpoints) do
    if one == ua then
      table.remove(self.endpoints, i)
      break
    end
  end
  for _, guest in ipairs(self.endpoints[1] and {} or self.guests) do
    guest:rest()
  end
  self.changed:notify(true)
  if self.signalled > 0 and not self.endpoints[1] then
    -- Whoever goes his rounds would do so for ever; who has something to hear, that a
    -- registration is removed, say, hears it first.
    local root = self.sched.root
    self.sched:shielded(nil, root.sweep, root, "stopped")
  end
end

--- Wait until an endpoint that is closing has nothing under way, for as long as it
--- says: in a task by waiting, outside by turning the loop.
---@param ua sip.Endpoint
---@private
function Runtime:drain(ua)
  local sched, driver = self.sched, self.driver
  local deadline = sched:now() + ua.drain
  local function until_then(done)
    while not done() and sched:left(deadline) > 0 do
      if sched.current then
        ua.quiet:wait(sched:left(deadline))
      else
        driver:step(sched:left(deadline))
      end
    end
  end
  if not (sched.current or driver.step) then
    return
  end
  until_then(function()
    return ua:idle()
  end)
  if ua.lingers then -- a refusal that is lost is sent again
    deadline = math.min(deadline, sched:now() + LINGER)
    until_then(function()
      return false
    end)
  end
end

--- End everything in an orderly way: calls are refused and hung up, endpoints
--- closed. Asked a second time, at once.
---@param why? string
---@private
function Runtime:stop(why)
  self.signalled = self.signalled + 1
  local list = table.move(self.endpoints, 1, #self.endpoints, 1, {})
  self.log:info("stopping", { why = why })
  for _, ua in ipairs(list) do
    ua:refuse_all()
    if self.signalled == 1 then
      self.sched:shielded(ua.drain + 1, ua.close, ua)
    else
      ua:shut()
    end
  end
  if self.main and self.signalled == 1 then
    self.main.scope:cancel(why or "stopped")
  elseif self.signalled > 1 then
    self.sched:close()
  end
end

-- Whether anything is left that run waits for.
local function busy(self, main)
  if main then
    return main.state ~= "dead"
  end
  return #self.endpoints > 0 or self.sched.live > 0
end

-- The program lua5.4 has its collector work by generations, and then it collects what
-- is old in one go: with 25,000 calls nothing else happens for 150 ms. In steps, small
-- ones, it is a quarter of that. Whoever has chosen steps himself keeps his.
local STEP_WORK = 12

local function collect_in_steps()
  local mode = collectgarbage "incremental"
  if mode == "generational" then
    collectgarbage("incremental", 0, STEP_WORK)
  end
  return mode
end

--- Run until all endpoints are closed and all scripts have ended, or, with a
--- function, until that has returned. Inside a task it waits for the endpoints.
--- SIGINT and SIGTERM end it in an orderly way.
---@param fn? function
---@param ... any  its arguments
---@return any ...  what the function returned
---@private
function Runtime:run(fn, ...)
  local sched, driver = self.sched, self.driver
  if sched.current then
    if fn then
      return fn(...)
    end
    while #self.endpoints > 0 do
      self.changed:wait()
    end
    return
  end
  local main
  if fn then
    main = sched:scope("main"):spawn(fn, ...)
    self.main = main
  end
  local mode
  if driver.signals then
    mode = collect_in_steps()
    driver:signals(true)
  end
  while busy(self, main) do
    driver:step()
  end
  if driver.signals then
    driver:signals(false)
    collectgarbage(mode)
  end
  self.main = nil
  if main and main.failure ~= nil then
    error(main.traceback or main.failure, 0)
  elseif main and main.results then
    return table.unpack(main.results, 1, main.results.n)
  end
end

return M

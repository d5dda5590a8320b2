--- The test kit: a world of simulated hosts in virtual time, in which unchanged
--- scripts run, and phones that are played by a test.
---
---   local sim <close> = require "sip.sim" { seed = 7, loss = 0.02 }
---
--- Verbs of hosts, phones and their calls may be called outside of any coroutine:
--- the clock then advances until they have their answer.

local core = require "sip.core"
local host_of = require "sip.sim.host"
local option = require "sip.app.options"
local phone_of = require "sip.sim.phone"
local trace_of = require "sip.rt.trace"

---@class sip.Sim
---@field world sip.World
---@field trace sip.Trace     everything that passed
---@field errors string[]     what scripts failed with; assert_clean wants none
---@field private hosts sip.SimulatedHost[]
---@field private by_ip table<string, sip.SimulatedHost>
local Sim = {}
local sim_mt = { __name = "sip.Sim", __index = Sim }

local M = {}

-- How long nothing may come of a verb, and how long an end may take.
local PATIENCE, END = 86400, 200

local schema = {
  seed = "number", delay = "number", loss = "number", duplicate = "number",
  reorder = "number", reorder_by = "number", trace = "number",
}

---@class sip.SimOptions
---@field seed? integer       1; the same seed gives the same run, to the byte
---@field delay? number       of every link, in seconds; see World:link
---@field loss? number
---@field duplicate? number
---@field reorder? number
---@field reorder_by? number
---@field trace? integer      how many records are kept: 10000; 0: none

--- A new world.
---@param options? sip.SimOptions
---@return sip.Sim
function M.new(options)
  options = option.check(options, schema, "sip.sim")
  local self = setmetatable({
    world = core.world { seed = options.seed or 1 },
    traced = options.trace ~= 0,
    trace = trace_of.new { bound = math.max(options.trace or 10000, 1) },
    errors = {},
    hosts = {},
    by_ip = {},
    phones = 0,
  }, sim_mt)
  self:link {
    delay = options.delay, loss = options.loss, duplicate = options.duplicate,
    reorder = options.reorder, reorder_by = options.reorder_by,
  }
  return self
end

function sim_mt:__tostring()
  return ("sip.Sim{%.3f s; %d hosts}"):format(self:now(), #self.hosts)
end

function sim_mt:__close()
  self:close()
end

--- How packets fare, everywhere or `from` one address `to` another: see World:link.
---@param link sip.LinkSpec
function Sim:link(link)
  self.world:link(link)
end

--- A DNS record, or how questions for a name fare: see World:dns.
---@param record sip.DnsRecord
function Sim:dns(record)
  self.world:dns(record)
end

--- Seconds since the world began.
---@return number
function Sim:now()
  return self.world:now()
end

--- Let time pass.
---@param seconds number
function Sim:advance(seconds)
  local till = self:now() + seconds
  while self.world:step(till) do
  end
end

--- The host that has this address; made when it is first asked for.
---@param ip string
---@param ... string  more addresses of it
---@return sip.SimulatedHost
function Sim:host(ip, ...)
  local host = self.by_ip[ip]
  if not host then
    host = host_of.new(self, ip, ...)
    self.by_ip[ip] = host
    self.hosts[#self.hosts + 1] = host
  end
  return host
end

--- A phone on a host of its own, played by the test.
---@param options? sip.PhoneOptions
---@return sip.Phone
function Sim:phone(options)
  self.phones = self.phones + 1
  return phone_of.new(self, options or {}, ("198.51.100.%d"):format(self.phones))
end

--- Run a function in a task of a host and let time pass until it has returned. In
--- a task already it is simply called.
---@param host sip.SimulatedHost
---@param fn function
---@param ... any
---@return any ...
function Sim:wait(host, fn, ...)
  local sched = host.sip.runtime.sched
  if sched:running() then
    return fn(...)
  end
  local results
  local task = sched:spawn(function(...)
    results = table.pack(fn(...))
  end, ...)
  local till = self:now() + PATIENCE
  while not results and task.state ~= "dead" do
    if not self.world:step(till) then
      error("nothing will ever come of this; what passed:\n" .. self:ladder(), 3)
    end
  end
  if not results then
    error(table.remove(self.errors) or "the verb was cancelled", 3)
  end
  return table.unpack(results, 1, results.n)
end

--- When messages of this method, or of this status, were sent: seconds, in order.
---@param what string|integer  "INVITE", or 180
---@param from? string         by this host only
---@return number[]
function Sim:sent_at(what, from)
  local times = {}
  local start = math.type(what) and "SIP/2.0 " .. what or what .. " "
  for _, record in ipairs(self.trace:list()) do
    if record.kind == "message" and record.text:sub(1, #start) == start
      and (not from or record.from:match "^%[?([%x.:]-)%]?:%d+$" == from) then
      times[#times + 1] = record.at
    end
  end
  return times
end

--- The message flow as text.
---@return string
function Sim:ladder()
  return self.trace:text()
end

--- The message flow as a picture.
---@return string
function Sim:svg()
  return self.trace:svg()
end

--- The message flow as a capture, for other tools.
---@return string
function Sim:pcap()
  return self.trace:pcap()
end

-- What is still alive, as words.
local function alive(self)
  local left = {}
  for _, host in ipairs(self.hosts) do
    for name, count in pairs(host:alive()) do
      if count ~= 0 then
        left[#left + 1] = ("%s: %d %s"):format(host.ip, count, name)
      end
    end
  end
  if self.world:pending() > 0 then
    left[#left + 1] = self.world:pending() .. " packets under way"
  end
  table.sort(left)
  return left
end

--- End all phones and endpoints, let time pass until nothing is armed (at most 200
--- seconds), and count: raises unless nothing is left and no script has failed.
function Sim:assert_clean()
  for _, host in ipairs(self.hosts) do
    host:end_all()
  end
  self:advance(END)
  local left = alive(self)
  if #self.errors > 0 then
    error("scripts failed:\n" .. table.concat(self.errors, "\n"), 2)
  elseif #left > 0 then
    error("still alive: " .. table.concat(left, ", ") .. "\n" .. self:ladder(), 2)
  end
end

--- End the world as it is: nothing is sent, nothing is checked.
function Sim:close()
  for _, host in ipairs(self.hosts) do
    host.sip.runtime.sched:close()
  end
  self.world:close()
end

return setmetatable(M, {
  __call = function(_, options)
    return M.new(options)
  end,
})

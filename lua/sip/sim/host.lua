--- A simulated host: a driver of its own, and the `sip` that scripts on it see.

local facade = require "sip"

local M = {}

---@class sip.SimulatedHost
---@field ip string
---@field driver sip.SimHost
---@field sip table            what `require "sip"` gives on this host
---@field private sim sip.Sim
local Host = {}
local host_mt = { __name = "sip.SimulatedHost", __index = Host }

function host_mt:__tostring()
  return ("sip.SimulatedHost{%s}"):format(self.ip)
end

-- Endpoints on this host are traced, and the world knows their domains.
local function traced_new(host)
  local new = host.sip.new
  return function(options)
    if type(options) ~= "table" and options ~= nil then
      return new(options)
    end
    local all = {}
    for key, value in pairs(options or {}) do
      all[key] = value
    end
    if host.sim.traced and all.trace == nil then
      all.trace = true
    end
    local ua = new(all)
    local domains = type(all.domain) == "string" and { all.domain } or all.domain or {}
    for _, domain in ipairs(domains) do
      host:name(domain)
    end
    return ua
  end
end

---@param sim sip.Sim
---@param ip string
---@param ... string
---@return sip.SimulatedHost
---@private
function M.new(sim, ip, ...)
  local self = setmetatable({
    sim = sim,
    ip = ip,
    driver = sim.world:host(ip, ...),
    names = {},
    loaded = {},
  }, host_mt)
  local function log(level, text, fields)
    if level == "error" then
      sim.errors[#sim.errors + 1] = ("%s: %s: %s"):format(ip, text,
        tostring(fields.traceback or fields.err or fields.why))
    end
  end
  self.sip = facade.with {
    driver = self.driver, name = ip, trace = sim.trace, log = log,
  }
  self.sip.new = traced_new(self)
  return self
end

--- The world finds this host by a name.
---@param name string
function Host:name(name)
  if not self.names[name] then
    self.names[name] = true
    self.sim.world:name(name, self.ip)
  end
end

--- What this host proves to be over TLS. Without any name, whoever asks for one finds
--- it.
---@param ... string
function Host:certificate(...)
  self.driver:certificate(...)
end

-- What scripts on this host see instead of the global `require`: modules of their
-- own are loaded anew for it, so that they too get its `sip`.
local function requirer(self)
  local function require_here(name)
    if name == "sip" then
      return self.sip
    elseif self.loaded[name] ~= nil then
      return self.loaded[name]
    end
    local path = not name:find "^sip%." and package.searchpath(name, package.path)
    if not path then
      return _G.require(name)
    end
    local module = assert(loadfile(path, "t", self.env))
    local result = module(name, path)
    self.loaded[name] = result == nil and true or result
    return self.loaded[name]
  end
  return require_here
end

--- Run a script on this host, in a task of its own, until it waits or has ended.
---@param path string
---@param ... string  its arguments
---@return sip.SimulatedHost host  itself
function Host:load(path, ...)
  self.env = self.env or setmetatable({}, { __index = _G })
  self.env.require = requirer(self)
  self.env.arg = { [0] = path, ... }
  local chunk, why = loadfile(path, "t", self.env)
  if not chunk then
    error(why, 2)
  end
  self.sip.spawn(chunk, ...)
  self.sim:advance(0)
  return self
end

--- Run a function on this host, and let time pass until it has returned.
---@param fn fun(sip: table, ...): ...
---@param ... any
---@return any ...
function Host:run(fn, ...)
  return self.sim:wait(self, fn, self.sip, ...)
end

--- The endpoint by which this host itself sends: it listens on UDP and TCP, port
--- 5060.
---@return sip.Endpoint
function Host:endpoint()
  if not self.ua then
    local at = self.ip:find ":" and "[" .. self.ip .. "]" or self.ip
    self.ua = self.sip.new {
      listen = { "udp:" .. at .. ":5060", "tcp:" .. at .. ":5060" },
    }
  end
  return self.ua
end

--- Send a request and wait for its final response.
---@param request table  see Endpoint:request
---@return sip.Message? response
---@return sip.Error? err
function Host:request(request)
  local ua = self:endpoint()
  return self.sim:wait(self, ua.request, ua, request)
end

--- A file on this host: its bytes, or nil.
---@param path string
---@return string?
function Host:read(path)
  return self.driver:read_file(path)
end

--- Put a file on this host.
---@param path string
---@param bytes string
function Host:write(path, bytes)
  self.driver:write_file(path, bytes)
end

--- How its disk behaves: see SimHost:disk.
---@param options { free?: integer, delay?: number }
function Host:disk(options)
  self.driver:disk(options)
end

--- Close every endpoint in an orderly way (called by assert_clean).
---@private
function Host:end_all()
  if #self.sip.runtime.endpoints > 0 then
    self.sip.runtime:stop "the test is over"
  end
end

--- What is alive on this host: counts by name.
---@return table<string, integer>
---@private
function Host:alive()
  local runtime, stats = self.sip.runtime, self.driver:stats()
  local sessions = 0
  for _ in pairs(runtime.sessions) do
    sessions = sessions + 1
  end
  return {
    timers = stats.timers,
    stacks = stats.stacks,
    ["script errors below the scheduler"] = stats.script_errors,
    sockets = self.driver:sockets(),
    endpoints = #runtime.endpoints,
    tasks = runtime.sched.live,
    ["media sessions"] = sessions,
  }
end

return M

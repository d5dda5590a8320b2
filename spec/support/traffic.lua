--- Transactions of every kind between hosts of one simulated world: over links that
--- lose, repeat and reorder, that go away for seconds or minutes and come back, and
--- between hosts that are away or start anew. Whoever begins or answers one keeps a
--- book of it: it ends in exactly one outcome, in the RFC's time, and is gone when the
--- RFC wants it gone; then nothing is left. Everything random comes from the seed.

local answerer = require "spec.support.traffic_answerer"
local book_of = require "spec.support.traffic_book"
local caller = require "spec.support.traffic_caller"
local faults = require "spec.support.traffic_faults"
local net_of = require "spec.support.net"
local proxy = require "spec.support.traffic_proxy"
local users = require "spec.support.traffic_users"

local assert = require "luassert"

local M = {}

---@class spec.Traffic
---@field net spec.Net
---@field world any
---@field now fun(): number
---@field roll fun(n: integer): integer  1 to n
---@field after fun(seconds: number, fn: fun())
---@field nodes table<string, spec.Node>
---@field tally table<string, integer>
---@field latest number  when anything was decided last

M.CALLER, M.ONE, M.TWO = "192.0.2.1", "192.0.2.11", "192.0.2.12"
M.PROXY, M.STATELESS = "192.0.2.21", "192.0.2.22"
M.REGISTRAR, M.USERS, M.NOBODY = "192.0.2.31", "192.0.2.32", "198.51.100.1"

local LISTEN = { udp = 5060, tcp = 5060, tls = 5061 }

-- A source of chance of our own, so that what is done does not hang on the network's.
local function dice(seed)
  local state = (seed * 2654435761 + 12345) % 4294967296
  return function(n)
    state = (state * 1664525 + 1013904223) % 4294967296
    return (state >> 8) % n + 1
  end
end

-- Whoever wants to do something later; what it fails with is kept.
local function clock(world, errors)
  local host, todo = world:host "192.0.2.254", {}
  host:set_dispatch(function(kind, id)
    local fn = kind == "timer" and todo[id]
    if fn then
      todo[id] = nil
      local ok, why = xpcall(fn, debug.traceback)
      errors[#errors + 1] = not ok and why or nil
    end
  end)
  return function(seconds, fn)
    todo[host:arm(seconds)] = fn
  end
end

---@class spec.Node
---@field ip string
---@field stack? any    nil while it is away
---@field on table<string, fun(object: any, message: any, ...)>
---@field book spec.Book
local Node = {}
local node_mt = { __index = Node }

--- Begin, or begin anew.
function Node:start()
  local errors = self.traffic.net.errors
  self.stack = self.host:stack {
    relay = self.relay, secret = "the same after a restart", limits = { sources = 0 },
    dispatch = function(kind, ...)
      local handler = self.on[kind]
      if handler then
        local ok, why = xpcall(handler, debug.traceback, ...)
        errors[#errors + 1] = not ok and why or nil
      end
    end,
  }
  for transport, port in pairs(LISTEN) do
    assert(self.stack:listen { transport = transport, host = self.ip, port = port })
  end
end

--- The process ends: nobody is told, and all is forgotten.
function Node:stop()
  self.book:forget()
  self.stack:close()
  self.stack = nil
end

local function add_node(traffic, ip, kind, relay)
  local node = setmetatable({
    ip = ip, traffic = traffic, on = {}, relay = relay,
    host = traffic.world:host(ip), book = book_of.new(traffic, ip),
  }, node_mt)
  node.host:set_dispatch(function() end)
  traffic.nodes[ip] = node
  traffic.nodes[#traffic.nodes + 1] = node
  kind.attach(node, M)
  node:start()
  return node
end

local function alive(traffic, name)
  local list = {}
  for i, node in ipairs(traffic.nodes) do
    list[i] = node.stack:stats()[name]
  end
  for _, ua in ipairs(traffic.net.endpoints) do
    list[#list + 1] = ua.state ~= "closed" and ua.stack:stats()[name] or 0
  end
  return list
end

local function zeros(list)
  local same = {}
  for i in ipairs(list) do
    same[i] = 0
  end
  return same
end

-- What was begun ends by itself; then count what is left.
local function settle(traffic)
  traffic.net:run(traffic.last + 400)
  for _, node in ipairs(traffic.nodes) do
    node.book:all_over()
  end
  -- A CANCEL that came in the last moment is remembered for 64*T1 (17.2.2, timer J).
  assert.is_true(traffic.latest + 64 < traffic.last + 400)
  for _, name in ipairs { "transactions", "events" } do
    assert.same(zeros(alive(traffic, name)), alive(traffic, name), name)
  end
  traffic.net:run(traffic.last + 1200) -- connections are closed when they are idle
  for _, name in ipairs { "connections", "timers" } do
    assert.same(zeros(alive(traffic, name)), alive(traffic, name), name)
  end
  for _, node in ipairs(traffic.nodes) do
    traffic:count("repeats", node.stack:stats().repeats_sent)
    node:stop()
    assert.equal(0, node.host:sockets(), node.ip)
    assert.equal(0, node.host:stats().script_errors, node.ip)
  end
end

local Traffic = {}
local traffic_mt = { __index = Traffic }

function Traffic:count(name, by)
  self.tally[name] = (self.tally[name] or 0) + (by or 1)
end

--- Something was decided: nothing of it may be left 64*T1 later.
function Traffic:decided()
  self.latest = self.now()
end

--- Begin so many transactions within two minutes, and see all of them end.
---@param seed integer
---@param count integer
---@return table<string, integer> tally  by what was begun, and how it ended
function M.run(seed, count)
  local net = net_of.new { seed = seed, delay = 0.02, loss = 0.3, duplicate = 0.1,
    reorder = 0.1 }
  local traffic = setmetatable({
    net = net, world = net.world, nodes = {}, tally = {}, latest = 0, last = 120,
    roll = dice(seed), after = clock(net.world, net.errors),
    now = function()
      return net.world:now()
    end,
  }, traffic_mt)
  add_node(traffic, M.ONE, answerer)
  add_node(traffic, M.TWO, answerer)
  add_node(traffic, M.PROXY, proxy.stateful)
  add_node(traffic, M.STATELESS, proxy.stateless, true)
  local calling = add_node(traffic, M.CALLER, caller)
  local apart = count // 10
  users.start(traffic, M, apart)
  faults.start(traffic, M)
  for _ = 1, count - apart do
    local when = traffic.roll(traffic.last * 1000) / 1000
    traffic.after(when, function()
      caller.begin(calling, M)
    end)
  end
  net:run(traffic.last)
  assert.equal(0, #net.errors, net.errors[1])
  settle(traffic)
  assert.equal(0, #net.errors, net.errors[1])
  net:clean()
  return traffic.tally
end

return M

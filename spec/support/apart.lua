--- Hosts that talk to each other, each run apart: what becomes of one in a state when
--- something happens to it, and what it sends.
---
--- They share nothing: a host has its own random source and its own clock. So what it
--- becomes, and what it sends, is a function of what it was and of what comes, and each
--- pair of them need be run only once, in a world in which that host alone is alive.
--- Two histories that lead a host to the same fingerprint have the same future, and are
--- one state (spec/support/fingerprint.lua). `confirm` runs random schedules in one
--- world with all hosts alive, and compares.

local core = require "sip.core"
local facade = require "sip"
local fingerprint = require "spec.support.fingerprint"

local M = {}

local concat, sort = table.concat, table.sort

-- Worlds of one host that are kept for going on from where they are.
local LIVES = 24

---@class spec.SearchHost
---@field ip string
---@field setup fun(at: table)           `at.sip` is its facade; sets `at.ua`
---@field acts? { name: string, when: fun(at: table): any, run: fun(at: table) }[]
---@field outcome? fun(at: table): string  what its script was told

---@class spec.Node  a state of a host
---@field host integer
---@field steps table       what became of it, by instant and by what happened
---@field acts integer[]    what its script may do
---@field due? integer      when its next timer fires
---@field outcome string
---@field dialogs string[][]
---@field alive? string     what is alive, as words
---@field failed? string    how a script failed
---@field private parent? integer  the first way here
---@field private input any
---@field private at integer

---@class spec.Apart
---@field hosts spec.SearchHost[]
---@field nodes spec.Node[]
---@field messages table[]
---@field times integer[]  instants
---@field runs integer
local Apart = {}
local apart_mt = { __index = Apart }

--- Hosts that have not been set up. `constant` is looked at as what never changes.
---@param hosts spec.SearchHost[]
---@param constant any
---@return spec.Apart
function M.new(hosts, constant)
  local self = setmetatable({
    hosts = hosts,
    index = {},        -- of hosts by ip
    messages = {},     -- by id
    message_ids = {},  -- by from, to and bytes
    nodes = {},        -- states of hosts: by id
    node_ids = {},     -- of each host: by fingerprint
    lives = {},
    times = {},        -- instants, and
    time_ids = {},     -- their numbers
    runs = 0,
    prints = fingerprint.new(hosts, constant),
  }, apart_mt)
  self.seal_world = core.world { seed = 1 }
  self.seal = self.seal_world:host("192.0.2.250"):stack { dispatch = function() end }
  for i, host in ipairs(hosts) do
    self.index[host.ip] = i
    self.node_ids[i] = {}
    self.lives[i] = {}
  end
  return self
end

local function due_in(world)
  local due = world:next()
  return due and math.floor(due * 1000 + 0.5)
end

local function settle(world)
  while world:next() and world:next() <= world:now() do
    world:step(world:now())
  end
end

local function bring_up(self, h, driver)
  local at = { errors = {} }
  at.sip = facade.with {
    driver = driver,
    name = self.hosts[h].ip,
    log = function(level, text, fields)
      if level == "error" then
        at.errors[#at.errors + 1] = text .. ": " .. tostring(fields.traceback)
      end
    end,
  }
  self.hosts[h].setup(at)
  return at
end

-- A world in which one host is alive; the others have their addresses, and with them
-- what makes the random source of each the same as in a world of all.
local function make(self, h)
  local world = core.world { seed = 1 }
  world:hold(true)
  local drivers = {}
  for i, host in ipairs(self.hosts) do
    drivers[i] = world:host(host.ip)
  end
  local at = bring_up(self, h, drivers[h])
  settle(world)
  return { world = world, drivers = drivers, driver = drivers[h], at = at }
end

local function label(bytes)
  local line = bytes:match "^[^\r\n]*"
  local status = line:match "^SIP/2.0 (%d+)"
  return status and status .. " " .. bytes:match "\r\nCSeq: %d+ (%a+)"
    or line:match "^%a+"
end

local function intern(self, packet)
  local key = ("%s:%d>%s:%d\n%s"):format(packet.from, packet.from_port, packet.to,
    packet.to_port, packet.bytes)
  local id = self.message_ids[key]
  if not id then
    id = #self.messages + 1
    self.message_ids[key] = id
    packet.host = self.index[packet.to]
    packet.sender = self.index[packet.from]
    packet.text = ("%s -> %s %s"):format(packet.from, packet.to, label(packet.bytes))
    self.messages[id] = packet
  end
  return id
end

-- What a host has sent since the last time.
local function taken(self, world)
  local list = {}
  for _, packet in ipairs(world:flying()) do
    world:lose(packet.id)
    if self.index[packet.to] then
      list[#list + 1] = intern(self, packet)
    end
  end
  return list
end

-- Something happens to a host: "tick", "end", an act by its number, or a message.
local function happen(self, h, live, input, at_ms)
  local world = live.world
  if input == "tick" then
    while (due_in(world) or math.huge) <= at_ms do
      world:step(at_ms / 1000)
    end
    return
  end
  assert((due_in(world) or math.huge) > at_ms, "a timer should have fired")
  world:step(at_ms / 1000)
  if input == "end" then
    live.at.ua:refuse_all()
  elseif input < 0 then
    self.hosts[h].acts[-input].run(live.at)
  else
    local packet = self.messages[input]
    live.drivers[packet.sender]:datagram(packet.from, packet.from_port, packet.to,
      packet.to_port, packet.bytes)
    local flying = world:flying()
    world:deliver(flying[#flying].id)
  end
  settle(world)
end

local function dialogs_of(ua)
  local list = {}
  for i = 0, 63 do
    for _, dialog in pairs(ua.dialogs.shards[i]) do
      while dialog do
        list[#list + 1] = { dialog.call_id, dialog.local_tag, dialog.remote_tag,
          dialog.state }
        dialog = dialog.sibling
      end
    end
  end
  return list
end

-- What is alive, as words; nil: nothing.
local function alive(live)
  local ua, sched = live.at.ua, live.at.sip.runtime.sched
  local stats = ua.stack:stats()
  local counts = {
    calls = ua.calls, pending = ua.pending, invites = ua.invites,
    dialogs = ua.dialogs.count, tasks = sched.live - (live.at.resident or 0),
    timers = sched.armed, transactions = stats.transactions,
    ["timers of the stack"] = stats.timers,
    clients = next(ua.clients) and 1 or 0, servers = next(ua.servers) and 1 or 0,
    queries = next(ua.queries) and 1 or 0,
  }
  local list = {}
  for name, count in pairs(counts) do
    if count ~= 0 then
      list[#list + 1] = count .. " " .. name
    end
  end
  sort(list)
  return list[1] and concat(list, ", ")
end

-- The state that a host is in now.
local function node_of(self, h, live, parent, input, at_ms)
  local text = self.prints:of(live.driver, live.at.sip.runtime, live.at)
  local key = self.seal:seal(text) .. self.seal:seal(text .. "2")
  local id = self.node_ids[h][key]
  local known = id and self.nodes[id]
  if known then
    if known.at > at_ms then -- the earliest way there serves all that come later
      known.parent, known.input, known.at = parent, input, at_ms
    end
    return id
  end
  local host, acts = self.hosts[h], {}
  for i, act in ipairs(host.acts or {}) do
    if act.when(live.at) then
      acts[#acts + 1] = -i
    end
  end
  id = #self.nodes + 1
  self.node_ids[h][key] = id
  self.nodes[id] = {
    host = h, parent = parent, input = input, at = at_ms, steps = {}, acts = acts,
    due = due_in(live.world),
    outcome = host.outcome and host.outcome(live.at) or "",
    dialogs = dialogs_of(live.at.ua),
    alive = alive(live),
    failed = live.at.errors[1],
  }
  return id
end

-- Bring a host of its own into a state.
local function revive(self, h, id)
  local path, node = {}, self.nodes[id]
  while node.parent do
    table.insert(path, 1, node)
    node = self.nodes[node.parent]
  end
  local live = make(self, h)
  taken(self, live.world)
  for _, one in ipairs(path) do
    happen(self, h, live, one.input, one.at)
  end
  taken(self, live.world)
  return live
end

--- The number of an instant.
---@param at_ms integer
---@return integer
function Apart:time(at_ms)
  local id = self.time_ids[at_ms]
  if not id then
    id = #self.times + 1
    self.time_ids[at_ms], self.times[id] = id, at_ms
  end
  return id
end

--- What becomes of a host in a state when something happens to it. Each is run once.
---@param id integer
---@param input integer|"tick"|"end"
---@param at_ms integer
---@return { node: integer, sent: integer[] }  the state, and what it sends
function Apart:step(id, input, at_ms)
  local node = self.nodes[id]
  local time = self:time(at_ms)
  local by_time = node.steps[time]
  if not by_time then
    by_time = {}
    node.steps[time] = by_time
  end
  local result = by_time[input]
  if result then
    return result
  end
  local h = node.host
  local lives = self.lives[h]
  local live
  for i = #lives, 1, -1 do
    if lives[i].node == id and lives[i].world:now() * 1000 <= at_ms then
      live = table.remove(lives, i)
      break
    end
  end
  live = live or revive(self, h, id)
  happen(self, h, live, input, at_ms)
  local sent = taken(self, live.world)
  result = { node = node_of(self, h, live, id, input, at_ms), sent = sent }
  live.node = result.node
  lives[#lives + 1] = live
  if #lives > LIVES then
    table.remove(lives, 1).world:close()
  end
  by_time[input] = result
  self.runs = self.runs + 1
  return result
end

--- The states of all hosts when they have been set up, and what they have sent.
---@return integer[] nodes
---@return integer[] sent
function Apart:begin()
  local locals, sent = {}, {}
  for h in ipairs(self.hosts) do
    local live = make(self, h)
    local own = taken(self, live.world)
    locals[h] = node_of(self, h, live, nil, nil, 0)
    table.move(own, 1, #own, #sent + 1, sent)
    live.world:close()
  end
  return locals, sent
end

-- ---- all of them in one world, for comparison --------------------------------------

-- All hosts in one world.
local function together(self)
  local world = core.world { seed = 1 }
  world:hold(true)
  local all, drivers = {}, {}
  for i, host in ipairs(self.hosts) do
    drivers[i] = world:host(host.ip)
  end
  for h in ipairs(self.hosts) do
    all[h] = bring_up(self, h, drivers[h])
    settle(world)
  end
  return world, all
end

-- What has been sent since the last time, which stays under way.
local function noticed(self, world, known)
  local list = {}
  for _, packet in ipairs(world:flying()) do
    if packet.id > known.id then
      known.id = packet.id
      list[#list + 1] = intern(self, packet)
      known[#known + 1] = packet.id
    end
  end
  sort(list)
  return list
end

-- One random step of both; what the search expects to be sent, and says is due.
local function random_step(self, both, random)
  local world, locals = both.world, both.locals
  local now, due = math.floor(world:now() * 1000 + 0.5), due_in(world)
  local acts = {}
  for h, id in ipairs(locals) do
    for _, act in ipairs(self.nodes[id].acts) do
      acts[#acts + 1] = { h, act }
    end
  end
  local choice = random() * 20
  local sent = {}
  local function go(h, input, at_ms)
    local result = self:step(locals[h], input, at_ms)
    locals[h] = result.node
    table.move(result.sent, 1, #result.sent, #sent + 1, sent)
  end
  if choice < 2 and due then
    for h, id in ipairs(locals) do
      if (self.nodes[id].due or math.huge) <= due then
        go(h, "tick", due)
      end
    end
    while (due_in(world) or math.huge) <= due do
      world:step(due / 1000)
    end
  elseif choice < 4 and acts[1] then
    local h, act = table.unpack(acts[1 + math.floor(random() * #acts)])
    go(h, act, now)
    self.hosts[h].acts[-act].run(both.all[h])
  elseif both.known[1] then
    local packets = world:flying()
    local packet = packets[1 + math.floor(random() * #packets)]
    go(self.index[packet.to], intern(self, packet), now)
    world:deliver(packet.id, true)
  end
  settle(world)
  sort(sent)
  return sent
end

--- Run random schedules with all hosts in one world, beside what becomes of
--- each host alone: raises where they differ.
---@param walks integer
---@param length integer
function Apart:confirm(walks, length)
  local chance = core.world { seed = 7 }
  local function random()
    return chance:random()
  end
  for walk = 1, walks do
    local world, all = together(self)
    local both = { world = world, all = all, known = { id = 0 } }
    noticed(self, world, both.known)
    both.locals = self:begin()
    for i = 1, length do
      local expected = random_step(self, both, random)
      local got = noticed(self, world, both.known)
      local due
      for _, id in ipairs(both.locals) do
        due = math.min(due or math.huge, self.nodes[id].due or math.huge)
      end
      assert(concat(got, " ") == concat(expected, " ")
        and (due_in(world) or math.huge) == due,
        ("walk %d, step %d: the world sends %s, the search %s"):format(walk, i,
          concat(got, " "), concat(expected, " ")))
    end
    world:close()
  end
  chance:close()
end

return M

--- Search of all orders: a few endpoints, what was sent between them, and each choice
--- that a network and its clocks have. Every state is visited once.
---
--- What the network may do. A message that has been sent can be delivered at any time
--- from then on, any number of times, or never, for T4 (RFC 3261 17.1.2.2: none stays
--- longer). So the messages of a state are a set, and delivering takes nothing out of
--- it: "lost" is what was not delivered before the end, "doubled" what was delivered
--- again, "late" what was delivered after others. Whoever scripts the hosts may act at
--- any time (an answer, a hangup). A clock stands still until a choice says that the
--- next timer of its host fires: the number of those is the one thing that is bounded.
--- Each host has a clock of its own, that goes on when one of its timers fires and when
--- a message comes that was sent later; so a timer here and one there fire in either
--- order, unless a message between them says which was first. No clock is more than T2
--- behind another. What is sent again while it is under way is as old as the first.
--- Where a scenario says how many messages may be under way at once, those that were
--- delivered and may come again among them, what makes more of them is not followed.
---
--- A state is a tuple of states of hosts (spec/support/apart.lua) with their clocks,
--- the set of messages, and how many timers may still fire.
---
--- Partial order. Choices at different hosts commute, and the two orders meet in the
--- same tuple: they cost a look into the set of states that were visited, not a run. A
--- delivery that changes nothing at its host and sends nothing that is not under way
--- already is no step at all.
---
--- The end of a state. When no timer may fire any more and nobody has anything left to
--- do, everything under way is lost; from there on nothing is: each message arrives at
--- once, each timer fires when it is due, until nothing is armed. Then who has a call
--- has it with somebody who has it too, everyone hangs up, and at last nothing is left.

local apart_of = require "spec.support.apart"

local M = {}

local concat = table.concat

-- RFC 3261 table 4, in milliseconds. The end of a state may take a ring time, 64*T1 for
-- what was cancelled then, and as much again for a BYE; timer C would take longer.
local T2, T4, END = 4000, 5000, 150000

-- A message and an instant as one number: so many instants, and 4096 messages.
local SPREAD = 65536

---@class spec.Scenario
---@field hosts spec.SearchHost[]
---@field quiet? boolean  begin when what setup started has come to rest, without faults
---@field firings integer  how many timers may fire before the end
---@field messages? integer  how many may be under way at once; any number
---@field agree? fun(outcomes: string[]): string?  what is wrong with them

---@class spec.Search
local Search = {}
local search_mt = { __index = Search }

---@param scenario spec.Scenario
---@return spec.Search
function M.new(scenario)
  return setmetatable({
    scenario = scenario,
    hosts = scenario.hosts,
    apart = apart_of.new(scenario.hosts, scenario),
  }, search_mt)
end

-- When a message that was sent at an instant arrives, at the earliest; nil: it does
-- not, because it is too old, or because a timer fires before.
local function arrival(self, state, h, sent_ms)
  local now = state.clocks[h]
  local due = self.apart.nodes[state.locals[h]].due
  local at_ms = math.max(now, sent_ms)
  if now - sent_ms < T4 and (not due or at_ms < due) then
    return at_ms
  end
end

-- Which is next: a message that is on its way, or a timer; an index, or a host.
local function next_event(self, state, queue)
  local best, index, host
  for h, id in ipairs(state.locals) do
    local due = self.apart.nodes[id].due
    if due and (not best or due < best) then
      best, host = due, h
    end
  end
  for i, message in ipairs(queue) do
    local at_ms = arrival(self, state, self.apart.messages[message.id].host, message.at)
    if at_ms and (not best or at_ms < best) then
      best, index = at_ms, i
    end
  end
  return best, index, host
end

-- Nothing is lost any more, until nothing is armed; false when another state has come
-- here already. Changes the state.
local function rest(self, state, queue, seen)
  local began = math.max(table.unpack(state.clocks))
  local locals, clocks = state.locals, state.clocks
  while true do
    local key = seen and not queue[1]
      and concat(locals, " ") .. "@" .. concat(clocks, " ")
    if key and seen[key] then
      return false
    elseif key then
      seen[key] = true
    end
    local at_ms, index, h = next_event(self, state, queue)
    if not at_ms then
      return true
    elseif at_ms > began + END then
      return false, ("something is still armed after %d s"):format(END / 1000)
    end
    local input = "tick"
    if index then
      input = table.remove(queue, index).id
      h = self.apart.messages[input].host
    end
    local result = self.apart:step(locals[h], input, at_ms)
    locals[h], clocks[h] = result.node, at_ms
    for _, id in ipairs(result.sent) do
      queue[#queue + 1] = { id = id, at = at_ms }
    end
  end
end

-- Whether each confirmed dialog has its other end.
local function unpaired(self, locals)
  local ends = {}
  for _, id in ipairs(locals) do
    for _, d in ipairs(self.apart.nodes[id].dialogs) do
      ends[concat({ d[1], d[2], d[3] or "" }, " ")] = d[4]
    end
  end
  for _, id in ipairs(locals) do
    for _, d in ipairs(self.apart.nodes[id].dialogs) do
      if not ends[concat({ d[1], d[3] or "", d[2] }, " ")] then
        return ("%s has a dialog (%s) that the other end has not"):format(
          self.hosts[self.apart.nodes[id].host].ip, d[4])
      end
    end
  end
end

local function wrong_at_rest(self, locals)
  local outcomes = {}
  for h, id in ipairs(locals) do
    outcomes[h] = self.apart.nodes[id].outcome
  end
  return unpaired(self, locals)
    or self.scenario.agree and self.scenario.agree(outcomes)
end

-- The end of a state: what is wrong with it, if anything.
local function finish(self, state)
  local last = {
    locals = table.move(state.locals, 1, #state.locals, 1, {}),
    clocks = table.move(state.clocks, 1, #state.clocks, 1, {}),
  }
  local ok, why = rest(self, last, {}, self.rested)
  if not ok then
    return why
  end
  self.ends = self.ends + 1
  why = wrong_at_rest(self, last.locals)
  if why then
    return why
  end
  local now = math.max(table.unpack(last.clocks))
  for h in ipairs(last.locals) do
    local result = self.apart:step(last.locals[h], "end", math.max(now, last.clocks[h]))
    last.locals[h], last.clocks[h] = result.node, now
    local queue = {}
    for i, id in ipairs(result.sent) do
      queue[i] = { id = id, at = now }
    end
    ok, why = rest(self, last, queue)
    if not ok then
      return why
    end
    now = math.max(table.unpack(last.clocks))
  end
  for h, id in ipairs(last.locals) do
    local node = self.apart.nodes[id]
    if node.failed then
      return "a script failed: " .. node.failed
    elseif node.alive then
      return ("left alive at %s: %s"):format(self.hosts[h].ip, node.alive)
    end
  end
end

-- A state as a string of numbers: the timers that may fire, the states of hosts, their
-- clocks, the messages.
local function key_of(self, state)
  local list, n = { state.left + 1 }, #state.locals
  table.move(state.locals, 1, n, 2, list)
  for h, clock in ipairs(state.clocks) do
    list[n + 1 + h] = self.apart:time(clock)
  end
  table.move(state.flying, 1, #state.flying, 2 * n + 2, list)
  return utf8.char(table.unpack(list))
end

-- A message under way is its number and the instant that it was sent at.
local function pack(self, id, at_ms)
  return id * SPREAD + self.apart:time(at_ms)
end

local function unpack(self, item)
  return item // SPREAD, self.apart.times[item % SPREAD]
end

-- A set, as a sorted array, with more in it; the same array when there is nothing new.
-- What is sent again while it is under way is one message, as old as the first.
local function with(self, set, sent, at_ms)
  local copy
  for _, id in ipairs(sent) do
    local into = copy or set
    local i = #into
    while i > 0 and into[i] // SPREAD > id do
      i = i - 1
    end
    if i == 0 or into[i] // SPREAD ~= id then
      copy = copy or table.move(set, 1, #set, 1, {})
      table.insert(copy, i + 1, pack(self, id, at_ms))
    end
  end
  return copy or set
end

local function changed(array, i, value)
  local copy = table.move(array, 1, #array, 1, {})
  copy[i] = value
  return copy
end

-- Without what has become too old.
local function fresh(self, flying, clocks)
  local kept
  for i, item in ipairs(flying) do
    local id, sent_ms = unpack(self, item)
    if clocks[self.apart.messages[id].host] - sent_ms >= T4 then
      kept = kept or table.move(flying, 1, i - 1, 1, {})
    elseif kept then
      kept[#kept + 1] = item
    end
  end
  return kept or flying
end

-- What comes of something that happens at a host; nil: nothing.
local function after(self, state, h, input, at_ms)
  local result = self.apart:step(state.locals[h], input, at_ms)
  local flying = with(self, state.flying, result.sent, at_ms)
  local fires = input == "tick"
  if result.node == state.locals[h] and flying == state.flying and not fires then
    return nil
  end
  local clocks = state.clocks
  if at_ms > clocks[h] then
    clocks = changed(clocks, h, at_ms)
    for i, clock in ipairs(clocks) do
      clocks[i] = math.max(clock, at_ms - T2)
    end
    flying = fresh(self, flying, clocks)
  end
  return {
    locals = changed(state.locals, h, result.node),
    clocks = clocks,
    left = fires and state.left - 1 or state.left,
    flying = flying,
    before = state, h = h, input = input, at = at_ms,
  }
end

-- The latest instant at which a timer may fire now.
local function latest(self, locals)
  local due = math.huge
  for _, id in ipairs(locals) do
    due = math.min(due, self.apart.nodes[id].due or math.huge)
  end
  return due + T2
end

-- What may come of a state: each one step further.
local function choices(self, state)
  local list = {}
  local last = state.left > 0 and latest(self, state.locals) or -1
  for h, id in ipairs(state.locals) do
    local node = self.apart.nodes[id]
    local before = state.clocks[h] < (node.due or math.huge)
    for _, act in ipairs(before and node.acts or {}) do
      list[#list + 1] = after(self, state, h, act, state.clocks[h])
    end
    if node.due and node.due <= last then
      list[#list + 1] = after(self, state, h, "tick", node.due)
    end
  end
  for _, item in ipairs(state.flying) do
    local id, sent_ms = unpack(self, item)
    local h = self.apart.messages[id].host
    local at_ms = arrival(self, state, h, sent_ms)
    if at_ms then
      list[#list + 1] = after(self, state, h, id, at_ms)
    end
  end
  return list
end

-- Whether a state is to be brought to its end: no timer may fire any more, and nobody
-- has anything left to do.
local function is_last(self, state)
  local armed = false
  for _, id in ipairs(state.locals) do
    if self.apart.nodes[id].acts[1] then
      return false
    end
    armed = armed or self.apart.nodes[id].due
  end
  return state.left == 0 or not armed
end

--- The way to a state, one line for each choice.
---@return string
function Search:way(state)
  local lines = {}
  while state.before do
    local h, input = state.h, state.input
    local what = input == "tick" and "a timer fires at " .. self.hosts[h].ip
      or input < 0 and self.hosts[h].ip .. " " .. self.hosts[h].acts[-input].name
      or self.apart.messages[input].text
    table.insert(lines, 1, ("%8.3f %s"):format(state.at / 1000, what))
    state = state.before
  end
  return concat(lines, "\n")
end

-- The state that the search begins with.
local function start(self)
  local locals, sent = self.apart:begin()
  local clocks, i = {}, 1
  for h in ipairs(locals) do
    clocks[h] = 0
  end
  while self.scenario.quiet and sent[i] do
    local h = self.apart.messages[sent[i]].host
    local result = self.apart:step(locals[h], sent[i], 0)
    locals[h] = result.node
    table.move(result.sent, 1, #result.sent, #sent + 1, sent)
    i = i + 1
  end
  return { locals = locals, clocks = clocks, left = self.scenario.firings,
    flying = with(self, {}, self.scenario.quiet and {} or sent, 0) }
end

--- Visit every state. Ends with the first that is wrong, or when there are more than
--- `bound` of them.
---@param bound? integer
---@return table result  states, steps, ends, depth, under way, complete, why, way
function Search:run(bound)
  local first = start(self)
  first.depth = 0
  local seen, queue, head, states = { [key_of(self, first)] = true }, { first }, 1, 1
  local result = { steps = 0, depth = 0, flying = 0 }
  local most = self.scenario.messages or math.huge
  self.rested, self.ends = {}, 0
  while queue[head] and states <= (bound or math.huge) and not result.why do
    local state = queue[head]
    queue[head] = nil
    head = head + 1
    result.depth = math.max(result.depth, state.depth)
    result.flying = math.max(result.flying, #state.flying)
    local why = is_last(self, state) and finish(self, state)
    if why then
      result.why, result.way = why, self:way(state)
    end
    for _, next_state in ipairs(choices(self, state)) do
      result.steps = result.steps + 1
      local key = #next_state.flying <= most and key_of(self, next_state)
      if key and not seen[key] then
        seen[key] = true
        states = states + 1
        next_state.depth = state.depth + 1
        queue[states] = next_state
      end
    end
    state.locals, state.clocks, state.flying = nil, nil, nil -- only the way is kept
  end
  result.states, result.ends = states, self.ends
  result.runs = self.apart.runs
  result.complete = not result.why and not queue[head]
  return result
end

--- One line about a result.
---@param name string
---@param r table
---@return string
function M.line(name, r)
  return ("search: %s: %d states, %d steps, depth %d, at most %d messages; %d ends; "
    .. "%d runs of a host; complete: %s"):format(name, r.states, r.steps, r.depth,
    r.flying, r.ends, r.runs, r.complete and "yes" or "no")
end

return M

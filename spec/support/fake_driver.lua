--- A driver for the scheduler with virtual time and nothing else: timers fire
--- in the order of their deadlines, equal ones in the order of arming, and no
--- instant is left before every coroutine that is ready has run.

local M = {}

---@class spec.FakeDriver
---@field clock number      seconds
---@field woken boolean     the scheduler has asked for a turn
---@field turns integer     turns given so far
---@field sched? sip.Scheduler
local Driver = {}
local driver_mt = { __index = Driver }

---@return spec.FakeDriver
function M.new()
  return setmetatable({
    clock = 0,
    woken = false,
    turns = 0,
    last = 0,
    count = 0,
    timers = {},
  }, driver_mt)
end

function Driver:now()
  return self.clock
end

function Driver:arm(seconds)
  local id = self.last + 1
  self.last = id
  self.timers[id] = self.clock + seconds
  self.count = self.count + 1
  return id
end

function Driver:stop(id)
  if self.timers[id] then
    self.timers[id] = nil
    self.count = self.count - 1
  end
end

function Driver:token(n)
  self.tokens = (self.tokens or 0) + 1
  return ("%0" .. n .. "x"):format(self.tokens)
end

function Driver:wake()
  self.woken = true
end

--- Give turns until the scheduler asks for none.
function Driver:settle()
  while self.woken do
    self.woken = false
    self.turns = self.turns + 1
    self.sched:turn()
  end
end

local function earliest(self)
  local first
  for id, at in pairs(self.timers) do
    if not first or at < self.timers[first]
      or (at == self.timers[first] and id < first) then
      first = id
    end
  end
  return first
end

--- Let this much time pass.
---@param seconds number
function Driver:advance(seconds)
  local target = self.clock + seconds
  self:settle()
  local id = earliest(self)
  while id and self.timers[id] <= target do
    self.clock = self.timers[id]
    self:stop(id)
    self.sched:fired(id)
    self:settle()
    id = earliest(self)
  end
  self.clock = target
end

M.advance = Driver.advance

return M

--- One coroutine of the scheduler and its one wait.
---
--- Every wait has a number, its ticket: whoever wants to end the wait shows it,
--- and a used, timed out or cancelled ticket is worth nothing. So a late answer
--- never reaches the next verb, nor the next task of a pooled coroutine.

local err = require "sip.rt.err"
local unwind = require "sip.rt.unwind"

local M = {}

local yield, pack, unpack = coroutine.yield, table.pack, table.unpack

---@alias sip.TaskState "new"|"running"|"answered"|"waiting"|"ready"|"dead"

---@class sip.Task
---@field scope sip.Scope        dies with it
---@field state sip.TaskState
---@field cancelled? sip.Cancelled  what it was cancelled by
---@field ending? boolean        it was cancelled or has failed
---@field failure? any           the error that ended it
---@field traceback? string      where that was raised
---@field results? table         what its function has returned, packed
---@field thread thread|false         while it runs
---@field private fn? function
---@field private serial integer the ticket of the present wait
---@field private raised? boolean  its script was shown the cancellation
local Task = {}
local task_mt = { __name = "sip.Task", __index = Task }

function task_mt:__tostring()
  return ("sip.Task{%s; %s}"):format(self.scope.name, self.state)
end

-- Values on their way into the coroutine, as arguments or as results: mostly two
-- at most, and those need no table.
local function take(self)
  local n, a, b = self.n, self.first, self.second
  if n == 1 then
    self.first = nil
    return a
  elseif n == 0 then
    return
  elseif n < 0 then -- interrupted
    error(self.cancelled, 0)
  end
  self.first, self.second = nil, nil
  if n == 2 then
    return a, b
  end
  return unpack(a, 1, n)
end

M.take = take

-- The place of a task that only lets time pass.
local asleep = { forget = function() end }

M.asleep = asleep

--- A task that has not run. Only scopes make them.
---@return sip.Task
function M.new(scope, fn, ...)
  local n = select("#", ...)
  local first, second = ...
  if n > 2 then
    first, second = pack(...), nil
  end
  -- Sixteen fields: what is nil here has its room in the table all the same. What
  -- is looked at in every wait is false, because a missing field costs a search of
  -- the metatable.
  return setmetatable({
    scope = scope,
    state = "new",
    serial = 0,
    fn = fn,
    n = n,
    first = first,
    second = second,
    place = false,
    timer = false,
    ending = false,
    thread = false,
    before = nil,
    after = nil,
    results = nil,
    cancelled = nil,
    raised = nil,
  }, task_mt)
end

-- The present wait is over without an answer: void its ticket and tell the
-- place it waited at.
local function abandon(self, why)
  local sched, timer, place = self.scope.sched, self.timer, self.place
  self.serial = self.serial + 1
  if timer then
    self.timer = false
    sched:disarm(timer)
  end
  if place then
    self.place = false
    if type(place) == "function" then
      sched:guard(place, why)
    else
      place:forget(self, why)
    end
  end
end

--- Suspend the running task until it is delivered to. Raises when it is
--- cancelled meanwhile.
---@param timeout? number   seconds; then the results are nil and "timeout"
---@param place? function|table  called with the reason, or its method `forget`,
---                              when the wait ends without an answer
---@return any ...
function Task:block(timeout, place)
  if place then
    self.place = place
  end
  if timeout then
    self.timer = self.scope.sched:arm(timeout, self)
  end
  self.state = "waiting"
  yield()
  return take(self)
end

--- End the present wait with these results. Whoever calls this has made sure
--- that it is still the wait he means.
function Task:deliver(...)
  local n = select("#", ...)
  self.serial = self.serial + 1
  self.n = n
  if n <= 2 then
    self.first, self.second = ...
  else
    self.first = pack(...)
  end
  if self.state == "waiting" then
    if self.timer then
      self.scope.sched:disarm(self.timer)
      self.timer = false
    end
    if self.place then
      self.place = false
    end
    self.state = "ready"
    self.scope.sched:enqueue(self)
  else -- within start, before the wait
    self.state = "answered"
  end
end

--- A timer of this task has fired: that of its wait, or that of its cleanup.
function Task:expired(id)
  if id == self.timer then
    self.timer = false
    if self.place == asleep then
      self:deliver(true)
    else
      abandon(self, "timeout")
      self:deliver(nil, err.new("timeout"))
    end
  elseif id == self.limit_timer then
    self.limit_timer = nil
    self:kill("cleanup")
  end
end

-- What is left of the time in which the closers of an ending task may wait.
local function remaining(self)
  local sched = self.scope.sched
  local since = self.cancelled and self.cancelled.at or self.failed_at
  return since + sched.cleanup - sched.driver:now()
end

-- Bound the cleanup of an ending task; false when its time is over.
local function limit(self)
  if self.limit_timer then
    return true
  end
  local seconds = remaining(self)
  if seconds <= 0 then
    return false
  end
  self.limit_timer = self.scope.sched:arm(seconds, self)
  return true
end

--- Whether its closers run, after an error or a cancellation, or at the end of a block.
---@return boolean
function Task:is_closing()
  return self.traceback ~= nil or unwind.closing(self.thread)
end

--- The wait raises the cancellation.
function Task:interrupt()
  abandon(self, "cancelled")
  self.n, self.raised = -1, true
  self.state = "ready"
  self.scope.sched:enqueue(self)
end

--- Cancel: the wait of the script, or its next one, raises; at a place with others
--- in it (`leave`) only when they have ended. A closer that waits is left alone, for
--- as long as cleanup may take.
---@param cancelled sip.Cancelled
function Task:cancel(cancelled)
  local state = self.state
  if self.cancelled or state == "dead" then
    return
  end
  self.cancelled, self.ending = cancelled, true
  if state == "new" then
    self:finish()
  elseif state == "waiting" then
    local place = self.place
    if self:is_closing() then
      if not limit(self) then
        self:kill("cleanup")
      end
    elseif not (type(place) == "table" and place.leave and place:leave(cancelled)) then
      self:interrupt()
    end
  end
end

--- Whether an error is the cancellation of this task on its way.
---@param e any
---@return boolean
function Task:unwinds(e)
  local cancelled = self.cancelled
  return cancelled ~= nil and rawequal(e, cancelled)
end

--- What a verb does first in a task that is ending: a closer may go on, the
--- script is shown the cancellation once, and at its second verb it is parked:
--- the scheduler finds it so and kills it.
function Task:enter_ending()
  local closing = self:is_closing()
  if closing and limit(self) then
    return
  end
  if not closing and not self.raised then
    self.raised = true
    error(self.cancelled, 0)
  end
  self.parked = closing and "cleanup" or "caught"
  self.state = "waiting"
  yield()
end

--- End a task that is not running, wherever it waits. The closers still pending
--- run, and cannot wait.
---@param why string
function Task:kill(why)
  local sched, thread = self.scope.sched, self.thread
  if self.state == "dead" then
    return
  end
  assert(self.scope.sched.current ~= self, "a running task cannot be killed")
  if self.state == "waiting" then
    abandon(self, "killed")
  end
  self.state = "dead"
  self.thread = false
  if thread then
    local ok, e = sched:shut(thread, self)
    if not ok and not self:unwinds(e) then
      self.traceback = self.traceback or tostring(e)
      self.failure, self.reported = e, nil
    end
  end
  sched:killed(self, why)
  self:finish()
end

--- The end of every task, however it came.
function Task:finish()
  local sched, timer, watchers, group = self.scope.sched, self.limit_timer,
    self.watchers, self.group
  self.state = "dead"
  self.serial = self.serial + 1
  self.thread, self.fn = false, nil
  self.first, self.second = nil, nil
  if timer then
    self.limit_timer = nil
    sched:disarm(timer)
  end
  if group then
    group:ended(self)
  elseif self.traceback and not self.reported then
    sched:report(self)
  end
  if watchers then
    watchers:notify(true)
  end
  self.scope:left(self)
end

--- Wait until a task has ended.
---@param timeout? number
---@return any ...  what its function returned; nil and an error if it failed,
---                 was cancelled ("ended") or takes longer than that
function Task:wait(timeout)
  assert(self.scope.sched.current ~= self, "a task cannot wait for itself")
  if self.state ~= "dead" then
    self.watchers = self.watchers or self.scope.sched:event()
    local ok, e = self.watchers:wait(timeout)
    if not ok then
      return nil, e
    end
  end
  if self.failure ~= nil then
    return nil, err.new("rejected", { cause = self.failure })
  elseif not self.results then
    return nil, err.new("ended")
  end
  return unpack(self.results, 1, self.results.n)
end

return M

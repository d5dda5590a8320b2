--- The coroutines of a scheduler: each runs one task after the other, and waits in a
--- pool between them, because a new one costs more than most calls need.

local task_of = require "sip.rt.task"

local M = {}

local create, yield = coroutine.create, coroutine.yield
local take = task_of.take

local NOTHING = { n = 0 }

--- What one yields between two tasks.
M.IDLE = {}

local IDLE = M.IDLE

-- The end of a function: its results, its error, or its cancellation.
local function settle(task, ok, ...)
  if ok then
    task.results = select("#", ...) > 0 and table.pack(...) or NOTHING
  elseif not task:unwinds((...)) then
    task.failure = (...) == nil and "nil" or (...)
    task.traceback = task.traceback or tostring((...))
  end
end

local function make_thread(self)
  local thread = create(function(task)
    while true do
      settle(task, xpcall(task.fn, self.handler, take(task)))
      task = yield(IDLE)
    end
  end)
  if self.watch then
    self.watch(thread)
  end
  return thread
end

--- One for a task, from the pool or new.
---@param self sip.Scheduler
---@return thread
---@private
function M.acquire(self)
  local n = self.pooled
  if n == 0 then
    return make_thread(self)
  end
  local thread = self.pool[n]
  self.pool[n] = nil
  self.pooled = n - 1
  return thread
end

--- Its task has ended: back into the pool, if there is room.
---@param self sip.Scheduler
---@param thread thread
---@private
function M.release(self, thread)
  local n = self.pooled + 1
  if n <= self.pool_max then
    self.pool[n] = thread
    self.pooled = n
  end
end

return M

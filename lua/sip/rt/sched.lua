--- The scheduler: the only place where coroutines are resumed; with sip.rt.threads,
--- which makes them, and sip.rt.task, which suspends them, nobody else knows of any. It
--- knows no clock and no loop; a driver is put in.
---
--- The driver has `now()` (seconds), `arm(seconds) -> id`, `stop(id)`, `wake()`
--- ("call turn"), `token(n)`, and may have `cpu()`: seconds of real time by which
--- a script that never waits is found out, or nil where none is to be; and `pulse`
--- (see sip.rt.slice). In return it calls `fired(id)` for a timer and, after wake,
--- `turn()` once.
---
--- One turn resumes what was ready when it began. What becomes ready meanwhile
--- waits for the next one, so that scripts cannot starve the network.

local misuse = require "sip.rt.misuse"
local scope = require "sip.rt.scope"
local slice = require "sip.rt.slice"
local threads = require "sip.rt.threads"
local waiting = require "sip.rt.waiting"

local M = {}

local coresume, running, isyieldable = coroutine.resume, coroutine.running,
  coroutine.isyieldable
local acquire, release, IDLE = threads.acquire, threads.release, threads.IDLE

local KILLED = setmetatable({}, { __tostring = function()
  return "the task was killed"
end })

---@class sip.Driver
---@field now fun(self): number
---@field arm fun(self, seconds: number): integer
---@field stop fun(self, id: integer)
---@field wake fun(self)
---@field token fun(self, n: integer): string
---@field cpu? fun(self): number?
---@field pulse? fun(self, look: function): function?

---@class sip.SchedulerOptions
---@field on_error? fun(traceback: string, task?: sip.Task)
---@field on_kill? fun(task: sip.Task, why: string)  "caught", "cleanup", "closed"
---@field slice? number    seconds a script may run without waiting
---@field cleanup? number  seconds the closers of an ended script may wait
---@field pool? integer    coroutines kept for reuse

---@class sip.Scheduler
---@field driver sip.Driver
---@field root sip.Scope       what spawn outside of any task belongs to
---@field live integer         tasks alive
---@field armed integer        timers armed
---@field current sip.Task|false  the one that runs now
---@field cleanup number
---@field private awake boolean
local Scheduler = {}
local scheduler_mt = { __name = "sip.Scheduler", __index = Scheduler }

for name, verb in pairs(waiting) do
  Scheduler[name] = verb
end

local defaults = {
  on_error = false,
  on_kill = false,
  slice = 2,
  cleanup = 10,
  pool = 1024,
}

local function complain(text)
  io.stderr:write("sip: ", text, "\n")
end

-- Runs where an uncaught error is raised, before anything unwinds.
local function make_handler(self)
  return function(e)
    local task = self.current or self.dying
    if self.watch then -- the closers get a slice of their own
      self.slices = self.slices + 1
      self.watch(running())
    end
    if not task:unwinds(e) then
      local text = debug.traceback(tostring(e), 2)
      local inner = task.inherited
      if inner and rawequal(inner.failure, e) then
        text = inner.traceback .. "\nwaited for by:\n" .. text
      end
      task.failure = e == nil and "nil" or e
      task.traceback, task.ending = text, true
      task.failed_at = self.driver:now()
    end
    return e
  end
end

--- A scheduler over a driver.
---@param driver sip.Driver
---@param options? sip.SchedulerOptions
---@return sip.Scheduler
function M.new(driver, options)
  options = options or {}
  for key in pairs(options) do
    if defaults[key] == nil then
      error(("unknown option %q"):format(tostring(key)), 2)
    end
  end
  local self = setmetatable({
    driver = driver,
    on_error = options.on_error or complain,
    on_kill = options.on_kill,
    slice = options.slice or defaults.slice,
    cleanup = options.cleanup or defaults.cleanup,
    pool_max = options.pool or defaults.pool,
    pool = {},
    pooled = 0,
    ready = {},
    spare = {},
    count = 0,
    timers = {},
    live = 0,
    armed = 0,
    slices = 0,
    awake = false,
    current = false,
    dying = false,
  }, scheduler_mt)
  self.root = scope.new(self, "root")
  self.handler = make_handler(self)
  self.mark, self.watch = slice.of(self)
  return self
end

function scheduler_mt:__tostring()
  return ("sip.Scheduler{%d tasks; %d timers}"):format(self.live, self.armed)
end

--- The driver's time, in seconds.
---@return number
function Scheduler:now()
  return self.driver:now()
end

--- Start a timer for something with a method `expired(id)`.
---@param seconds number
---@param owner table
---@return integer id
function Scheduler:arm(seconds, owner)
  local id = self.driver:arm(seconds)
  self.timers[id] = owner
  self.armed = self.armed + 1
  return id
end

--- Stop a timer that has not fired.
---@param id integer
function Scheduler:disarm(id)
  if self.timers[id] then
    self.timers[id] = nil
    self.armed = self.armed - 1
    self.driver:stop(id)
  end
end

--- A timer has fired (called by the driver).
---@param id integer
function Scheduler:fired(id)
  local owner = self.timers[id]
  if owner then
    self.timers[id] = nil
    self.armed = self.armed - 1
    owner:expired(id)
  end
end

--- Queue a task for the next turn (called by tasks and scopes).
function Scheduler:enqueue(task)
  local n = self.count + 1
  self.ready[n] = task
  self.count = n
  if not self.awake then
    self.awake = true
    self.driver:wake()
  end
end

local function fail(task, thread, text)
  task.failure = text
  task.traceback = debug.traceback(thread, text)
end

local function resume(self, task)
  local thread = task.thread
  if not thread then
    thread = acquire(self)
    task.thread = thread
  end
  task.state = "running"
  self.current = task
  self.slices = self.slices + 1
  local mark = self.mark
  mark(thread)
  local ok, verdict = coresume(thread, task)
  mark()
  self.current = false
  if ok and verdict == IDLE then
    release(self, thread)
    task:finish()
  elseif not ok then -- nothing of ours lets an error through: out of memory, say
    fail(task, thread, tostring(verdict))
    task:finish()
  elseif task.state ~= "waiting" then
    task.state = "waiting"
    fail(task, thread, "coroutine.yield in a script: use sip.await")
    task:kill("yielded")
  elseif task.ending then
    if task.parked then
      task:kill(task.parked)
    elseif task.traceback and not task.reported and not task.group then
      self:report(task) -- its closers may still take a while
    end
  elseif task.scope.within then
    task.scope:waits()
  end
end

--- Resume what is ready (called by the driver, once after each wake).
function Scheduler:turn()
  if self.current then
    error("a task cannot turn its own scheduler", 2)
  end
  local batch, n = self.ready, self.count
  self.ready, self.spare, self.count = self.spare, batch, 0
  self.awake = false
  for i = 1, n do
    local task = batch[i]
    batch[i] = nil
    if task.state ~= "dead" then
      resume(self, task)
    end
  end
end

--- Run a function in a task of its own, from the next turn on. It belongs to the
--- scope of the task that spawns it and dies with that.
---@param fn function
---@param ... any  its arguments
---@return sip.Task
function Scheduler:spawn(fn, ...)
  local current = self.current or self.dying
  return (current and current.scope or self.root):spawn(fn, ...)
end

--- Run a function in a task that nothing cancels, for at most this long; then
--- it is cancelled, and its closers cannot wait.
---@param seconds? number  without it: the time for cleanup
---@param fn function
---@param ... any  its arguments
---@return sip.Task
function Scheduler:shielded(seconds, fn, ...)
  local shield = scope.new(self, "shield", self.root)
  local task = shield:spawn(fn, ...)
  shield:seal(seconds or self.cleanup)
  return task
end

--- A new scope, below the root unless told otherwise.
---@param name string
---@param parent? sip.Scope
---@return sip.Scope
function Scheduler:scope(name, parent)
  return scope.new(self, name, parent or self.root)
end

local function stray(self)
  local dying = self.dying
  if dying and self.dying_thread == running() then
    dying.cancelled = dying.cancelled or KILLED
    error(dying.cancelled, 0)
  end
  misuse.raise("only a task of luasip can wait: use sip.spawn")
end

--- What every verb that may wait does first, whether it will wait or not. Raises
--- if the task was cancelled, and where nothing can wait.
---@return sip.Task current
function Scheduler:enter()
  local task = self.current
  if not task or task.thread ~= running() then
    stray(self)
  elseif not isyieldable() then
    error("cannot wait inside a C function's callback", 3)
  end
  if task.ending then
    task:enter_ending()
  end
  task.serial = task.serial + 1
  return task
end

--- The task that calls, if it is one of ours that does.
---@return sip.Task?
function Scheduler:running()
  local task = self.current
  return task and task.thread == running() and task or nil
end

--- For verbs that have their answer at once: raises if the task was cancelled.
function Scheduler:checkpoint()
  self:enter()
end

--- Call something that must neither wait nor fail, and report it if it does.
function Scheduler:guard(fn, ...)
  local ok, text = xpcall(fn, debug.traceback, ...)
  if not ok and not pcall(self.on_error, text) then
    complain(text)
  end
end

--- Tell of a task that failed, once: the nearest scope that wants to know, else
--- the scheduler's owner.
function Scheduler:report(task)
  task.reported = true
  local at = task.scope
  while at and not at.on_error do
    at = at.parent
  end
  self:guard(at and at.on_error or self.on_error, task.traceback, task)
end

--- Tell of a task that was killed (called by the task).
function Scheduler:killed(task, why)
  if self.on_kill then
    self:guard(self.on_kill, task, why)
  end
end

--- Close a suspended coroutine. Its closers run here and cannot wait: a verb in
--- them raises what ended the task (called by the task).
function Scheduler:shut(thread, task)
  local current, dying, dying_thread = self.current, self.dying, self.dying_thread
  self.current, self.dying, self.dying_thread = false, task, thread
  self.slices = self.slices + 1
  self.mark(thread)
  local ok, e = coroutine.close(thread)
  self.mark(current and current.thread)
  self.current, self.dying, self.dying_thread = current, dying, dying_thread
  return ok, e
end

--- End every task, now. Closers run and cannot wait. For leaving politely cancel
--- the root scope and go on turning until nothing is alive.
function Scheduler:close()
  repeat -- what ends here may have something to run finally: that dies with it
    self.root:kill("closed")
  until self.live == 0 or self.current
  self.pool, self.pooled = {}, 0
end

return M

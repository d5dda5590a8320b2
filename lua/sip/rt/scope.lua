--- Cancellation scopes: a tree, with tasks in it. Cancelling a scope cancels
--- what is in it and below it, and names it, so that a task knows whether it was
--- its call that ended or only an inner timeout. A scope has ended when it was
--- cancelled and nothing lives in it any more.

local task = require "sip.rt.task"

local M = {}

---@class sip.Cancelled
---@field scope string   the name of the scope that was cancelled
---@field reason any     why, as given to cancel
---@field at number      when
local cancelled_mt = { __name = "sip.Cancelled" }

function cancelled_mt:__tostring()
  return ("the %s was cancelled (%s)"):format(self.scope, tostring(self.reason))
end

---@class sip.Scope
---@field name string
---@field parent? sip.Scope        none: the root
---@field cancelled? sip.Cancelled
---@field ended boolean
---@field live integer             tasks and scopes alive in it
---@field on_error? fun(traceback: string, task: sip.Task)  instead of the scheduler's
---@field owner? any               whatever the maker of the scope wants to find
---@field private sched sip.Scheduler
---@field private shield? boolean  not cancelled with its parent
local Scope = {}
local scope_mt = { __name = "sip.Scope", __index = Scope }

function scope_mt:__tostring()
  local state = self.ended and "ended" or self.cancelled and "cancelled" or "open"
  return ("sip.Scope{%s; %s; %d}"):format(self.name, state, self.live)
end

-- Tasks and scopes stand in lists threaded through themselves.
local function link(self, list, node)
  local last = self[list]
  node.before = last
  if last then
    last.after = node
  end
  self[list] = node
end

local function unlink(self, list, node)
  local before, after = node.before, node.after
  if before then
    before.after = after
  end
  if after then
    after.before = before
  else
    self[list] = before
  end
  node.before, node.after = nil, nil
end

-- The list as an array, oldest first: what is in it may end while it is walked.
local function members(self, list)
  local nodes, n = {}, 0
  local node = self[list]
  while node do
    n = n + 1
    nodes[n] = node
    node = node.before
  end
  for i = 1, n // 2 do
    nodes[i], nodes[n + 1 - i] = nodes[n + 1 - i], nodes[i]
  end
  return nodes
end

--- A scope below a parent. One made below a parent that is already cancelled
--- belongs to a closer and outlives it.
---@param sched sip.Scheduler
---@param name string
---@param parent? sip.Scope
---@return sip.Scope
function M.new(sched, name, parent)
  local self = setmetatable({
    sched = sched,
    name = name,
    parent = parent,
    ended = false,
    live = 0,
    -- Named so that the table has room for them and never grows.
    before = nil,
    after = nil,
    tasks = nil,
    scopes = nil,
    cancelled = nil,
    waiter = nil,
    finals = nil,
    timer = nil,
    owner = nil,
    on_error = nil,
    shield = nil,
  }, scope_mt)
  if parent then
    assert(not parent.ended, "the parent scope has ended")
    self.shield = parent.cancelled ~= nil or nil
    link(parent, "scopes", self)
    parent.live = parent.live + 1
  end
  return self
end

--- Whether a value is a cancellation on its way through a script.
---@param value any
---@return boolean
function M.is_cancelled(value)
  return getmetatable(value) == cancelled_mt
end

--- Run a function in a task of this scope, from the next turn on. In a scope that
--- was cancelled or has ended it never runs.
---@param fn function
---@param ... any  its arguments
---@return sip.Task
function Scope:spawn(fn, ...)
  local sched = self.sched
  local child = task.new(self, fn, ...)
  if self.cancelled or self.ended then
    child.state, child.cancelled = "dead", self.cancelled
    return child
  end
  link(self, "tasks", child)
  self.live = self.live + 1
  sched:enqueue(child)
  sched.live = sched.live + 1
  return child
end

-- In a task that nothing cancels; its errors go where the scope's went.
local function run_final(self, fn)
  local shield = self.sched:shielded(nil, fn).scope
  shield.on_error, shield.owner = self.on_error, self.owner
end

-- Up the tree: whatever has become empty and was cancelled has ended.
local function settle(self)
  while self and self.live == 0 do
    local waiter, parent = self.waiter, self.parent
    if waiter then
      waiter:notify(true)
    end
    if self.ended or not parent or not (self.cancelled or self.sealed) then
      return
    end
    self.ended = true
    if self.timer then
      self.sched:disarm(self.timer)
      self.timer = nil
    end
    unlink(parent, "scopes", self)
    parent.live = parent.live - 1
    for _, final in ipairs(self.finals or {}) do
      run_final(self, final)
    end
    self.finals = nil
    self = parent
  end
end

--- A task of this scope has ended (called by the task).
function Scope:left(child)
  unlink(self, "tasks", child)
  self.live = self.live - 1
  self.sched.live = self.sched.live - 1
  if self.live == 0 then
    settle(self)
  end
end

local strike

local function strike_members(self, cancelled)
  if self.scopes then
    for _, scope in ipairs(members(self, "scopes")) do
      if not scope.shield and not scope.cancelled then
        strike(scope, cancelled)
        settle(scope)
      end
    end
  end
  local last = self.tasks
  if last and not last.before then -- only one, as in most calls
    last:cancel(cancelled)
  elseif last then
    for _, child in ipairs(members(self, "tasks")) do
      child:cancel(cancelled)
    end
  end
end

function strike(self, cancelled)
  self.cancelled = cancelled
  strike_members(self, cancelled)
end

local function cancellation(self, reason)
  return setmetatable({
    scope = self.name,
    reason = reason,
    -- A sealed scope has had its time: nothing is left for cleanup.
    at = self.sealed and -math.huge or self.sched.driver:now(),
  }, cancelled_mt)
end

--- Cancel what is in the scope and below it. Never waits, never raises; the
--- second time it does nothing.
---@param reason? any
---@return boolean first
function Scope:cancel(reason)
  if self.cancelled then
    return false
  end
  strike(self, cancellation(self, reason))
  settle(self)
  return true
end

--- The same for what is in it now: it stays, and takes others.
---@param reason? any
function Scope:sweep(reason)
  strike_members(self, cancellation(self, reason))
end

--- End the scope with the running task, which is about to return: what else lives in it
--- is cancelled.
---@param reason any
function Scope:finish(reason)
  if self.live > 1 then
    self:cancel(reason)
  else
    self.sealed = true
  end
end

--- The same as `deadline`, from the first wait of its task on: who never waits needs no
--- timer.
---@param seconds number
function Scope:deadline_of_waits(seconds)
  self.within = seconds
end

--- A task of it waits (called by the scheduler).
function Scope:waits()
  local seconds = self.within
  self.within = nil
  if not self.cancelled and not self.timer then
    self:deadline(seconds)
  end
end

--- Cancel the scope after this many seconds.
---@param seconds number
---@param reason? any  without one: "timeout"
function Scope:deadline(seconds, reason)
  assert(not self.timer, "the scope has a deadline")
  self.timer = self.sched:arm(seconds, self)
  self.timer_reason = reason or "timeout"
end

--- Let the scope end when it is empty, and at the latest then; nothing but its
--- own end cancels it.
---@param seconds number
function Scope:seal(seconds)
  self.shield, self.sealed = true, true
  self:deadline(seconds, "limit")
end

--- The deadline has come (called by the scheduler).
function Scope:expired()
  self.timer = nil
  self.timed_out = not self.cancelled
  self:cancel(self.timer_reason)
end

--- Kill everything in the scope and below it, now: closers run and cannot wait.
function Scope:kill(why)
  self:cancel(why)
  if self.scopes then
    for _, scope in ipairs(members(self, "scopes")) do
      scope:kill(why)
    end
  end
  if self.tasks then
    for _, child in ipairs(members(self, "tasks")) do
      if child ~= self.sched.current then
        child:kill(why)
      end
    end
  end
end

--- Run a function when the scope has ended, in a task of its own that nothing
--- cancels, for at most the scheduler's cleanup time.
---@param fn function
function Scope:finally(fn)
  if self.ended then
    run_final(self, fn)
    return
  end
  self.finals = self.finals or {}
  self.finals[#self.finals + 1] = fn
end

--- Wait until nothing lives in the scope.
---@param timeout? number
---@return true? ok
---@return sip.Error? err  timeout
function Scope:wait(timeout)
  if self.live == 0 then
    self.sched:checkpoint()
    return true
  end
  self.waiter = self.waiter or self.sched:event()
  return self.waiter:wait(timeout)
end

return M

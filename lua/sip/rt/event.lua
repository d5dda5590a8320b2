--- What verbs wait at. An event has no memory: it wakes who is waiting. A
--- mailbox remembers, up to its bound: typed-ahead digits, say.

local queue = require "sip.rt.queue"

local M = {}

---@class sip.Event
---@field private sched sip.Scheduler
---@field private waiting sip.Task[]
local Event = {}
local event_mt = { __name = "sip.Event", __index = Event }

---@param sched sip.Scheduler
---@return sip.Event
function M.event(sched)
  return setmetatable({ sched = sched, waiting = {} }, event_mt)
end

local function forget(waiting, task)
  for i = 1, #waiting do
    if waiting[i] == task then
      table.remove(waiting, i)
      return
    end
  end
end

--- Wait until the event is notified.
---@param timeout? number
---@return any ...  what notify was given; nil and "timeout" after that time
function Event:wait(timeout)
  local task = self.sched:enter()
  self.waiting[#self.waiting + 1] = task
  return task:block(timeout, self)
end

--- Wake everyone who waits, in the order they came.
---@param ... any
---@return integer woken
function Event:notify(...)
  local waiting = self.waiting
  local n = #waiting
  if n > 0 then
    self.waiting = {}
    for i = 1, n do
      waiting[i]:deliver(...)
    end
  end
  return n
end

--- A task has stopped waiting (called by the task).
function Event:forget(task)
  forget(self.waiting, task)
end

---@class sip.Mailbox
---@field private sched sip.Scheduler
---@field private items sip.Queue
---@field private waiting sip.Task[]
---@field private reason? any
local Mailbox = {}
local mailbox_mt = { __name = "sip.Mailbox", __index = Mailbox }

---@param sched sip.Scheduler
---@param bound integer
---@return sip.Mailbox
function M.mailbox(sched, bound)
  return setmetatable({
    sched = sched,
    items = queue.new(bound),
    waiting = {},
  }, mailbox_mt)
end

function mailbox_mt:__len()
  return #self.items
end

--- Hand a value to who waits longest, or keep it.
---@param value any  not nil
---@return boolean sent  false when the mailbox is full or closed
function Mailbox:send(value)
  assert(value ~= nil, "nil cannot be sent")
  if self.reason ~= nil then
    return false
  end
  local first = table.remove(self.waiting, 1)
  if first then
    first:deliver(value)
    return true
  end
  return self.items:push(value)
end

--- Take the oldest value, waiting for one if there is none.
---@param timeout? number
---@return any value
---@return any err    "timeout", or what the mailbox was closed with
function Mailbox:receive(timeout)
  local task = self.sched:enter()
  local value = self.items:pop()
  if value ~= nil then
    return value
  elseif self.reason ~= nil then
    return nil, self.reason
  end
  self.waiting[#self.waiting + 1] = task
  return task:block(timeout, self)
end

--- Take the oldest value if there is one. Never waits.
---@return any value
function Mailbox:poll()
  return self.items:pop()
end

--- Forget what was not received.
function Mailbox:clear()
  self.items:clear()
end

--- Nothing comes any more. What is in it can still be received.
---@param reason any  the error of every later receive
function Mailbox:close(reason)
  if self.reason ~= nil then
    return
  end
  self.reason = reason == nil and "closed" or reason
  local waiting = self.waiting
  self.waiting = {}
  for i = 1, #waiting do
    waiting[i]:deliver(nil, self.reason)
  end
end

--- A task has stopped waiting (called by the task).
function Mailbox:forget(task)
  forget(self.waiting, task)
end

return M

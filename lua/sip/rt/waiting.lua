--- What a task waits for: answers, time, other functions, events. These verbs of the
--- scheduler are put together with the rest of it there.

local event = require "sip.rt.event"
local group = require "sip.rt.group"
local misuse = require "sip.rt.misuse"
local task_of = require "sip.rt.task"

---@class sip.Scheduler
local M = {}

local take = task_of.take

-- The clock has milliseconds, and seconds in floating point are not exact: less than
-- this is no time, and to wait for it would be to wait for ever.
local HALF_TICK = 0.0005

local await_options = { timeout = true, cancel = true }

--- Wait for an answer; every other wait of a script is made of this one.
---@param start fun(done: fun(...): boolean)  starts what is waited for. It is
---  given the function that ends the wait; that works once, at any time from any
---  place, and says whether it was still waited for
---@param options? { timeout?: number, cancel?: fun(why: string) }  cancel is
---  called, once, when the wait ends without the answer; it must not wait
---@return any ...  what done was given; nil and "timeout" after that time
function M:await(start, options)
  misuse.unless(type(start) == "function", "await: a function that starts it")
  local task = self:enter()
  local serial = task.serial
  local timeout, cancel
  if options then
    for key in pairs(options) do
      if not await_options[key] then
        misuse.raise("await: unknown option %q (known: cancel, timeout)", tostring(key))
      end
    end
    timeout, cancel = options.timeout, options.cancel
  end
  start(function(...)
    if task.serial ~= serial then
      return false
    end
    task:deliver(...)
    return true
  end)
  if task.serial == serial then
    return task:block(timeout, cancel)
  elseif task.state ~= "answered" then
    error("the function given to await must not wait itself", 2)
  end
  task.state = "running"
  return take(task)
end

--- Seconds until an instant of its clock.
---@param instant number
---@return number seconds  0 when it has come
function M:left(instant)
  local seconds = instant - self:now()
  return seconds >= HALF_TICK and seconds or 0
end

--- Let time pass.
---@param seconds number
---@return true
function M:sleep(seconds)
  if not math.type(seconds) or seconds < 0 then
    misuse.raise("sleep: a number of seconds, not %s", tostring(seconds))
  end
  return self:enter():block(seconds, task_of.asleep)
end

--- Run functions at once until the first of them returns; the others are
--- cancelled and have unwound when this returns. An error in one of them is an
--- error here.
---@param ... function
---@return integer which  its place among the arguments
---@return any ...        what it returned
function M:any(...)
  return group.any(self, ...)
end

--- Run functions at once until all of them have returned. An error in one of
--- them cancels the others and is an error here.
---@param ... function
---@return any ...  the first result of each
function M:all(...)
  return group.all(self, ...)
end

--- Run a function for at most this long.
---@param seconds number
---@param fn function
---@param ... any  its arguments
---@return any ...  what it returned; nil and an error, "timeout", if it was late
function M:timeout(seconds, fn, ...)
  return group.timeout(self, seconds, fn, ...)
end

--- Something to wait at; see sip.rt.event.
---@return sip.Event
function M:event()
  return event.event(self)
end

--- A bounded mailbox; see sip.rt.event.
---@param bound? integer  64 values
---@return sip.Mailbox
function M:mailbox(bound)
  return event.mailbox(self, bound or 64)
end

return M

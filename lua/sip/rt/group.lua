--- Several functions at once, with one task that waits for them: any, all and
--- timeout. Each group has a scope of its own, below that of the waiting task,
--- and returns only when nothing lives in it any more.

local err = require "sip.rt.err"
local misuse = require "sip.rt.misuse"
local scope = require "sip.rt.scope"

local M = {}

---@class sip.Group
---@field private parent sip.Task   who waits
---@field private scope sip.Scope
---@field private pending integer   how many have to return before the rest may go
---@field private winner? sip.Task
---@field private failed? sip.Task
---@field private waits? boolean
---@field private leaving? boolean  the waiting task was cancelled
local Group = {}
local group_mt = { __name = "sip.Group", __index = Group }

local function open(sched, name, pending)
  local parent = sched:enter()
  local self = setmetatable({
    parent = parent,
    scope = scope.new(sched, name, parent.scope),
    pending = pending,
  }, group_mt)
  self.scope.waiter = self
  return self
end

local function spawn(self, fn, ...)
  local child = self.scope:spawn(fn, ...)
  child.group = self
  return child
end

--- One of the functions has ended (called by its task). A result that was there
--- before its task heard of the cancellation still counts.
function Group:ended(child)
  if child.failure ~= nil then
    if self.leaving or not self.waits then -- nobody raises it any more
      self.scope.sched:report(child)
    elseif not self.failed then
      self.failed = child
      self.scope:cancel("failed")
    end
  elseif child.results and not child.raised then
    self.pending = self.pending - 1
    if self.pending == 0 then
      self.winner = child
      self.scope:cancel("done")
    end
  end
end

--- Nothing lives in the scope any more (called by the scope). Where a cancellation from
--- above has ended it, the waiting task is the next to hear of that, and is not woken,
--- unless it waits in a closer, which no cancellation ends.
function Group:notify()
  local parent = self.parent
  if self.leaving then
    self.leaving = nil
    parent:interrupt()
  elseif self.waits and (not parent.scope.cancelled or parent:is_closing()) then
    self.waits = false
    parent:deliver()
  end
end

--- The waiting task was cancelled (called by it): it goes on when the functions have
--- ended. False when they have.
---@param cancelled sip.Cancelled
---@return boolean
function Group:leave(cancelled)
  if self.scope.live == 0 then
    return false
  end
  self.leaving = true
  if self.failed then
    self.scope.sched:report(self.failed)
  end
  self.scope:cancel(cancelled.reason)
  return true
end

--- The wait is over: it has been left, or the waiting task was killed, and its
--- functions with it (called by it).
function Group:forget(_, why)
  self.waits, self.leaving = false, nil
  self.scope[why == "killed" and "kill" or "cancel"](self.scope, why)
end

-- Wait for the end of the group; raises the first error of its functions.
---@return boolean done
---@return sip.Error? err
local function finish(self)
  self.waits = true
  self.parent:block(nil, self)
  local failed = self.failed
  if failed then
    self.parent.inherited = failed
    error(failed.failure, 0)
  elseif self.winner then
    return true
  end
  return false, err.new(self.scope.timed_out and "timeout" or "ended")
end

local function results(child)
  return table.unpack(child.results, 1, child.results.n)
end

-- The arguments as functions.
local function functions_of(verb, ...)
  for i = 1, select("#", ...) do
    misuse.unless(type((select(i, ...))) == "function",
      "%s: argument %d is no function", verb, i)
  end
  return { ... }
end

function M.any(sched, ...)
  local functions = functions_of("any", ...)
  misuse.unless(functions[1], "any: one function at least")
  local self = open(sched, "any", 1)
  local places = {}
  for i, fn in ipairs(functions) do
    places[spawn(self, fn)] = i
  end
  local done, e = finish(self)
  if not done then
    return nil, e
  end
  return places[self.winner], results(self.winner)
end

function M.all(sched, ...)
  local functions = functions_of("all", ...)
  if #functions == 0 then
    return sched:checkpoint()
  end
  local self = open(sched, "all", #functions)
  local children = {}
  for i, fn in ipairs(functions) do
    children[i] = spawn(self, fn)
  end
  local done, e = finish(self)
  if not done then
    return nil, e
  end
  local values = {}
  for i, child in ipairs(children) do
    values[i] = child.results[1]
  end
  return table.unpack(values, 1, #children)
end

function M.timeout(sched, seconds, fn, ...)
  if not math.type(seconds) or seconds < 0 or type(fn) ~= "function" then
    misuse.raise "timeout: a number of seconds and a function"
  end
  local self = open(sched, "timeout", 1)
  self.scope:deadline(seconds)
  spawn(self, fn, ...)
  local done, e = finish(self)
  if not done then
    return nil, e
  end
  return results(self.winner)
end

return M

--- First in, first out, with a bound: a ring that grows by use and never past
--- its bound. `nil` cannot be queued.

local M = {}

---@class sip.Queue
---@field bound integer          how many fit
---@field private head integer   where the oldest stands
---@field private tail integer   where the next will stand
---@field private items table<integer, any>
local Queue = {}
local queue_mt = { __name = "sip.Queue", __index = Queue }

--- An empty queue.
---@param bound? integer  without one it holds what memory holds
---@return sip.Queue
function M.new(bound)
  assert(bound == nil or bound > 0, "a bound is positive")
  return setmetatable({
    bound = bound or math.maxinteger,
    head = 1,
    tail = 1,
    items = {},
  }, queue_mt)
end

function queue_mt:__len()
  return self.tail - self.head
end

function queue_mt:__tostring()
  return ("sip.Queue{%d of %d}"):format(#self, self.bound)
end

--- Put a value behind the others.
---@param value any  not nil
---@return boolean queued  false when the queue is full
function Queue:push(value)
  assert(value ~= nil, "nil cannot be queued")
  local tail = self.tail
  if tail - self.head >= self.bound then
    return false
  end
  self.items[tail] = value
  self.tail = tail + 1
  return true
end

--- Take the oldest value.
---@return any value  nil when the queue is empty
function Queue:pop()
  local head = self.head
  if head == self.tail then
    return nil
  end
  local items = self.items
  local value = items[head]
  items[head] = nil
  head = head + 1
  if head == self.tail then -- empty: begin again, so the array part is reused
    self.head, self.tail = 1, 1
  else
    self.head = head
  end
  return value
end

--- Take the oldest value out when full, then put this one behind the others.
---@param value any  not nil
---@return any dropped  the value that had to go, or nil
function Queue:force(value)
  local dropped
  if self.tail - self.head >= self.bound then
    dropped = self:pop()
  end
  self:push(value)
  return dropped
end

--- Forget everything.
function Queue:clear()
  self.items, self.head, self.tail = {}, 1, 1
end

--- Walk from the oldest to the newest. The queue must not change meanwhile.
---@return fun(): any
function Queue:each()
  local at = self.head - 1
  return function()
    at = at + 1
    if at < self.tail then
      return self.items[at]
    end
  end
end

return M

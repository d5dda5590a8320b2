--- The book of a host about its transactions: what became of each, and when.

local assert = require "luassert"

local M = {}

-- 64*T1, and T4, with the default times (RFC 3261 table 4).
M.LONG, M.T4 = 32, 5

---@class spec.Entry
---@field tx any             held: the end of what nobody holds is not told
---@field method string
---@field born number
---@field outcome? integer|string  a final status, "timeout" or "wire"
---@field decided? number    when that was
---@field asked? number      when its CANCEL was

---@class spec.Book
local Book = {}
local book_mt = { __index = Book }

---@param traffic spec.Traffic
---@param ip string
function M.new(traffic, ip)
  return setmetatable({ traffic = traffic, ip = ip, open = {} }, book_mt)
end

--- The host's process ends.
function Book:forget()
  for _ in pairs(self.open) do
    self.traffic:count "lost by a restart"
  end
  self.open = {}
end

---@return spec.Entry
function Book:begin(tx, method)
  local entry = { tx = tx, id = tx:id(), method = method, born = self.traffic.now() }
  assert.is_nil(self.open[entry.id])
  self.open[entry.id] = entry
  return entry
end

---@return spec.Entry?
function Book:find(tx)
  return self.open[tx:id()]
end

--- Its one outcome, not later than at `bound`.
function Book:decide(entry, outcome, bound)
  local now = self.traffic.now()
  assert.is_nil(entry.outcome, "a second outcome")
  if bound and now > bound + 0.0005 then
    error(("%s of %s: %s at %.3f, born at %.3f, due by %.3f"):format(entry.method,
      self.ip, outcome, now, entry.born, bound))
  end
  entry.outcome, entry.decided = outcome, now
  self.traffic:decided()
end

--- It has ended, not later than `lingers` seconds after its outcome.
function Book:close(entry, lingers)
  local now = self.traffic.now()
  assert.is_truthy(entry.outcome, "it has ended without an outcome")
  if now > entry.decided + lingers + 0.0005 then
    error(("%s of %s: %s at %.3f, ended at %.3f"):format(entry.method, self.ip,
      entry.outcome, entry.decided, now))
  end
  self.open[entry.id] = nil
end

--- Nothing is open any more.
function Book:all_over()
  local _, entry = next(self.open)
  if entry then
    error(("%s: %s of %.3f is not over: %s, %s"):format(self.ip, entry.method,
      entry.born, tostring(entry.tx), tostring(entry.outcome)))
  end
end

return M

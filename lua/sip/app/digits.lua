--- What a caller pressed, as one stream, typed ahead or not. A digit that comes
--- both as an RFC 4733 event and in an INFO counts once.

local M = {}

local TYPED_AHEAD = 64
local SAME_PRESS = 1 -- seconds between the two forms of one press, at most

---@class sip.Digits
---@field mailbox sip.Mailbox
---@field private unmatched table<string, { digit: string, at: number }[]>
local Digits = {}
local digits_mt = { __name = "sip.Digits", __index = Digits }

---@param sched sip.Scheduler
---@return sip.Digits
---@private
function M.new(sched)
  return setmetatable({
    sched = sched,
    mailbox = sched:mailbox(TYPED_AHEAD),
    unmatched = {},
  }, digits_mt)
end

-- Whether another form of this press has been counted; it is matched up once.
local function counted(self, digit, how, now)
  for other, list in pairs(self.unmatched) do
    while list[1] and now - list[1].at > SAME_PRESS do
      table.remove(list, 1)
    end
    for i, press in ipairs(other ~= how and list or {}) do
      if press.digit == digit then
        table.remove(list, i)
        return true
      end
    end
  end
  return false
end

--- A digit has come.
---@param digit string
---@param how "rtp"|"info"
---@return boolean counts  false: it is known already
---@private
function Digits:heard(digit, how)
  local now = self.sched:now()
  if counted(self, digit, how, now) then
    return false
  end
  local list = self.unmatched[how]
  if not list then
    list = {}
    self.unmatched[how] = list
  end
  list[#list + 1] = { digit = digit, at = now }
  if #list > TYPED_AHEAD then
    table.remove(list, 1)
  end
  return true
end

return M

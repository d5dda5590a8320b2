--- Errors as values: what an expected failure returns after `nil`. Compare
--- `err.name`, never the text. What scripts see is one closed set of names;
--- below that, any string of the lower layer is a name too.

local M = {}

---@class sip.Error
---@field name string     what happened, as one word
---@field status? integer the SIP status that caused it
---@field message? string its reason phrase, or a text of our own
---@field cause? any      the lower error
---@field retry_after? integer  after how many seconds it may work, says the answer
---@field op? string      the operation that failed
local error_mt = { __name = "sip.Error" }

--- The names that scripts see, each with the words it reads as.
---@type table<string, string>
M.names = {
  busy = "the other side is busy",
  declined = "the call was declined",
  no_answer = "no answer",
  cancelled = "the request was cancelled",
  not_found = "no such user",
  refused = "the request was refused",
  not_acceptable = "the offer was not acceptable",
  unreachable = "the other side cannot be reached",
  rejected = "the request was rejected",
  ended = "the call has ended",
  no_input = "nothing was pressed or said",
  timeout = "the time is over",
}

local by_status = {
  [401] = "refused",
  [403] = "refused",
  [404] = "not_found",
  [407] = "refused",
  [408] = "no_answer",
  [480] = "no_answer",
  [486] = "busy",
  [487] = "cancelled",
  [488] = "not_acceptable",
  [503] = "unreachable",
  [600] = "busy",
  [603] = "declined",
  [604] = "not_found",
  [606] = "not_acceptable",
}

function error_mt:__tostring()
  local text = M.names[self.name] or self.name:gsub("_", " ")
  if self.op and self.message and not self.status then
    text = self.op .. ": " .. self.message -- of our own: no request was involved
  elseif self.op then
    text = self.op .. ": " .. text
  end
  if self.status then
    local reason = self.message and " " .. self.message or ""
    text = ("%s (%d%s)"):format(text, self.status, reason)
  elseif self.message and not self.op then
    text = ("%s (%s)"):format(text, self.message)
  end
  if self.cause ~= nil then
    text = text .. ": " .. tostring(self.cause)
  end
  return text
end

--- Make an error. The table of fields becomes the error: do not use it again.
---@param name string
---@param fields? table  status, message, cause, op, and whatever else helps
---@return sip.Error
function M.new(name, fields)
  assert(type(name) == "string", "an error wants a name")
  local e = fields or {}
  e.name = name
  return setmetatable(e, error_mt)
end

--- The error that a final answer means to a script.
---@param status integer  300 to 699
---@param reason? string
---@param fields? table
---@return sip.Error
function M.from_status(status, reason, fields)
  local e = M.new(by_status[status] or "rejected", fields)
  e.status = status
  e.message = reason
  return e
end

return M

--- Waiting for the final answer to a request: an exchange with a coroutine.

local exchange_of = require "sip.ua.exchange"

local M = {}

--- What a method may look like (RFC 3261 25.1).
M.METHOD = "^[%w!%%*_+`'~.-]+$"

--- Methods with a transaction or a meaning of their own, for verbs to send.
M.not_a_request = { INVITE = true, ACK = true, CANCEL = true }

---@class sip.Waiting
---@field done fun(res?: sip.Message, e?: sip.Error)
local Waiting = {}
local waiting_mt = { __name = "sip.Waiting", __index = Waiting }

---@private
function Waiting.provisional() end
---@private
function Waiting.again() end
---@private
function Waiting.over() end

---@private
function Waiting:success(res)
  res:keep()
  self.done(res)
end

---@private
function Waiting:failure(e, res)
  if res then
    res:keep()
    e.response = res
  end
  self.done(nil, e)
end

--- Send and wait.
---@param ua sip.Endpoint
---@param fields sip.ExchangeFields  line and owner are put in here
---@param timeout? number
---@return sip.Message? response
---@return sip.Error? err
---@private
function M.exchange(ua, fields, timeout)
  local waiting = setmetatable({}, waiting_mt)
  fields.line, fields.owner = ua, waiting
  return ua.sched:await(function(done)
    waiting.done = done
    exchange_of.new(fields):start()
  end, { timeout = timeout })
end

return M

--- Our binding at a registrar (RFC 3261 10.2): what the next REGISTER says, what
--- its answer means, and when another is due. Nothing here sends, waits, reads a
--- clock or draws lots: `now` comes in, and `random` is given.

local address = require "sip.msg.address"

local M = {}

-- Refresh so many seconds before the end, or a tenth of the time where that is
-- more: an answer that never comes takes 32 s, and another try shall be in time.
-- Never with more than half of it left, nor more often than every REFRESH_MIN.
local MARGIN, REFRESH_MIN = 60, 5

-- Waiting after a failure, as RFC 5626 4.5 has it, but for the longest wait: a
-- server that is back after an outage has its users again within minutes.
local BASE, LONGEST = 30, 300

-- A refusal is for good as far as anybody can tell; but accounts are unlocked and
-- databases come back, so it is asked again after half an hour to an hour.
local SLOW = 3600

-- How often one attempt believes that its time was too brief; and nothing that a
-- server says makes us wait for more than a day.
local RAISED_MAX, DAY = 2, 86400

-- Of the answers from 400 on, those that say nothing of the account.
local passing = { [408] = true, [423] = true, [429] = true, [430] = true,
  [480] = true, [491] = true }
local lasting = { [501] = true, [505] = true, [513] = true }

---@class sip.OwnBinding
---@field asked integer       seconds that we ask for
---@field failures integer    since it was last well
---@field private losses integer  flows that failed before a keep-alive was answered
---@field private proven boolean  one has been, on the flow that there is
---@field bound? string       the Contact that the registrar has of us
---@field expires_at? number
---@field private offered? string
---@field private list table[]
local OwnBinding = {}
local binding_mt = { __name = "sip.OwnBinding", __index = OwnBinding }

function binding_mt:__tostring()
  return ("sip.OwnBinding{%s; %d failures}"):format(self.bound or "none", self.failures)
end

---@class sip.OwnBindingFields
---@field expires integer     seconds
---@field q? number
---@field random fun(): number  0 <= x < 1

---@param fields sip.OwnBindingFields
---@return sip.OwnBinding
function M.new(fields)
  return setmetatable({
    asked = fields.expires,
    params = fields.q and (";q=%.3f"):format(fields.q) or "",
    random = fields.random,
    failures = 0,
    losses = 0,
    proven = false,
    raised = 0,
    list = {},
    listed_at = 0,
  }, binding_mt)
end

--- The Contact that asks for a binding. When our address has changed, the same
--- request removes the one of before.
---@param uri string  where we are reached
---@return string
function OwnBinding:contact(uri)
  self.offered = uri
  local value = ("<%s>%s;expires=%d"):format(uri, self.params, self.asked)
  if self.bound and not address.equal(self.bound, uri) then
    value = ("%s, <%s>;expires=0"):format(value, self.bound)
  end
  return value
end

--- The line that says the same to registrars that look there.
---@return string
function OwnBinding:lines()
  return ("Expires: %d\r\n"):format(self.asked)
end

--- The Contact and the line that remove our binding (10.2.2).
---@return string contact
---@return string lines
function OwnBinding:removal()
  return ("<%s>;expires=0"):format(self.bound), "Expires: 0\r\n"
end

--- The Contact that was offered last.
---@return string? uri
function OwnBinding:own()
  return self.offered
end

--- Whether the registrar still has our binding, as far as we know.
---@param now number
---@return boolean
function OwnBinding:holds(now)
  return self.bound ~= nil and now < self.expires_at
end

local function delta_seconds(text)
  text = type(text) == "string" and text:match "^%s*(%d+)"
  return text and math.tointeger(math.min(tonumber(text), 0xffffffff))
end

-- The bindings that a 2xx lists; `usual` is the time of those without one.
local function listed(res, usual)
  local list = {}
  for i = 1, #(res:header "Contact" and res:values "Contact" or {}) do
    local contact = res:name_addr("Contact", i)
    if contact then
      local params = contact.params or {}
      list[#list + 1] = {
        uri = contact.uri,
        expires = delta_seconds(params.expires) or usual,
        q = tonumber(params.q),
        params = params,
      }
    end
  end
  return list
end

local function refresh_after(seconds)
  local margin = math.max(MARGIN, seconds // 10)
  local delay = seconds - math.min(margin, seconds / 2)
  return math.min(math.max(delay, REFRESH_MIN), DAY)
end

--- A 2xx has come. The time that it gives to our own Contact counts (10.2.4), then
--- its Expires, then what we asked for.
---@param res sip.Message
---@param now number
---@return number? delay  until the refresh; nil: it did not bind us after all
---@return boolean unlisted  our Contact is not among the bindings
function OwnBinding:accepted(res, now)
  local usual = res:header "Expires" and res:expires() or self.asked
  local own
  self.list, self.listed_at = listed(res, usual), now
  for _, one in ipairs(self.list) do
    if not own and address.equal(one.uri, self.offered) then
      one.own, own = true, one
    end
  end
  local seconds = own and own.expires or usual
  if seconds == 0 then
    self:forget()
    return nil, own == nil
  end
  self.bound, self.expires_at = self.offered, now + seconds
  self.failures, self.raised = 0, 0
  return refresh_after(seconds), own == nil
end

--- The registrar has our binding no more.
function OwnBinding:forget()
  self.bound, self.expires_at, self.list = nil, nil, {}
end

-- RFC 5626 4.5: half of a bound that doubles with each failure, and up to all of it.
local function back_off(self)
  local bound = math.min(LONGEST, BASE * 2 ^ math.min(self.failures + self.losses, 16))
  return bound * (0.5 + 0.5 * self.random())
end

--- A keep-alive has been answered: the flow is a success (RFC 5626 4.5).
function OwnBinding:kept()
  self.losses, self.proven = 0, true
end

--- The flow has failed.
---@return number delay  until the next REGISTER: none after a success
function OwnBinding:lost()
  if self.proven then
    self.proven = false
    return 0
  end
  local delay = back_off(self)
  self.losses = self.losses + 1
  return delay
end

--- A REGISTER has failed.
---@param e sip.Error
---@param res? sip.Message  the answer, if that was it
---@return "again"|"later"|"refused" verdict
---@return number delay  until the next one
function OwnBinding:failed(e, res)
  local status = e.status
  if status == 423 and res then -- 10.2.8
    local least = delta_seconds(res:header "Min-Expires")
    if least and least > self.asked and self.raised < RAISED_MAX then
      self.asked, self.raised = least, self.raised + 1
      return "again", 0
    end
  end
  self.failures, self.raised = self.failures + 1, 0
  local told = res and delta_seconds(res:header "Retry-After")
  if told then
    return "later", math.max(math.min(told, DAY), back_off(self))
  elseif status and (lasting[status]
    or status >= 400 and not passing[status] and status // 100 ~= 5) then
    return "refused", SLOW * (0.5 + 0.5 * self.random())
  end
  return "later", back_off(self)
end

--- All bindings that the registrar had when it was last asked, and has still.
---@param now number
---@return sip.ListedBinding[]
function OwnBinding:bindings(now)
  local found = {}
  for _, one in ipairs(self.list) do
    local left = self.listed_at + one.expires - now
    if left > 0 then
      found[#found + 1] = {
        uri = one.uri,
        expires_in = left,
        q = one.q,
        own = one.own or false,
        params = one.params,
      }
    end
  end
  return found
end

return M

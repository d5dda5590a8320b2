--- Requests inside the dialog of a call, both ways: what the other side sends
--- (re-INVITE, BYE, INFO, ACK), and what a script wants to: `call:send`, because
--- `call.request` is the INVITE.

local dialog_of = require "sip.ua.dialog"
local err = require "sip.rt.err"
local inspect = require "sip.ua.inspect"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local wait = require "sip.app.wait"

local M = {}

local function refuse(self, tx, status, headers)
  tx:respond(status, { headers = headers, tag = self.dialog.local_tag })
end

-- A wait of 0 to 10 seconds, by lot (14.2).
local function retry_after(self)
  local seconds = self.ua:token(1):byte() % 11
  return { "Retry-After", tostring(seconds) }
end

-- Whether another INVITE may be dealt with now (14.2); else the answer to it.
local function collision(self)
  local state, pending = self.state, self.reinvite
  if self.direction == "out" and not self.dialog then
    return 491
  elseif state == "new" or state == "ringing" then
    return 500, retry_after(self)
  elseif state == "answering" and self.offered or pending and pending.offered then
    return 491 -- an offer of ours waits for its answer (RFC 5407 3.1.5)
  end
end

-- Our description for a further offer; nil and an error leave all as it was.
local function renegotiate(self, req)
  local offer = inspect.description(req)
  local own, sound = self.own_sdp, self.sound
  if sound then
    return sound:local_description(offer)
  elseif type(own) == "function" then
    local body = own(offer)
    if type(body) == "string" then
      return body
    end
  elseif own and (offer == nil
    or self.request and offer == inspect.description(self.request)) then
    return own
  end
  return nil, err.new("not_acceptable", { message = "the media is kept elsewhere" })
end

--- A re-INVITE (14.2): a new target, and perhaps a new session. Either both are
--- taken or nothing changes.
local function reinvited(self, tx, req)
  local status, headers = collision(self)
  if status then
    return refuse(self, tx, status, headers)
  end
  self.dialog:ready()
  local before, at = self.dialog.remote_target, self.dialog.at
  local ok, why = self.dialog:refresh(req)
  if not ok then
    return tx:respond(400, { reason = why, tag = self.dialog.local_tag })
  end
  local body, e = renegotiate(self, req)
  if not body then
    self.dialog:retarget(before, at)
    return refuse(self, tx, 488, self:warning(e))
  end
  self.ua:verb(self, "re-INVITE")
  self.ua.servers[tx] = self
  self.reinvite = {
    tx = tx,
    number = (req:cseq()),
    offered = inspect.description(req) == nil,
  }
  tx:respond(200, {
    tag = self.dialog.local_tag,
    headers = self.ua:face(tx, req).answer,
    body = body,
    until_ack = true,
  })
  self:changed()
end

-- BYE: whatever is pending ends too (15.1.2).
local function left(self, tx, _, dialog)
  tx:respond(200, { tag = dialog.local_tag })
  local state = self.state
  if self.dialog and self.dialog ~= dialog then -- a fork that was not chosen
    dialog.state = "terminated"
    return self.ua.dialogs:remove(dialog)
  end
  if self.leaving then
    self:gone()
  elseif self.direction == "in" and (state == "new" or state == "ringing") then
    self.tx:respond(487, { tag = self.dialog.local_tag })
  elseif self.direction == "in" and state == "answering" then
    self.tx:acked()
  elseif not self.dialog then
    return self:hangup() -- a BYE inside an early dialog of ours
  end
  if self.reinvite then
    self.reinvite.tx:acked()
  end
  self:finish()
end

local function info(self, tx, req, dialog)
  local digit = inspect.digits(req)
  if digit then
    digit = digit:match "[Ss]ignal%s*=%s*([%d*#A-Da-d])"
      or digit:match "^%s*([%d*#A-D])%s*$"
    if not digit then
      return tx:respond(400, { tag = dialog.local_tag })
    end
    self:digit_heard(digit:upper(), "info")
  end
  tx:respond(200, { tag = dialog.local_tag })
end

local handlers = {
  INVITE = reinvited,
  BYE = left,
  INFO = info,
  OPTIONS = function(_, tx, _, dialog)
    tx:respond(200, { tag = dialog.local_tag, headers = inspect.CAPABILITIES })
  end,
}

--- A request inside the dialog (called by the endpoint).
---@param tx any
---@param req sip.Message
---@param dialog sip.Dialog
---@private
function M:on_request(tx, req, dialog)
  local number, method = req:cseq()
  if not dialog:receive(number) then
    return tx:respond(500, { tag = dialog.local_tag, reason = "CSeq out of order" })
  end
  local status, headers, reason = inspect.in_dialog(req, method)
  if status then
    return tx:respond(status, { tag = dialog.local_tag, headers = headers,
      reason = reason })
  elseif self.leaving and method ~= "BYE" then
    return tx:respond(481, { tag = dialog.local_tag })
  elseif self.dialog ~= dialog and method == "INVITE" then
    return tx:respond(491, { tag = dialog.local_tag })
  end
  handlers[method](self, tx, req, dialog)
end

-- The ACK, if only who got this answer can have sent it: its tag is new, and has gone
-- nowhere else. A request of ours takes it to the Contact, where another may be.
local function proof(self, req)
  return self.dialog.local_seq == 0 and req or nil
end

--- The ACK to a 2xx of ours (called by the endpoint).
---@param req sip.Message
---@private
function M:on_ack(req)
  local number, pending = req:cseq(), self.reinvite
  local sdp = inspect.description(req)
  if pending and pending.number == number then
    pending.tx:acked() -- its tag is as old as the call, and proves nothing
    self.ua.servers[pending.tx] = nil
    self.reinvite = nil
    if pending.offered and self.sound
      and not (sdp and self.sound:accept(sdp)) then
      self.sound:rollback()
    end
    return
  elseif self.leaving then
    self.tx:acked(proof(self, req))
    self:bye()
    return self:gone()
  elseif self.state ~= "answering" then
    return
  end
  self.tx:acked(proof(self, req))
  self.ua.servers[self.tx] = nil
  if self.offered and self.sound then
    local ok, e = nil, err.new("not_acceptable", { message = "no answer in the ACK" })
    if sdp then
      ok, e = self.sound:accept(sdp)
    end
    if not ok then
      self:bye()
      return self:finish(e)
    end
  end
  self.state = "answered"
  self:changed()
end

--- Our 2xx was never acknowledged: the session is ended by a BYE (13.3.1.4).
---@private
function M:on_no_ack()
  if self.leaving then
    self:bye()
    return self:gone()
  elseif self.state ~= "ended" then
    self:bye()
    self:finish(err.new("no_answer", { message = "the answer was not acknowledged" }))
  end
end

--- What waited for the ACK of a call hung up before it has been done.
---@private
function M:gone()
  local ua = self.ua
  self.leaving = nil
  ua.pending = ua.pending - 1
  ua.servers[self.tx] = nil
  ua.dialogs:remove(self.dialog)
  ua:settled()
end

---@class sip.InDialogOptions
---@field method string
---@field headers? table
---@field body? string
---@field content_type? string
---@field timeout? number

local send_options = {
  method = "string", headers = "headers", body = "string", content_type = "line",
  timeout = "seconds",
}

--- Send a request inside the dialog and wait for its final answer.
---@param options sip.InDialogOptions
---@return sip.Message? response  a 2xx
---@return sip.Error? err         with status and response, for any other
function M:send(options)
  options = option.check(options, send_options, "send")
  local method = options.method
  if not method or wait.not_a_request[method] or not method:find(wait.METHOD) then
    misuse.raise("send: a method other than INVITE, ACK and CANCEL")
  end
  local ok, e = self:enter()
  if not ok then
    return nil, e
  elseif not self.dialog then
    misuse.raise("send: there is no dialog before the answer")
  end
  self.ua:verb(self, method)
  local res
  res, e = wait.exchange(self.ua, {
    source = self.dialog,
    method = method,
    headers = option.body_headers(options),
    body = options.body,
    auth = self.auth,
  }, options.timeout)
  if e and e.status and dialog_of.ends(e.status) and self.state ~= "ended" then
    self:bye()
    self:finish(e)
  end
  return res, e
end

return M

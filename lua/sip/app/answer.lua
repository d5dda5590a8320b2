--- What a script does with a call that comes in, until it is answered or not:
--- ring, progress, answer, reject, redirect (RFC 3261 13.3).

local err = require "sip.rt.err"
local inspect = require "sip.ua.inspect"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"

local M = {}

-- A proxy gives up a call that says nothing for so long (13.3.1.1).
local REPEAT_EVERY = 60

local ring_options = {
  status = "provisional", reason = "line", headers = "callheaders",
}
local progress_options = {
  status = "provisional", reason = "line", headers = "callheaders",
  sdp = "string|function", codecs = "codecs",
}
local answer_options = {
  headers = "callheaders", sdp = "string|function", codecs = "codecs",
}
local reject_options = { reason = "line", headers = "headers" }
local redirect_options = {
  status = "redirection", reason = "line", headers = "headers",
}

-- The headers of our answers: those of every answer, then the script's.
local function joined(fixed, headers)
  headers = option.headers(headers)
  if not headers then
    return fixed
  end
  local all = table.move(fixed, 1, #fixed, 1, {})
  return table.move(headers, 1, #headers, #all + 1, all)
end

local function unanswered(self)
  return self.state == "new" or self.state == "ringing"
end

-- Fails for a verb that comes too late or on the wrong side.
local function early(self, verb)
  if self.direction == "out" then
    misuse.raise("%s is for calls that come in", verb)
  end
  local ok, e = self:enter()
  if not ok then
    return nil, e
  elseif not unanswered(self) then
    misuse.raise("%s: the call has been answered", verb)
  end
  return true
end

local function provisional(self, status, options, body)
  local face = self:face()
  self.last = {
    status = status,
    reason = options.reason,
    tag = self.dialog.local_tag,
    headers = joined(body and face.answer or face.early, options.headers),
    body = body,
    record_route = true,
  }
  self.state = "ringing"
  self.tx:respond(status, self.last)
  if not self.timer then
    self.timer = self.ua.sched:arm(REPEAT_EVERY, self)
  end
end

--- A timer of the call: the INVITE has expired (13.3.1.1), or it is time to say
--- again that the call is alive (called by the scheduler).
---@private
function M:expired()
  local sched = self.ua.sched
  self.timer = nil
  if not unanswered(self) then
    return
  elseif self.expires and sched:left(self.expires) == 0 then
    self:refuse(487)
    return
  end
  if self.state == "ringing" then
    self.tx:respond(self.last.status, self.last)
  end
  self:arm_expiry(REPEAT_EVERY)
end

--- Arm the call's timer: for its Expires, or for something sooner.
---@private
function M:arm_expiry(seconds)
  local sched = self.ua.sched
  if self.timer then
    sched:disarm(self.timer)
  end
  if self.expires then
    seconds = math.min(seconds or math.huge, sched:left(self.expires))
  end
  self.timer = seconds and sched:arm(seconds, self)
end

--- Contact and its kin towards this peer, made once per address of ours.
---@private
function M:face()
  local face = self.own_face
  if not face then
    face = self.ua:face(self.tx, self.request)
    self.own_face = face
  end
  return face
end

--- Ring: 180, or another provisional status without a description.
---@param options? { status?: integer, reason?: string, headers?: table }
---@return true? ok
---@return sip.Error? err
function M:ring(options)
  options = option.check(options, ring_options, "ring")
  local ok, e = early(self, "ring")
  if not ok then
    return nil, e
  end
  self.ua:verb(self, "ring")
  provisional(self, options.status or 180, options)
  return true
end

--- Early audio: 183 with our description; from then on play and its kin work.
---@param options? { status?: integer, sdp?: string|function, codecs?: string[] }
---@return true? ok
---@return sip.Error? err
function M:progress(options)
  options = option.check(options, progress_options, "progress")
  local ok, e = early(self, "progress")
  if not ok then
    return nil, e
  end
  local body
  body, e = self:describe(options)
  if not body then
    return nil, e
  end
  self.ua:verb(self, "progress")
  provisional(self, options.status or 183, options, body)
  return true
end

--- 488 says why in a Warning (13.3.1.3, 20.43).
---@param e sip.Error
---@return string[] headers
---@private
function M:warning(e)
  local value = e.warning
  if not value then
    local text = tostring(e.message or e):gsub('[\\"%c]', " ")
    value = ('305 %s "%s"'):format(self:face().host, text)
  end
  return { "Warning", value }
end

--- Our side of the session for an answer: the script's own words, or those of a
--- stream of audio. A failure has refused the call.
---@param options { sdp?: string|function, codecs?: string[] }
---@return string? body
---@return sip.Error? err
---@private
function M:describe(options)
  local sdp = options.sdp or self.own_sdp
  if type(sdp) == "string" then
    self.own_sdp = sdp
    return sdp
  end
  local offer = inspect.description(self.request)
  if sdp then
    self.own_sdp = sdp
    local body = sdp(offer)
    if type(body) == "string" then
      return body
    end
    self:refuse(488)
    return nil, err.new("not_acceptable", { message = "the script has refused it" })
  end
  local sound, e = self:audio_leg(options)
  if not sound then
    self:refuse(503) -- no ports, no files, no memory: another may have them
    return nil, e
  end
  local body
  body, e = sound:local_description(offer)
  if not body then
    self:refuse(488, { headers = self:warning(e) })
    return nil, e
  end
  return body
end

--- Answer: 200, repeated until it is acknowledged; returns when it is.
---@param options? { sdp?: string|function, codecs?: string[], headers?: table }
---@return true? ok
---@return sip.Error? err  not_acceptable, unreachable, ended
function M:answer(options)
  options = option.check(options, answer_options, "answer")
  if self.direction == "in" and self.state == "answered" then
    return self:enter()
  end
  local ok, e = early(self, "answer")
  if not ok then
    return nil, e
  end
  local body
  body, e = self:describe(options)
  if not body then
    return nil, e
  end
  self.ua:verb(self, "answer")
  local sent, name, why = self.tx:respond(200, {
    tag = self.dialog.local_tag,
    headers = joined(self:face().answer, options.headers),
    body = body,
    until_ack = true,
    record_route = true,
  })
  if name == "gone" or name == "wire" then
    e = err.new("unreachable", { op = "answer", cause = name, message = why })
    self:finish(e)
    return nil, e
  elseif not sent then -- the script's fault, or no memory: the call ends with it
    misuse.raise("answer: %s", why)
  end
  self.state = "answering"
  self.last = nil
  if self.timer then
    self.ua.sched:disarm(self.timer)
    self.timer = nil
  end
  self.dialog.state = "confirmed"
  return self:acknowledged()
end

--- Wait for the ACK to our answer.
---@return true? ok
---@return sip.Error? err
---@private
function M:acknowledged()
  while self.state == "answering" do
    self:await_change()
  end
  return self:enter()
end

--- Refuse an INVITE that has not been answered; the call is over. Never waits.
---@param status integer
---@param options? { reason?: string, headers?: string[] }
---@param why? sip.Error
---@private
function M:refuse(status, options, why)
  options = options or {}
  self.ua:verb(self, "reject " .. status)
  self.tx:respond(status, {
    reason = options.reason,
    tag = self.dialog.local_tag,
    headers = options.headers,
  })
  self:finish(why)
end

--- Refuse the call.
---@param status? integer  486 unless told otherwise; 400 to 699
---@param options? { reason?: string, headers?: table }
---@return true? ok
---@return sip.Error? err
function M:reject(status, options)
  if type(status) == "table" then
    status, options = nil, status
  end
  options = option.check(options, reject_options, "reject")
  status = option.argument(status, "failure", "reject: the status", 486)
  local ok, e = early(self, "reject")
  if not ok then
    return nil, e
  end
  self:refuse(status, {
    reason = options.reason,
    headers = option.headers(options.headers),
  })
  return true
end

--- Send the caller elsewhere: 302 and Contacts in that order (8.3).
---@param targets string|string[]
---@param options? { status?: integer, reason?: string, headers?: table }
---@return true? ok
---@return sip.Error? err
function M:redirect(targets, options)
  options = option.check(options, redirect_options, "redirect")
  local status = options.status or 302
  local contacts = {}
  for _, target in ipairs(type(targets) == "table" and targets or { targets }) do
    local uri = self.ua:target(target)
    if not uri then
      misuse.raise("redirect: %q is no target", tostring(target))
    end
    contacts[#contacts + 1] = "Contact"
    contacts[#contacts + 1] = "<" .. uri .. ">"
  end
  misuse.unless(contacts[1], "redirect: a target, or an array of them")
  local ok, e = early(self, "redirect")
  if not ok then
    return nil, e
  end
  self:refuse(status, {
    reason = options.reason,
    headers = joined(contacts, options.headers),
  })
  return true
end

return M

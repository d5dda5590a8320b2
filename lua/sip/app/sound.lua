--- The audio of a call: a media session, and the offers and answers that say how
--- it is to run (RFC 3264).

local address = require "sip.msg.address"
local err = require "sip.rt.err"
local misuse = require "sip.rt.misuse"
local offer_of = require "sip.ua.offer"

local M = {}

---@class sip.Sound
---@field call sip.Call
---@field session any        the media session
---@field previewed? boolean early audio is heard
---@field private offer sip.Offer
---@field private remote? table  what the session was told last
---@field private players table<integer, sip.Player>
local Sound = {}
local sound_mt = { __name = "sip.Sound", __index = Sound }

local CODECS = { "PCMU", "PCMA" }

---@param call sip.Call
---@param host string       the address of ours that RTP comes to
---@param named string      what descriptions call it
---@param codecs? string[]
---@return sip.Sound? sound
---@return sip.Error? err
---@private
function M.new(call, host, named, codecs)
  local runtime = call.ua.runtime
  host = address.bare(host)
  local session, why = runtime:media_session(host)
  if not session then
    return nil, err.new("unreachable", { op = "media", message = why })
  end
  local self = setmetatable({
    call = call,
    session = session,
    players = {},
    offer = offer_of.new {
      address = address.bare(named),
      port = session:port(),
      codecs = codecs or CODECS,
      dtmf = true,
      id = call.ua:session_id(),
      limits = call.ua.limits,
    },
  }, sound_mt)
  runtime.sessions[session] = self
  call.ua.sounds = call.ua.sounds + 1
  return self
end

-- Let the media run as both sides have agreed. An audio line that was taken away
-- stops it (RFC 3264 8.2).
local function apply(self)
  local agreed = self.offer.negotiated
  local remote = agreed and offer_of.media(agreed)
  if agreed and not remote and self.remote then
    remote = self.remote
    remote.direction = "inactive"
  end
  if not remote then
    return
  end
  self.remote = remote
  local ok, why = self.session:set_remote(remote)
  if not ok then
    local call = self.call
    call.ua.log:warn("media cannot be sent", { call = call.id, why = why })
  end
end

--- Our offer, for an INVITE of ours.
---@return string sdp
---@private
function Sound:first_offer()
  return self.offer:offer()
end

--- Our words on an offer of the other side; without one, an offer of ours that
--- waits for its answer. A failure leaves everything as it was.
---@param remote? string
---@return string? sdp
---@return sip.Error? err
---@private
function Sound:local_description(remote)
  local call = self.call
  if not remote then
    call.offered = true
    return self.offer:offer()
  elseif remote == self.answered then
    return self.answer
  end
  local sdp, e = self.offer:answer(remote)
  if not sdp then
    return nil, e
  end
  self.answered, self.answer = remote, sdp
  apply(self)
  return sdp
end

--- The other side's answer to our offer. One that was heard early already is
--- answered a second time: only the one in the 2xx counts.
---@param remote string
---@return true? ok
---@return sip.Error? err
---@private
function Sound:accept(remote)
  if self.previewed == remote then
    return true
  elseif self.offer.state == "stable" then
    self.offer:reoffer()
  end
  self.answered = nil
  local ok, e = self.offer:accept(remote)
  if not ok then
    return nil, e
  end
  apply(self)
  return true
end

--- An answer that came in an unreliable 1xx: what is heard by it is the other
--- side's early audio.
---@param remote string
---@private
function Sound:preview(remote)
  if not self.previewed and self.offer:accept(remote) then
    self.previewed = remote
    apply(self)
  end
end

--- Our offer was not answered: all is as before it.
---@private
function Sound:rollback()
  self.offer:rollback()
end

local on = {}

---@private
function on.digit(self, digit)
  self.call:digit_heard(digit, "rtp")
end

---@private
function on.played(self, id, why, text)
  local player = self.players[id]
  if player then
    self.players[id] = nil
    player:ended(why, text)
  end
end

---@private
function on.recorded(self, id, why, text, seconds)
  local recording = self.recording
  if recording and recording.id == id then
    self.recording = nil
    recording:ended(why, text, seconds)
  end
end

---@private
function on.media_failed(self, text)
  local call = self.call
  call.ua.log:warn("media failed", { call = call.id, why = text })
end

---@private
function on.media_closed(self)
  local ua = self.call.ua
  ua.runtime.sessions[self.session] = nil
  ua.sounds = ua.sounds - 1
  ua:settled()
end

--- What the media has to say (called by the runtime).
---@private
function Sound:event(kind, ...)
  on[kind](self, ...)
end

local function forget_joined(self)
  local other = self.joined
  if other then
    self.joined, other.joined = nil, nil
  end
  return other
end

--- Connect the audio of two calls; whatever either was connected with is not any more.
---@param other sip.Sound
---@return true? ok
---@return string? why
---@private
function Sound:join(other)
  local ok, why = self.session:bridge(other.session)
  if not ok then
    return nil, why
  end
  forget_joined(self)
  forget_joined(other)
  self.joined, other.joined = other, self
  return true
end

--- Disconnect it; from this one, when one is given.
---@param other? sip.Sound
---@private
function Sound:part(other)
  if self.joined and (not other or self.joined == other) then
    forget_joined(self)
    self.session:unbridge()
  end
end

---@return table
---@private
function Sound:stats()
  return self.session:stats()
end

--- The call is over. What plays or records is told of its end by the media, the
--- last of it when files are closed.
---@private
function Sound:close()
  self:part()
  self.session:close()
end

local verbs = {}

--- What a call can do.
M.verbs = verbs

--- The audio of the call, made when it is first needed.
---@param options? { codecs?: string[] }
---@param host? string   the address of ours that the peer reaches us at
---@param named? string  what descriptions call it
---@return sip.Sound? sound
---@return sip.Error? err
---@private
function verbs:audio_leg(options, host, named)
  if self.sound then
    return self.sound
  elseif not host then
    host, named = self:media_host()
  end
  if not host then
    return nil, err.new("unreachable", { op = "media", message = "no address" })
  end
  local sound, e = M.new(self, host, named, options and options.codecs)
  self.sound = sound
  return sound, e
end

--- Where the INVITE came to, for RTP, and what descriptions call that.
---@return string? host
---@return string? named
---@private
function verbs:media_host()
  local ua, tx = self.ua, self.tx
  local _, _, host, listener = tx:local_address()
  if host then
    return host, ua:media_name(host, listener)
  end
end

--- The sound of a call that may be spoken to; misuse raises.
---@param verb string  for the error
---@return sip.Sound? sound
---@return sip.Error? err  ended
---@private
function verbs:speaking(verb)
  local ok, e = self:enter()
  if not ok then
    return nil, e
  elseif not self.sound then
    misuse.raise("%s: the call has no audio: answer it first", verb)
  end
  return self.sound
end

return M

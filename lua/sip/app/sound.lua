--- The audio of a call: a media session, and the offers and answers that say how
--- it is to run (RFC 3264). The verbs that play and press stand here too.

local address = require "sip.msg.address"
local digits_of = require "sip.app.digits"
local err = require "sip.rt.err"
local misuse = require "sip.rt.misuse"
local offer_of = require "sip.ua.offer"
local option = require "sip.app.options"

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
---@param codecs? string[]
---@return sip.Sound? sound
---@return sip.Error? err
---@private
function M.new(call, host, codecs)
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
      address = address.bare(call.ua.advertise.media or host),
      port = session:port(),
      codecs = codecs or CODECS,
      dtmf = true,
      id = call.ua:session_id(),
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

--- Connect the audio of two calls; either may be connected elsewhere later.
---@param other sip.Sound
---@private
function Sound:join(other)
  self.joined = other
  other.joined = self
  self.session:bridge(other.session)
end

--- Disconnect it.
---@private
function Sound:part()
  local other = self.joined
  if other then
    self.joined, other.joined = nil, nil
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

---@class sip.Player  something that plays
---@field id integer
---@field why? sip.MediaEnd  how it ended
---@field message? string    what went wrong with a file
---@field package watcher? fun(message?: string)  told when a file cannot be played
---@field private sound sip.Sound
local Player = {}
local player_mt = { __name = "sip.Player", __index = Player }

function player_mt:__tostring()
  return ("sip.Player{%d; %s}"):format(self.id, self.why or "playing")
end

--- Stop playing. Never waits.
function Player:stop()
  if not self.why and not self.stopping then
    self.stopping = true
    self.sound.session:stop(self.id)
  end
end

--- `local player <close> = call:play { ..., background = true }` stops with its
--- block.
function player_mt:__close()
  self:stop()
end

--- Of the sound: it has ended.
---@private
function Player:ended(why, message)
  self.why, self.message = why, message
  if self.event then
    self.event:notify(true)
  end
  if why == "failed" and self.watcher then
    self.watcher(message)
  end
  self.sound.call:changed()
end

--- Wait until everything has been played.
---@param timeout? number
---@return true? ok
---@return sip.Error? err  ended, timeout, or rejected: a file that cannot be played
function Player:wait(timeout)
  local sched = self.sound.call.ua.sched
  if timeout then
    option.argument(timeout, "seconds", "wait: the timeout")
  end
  sched:enter()
  if not self.why then
    self.event = self.event or sched:event()
    local ok, e = self.event:wait(timeout)
    if not ok then
      return nil, e
    end
  end
  local why = self.why
  if why == "finished" or why == "stopped" then
    return true
  elseif why == "closed" then
    return nil, err.new("ended")
  end
  return nil, err.new("rejected", { op = "play", message = self.message })
end

local verbs = {}

--- What a call can do.
M.verbs = verbs

--- The audio of the call, made when it is first needed.
---@param options? { codecs?: string[] }
---@param host? string  the address of ours that the peer reaches us at
---@return sip.Sound? sound
---@return sip.Error? err
---@private
function verbs:audio_leg(options, host)
  if self.sound then
    return self.sound
  end
  host = host or self:media_host()
  if not host then
    return nil, err.new("unreachable", { op = "media", message = "no address" })
  end
  local sound, e = M.new(self, host, options and options.codecs)
  self.sound = sound
  return sound, e
end

--- Where the INVITE came to, for RTP.
---@return string? host
---@private
function verbs:media_host()
  local ua, tx = self.ua, self.tx
  if not ua.advertise.sip then
    return (tx:local_address())
  end
  local host, port, transport = tx:source()
  return ua:own_address(transport, host, port)
end

-- The sound of a call that may be spoken to; misuse raises.
local function speaking(self, verb)
  local ok, e = self:enter()
  if not ok then
    return nil, e
  elseif not self.sound then
    misuse.raise("%s: the call has no audio: answer it first", verb)
  end
  return self.sound
end

local ITEMS_MAX = 64
local play_options = { background = "boolean", loop = "boolean" }

-- `play "a.wav"`, `play { "a.wav", "tone:beep" }`.
local function parse_play(what)
  if type(what) == "string" then
    return { option.argument(what, "path", "play: the path") }, {}
  elseif type(what) ~= "table" then
    misuse.raise("play: a file, a tone, or a list of them")
  end
  local items, options = {}, {}
  for key, value in pairs(what) do
    if math.type(key) ~= "integer" then
      options[key] = value
    end
  end
  for i, item in ipairs(what) do
    items[i] = option.argument(item, "path", ("play: item %d"):format(i))
  end
  if #items == 0 or #items > ITEMS_MAX then
    misuse.raise("play: from 1 to %d files and tones", ITEMS_MAX)
  end
  return items, option.check(options, play_options, "play")
end

--- Play files and tones one after the other; waits for the end, unless in the
--- background.
---@param what string|table  { "a.wav", "tone:busy", background = true, loop = true }
---@return true|sip.Player? done
---@return sip.Error? err
function verbs:play(what)
  local items, options = parse_play(what)
  local sound, e = speaking(self, "play")
  if not sound then
    return nil, e
  end
  local names = table.concat(items, " ")
  self.ua:verb(self, "play " .. names)
  items.loop = options.loop
  local id, why = sound.session:play(items)
  if not id then
    return nil, err.new("rejected", { op = "play", message = names .. ": " .. why })
  end
  local player = setmetatable({ id = id, sound = sound }, player_mt)
  sound.players[id] = player
  if options.background then
    return player
  end
  local scoped <close> = player
  return scoped:wait()
end

--- A digit has come, by whichever way.
---@param digit string
---@param how "rtp"|"info"
---@private
function verbs:digit_heard(digit, how)
  local digits = self:digits()
  if self.state == "ended" or not digits:heard(digit, how) then
    return
  end
  self.ua:verb(self, "digit " .. digit)
  local recording = self.sound and self.sound.recording
  if recording and recording:stops_at(digit) then
    return
  end
  digits.mailbox:send(digit)
  self:changed()
end

--- The stream of what was pressed.
---@return sip.Digits
---@private
function verbs:digits()
  local digits = self.pressed
  if not digits then
    digits = digits_of.new(self.ua.sched)
    self.pressed = digits
  end
  return digits
end

local PRESS, GAP = 0.1, 0.1
local press_options = { duration = "span", gap = "seconds" }

--- Press digits; returns when the last one has been sent.
---@param digits string  0-9 * # A-D
---@param options? { duration?: number, gap?: number }
---@return true? ok
---@return sip.Error? err
function verbs:press(digits, options)
  options = option.check(options, press_options, "press")
  if type(digits) ~= "string" or not digits:match "^[%d*#A-Da-d]+$" then
    misuse.raise("press: digits from 0-9 * # A-D")
  end
  local ok, e = self:enter()
  if not ok then
    return nil, e
  end
  self.ua:verb(self, "press " .. digits)
  local duration, gap = options.duration or PRESS, options.gap or GAP
  local sound = self.sound
  if not sound then
    return self:press_by_info(digits:upper(), duration)
  end
  ok, e = sound.session:press(digits:upper(), { duration = duration, gap = gap })
  if not ok then
    return nil, err.new("rejected", { op = "press", message = e })
  end
  self.ua.sched:sleep(#digits * (duration + gap))
  return self:enter()
end

--- Press digits by INFO, where the media is kept elsewhere.
---@private
function verbs:press_by_info(digits, duration)
  for digit in digits:gmatch "." do
    local res, e = self:send {
      method = "INFO",
      content_type = "application/dtmf-relay",
      body = ("Signal=%s\r\nDuration=%d\r\n"):format(digit, duration * 1000 // 1),
    }
    if not res then
      return nil, e
    end
  end
  return true
end

return M

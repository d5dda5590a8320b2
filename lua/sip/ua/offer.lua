--- Offer and answer for one audio stream (RFC 3264, RFC 6337): state and pure
--- functions, one object per session. Text comes in, text goes out.
---
--- Nothing is agreed before both descriptions are known: `negotiated` changes in
--- `accept` and `answer`, and `rollback` takes back what a failed re-INVITE wanted.
--- An answer names one codec, the first of the offer that is known here (10.2), so
--- that both directions use the same.

local err = require "sip.rt.err"
local line = require "sip.ua.media_line"
local payload = require "sip.ua.payload"
local sdp = require "sip.msg.sdp"
local stream = require "sip.ua.stream"

local M = {}

---@class sip.OfferOptions
---@field address string        ours, in c= and o=
---@field port integer          where we receive
---@field codecs? (string|sip.Codec)[] in order of preference; PCMU and PCMA
---@field dtmf? boolean         named events (RFC 4733); true
---@field comfort_noise? boolean payload type 13 (RFC 3389); false
---@field ptime? integer        milliseconds we like to get; 20
---@field direction? string     what we want: "sendrecv", or "sendonly" for hold ...
---@field id string             digits, unique for this user and address (RFC 8866 5.2)
---@field user? string          "-"
---@field session_name? string  "-"

---@class sip.Negotiated
---@field remote? sip.RemoteStream  nil: there is no audio
---@field codec? string             name of the codec
---@field payload_type? integer     we send
---@field receive_payload_type? integer
---@field dtmf_payload_type? integer  we send; nil: no named events
---@field receive_dtmf_payload_type? integer
---@field comfort_noise boolean     payload type 13 may come and go
---@field receive table<integer, string> every payload type that may come: its codec
---@field ptime? integer            of what we send
---@field direction string          as seen from here
---@field held boolean              the other side does not want to hear us now

---@class (private) sip.OfferWish  what our next description will say
---@field address string
---@field port integer
---@field codecs sip.Codec[]
---@field dtmf boolean
---@field comfort_noise boolean
---@field ptime integer
---@field direction string

---@class sip.Offer
---@field state "stable"|"offered"
---@field negotiated? sip.Negotiated  nil until both sides are known
---@field local_sdp? string           the last description we gave out
---@field private wish sip.OfferWish
---@field private slots sip.MediaSlot[]
---@field private index integer       which slot is ours
---@field private times sip.SdpTime[] they cannot be negotiated (6)
---@field private origin sip.SdpOrigin
---@field private name string
---@field private version integer     of the last description we gave out
---@field private content? string     that description, without its version
---@field private agreed? table       the last one that was agreed: sdp and direction
---@field private payloads sip.PayloadTypes
---@field private wish_before? sip.OfferWish  before `set`
---@field private before? table       what `rollback` goes back to
local Offer = {}
local offer_mt = { __name = "sip.Offer", __index = Offer }

-- Warnings (RFC 3261 20.43).
local warnings = {
  [300] = "Incompatible network protocol",
  [301] = "Incompatible network address formats",
  [302] = "Incompatible transport protocol",
  [304] = "Media type not available",
  [305] = "Incompatible media format",
  [330] = "Multicast not available",
  [399] = "Media lines were removed",
}

local function family(address)
  return address:find(":", 1, true) and "IP6" or "IP4"
end

local function codecs_of(list)
  local codecs = {}
  for i, codec in ipairs(list) do
    codecs[i] = type(codec) == "table" and codec
      or assert(stream.codecs[codec], "no such codec: " .. tostring(codec))
  end
  assert(codecs[1], "an offer wants at least one codec")
  return codecs
end

local function copy(t)
  local new = {}
  for key, value in pairs(t) do
    new[key] = value
  end
  return new
end

--- Make the state of one session.
---@param options sip.OfferOptions
---@return sip.Offer
function M.new(options)
  assert(options.address and options.port and options.id, "address, port and id")
  return setmetatable({
    state = "stable",
    wish = {
      address = options.address,
      port = options.port,
      codecs = codecs_of(options.codecs or { "PCMU", "PCMA" }),
      dtmf = options.dtmf ~= false,
      comfort_noise = options.comfort_noise == true,
      ptime = options.ptime or 20,
      direction = options.direction or "sendrecv",
    },
    slots = {},
    index = 1,
    times = { { start = "0", stop = "0" } },
    origin = {
      user = options.user or "-",
      id = options.id,
      net = "IN",
      addr_type = family(options.address),
      address = options.address,
    },
    name = options.session_name or "-",
    version = 0,
    payloads = payload.new(),
  }, offer_mt)
end

local changeable = {
  address = true, port = true, codecs = true, dtmf = true, comfort_noise = true,
  ptime = true, direction = true,
}

--- Change what our next offer or answer will say: `direction = "sendonly"` holds the
--- other side (8.4). It is taken back when that offer fails.
---@param changes table
function Offer:set(changes)
  local wish = copy(self.wish)
  for key, value in pairs(changes) do
    assert(changeable[key], "no such option: " .. tostring(key))
    wish[key] = key == "codecs" and codecs_of(value) or value
  end
  self.wish_before = self.wish_before or self.wish
  self.wish = wish
end

---@private
function Offer:remember(wish)
  self.before = {
    wish = wish,
    slots = self.slots,
    index = self.index,
    times = self.times,
    agreed = self.agreed or false,
    negotiated = self.negotiated or false,
  }
end

--- The last offer or answer failed: all is as before, but its version stays used.
function Offer:rollback()
  for key, value in pairs(self.before or {}) do
    self[key] = value or nil
  end
  self.before = nil
  self.wish_before = nil
  self.state = "stable"
end

---@private
--- Write a description. Its version rises by one when it says anything else than the
--- last one did (8).
function Offer:describe(list)
  local origin, address = self.origin, self.wish.address
  local description = {
    origin = origin,
    name = self.name,
    connection = { net = "IN", addr_type = family(address), address = address },
    times = self.times,
    attributes = {},
    media = list,
  }
  origin.version = "0"
  local content = sdp.write(description)
  if content ~= self.content then
    self.content = content
    self.version = self.version + 1
    origin.version = tostring(self.version)
    self.local_sdp = sdp.write(description)
  end
  return self.local_sdp
end

-- Offering ----------------------------------------------------------------------------

---@private
function Offer:add_if_free(media, codec)
  local number = self.payloads:number_of(codec)
  if number then
    line.add(media, number, codec)
  end
end

---@private
function Offer:offered_audio()
  local wish = self.wish
  local media, clocks = line.audio(wish.port), {}
  for _, codec in ipairs(wish.codecs) do
    self:add_if_free(media, codec)
    if not clocks[codec.clock] then
      clocks[codec.clock] = true
      clocks[#clocks + 1] = codec.clock
    end
  end
  if wish.comfort_noise and clocks[8000] then
    self:add_if_free(media, stream.comfort_noise)
  end
  for _, clock in ipairs(wish.dtmf and clocks or {}) do
    self:add_if_free(media, stream.events(clock))
  end
  line.finish(media, wish.ptime, wish.direction)
  return media
end

--- Make an offer: everything we can and want, whatever was agreed before (RFC 6337
--- 5.2.5). What was in the session and is not ours stays, zeroed.
---@return string sdp
function Offer:offer()
  assert(self.state == "stable", "an offer is pending (RFC 3264 4)")
  self:remember(self.wish_before or self.wish)
  local list = {}
  for i, slot in ipairs(self.slots) do
    list[i] = line.zeroed(slot)
  end
  list[self.index] = self:offered_audio()
  self.slots = line.slots(list)
  self.state = "offered"
  return self:describe(list)
end

--- Offer what was agreed, byte for byte, as a refresh that changes nothing does; a
--- whole new offer when there is no such thing, or when it would keep us on hold
--- (RFC 6337 5.3).
---@return string sdp
function Offer:reoffer()
  local agreed = self.agreed
  if not agreed or agreed.sdp ~= self.local_sdp or self.wish_before
    or agreed.direction ~= self.wish.direction then
    return self:offer()
  end
  assert(self.state == "stable", "an offer is pending (RFC 3264 4)")
  self:remember(self.wish)
  self.state = "offered"
  return self.local_sdp
end

local function parse(text)
  local description, refusal = sdp.parse(text)
  if description then
    return description
  end
  return nil, err.new("malformed", {
    message = ("SDP byte %d: %s"):format(refusal.at, refusal.why),
    at = refusal.at,
    status = refusal.status,
  })
end

local function not_acceptable(text)
  return nil, err.new("not_acceptable", { message = text })
end

local function has_noise(wish, codec, formats)
  local noise = stream.comfort_noise
  local _, format = stream.first_common(formats, { noise })
  return wish.comfort_noise and codec.clock == noise.clock and format ~= nil
    and format.number == noise.payload_type
end

---@private
--- What both sides agreed: `ways` as seen from here, `ours` the numbers of our stream.
function Offer:agree(session, media, ways, ours)
  local wish, remote = self.wish, stream.remote(session, media)
  local sends = ways.sends and not stream.is_nowhere(remote.host)
  return {
    remote = remote,
    codec = ours.codec.name,
    payload_type = ours.format.number,
    receive_payload_type = ours.number,
    dtmf_payload_type = ours.events and ours.events.number,
    receive_dtmf_payload_type = ours.events and ours.events_number,
    comfort_noise = ours.comfort_noise,
    receive = ours.receive,
    ptime = stream.ptime(session, media, wish.ptime),
    direction = stream.direction_name(sends, ways.receives),
    held = ways.held or stream.is_nowhere(remote.host),
  }
end

---@private
function Offer:judge_answer(session)
  local wish, media = self.wish, session.media[self.index]
  if not media then
    return not_acceptable "the answer has no line for our audio"
  elseif media.port == 0 then
    return not_acceptable "the other side rejected audio"
  end
  local code = stream.trouble(session, media, line.proto, family(wish.address))
  if code then
    return not_acceptable("the answer cannot be used: " .. warnings[code]:lower())
  end
  local formats = stream.formats(media)
  local codec, format = stream.first_common(formats, wish.codecs)
  if not codec then
    return not_acceptable "the answer names no codec of the offer"
  end
  self.payloads:note(formats)
  local receive, ours = {}, { codec = codec, format = format }
  for _, other in ipairs(formats) do
    local common = stream.codec_of(wish.codecs, other)
    if common then
      receive[self.payloads:number_of(common)] = common.name
    end
  end
  local events = wish.dtmf and stream.events(codec.clock)
  ours.events = events and select(2, stream.first_common(formats, { events }))
  ours.number = self.payloads:number_of(codec)
  if ours.events then
    ours.events_number = self.payloads:number_of(events)
    receive[ours.events_number] = events.name
  end
  ours.comfort_noise = has_noise(wish, codec, formats)
  ours.receive = receive
  local our_sends, our_receives = stream.ways(wish.direction)
  local sends, receives = stream.direction(session, media)
  return self:agree(session, media, {
    sends = our_sends and receives,
    receives = our_receives and sends,
    held = our_sends and not receives,
  }, ours)
end

--- What an answer would mean, without taking it: for provisional responses, of which
--- each fork may send another one.
---@param text string
---@return sip.Negotiated? negotiated
---@return sip.Error? err
function Offer:preview(text)
  assert(self.state == "offered", "no offer is pending")
  local session, e = parse(text)
  if not session then
    return nil, e
  end
  return self:judge_answer(session)
end

--- Take the answer to our offer. After an error all is as before the offer.
---@param text string
---@return sip.Negotiated? negotiated
---@return sip.Error? err  name "malformed" or "not_acceptable"
function Offer:accept(text)
  local negotiated, e = self:preview(text)
  if not negotiated then
    self:rollback()
    return nil, e
  end
  self.before = nil
  return self:settle(negotiated, self.wish.direction)
end

---@private
function Offer:settle(negotiated, direction)
  self.state = "stable"
  self.negotiated = negotiated
  self.agreed = { sdp = self.local_sdp, direction = direction }
  self.wish_before = nil
  return negotiated
end

-- Answering ---------------------------------------------------------------------------

---@private
--- Our stream of an offer: the one we have, else the first that can be used. Without
--- one: the warning code, or nil when nothing was wanted from us.
function Offer:choose(session)
  local wish, why = self.wish, nil
  local order = { self.negotiated and self.negotiated.remote and self.index or nil }
  for i = 1, #session.media do
    order[#order + 1] = i
  end
  for _, i in ipairs(order) do
    local media = session.media[i]
    if media.port ~= 0 then
      local code = stream.trouble(session, media, line.proto, family(wish.address))
      local formats = not code and stream.formats(media)
      local codec, format = stream.first_common(formats or {}, wish.codecs)
      if codec then
        return { index = i, codec = codec, format = format, formats = formats }
      end
      code = code or 305
      why = (not why or why == 304) and code or why
    end
  end
  return nil, why
end

---@private
function Offer:refuse(code)
  local address = self.wish.address
  local agent = family(address) == "IP6" and "[" .. address .. "]" or address
  return nil, err.new("not_acceptable", {
    message = warnings[code],
    warning = ('%d %s "%s"'):format(code, agent, warnings[code]),
  })
end

---@private
--- Our line of the answer; fills in what `agree` wants to know.
function Offer:answered_audio(chosen, direction)
  local wish, formats, codec = self.wish, chosen.formats, chosen.codec
  local media = line.audio(wish.port)
  self.payloads:note(formats)
  chosen.number = self.payloads:number_of(codec, chosen.format.number)
  if not chosen.number then
    return nil -- they gave every number another meaning
  end
  chosen.receive = { [chosen.number] = codec.name }
  line.add(media, chosen.number, codec)
  chosen.comfort_noise = has_noise(wish, codec, formats)
  if chosen.comfort_noise then
    line.add(media, stream.comfort_noise.payload_type, stream.comfort_noise)
  end
  local events = wish.dtmf and stream.events(codec.clock)
  local _, format = stream.first_common(formats, { events or nil })
  chosen.events_number = format and self.payloads:number_of(events, format.number)
  if chosen.events_number then
    chosen.events = format
    chosen.receive[chosen.events_number] = events.name
    line.add(media, chosen.events_number, events)
  end
  line.finish(media, wish.ptime, direction)
  return media
end

local function ways_of_answer(wish, session, media)
  local our_sends, our_receives = stream.ways(wish.direction)
  local sends, receives = stream.direction(session, media)
  return {
    sends = our_sends and receives,
    receives = our_receives and sends,
    held = not receives,
  }
end

local function no_audio()
  return { comfort_noise = false, receive = {}, direction = "inactive", held = false }
end

--- Answer an offer. After an error all is as before; after success it is agreed,
--- unless `rollback` says that the answer never got through.
---@param text string
---@return string? sdp
---@return sip.Error? err  "malformed" (400), or "not_acceptable" (488) with the value
---                        of a Warning header in `warning`
function Offer:answer(text)
  assert(self.state == "stable", "an offer is pending (RFC 3264 4)")
  local session, e = parse(text)
  if not session then
    return nil, e
  elseif #session.media < #self.slots then
    return self:refuse(399)
  end
  local chosen, why = self:choose(session)
  if not chosen and why then
    return self:refuse(why)
  end
  local list = {}
  for i, slot in ipairs(line.slots(session.media)) do
    list[i] = line.zeroed(slot)
  end
  local negotiated, direction = no_audio(), nil
  local slots, index = line.slots(session.media), 1
  if chosen then
    local media = session.media[chosen.index]
    local ways = ways_of_answer(self.wish, session, media)
    direction = stream.direction_name(ways.sends, ways.receives)
    index = chosen.index
    list[index] = self:answered_audio(chosen, direction)
    if not list[index] then
      return self:refuse(305)
    end
    negotiated = self:agree(session, media, ways, chosen)
  end
  self:remember(self.wish)
  self.slots, self.index = slots, index
  self.times = { { start = session.times[1].start, stop = session.times[1].stop } }
  local answer = self:describe(list)
  self:settle(negotiated, direction)
  return answer
end

return M

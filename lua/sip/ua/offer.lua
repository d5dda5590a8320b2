--- Offer and answer for one audio stream (RFC 3264, RFC 6337): state and pure
--- functions, one object per session. Text comes in, text goes out.
---
--- Nothing is agreed before both descriptions are known: `negotiated` changes in
--- `accept` and `answer`, and `rollback` takes back what a failed re-INVITE wanted.
--- An answer names one codec, the first of the offer that is known here (10.2), so
--- that both directions use the same.

local agreement = require "sip.ua.agreement"
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
---@field limits? table<string, integer>  of what is read, by the names of base/limits.h

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
---@field private agreed_sdp? string  the last one that was agreed
---@field private payloads sip.PayloadTypes
---@field private reading { limits?: table<string, integer> }
---@field private wish_before? sip.OfferWish  before `set`
---@field private before? table       what `rollback` goes back to
local Offer = {}
local offer_mt = { __name = "sip.Offer", __index = Offer }

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
      addr_type = agreement.family(options.address),
      address = options.address,
    },
    name = options.session_name or "-",
    version = 0,
    payloads = payload.new(),
    reading = { limits = options.limits },
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
    agreed_sdp = self.agreed_sdp or false,
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
    connection = {
      net = "IN", addr_type = agreement.family(address), address = address,
    },
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
  local text = self.agreed_sdp
  if not text or text ~= self.local_sdp or self.wish_before
    or not text:find("\na=" .. self.wish.direction .. "\r\n", 1, true) then
    return self:offer()
  end
  assert(self.state == "stable", "an offer is pending (RFC 3264 4)")
  self:remember(self.wish)
  self.state = "offered"
  return self.local_sdp
end

local function parse(text, reading)
  local description, refusal = sdp.parse(text, reading)
  if description then
    return description
  end
  return nil, err.new("malformed", {
    message = ("SDP byte %d: %s"):format(refusal.at, refusal.why),
    at = refusal.at,
    status = refusal.status,
  })
end

--- What an answer would mean, without taking it: for provisional responses, of which
--- each fork may send another one.
---@param text string
---@return sip.Negotiated? negotiated
---@return sip.Error? err
function Offer:preview(text)
  assert(self.state == "offered", "no offer is pending")
  local session, e = parse(text, self.reading)
  if not session then
    return nil, e
  end
  return agreement.of_answer(session, self.index, self.wish, self.payloads)
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
  return self:settle(negotiated)
end

---@private
function Offer:settle(negotiated)
  self.state = "stable"
  self.negotiated = negotiated
  self.agreed_sdp = self.local_sdp
  self.wish_before = nil
  return negotiated
end

-- Answering ---------------------------------------------------------------------------

---@private
function Offer:refuse(code)
  return nil, agreement.refusal(code, self.wish.address)
end

--- Answer an offer. After an error all is as before; after success it is agreed,
--- unless `rollback` says that the answer never got through.
---@param text string
---@return string? sdp
---@return sip.Error? err  "malformed" (400), or "not_acceptable" (488) with the value
---                        of a Warning header in `warning`
function Offer:answer(text)
  assert(self.state == "stable", "an offer is pending (RFC 3264 4)")
  local session, e = parse(text, self.reading)
  if not session then
    return nil, e
  elseif #session.media < #self.slots then
    return self:refuse(399)
  end
  local current = self.negotiated and self.negotiated.remote and self.index or nil
  local chosen, why = agreement.choose(session, self.wish, current)
  if not chosen and why then
    return self:refuse(why)
  end
  local slots, list = line.slots(session.media), {}
  for i, slot in ipairs(slots) do
    list[i] = line.zeroed(slot)
  end
  local negotiated, index = agreement.nothing(), 1
  if chosen then
    index = chosen.index
    negotiated, list[index] =
      agreement.of_offer(session, chosen, self.wish, self.payloads)
    if not negotiated then
      return self:refuse(305)
    end
  end
  self:remember(self.wish)
  self.slots, self.index = slots, index
  self.times = { { start = session.times[1].start, stop = session.times[1].stop } }
  local answer = self:describe(list)
  self:settle(negotiated)
  return answer
end

--- What a media session has to be told of an agreement; nil: there is no audio.
---@param negotiated sip.Negotiated
---@return table?
function M.media(negotiated)
  local remote = negotiated.remote
  return remote and {
    host = remote.host,
    port = remote.port,
    rtcp_host = remote.rtcp_host,
    rtcp_port = remote.rtcp_port,
    codec = negotiated.codec,
    payload_type = negotiated.payload_type,
    receive_payload_type = negotiated.receive_payload_type,
    dtmf_payload_type = negotiated.dtmf_payload_type,
    receive_dtmf_payload_type = negotiated.receive_dtmf_payload_type,
    ptime = negotiated.ptime,
    direction = negotiated.direction,
  }
end

return M

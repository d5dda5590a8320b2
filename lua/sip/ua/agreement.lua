--- What two descriptions agree on (RFC 3264 6 and 7), as functions of theirs and of
--- what we want. Only the numbers of payload types are remembered, by who asks.

local err = require "sip.rt.err"
local line = require "sip.ua.media_line"
local sdp = require "sip.msg.sdp"
local stream = require "sip.ua.stream"

local M = {}

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

---@class sip.OfferWish  what our next description will say
---@field address string
---@field port integer
---@field codecs sip.Codec[]
---@field dtmf boolean
---@field comfort_noise boolean
---@field ptime integer
---@field direction string

---@class sip.ChosenStream  a stream of an offer that can be used
---@field index integer
---@field codec sip.Codec
---@field format sip.Format     theirs
---@field formats sip.Format[]  all of theirs

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

--- "IP4" or "IP6", for an address of ours.
---@param address string
---@return string addr_type
function M.family(address)
  return sdp.address(address) or "IP4"
end

--- The error of a description that cannot be used: 488 with a Warning.
---@param code integer
---@param address string  ours: the agent of the warning
---@return sip.Error
function M.refusal(code, address)
  local agent = M.family(address) == "IP6" and "[" .. address .. "]" or address
  return err.new("not_acceptable", {
    message = warnings[code],
    warning = ('%d %s "%s"'):format(code, agent, warnings[code]),
  })
end

--- No audio at all.
---@return sip.Negotiated
function M.nothing()
  return { comfort_noise = false, receive = {}, direction = "inactive", held = false }
end

local function has_noise(wish, codec, formats)
  local noise = stream.comfort_noise
  local _, format = stream.first_common(formats, { noise })
  return wish.comfort_noise and codec.clock == noise.clock and format ~= nil
    and format.number == noise.payload_type
end

-- Which way packets go, of what we want and what their description says. They hold
-- us when they could hear us and do not want to.
local function ways_of(wish, session, media, could_hear)
  local our_sends, our_receives = stream.ways(wish.direction)
  local sends, receives = stream.direction(session, media)
  return {
    sends = our_sends and receives,
    receives = our_receives and sends,
    held = could_hear and not receives,
  }
end

-- `ours`: the codec, their format of it, our number of it, and the same of events.
local function agree(session, media, wish, ways, ours)
  local remote = stream.remote(session, media)
  local nowhere = stream.is_nowhere(remote.host)
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
    direction = stream.direction_name(ways.sends and not nowhere, ways.receives),
    held = ways.held or nowhere,
  }
end

local function not_acceptable(text)
  return nil, err.new("not_acceptable", { message = text })
end

-- Their line of an answer, when it can be used: formats, codec and its format.
local function usable_answer(media, session, wish)
  if not media then
    return not_acceptable "the answer has no line for our audio"
  elseif media.port == 0 then
    return not_acceptable "the other side rejected audio"
  end
  local code = stream.trouble(session, media, line.proto, M.family(wish.address))
  if code then
    return not_acceptable("the answer cannot be used: " .. warnings[code]:lower())
  end
  local formats = stream.formats(media)
  local codec, format = stream.first_common(formats, wish.codecs)
  if not codec then
    return not_acceptable "the answer names no codec of the offer"
  end
  return formats, codec, format
end

--- What an answer to our offer agrees on (7).
---@param session sip.Sdp
---@param index integer          our line
---@param wish sip.OfferWish
---@param payloads sip.PayloadTypes
---@return sip.Negotiated?
---@return sip.Error?
function M.of_answer(session, index, wish, payloads)
  local media = session.media[index]
  local formats, codec, format = usable_answer(media, session, wish)
  if not formats then
    return nil, codec
  end
  payloads:note(formats)
  local receive = {}
  local ours = { codec = codec, format = format, receive = receive }
  for _, other in ipairs(formats) do
    local common = stream.codec_of(wish.codecs, other)
    if common then
      receive[payloads:number_of(common)] = common.name
    end
  end
  ours.number = payloads:number_of(codec)
  local events = wish.dtmf and stream.events(codec.clock) or nil
  local _, events_format = stream.first_common(formats, { events })
  if events_format then
    ours.events, ours.events_number = events_format, payloads:number_of(events)
    receive[ours.events_number] = events.name
  end
  ours.comfort_noise = has_noise(wish, codec, formats)
  local ways = ways_of(wish, session, media, (stream.ways(wish.direction)))
  return agree(session, media, wish, ways, ours)
end

--- Our stream of an offer: the one we have, else the first that can be used. Without
--- one: the warning code, or nil when nothing was wanted from us.
---@param session sip.Sdp
---@param wish sip.OfferWish
---@param current? integer  the line that is ours already
---@return sip.ChosenStream?
---@return integer? code
function M.choose(session, wish, current)
  local why
  local order = { current }
  for i = 1, #session.media do
    order[#order + 1] = i
  end
  for _, i in ipairs(order) do
    local media = session.media[i]
    if media.port ~= 0 then
      local code = stream.trouble(session, media, line.proto, M.family(wish.address))
      local formats = code and {} or stream.formats(media)
      local codec, format = stream.first_common(formats, wish.codecs)
      if codec then
        return { index = i, codec = codec, format = format, formats = formats }
      end
      code = code or 305
      why = (not why or why == 304) and code or why
    end
  end
  return nil, why
end

--- What our answer to an offer agrees on, and our line of it (6.1). Nil when they gave
--- every payload type another meaning, so that none is left for us.
---@param session sip.Sdp
---@param chosen sip.ChosenStream
---@param wish sip.OfferWish
---@param payloads sip.PayloadTypes
---@return sip.Negotiated? negotiated
---@return sip.SdpMedia? line
function M.of_offer(session, chosen, wish, payloads)
  local theirs = session.media[chosen.index]
  local formats, codec = chosen.formats, chosen.codec
  local media = line.audio(wish.port)
  payloads:note(formats)
  local number = payloads:number_of(codec, chosen.format.number)
  if not number then
    return nil
  end
  line.add(media, number, codec)
  local ours = {
    codec = codec,
    format = chosen.format,
    number = number,
    receive = { [number] = codec.name },
    comfort_noise = has_noise(wish, codec, formats),
  }
  if ours.comfort_noise then
    line.add(media, stream.comfort_noise.payload_type, stream.comfort_noise)
  end
  local events = wish.dtmf and stream.events(codec.clock) or nil
  local _, format = stream.first_common(formats, { events })
  ours.events_number = format and payloads:number_of(events, format.number)
  if ours.events_number then
    ours.events = format
    ours.receive[ours.events_number] = events.name
    line.add(media, ours.events_number, events)
  end
  local ways = ways_of(wish, session, theirs, true)
  line.finish(media, wish.ptime, stream.direction_name(ways.sends, ways.receives))
  return agree(session, theirs, wish, ways, ours), media
end

return M

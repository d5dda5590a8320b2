--- What one m= line of a session description says, as pure functions: its direction,
--- where its packets go, which codec each format is (RFC 8866 6, RFC 3264 5, RFC 3551).

local sdp = require "sip.msg.sdp"

local M = {}

---@class sip.Codec
---@field name string           as in a=rtpmap
---@field clock integer
---@field channels integer
---@field payload_type? integer the static one (RFC 3551 6); nil: dynamic
---@field fmtp? string          what to write in a=fmtp

---@class sip.Format
---@field number integer  payload type
---@field key string      name, clock and channels: what makes two formats the same
---@field clock integer
---@field fmtp? string

---@class sip.RemoteStream
---@field host string     an address, never a name
---@field port integer
---@field rtcp_host string
---@field rtcp_port integer

-- The static payload types that are worth a name here (RFC 3551 6).
local static = {
  [0] = "PCMU/8000",
  [3] = "GSM/8000",
  [4] = "G723/8000",
  [8] = "PCMA/8000",
  [9] = "G722/8000",
  [13] = "CN/8000",
  [15] = "G728/8000",
  [18] = "G729/8000",
}

---@type table<string, sip.Codec>
M.codecs = {
  PCMU = { name = "PCMU", clock = 8000, channels = 1, payload_type = 0 },
  PCMA = { name = "PCMA", clock = 8000, channels = 1, payload_type = 8 },
}

M.comfort_noise = { name = "CN", clock = 8000, channels = 1, payload_type = 13 }

--- The named events of a clock rate (RFC 4733 2.4.1): digits and no more.
---@param clock integer
---@return sip.Codec
function M.events(clock)
  return { name = "telephone-event", clock = clock, channels = 1, fmtp = "0-15" }
end

---@param name string
---@param clock integer|string
---@param channels? integer|string
---@return string key
function M.key(name, clock, channels)
  local key = name:lower() .. "/" .. tostring(clock)
  if channels and tonumber(channels) ~= 1 then
    key = key .. "/" .. tostring(channels)
  end
  return key
end

--- The value of an attribute: of the stream, else of the session.
---@param name string
---@param media sip.SdpMedia
---@param session? sip.Sdp
---@return string|boolean|nil value  true: it is there without a value
function M.attribute(name, media, session)
  for _, level in ipairs { media, session } do
    for _, attribute in ipairs(level.attributes) do
      if attribute.name == name then
        return attribute.value or true
      end
    end
  end
end

local directions = {
  sendrecv = true, sendonly = true, recvonly = true, inactive = true,
}

--- Which way the packets go, as its writer sees it (RFC 8866 6.7).
---@param session sip.Sdp
---@param media sip.SdpMedia
---@return boolean sends
---@return boolean receives
function M.direction(session, media)
  for _, level in ipairs { media, session } do
    for _, attribute in ipairs(level.attributes) do
      if directions[attribute.name] then
        return M.ways(attribute.name)
      end
    end
  end
  return true, true
end

---@param direction string
---@return boolean sends
---@return boolean receives
function M.ways(direction)
  return direction == "sendrecv" or direction == "sendonly",
    direction == "sendrecv" or direction == "recvonly"
end

---@param sends boolean
---@param receives boolean
---@return string direction
function M.direction_name(sends, receives)
  if sends then
    return receives and "sendrecv" or "sendonly"
  end
  return receives and "recvonly" or "inactive"
end

local function formats_of(media, attribute_name)
  local values = {}
  for _, attribute in ipairs(media.attributes) do
    local value = attribute.name == attribute_name and attribute.value or ""
    local number, text = value:match "^%s*(%d+)%s+(%S.*)$"
    if number and not values[number] then
      values[number] = text:match "^.*%S"
    end
  end
  return values
end

--- The formats of a stream, in its order of preference. Numbers without a meaning,
--- static or by a=rtpmap, are left out.
---@param media sip.SdpMedia
---@return sip.Format[]
function M.formats(media)
  local formats, seen = {}, {}
  local maps, params = formats_of(media, "rtpmap"), formats_of(media, "fmtp")
  for _, text in ipairs(media.formats) do
    local number = text:match "^%d%d?%d?$" and tonumber(text)
    local map = number and (maps[text] or static[number])
    local name, clock, rest = (map or ""):match "^([^/]+)/(%d+)(.*)$"
    local channels = rest and (rest == "" and "" or rest:match "^/(%d*)$")
    if channels and number < 128 and not seen[number] then
      seen[number] = true
      formats[#formats + 1] = {
        number = number,
        key = M.key(name, clock, channels ~= "" and channels or nil),
        clock = tonumber(clock),
        fmtp = params[text],
      }
    end
  end
  return formats
end

--- The milliseconds of a packet that the writer likes to get; `default` when it does
--- not say. Whole tens, as codecs of 8000 Hz are framed.
---@param session sip.Sdp
---@param media sip.SdpMedia
---@param default integer
---@return integer
function M.ptime(session, media, default)
  local function number(name)
    local value = M.attribute(name, media, session)
    local n = type(value) == "string" and tonumber(value:match "^%s*(%d+)")
    return n and n > 0 and n or nil
  end
  local ptime = number "ptime" or default
  ptime = math.min(ptime, number "maxptime" or ptime, 120)
  return math.max(10, ptime // 10 * 10)
end

---@param session sip.Sdp
---@param media sip.SdpMedia
---@return sip.SdpConnection?
function M.connection(session, media)
  return media.connection or session.connection
end

--- An address that says "nowhere": held by the rules of RFC 2543 (RFC 3264 8.4).
---@param host string
---@return boolean
function M.is_nowhere(host)
  return select(2, sdp.address(host)) == "any"
end

--- Where its packets and reports go (RFC 3264 5.1, RFC 3605).
---@param session sip.Sdp
---@param media sip.SdpMedia
---@return sip.RemoteStream
function M.remote(session, media)
  local host = M.connection(session, media).address
  local remote = {
    host = host,
    port = media.port,
    rtcp_host = host,
    rtcp_port = math.min(media.port + 1, 65535),
  }
  local rtcp = M.attribute("rtcp", media)
  if type(rtcp) == "string" then
    local port, address = rtcp:match "^%s*(%d+)%s*(.*)$"
    port = tonumber(port)
    if port and port > 0 and port <= 65535 then
      remote.rtcp_port = port
      address = address:match "^IN%s+IP[46]%s+(%S+)"
      remote.rtcp_host = address and sdp.address(address) and address or host
    end
  end
  return remote
end

--- Which of the codecs a format is.
---@param codecs sip.Codec[]
---@param format sip.Format
---@return sip.Codec?
function M.codec_of(codecs, format)
  for _, codec in ipairs(codecs) do
    if M.key(codec.name, codec.clock, codec.channels) == format.key then
      return codec
    end
  end
end

--- The first of their formats that is one of the codecs.
---@param formats sip.Format[]
---@param codecs sip.Codec[]
---@return sip.Codec?
---@return sip.Format?
function M.first_common(formats, codecs)
  for _, format in ipairs(formats) do
    local codec = M.codec_of(codecs, format)
    if codec then
      return codec, format
    end
  end
end

--- Why a stream cannot be used, as a warning code (RFC 3261 20.43); nil when it can.
--- A name for an address is no use: looking it up would have to wait (RFC 8866 5.7
--- allows names, hardly anybody sends them).
---@param session sip.Sdp
---@param media sip.SdpMedia
---@param proto string
---@param addr_type string
---@return integer? code
function M.trouble(session, media, proto, addr_type)
  local connection = M.connection(session, media)
  local family, kind = sdp.address(connection.address)
  if media.type ~= "audio" then
    return 304
  elseif media.proto ~= proto then
    return 302
  elseif connection.net ~= "IN" then
    return 300
  elseif connection.addr_type ~= addr_type or family ~= addr_type then
    return 301
  elseif kind == "multicast" or connection.ttl or connection.count then
    return 330
  end
end

return M

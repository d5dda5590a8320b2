--- The m= lines that we write: ours, and those that are zeroed (RFC 3264 5, 6, 8.2).

local M = {}

---@class sip.MediaSlot  an m= line of the session; they are never removed
---@field type string
---@field proto string
---@field format string  one of its formats, for when the line is zeroed

M.proto = "RTP/AVP"

--- Begin our audio: its formats are added next.
---@param port integer
---@return sip.SdpMedia
function M.audio(port)
  return {
    type = "audio", port = port, proto = M.proto, formats = {}, attributes = {},
  }
end

--- Add a format with its mapping, a static one too (6.1).
---@param media sip.SdpMedia
---@param number integer
---@param codec sip.Codec
function M.add(media, number, codec)
  local attributes, text = media.attributes, tostring(number)
  media.formats[#media.formats + 1] = text
  local map = text .. " " .. codec.name .. "/" .. codec.clock
  if codec.channels ~= 1 then
    map = map .. "/" .. codec.channels
  end
  attributes[#attributes + 1] = { name = "rtpmap", value = map }
  if codec.fmtp then
    attributes[#attributes + 1] = { name = "fmtp", value = text .. " " .. codec.fmtp }
  end
end

--- End our audio with what is said of the whole line.
---@param media sip.SdpMedia
---@param ptime integer
---@param direction string
function M.finish(media, ptime, direction)
  local attributes = media.attributes
  attributes[#attributes + 1] = { name = "ptime", value = tostring(ptime) }
  attributes[#attributes + 1] = { name = direction }
end

--- A line that is not wanted: port 0 and no attributes.
---@param slot sip.MediaSlot
---@return sip.SdpMedia
function M.zeroed(slot)
  return {
    type = slot.type, port = 0, proto = slot.proto, formats = { slot.format },
    attributes = {},
  }
end

--- What has to be remembered of the lines of a description.
---@param list sip.SdpMedia[]
---@return sip.MediaSlot[]
function M.slots(list)
  local slots = {}
  for i, media in ipairs(list) do
    slots[i] = { type = media.type, proto = media.proto, format = media.formats[1] }
  end
  return slots
end

return M

--- Descriptions of peers, and what is looked at in ours: for the specs of RFC 3264.

local offer = require "sip.ua.offer"

local M = {}

--- Lines as a description has them.
function M.lines(...)
  return table.concat({ ... }, "\r\n") .. "\r\n"
end

--- A description of a peer: its session lines, then what is given.
function M.remote(...)
  return M.lines("v=0", "o=- 77 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9",
    "t=0 0", ...)
end

--- The media that `audio` offers.
M.AUDIO = {
  "m=audio 6000 RTP/AVP 8 0 97", "a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000",
  "a=rtpmap:97 telephone-event/8000", "a=fmtp:97 0-15",
}

--- One with three codecs, and more lines.
function M.audio(...)
  local all = { table.unpack(M.AUDIO) }
  for _, line in ipairs { ... } do
    all[#all + 1] = line
  end
  return M.remote(table.unpack(all))
end

--- An agent at 192.0.2.1.
function M.new(options)
  local all = { address = "192.0.2.1", port = 4000, id = "11" }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  return offer.new(all)
end

--- The version of a description (o=).
function M.version(text)
  return tonumber(text:match "\no=%S+ %S+ (%d+)")
end

--- What a description says of the direction.
function M.direction(text)
  return text:match "\na=(sendrecv)" or text:match "\na=(sendonly)"
    or text:match "\na=(recvonly)" or text:match "\na=(inactive)"
end

--- Its n-th line of media, and how many there are.
function M.m_line(text, n)
  local found = {}
  for line in text:gmatch "\n(m=[^\r\n]*)" do
    found[#found + 1] = line
  end
  return found[n or 1], #found
end

return M

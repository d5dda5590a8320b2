--- Where requests to a peer go that its Contact does not lead to: by the connection
--- that its messages come by, or, over UDP, to where they come from (RFC 5626 5.3, 7;
--- RFC 7118 5). Pure: messages in, a place out.
---
--- A Contact is no way to its owner when its host is under ".invalid"; when it has
--- "ob"; and when it is an address other than the source's, and the peer's own by its
--- Via, or a private one: then a NAT is between. Any other address is believed: it may
--- be somebody else's, registered by a third party (RFC 3261 10.2).

local address = require "sip.msg.address"

local M = {}

local find, match = string.find, string.match

local RELIABLE = { tcp = true, tls = true, ws = true, wss = true }
local SECURE = { tls = true, wss = true }

local function same_host(a, b)
  local bytes = a ~= b and b and address.bytes(a)
  return a == b or bytes and bytes == address.bytes(address.bare(b)) or false
end

-- Addresses that mean something in a network of their own only: RFC 1918, 6598, 3927,
-- 1122, 4193 and 4291.
local function is_private(host)
  if find(host, ":", 1, true) then
    return find(host, "^[fF][cCdD]") or find(host, "^[fF][eE][89aAbB]")
      or host == "::1" or host == "::"
  end
  local a, b = match(host, "^(%d+)%.(%d+)")
  a, b = tonumber(a), tonumber(b)
  return a == 10 or a == 127 or a == 0 or a == 192 and b == 168 or a == 169 and b == 254
    or a == 172 and b // 16 == 1 or a == 100 and b // 64 == 1
end

-- Whether a Contact is the far end of the connection itself, which a secure one is not
-- used for without being asked (RFC 5923 8.2).
local function is_far_end(hop, source, port, transport)
  return SECURE[transport] and hop.port == port and same_host(hop.host, source)
end

-- Whether this Contact is an address of its owner's own network.
local function is_inside(host, source, own)
  return same_host(host, own) or is_private(host) and not is_private(source)
end

-- A sips URI wants TLS on every hop, and has it here or not at all.
local function place_of(message, hop, sole, outbound)
  local host, port, transport, flow = message:source()
  if hop.secure and not SECURE[transport] then
    return nil
  end
  return { transport = transport, host = host, port = port, name = host, flow = flow,
    own = message:own(), sole = sole, outbound = outbound }
end

local function has_ob(uri)
  return find(uri, ";ob", 1, true) and find(uri, ";ob%f[;?%z]") ~= nil or false
end

--- The place of the peer whose message this is, when nothing else leads there.
---@param uri string           its Contact
---@param message sip.Message  that came from it, and from nobody in between
---@param own? string          what it takes for its own host: in a request, by its Via
---@return sip.Place?
function M.behind(uri, message, own)
  local source, port, transport = message:source()
  local _, _, named = address.parts(uri)
  local outbound = has_ob(uri)
  if not source or named == source and not (outbound or SECURE[transport]) then
    return nil -- as nearly always
  end
  local hop = address.hop(uri)
  if not hop then
    return nil
  elseif outbound or address.is_invalid(hop.host) then
    return place_of(message, hop, true, outbound)
  elseif hop.numeric and not same_host(hop.host, source) then
    own = own or message:is_request() and message:via(1).host or nil
    return is_inside(hop.host, source, own) and place_of(message, hop, true, false)
      or nil
  elseif hop.numeric and is_far_end(hop, source, port, transport) then
    return place_of(message, hop, false, false)
  end
end

--- The same for who sends a request: when there is nobody in between.
---@param message sip.Message
---@return sip.Place?
function M.of_request(message)
  local uri = message:contact_uri()
  local place = uri and M.behind(uri, message)
  if not place or message:via(2) or message:header "Record-Route" then
    return nil
  end
  return place
end

--- The place of a Contact that this REGISTER registers (RFC 5626 7): by its connection
--- only, or, where the Contact may lead there too, by that first.
---@param uri string
---@param message sip.Message
---@param outbound boolean  the phone wants it so (RFC 5626)
---@return sip.Place?
function M.registered(uri, message, outbound)
  local source, _, transport = message:source()
  local place = not outbound and M.behind(uri, message) or nil
  if not (place or outbound or RELIABLE[transport]) then
    return nil -- as nearly always over UDP
  end
  local hop = source and address.hop(uri)
  if not hop or message:via(2) or message:header "Path" then
    return nil
  elseif outbound then
    return place_of(message, hop, true, true)
  elseif not place and same_host(hop.host, source)
    and (hop.open or hop.transport == transport) then
    return place_of(message, hop, false, false)
  end
  return place
end

return M

--- How an endpoint is reached, and by which address of ours: Contact, Via and SDP
--- name the one a request came to, or the kernel's route for what we start.

local address = require "sip.msg.address"
local inspect = require "sip.ua.inspect"
local sips = require "sip.ua.sips"

local M = {}

local bracket = address.bracket
local WEB = { ws = true, wss = true }

--- The Contact that a peer at this place is to use for us.
---@param place sip.Place
---@param secure? boolean  it is to be a sips URI
---@return string? contact
---@return string? why
---@private
function M:contact(place, secure)
  local transport, host, port = place.transport, place.host, place.port
  local own, own_port, why = self.stack:local_for(transport, host, port, place.flow,
    place.own)
  if not own then
    return nil, ("%s towards %s: %s"):format(transport, host, why)
  end
  if own_port == 0 and not secure and not WEB[transport] then
    local by_udp, udp_port = self.stack:local_for("udp", host, port, nil, place.own)
    if by_udp then -- nobody listens for streams: we are reached by datagrams
      return self:contact_of("udp", by_udp, udp_port)
    end
  end
  return self:contact_of(transport, own, own_port, secure)
end

-- The host of who has opened a WebSocket and is reached by nothing else (RFC 7118 B.1).
local function nowhere(self)
  self.invalid = self.invalid or self:token(12) .. ".invalid"
  return self.invalid
end

local function contact_for(self, transport, host, port, secure)
  local param = address.transport_param(transport)
  if WEB[transport] and port == 0 then
    host = nowhere(self)
  end
  if secure then -- its transport is understood (RFC 5630 3.1.4), but for a WebSocket
    return ("<sips:%s%s%s>"):format(bracket(host), port > 0 and ":" .. port or "",
      WEB[transport] and ";transport=ws" or "")
  end -- against RFC 5630 5.1.1: who is not told of TLS here would come by UDP
  return ("<sip:%s%s%s>"):format(bracket(host),
    WEB[transport] and port == 0 and "" or ":" .. port,
    param and ";transport=" .. param or "")
end

--- The same for an address of ours.
---@private
function M:contact_of(transport, host, port, secure)
  local kind = secure and "s" .. transport or transport
  local by_port = self.contacts[kind]
  if not by_port then
    by_port = {}
    self.contacts[kind] = by_port
  end
  local key = host .. " " .. port
  local contact = by_port[key]
  if not contact then
    contact = contact_for(self, transport, host, port, secure)
    by_port[key] = contact
  end
  return contact
end

--- What all answers to a peer have in common, by the address of ours that it
--- came to.
---@param tx any
---@param req sip.Message  what is answered
---@return { host: string, contact: string, early: string[], answer: string[] }
---@private
function M:face(tx, req)
  local host, port = tx:local_address()
  if not host then -- the transaction is over, and so is the answer
    host, port = "0.0.0.0", 5060
  end
  local peer, peer_port, transport = tx:source()
  local secure = (self.secure or sips.is_secure(transport)) and inspect.wants_sips(req)
  if secure and not sips.is_secure(transport) then -- named otherwise than it came
    local own, own_port = self.stack:local_for("tls", peer, peer_port)
    host, port, transport = own or host, own and own_port or port, "tls"
  end
  local by_host = self.faces[host]
  if not by_host then
    by_host = {}
    self.faces[host] = by_host
  end
  local key = port .. (transport or "udp") .. (secure and "s" or "")
  local face = by_host[key]
  if not face then
    local contact = self:contact_of(transport or "udp", host, port, secure)
    face = {
      host = bracket(host),
      contact = contact,
      early = { "Contact", contact, "Allow", inspect.ALLOW },
      answer = { "Contact", contact, "Allow", inspect.ALLOW, "Supported", "",
        "Content-Type", "application/sdp" },
    }
    by_host[key] = face
  end
  return face
end

--- Whether the host of a Request-URI is one that we answer for: any, unless
--- `domain` says which; our own addresses always.
---@param uri string
---@return boolean
---@private
function M:is_ours(uri)
  local set = self.domains
  if not set then
    return true
  end
  local _, _, host = address.parts(uri)
  return host ~= nil and self:answers_for(host)
end

--- The same of a host.
---@param host string  in lower case
---@return boolean
---@private
function M:answers_for(host)
  local set = self.domains
  return not set or set[host] or host == self.invalid
    or address.is_numeric(address.bare(host))
end

--- Whether a hop is this endpoint itself: by an address of this machine, or one that
--- others are told of it, and a port that we listen on; by what a listener says it is;
--- by its domain.
---@param hop sip.Hop
---@return boolean
---@private
function M:is_self(hop)
  local port = hop.port or address.default_port[hop.transport]
  if hop.numeric and self.stack:is_own(hop.host, port) then
    return true
  end
  local host, all = hop.host:lower(), self.advertise.sip
  if host == self.invalid then
    return true
  end
  local is_domain = self.domains and self.domains[host]
  for _, at in ipairs(self.bound) do
    local as = at.advertise
    local own, own_port = as and as.sip or all, as and as.port or at.port
    if own_port == port and own and address.bare(own):lower() == host
      or is_domain and (at.port == port or own_port == port) then
      return true
    end
  end
  return false
end

--- Whether a request to this URI ends here: it is of our domain, or names us.
---@param uri string
---@return boolean
---@private
function M:is_local(uri)
  local hop = address.hop(uri)
  return hop ~= nil and (self.domains and self.domains[hop.host:lower()] or false
    or self:is_self(hop))
end

--- What descriptions call the address that RTP comes to, when signalling is by this
--- listener.
---@param host string        the address
---@param listener? integer  0: by none
---@return string
---@private
function M:media_name(host, listener)
  local at = self.bound[listener or 0]
  local as = at and at.advertise
  return as and as.media or self.advertise.media or host
end

--- The address of ours that RTP towards a peer is to come to, and what descriptions
--- call it.
---@param place sip.Place
---@return string? own
---@return string? named
---@private
function M:own_address(place)
  local name, _, own, listener = self.stack:local_for(place.transport, place.host,
    place.port, place.flow, place.own)
  if name then
    return own, self:media_name(own, listener)
  end
end

return M

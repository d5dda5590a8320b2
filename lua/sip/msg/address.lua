--- URIs and name-addrs as the scripts hand them in and as headers want them.
--- The grammar is the core's; this is what the layers above may see of it.

local core = require "sip.core"

local M = {}

local find, match = string.find, string.match

---@class sip.Hop
---@field transport sip.Transport
---@field host string    without brackets
---@field port? integer  none given: the transport's default, or RFC 3263
---@field numeric boolean
---@field open? boolean   the URI names no transport (RFC 3263 4.1 finds one)
---@field lr boolean     the URI is a loose router's (RFC 3261 19.1.1)
---@field secure? boolean it is on the way of a sips URI: TLS and nothing else
---@field own? string     the address of ours that it leaves by, if we listen there
---@field at? sip.Place   where that is, whatever the URI says

local transports = { udp = true, tcp = true, tls = true, ws = true, wss = true }

--- Where a transport is listened at, and asked for, when nobody says so (RFC 3261
--- 19.1.2, RFC 7118 5.5).
---@type table<sip.Transport, integer>
M.default_port = { udp = 5060, tcp = 5060, tls = 5061, ws = 80, wss = 443 }

--- What carries it in a sips URI: TLS, and below a WebSocket too (RFC 7118 9.2).
---@param transport sip.Transport
---@return sip.Transport
function M.secured(transport)
  return (transport == "ws" or transport == "wss") and "wss" or "tls"
end

--- Whether a host is an IP address.
---@param host string
---@return boolean
function M.is_numeric(host)
  return core.sdp_address(host) ~= nil
end

--- Whether a host is one that no name server knows, by its name (RFC 6761 6.4): the
--- Contact of who cannot be reached but by the connection it has opened (RFC 7118 5).
---@param host string
---@return boolean
function M.is_invalid(host)
  return find(host, "%.[iI][nN][vV][aA][lL][iI][dD]%.?$") ~= nil
end

--- An IP address as its 4 or 16 bytes; nil when it is none.
---@param host string
---@return string? bytes
function M.bytes(host)
  return core.address_bytes(host)
end

--- A host without the brackets that a URI or a Via has around IPv6, as SDP and
--- sockets want it.
---@param host string
---@return string
function M.bare(host)
  return match(host, "^%[(.*)%]$") or host
end

--- A host as a URI or a Via writes it.
---@param host string
---@return string
function M.bracket(host)
  if find(host, ":", 1, true) and host:sub(1, 1) ~= "[" then
    return "[" .. host .. "]"
  end
  return host
end

--- A host and its port apart: "gate.example:5060", "[2001:db8::1]:5060". An IPv6
--- address may stand without brackets when there is no port.
---@param text string
---@return string? host  nil when it is neither
---@return integer? port
function M.host_port(text)
  if M.is_numeric(M.bare(text)) then
    return text
  end
  local host, port = match(text, "^(%[[%x:.]+%]):(%d+)$")
  if not host then
    host, port = match(text, "^([^:%[%]]+):(%d+)$")
  end
  if not port then
    return not find(text, ":", 1, true) and text or nil
  end
  port = #port <= 5 and math.tointeger(tonumber(port)) or 0
  if port > 0 and port < 65536 then
    return host, port
  end
end

--- Whether this is "sip:user@192.0.2.1:5060", as most remote targets are.
---@param uri string
---@return boolean
function M.is_plain(uri)
  return core.uri_plain(uri) ~= nil
end

-- The hop of such a URI needs no table of its parts.
local function plain_hop(uri)
  local host, port = core.uri_plain(uri)
  if host then
    return {
      transport = "udp",
      host = host,
      port = port,
      numeric = true,
      open = true,
      lr = false,
    }
  end
end

--- Where a request to this URI goes, as far as the URI says (RFC 3261 8.1.2).
---@param uri string
---@return sip.Hop? hop
---@return string? why
function M.hop(uri)
  local hop = plain_hop(uri)
  if hop then
    return hop
  end
  local parsed, why = core.uri(uri)
  if not parsed then
    return nil, why
  elseif parsed.scheme ~= "sip" and parsed.scheme ~= "sips" then
    return nil, "cannot send to a " .. parsed.scheme .. " URI"
  end
  local params = parsed.params or {}
  local host = (params.maddr or parsed.host):gsub("^%[(.*)%]$", "%1")
  local transport = params.transport
  local open = not transport
  transport = transport and transport:lower()
  if parsed.scheme == "sips" then
    transport = M.secured(transport)
  elseif transport and not transports[transport] then
    return nil, ("the transport %q is not known"):format(transport)
  end
  return {
    transport = transport or "udp",
    host = host,
    port = parsed.port,
    numeric = M.is_numeric(host),
    open = open,
    lr = params.lr ~= nil,
    secure = parsed.scheme == "sips" or nil,
  }
end

--- Whether a URI is a sips URI.
---@param uri string
---@return boolean
function M.is_sips(uri)
  return find(uri, "^[sS][iI][pP][sS]:") ~= nil
end

--- What an URI calls a transport: a WebSocket is "ws", with TLS or without (RFC 7118
--- 5.2); nil: UDP, which goes without saying.
---@param transport sip.Transport
---@return string?
function M.transport_param(transport)
  if transport ~= "udp" then
    return transport == "wss" and "ws" or transport
  end
end

--- The same hop for a request to this URI: whatever a route says, sips means TLS
--- (RFC 3261 8.1.2, 16.6 step 6).
---@param hop? sip.Hop
---@param uri string
---@return sip.Hop? hop
function M.securely(hop, uri)
  if hop and M.is_sips(uri) then
    hop.transport, hop.secure = M.secured(hop.transport), true
  end
  return hop
end

--- A URI without what a Request-URI may not have: headers and a method (RFC 3261
--- 19.1.1).
---@param uri string
---@return string
function M.request_uri(uri)
  if not find(uri, "?", 1, true) and not find(uri, "[mM][eE][tT][hH][oO][dD]=") then
    return uri
  end
  local parsed = core.uri(uri)
  if not parsed or parsed.scheme ~= "sip" and parsed.scheme ~= "sips" then
    return uri
  end
  local params = {}
  for _, name in ipairs(parsed.params or {}) do
    if name:lower() ~= "method" then
      params[#params + 1] = name
      params[name] = parsed.params[name]
    end
  end
  parsed.headers, parsed.params = nil, params
  return core.uri_write(parsed)
end

--- The URI's parts, or nil and why it is none.
---@param text string
---@return table? uri
---@return string? why
function M.uri(text)
  return core.uri(text)
end

--- The parts that say whose a URI is, without a table of all of them.
---@type fun(text: string): string?, string?, string?, integer?
M.parts = core.uri_parts

--- A URI of its parts. Raises when they make none.
---@param uri table
---@return string
function M.compose(uri)
  return core.uri_write(uri)
end

--- A name-addr's parts: display, uri, params.
---@param text string
---@return table? address
---@return string? why
function M.parse(text)
  return core.name_addr(text)
end

--- The values of a comma list, split by the grammar.
---@param text string
---@return string[]
function M.split(text)
  return core.split(text)
end

--- The parameters of "a=1;b", with ";" in front or without.
---@param text string
---@return table params  names in order, values by name in small letters; true: a flag
function M.params(text)
  return core.params(text)
end

--- Whether two URIs are the same (RFC 3261 19.1.4, RFC 3966 4).
---@param a string
---@param b string
---@return boolean
function M.equal(a, b)
  return core.uri_equal(a, b)
end

--- A name-addr as a header writes it. Raises on what no header may hold.
---@param uri string
---@param display? string
---@return string
function M.write(uri, display)
  if not display or display == "" then
    return "<" .. uri .. ">"
  end
  assert(not find(display, "[%c]"), "a display name has no control characters")
  return ('"%s" <%s>'):format(display:gsub('[\\"]', "\\%0"), uri)
end

--- What a script names: "sip:bob@example.net", "bob@example.net" or
--- '"Bob" <sip:bob@example.net>', as a URI and a display name.
---@param text string
---@return string? uri
---@return string? display
function M.target(text)
  if find(text, "<", 1, true) then
    local address = core.name_addr(text)
    if not address then
      return nil
    end
    text = address.uri
    if not core.uri(text) then
      return nil
    end
    return text, address.display
  end
  if not match(text, "^%a[%w+.-]*:") or match(text, "^[%w.-]+:%d+$") then
    text = "sip:" .. text
  end
  if not core.uri(text) then
    return nil
  end
  return text
end

return M

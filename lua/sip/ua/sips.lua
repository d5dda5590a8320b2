--- What a sips URI asks for: TLS on every hop or no request at all (RFC 5630). Nothing
--- is ever sent to it as a sip URI, and nothing that is for a sip URI becomes sips on
--- the way. Pure.

local address = require "sip.msg.address"
local inspect = require "sip.ua.inspect"

local M = {}

local find, lower = string.find, string.lower

local SECURE = { tls = true, wss = true }

local TEXTS = { [380] = "SIPS Not Allowed", [381] = "SIPS Required" }

--- Whether a transport is one of TLS.
---@param transport string
---@return boolean
function M.is_secure(transport)
  return SECURE[transport] ~= nil
end

--- The headers of a 480 that is about the scheme (5.1.2, 5.3, 6 and RFC 3261 20.43).
---@param code 380|381
---@param agent string  who says so: a host, or a name
---@return string[] headers
function M.warning(code, agent)
  return { "Warning", ('%d %s "%s"'):format(code, agent, TEXTS[code]) }
end

-- What we send inside the dialog goes to this Contact: to one that is not sips it might
-- go by anything.
local function may_leave_tls(req)
  local uri = req:contact_uri()
  local hop = uri and not address.is_sips(uri) and address.hop(uri)
  return hop and not SECURE[hop.transport]
end

local function came_securely(req)
  local _, _, transport = req:source()
  return transport ~= nil and M.is_secure(transport)
end

---@alias sip.SipsPolicy "allowed"|"required"|"refused"

--- Why we do not answer to this URI ourselves (5.1.2): a warn-code of 480, or a reason
--- of 400; nil when we do.
---@param req sip.Message
---@param method string
---@param policy sip.SipsPolicy
---@param tls boolean  we can be reached by TLS, however it has come
---@return 380|381|nil code
---@return string? reason
function M.refusal(req, method, policy, tls)
  local secure = address.is_sips(req:uri())
  if policy == "required" and not secure then
    return 381
  elseif policy == "refused" and secure then
    return 380
  elseif (secure or method == "INVITE" and inspect.wants_sips(req))
    and not (tls or came_securely(req)) then
    return 380
  elseif secure and method == "INVITE" and may_leave_tls(req) then
    return nil, "Contact Is Not sips"
  end
end

-- A name-addr with sips in it for sip.
local function upgraded(value)
  local parsed = address.parse(value)
  local uri = parsed and parsed.uri
  if not uri or not find(lower(uri), "^sip:") then
    return value
  end
  local at = find(value, "<" .. uri, 1, true)
  at = at and at + 1 or find(value, uri, 1, true)
  return value:sub(1, at - 1) .. "sips" .. value:sub(at + 3)
end

--- The Route values of a request of ours to this URI: all sips where it is (5.1.1).
---@param route string[]
---@param uri string
---@return string[]
function M.routes(route, uri)
  if not address.is_sips(uri) then
    return route
  end
  local list = {}
  for i, value in ipairs(route) do
    list[i] = upgraded(value)
  end
  return list
end

--- How a request that came for a sip URI, or a sips URI, is forwarded to a target
--- (5.3): by this Request-URI, and when that is another, along this hop, by TLS.
---@param target string
---@param secure boolean  it came for a sips URI
---@return string? uri    nil: not at all
---@return sip.Hop? hop   where no route says otherwise
function M.forwarded(target, secure)
  if address.is_sips(target) == secure then
    return target
  elseif not secure then
    return "sip" .. target:sub(5), address.hop(target)
  end
end

--- The same hop by TLS, and yet nobody is told that all hops are.
---@param hop sip.Hop
---@return sip.Hop
function M.by_tls(hop)
  hop.transport = address.secured(hop.transport)
  hop.secure, hop.open = nil, false
  return hop
end

--- Those of some targets that a request may be forwarded to, or all when it may be to
--- none of them.
---@param targets sip.Target[]
---@param secure boolean  it came for a sips URI
---@return sip.Target[]
function M.allowed(targets, secure)
  local list = {}
  for _, target in ipairs(secure and targets or {}) do
    if address.is_sips(target.uri) then
      list[#list + 1] = target
    end
  end
  return list[1] and list or targets
end

--- The other of the two URIs that name one resource (4.1).
---@param uri string
---@param secure boolean  the sips one
---@return string
function M.of_scheme(uri, secure)
  local scheme, rest = uri:match "^([^:]*)(:.*)$"
  scheme = scheme and lower(scheme)
  if scheme ~= "sip" and scheme ~= "sips" then
    return uri
  end
  return (secure and "sips" or "sip") .. rest
end

return M

--- Whom an endpoint speaks to, and as whom: targets as scripts name them, our own
--- identity, credentials, and the first lines of a request.

local address = require "sip.msg.address"
local auth_of = require "sip.ua.auth"
local err = require "sip.rt.err"
local opening_of = require "sip.ua.opening"
local misuse = require "sip.rt.misuse"
local settings = require "sip.app.settings"

local M = {}

local bracket = address.bracket

--- A target as scripts name it, as a URI: a bare user is of our own domain.
---@param target string
---@return string? uri
---@return string? display
---@private
function M:target(target)
  if type(target) ~= "string" then
    return nil
  end
  local domain = self.domain
  if domain and target:match "^[%w+._-]+$" and not target:find(".", 1, true) then
    target = target .. "@" .. domain
  end
  return address.target(target)
end

--- Credentials as the options of a verb name them, or those of the endpoint.
---@param given? { user: string, password: string, realm?: string }
---@param verb string  for the error
---@private
function M:auth(given, verb)
  given = given or self.options.auth
  if not given then
    return nil
  end
  settings.credentials(given, verb)
  return auth_of.new {
    credentials = {
      username = given.user,
      password = given.password,
      realm = given.realm,
    },
    random = function(n)
      return self:token(n)
    end,
  }
end

--- The Route value that leads by way of an outbound proxy.
---@param via string
---@return string
---@private
function M.route_value(_, via)
  local uri = address.target(via)
  if not uri then
    misuse.raise("via: %q is no URI", via)
  elseif not uri:find(";lr", 1, true) then
    uri = uri .. ";lr"
  end
  return "<" .. uri .. ">"
end

--- Targets as scripts name them: one or many, each a text or what a location service
--- gives; best first.
---@param targets string|sip.Target|(string|sip.Target)[]
---@param verb string  for the error
---@return sip.Target[]
---@private
function M:target_list(targets, verb)
  if type(targets) == "string" or type(targets) == "table" and targets.uri then
    targets = { targets }
  elseif type(targets) ~= "table" then
    misuse.raise("%s: a target, or an array of them", verb)
  end
  local list = {}
  for i, target in ipairs(targets) do
    local given, q, path, at = target, 1, nil, nil
    if type(target) == "table" then
      given, q, path, at = target.uri, target.q or 1, target.path, target.at
    end
    local uri = self:target(given)
    if not uri then
      misuse.raise("%s: %q is no target", verb, tostring(given))
    elseif type(q) ~= "number" or not (q >= 0 and q <= 1) then
      misuse.raise("%s: q of %q is no number from 0 to 1", verb, uri)
    end
    list[i] = { uri = uri, q = q, path = path, at = at, place = i }
  end
  if not list[2] then
    return list
  end
  table.sort(list, function(a, b)
    return a.q > b.q or a.q == b.q and a.place < b.place
  end)
  return list
end

--- Where a target is: every contact of a user who is registered here, or the target
--- itself. May wait.
---@param target string
---@return (string|sip.Target)[]? targets
---@return sip.Error? err  nobody is registered
---@private
function M:whereabouts(target)
  local location = self.location
  local uri = location and self:target(target)
  if not uri or not self:is_local(uri) then
    return { target }
  end
  local contacts = location:lookup(uri)
  if not contacts[1] then
    return nil, err.new("no_answer", { status = 480, message = "Not Registered" })
  end
  local list, secure = {}, address.is_sips(uri)
  for _, contact in ipairs(contacts) do
    if not secure or address.is_sips(contact.uri) then
      list[#list + 1] = {
        uri = contact.uri, path = contact.path, at = contact.at,
        to = "<" .. uri .. ">",
      }
    end
  end
  if not list[1] then
    return nil, err.new("no_answer", { status = 480, message = "SIPS Not Allowed" })
  end
  return list
end

--- A request outside of any dialog, not yet sent.
---@param target string|sip.Target
---@param options { from?: string, display?: string, to?: string, via?: string }
---@return sip.Opening? opening
---@return sip.Error? err
---@private
function M:opening(target, options)
  local contact = type(target) == "table" and target or nil
  local uri, display = self:target(contact and contact.uri or target)
  if not uri then
    local text = ("%q is no target"):format(tostring(target))
    return nil, err.new("not_found", { message = text })
  end
  local from = options.from or self.options.from
  local from_uri, from_display
  if from then
    from_uri, from_display = self:target(from)
    if not from_uri then
      misuse.raise("from: %q is no URI", from)
    end
  end
  local route = options.via and { self:route_value(options.via) }
  if contact and contact.path then
    route = table.move(contact.path, 1, #contact.path, #(route or {}) + 1, route or {})
  end
  local opening, why = opening_of.new {
    uri = uri,
    to = options.to or contact and contact.to or address.write(uri, display),
    from = from_uri or self:identity(uri),
    display = options.display or from_display,
    call_id = self:token(20),
    tag = self:token(13),
    route = route,
    at = contact and contact.at,
  }
  if not opening then
    return nil, err.new("unreachable", { message = why })
  end
  return opening
end

--- Who we are when nobody says so: our domain, else the address towards the peer.
---@param uri string
---@return string uri
---@private
function M:identity(uri)
  if self.domain then
    return "sip:" .. self.domain
  end
  local hop, host = address.hop(uri), nil
  if hop and hop.numeric then
    host = self.stack:local_for(hop.transport, hop.host, hop.port or 5060)
  end
  return "sip:" .. bracket(host or "anonymous.invalid")
end

return M

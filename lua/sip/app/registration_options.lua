--- What `ua:register` is given, checked, and what follows from it.

local address = require "sip.msg.address"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local sips = require "sip.ua.sips"

local M = {}

local EXPIRES = 3600 -- seconds that we ask for when the script does not say

---@class sip.RegisterOptions
---@field aor string            who is registered: "sip:2001@pbx.example"
---@field registrar? string     the domain of the AOR when left out
---@field user? string          for authentication; the user of the AOR when left out
---@field password? string      without one: the `auth` of the endpoint
---@field realm? string         that may be told; any when left out
---@field expires? integer      seconds that are asked for: 3600
---@field contact? string       a URI; our own address towards the registrar
---@field q? number             which contact is to be preferred: 0 to 1
---@field headers? table        of every REGISTER
---@field via? string           an outbound proxy
---@field keep_alive? boolean|number  false: nothing is sent to keep its way open. true:
---   the server is known to answer keep-alives; a number: as often as so many seconds.
---   Else they are as RFC 5626 and RFC 6223 have it
---@field on_change? fun(reg: sip.Registration, state: string)  is called, in a task of
---   its own, whenever the state has changed, or what is wrong (`reg.err`)

local schema = {
  aor = "line", registrar = "line", user = "string", password = "string",
  realm = "string", expires = "count", contact = "line", q = "number",
  headers = "headers", via = "line", on_change = "function",
  keep_alive = "boolean|span",
}

local function uri_of(ua, text, name)
  local uri, display = ua:target(text)
  local parsed = uri and address.uri(uri)
  if not parsed or parsed.scheme ~= "sip" and parsed.scheme ~= "sips"
    or parsed.headers and parsed.headers[1] then
    misuse.raise("register: %s: %q is no SIP URI", name, text)
  end
  return uri, parsed, display
end

-- The URI of the registrar has no user (10.2).
local function registrar_of(ua, options, aor, parsed)
  if not options.registrar then
    return parsed.user and aor:gsub("^(%a+:)[^@]*@", "%1") or aor
  end
  local uri, registrar = uri_of(ua, options.registrar, "registrar")
  misuse.unless(not registrar.user, "register: registrar: %q names a user", uri)
  return uri
end

local function credentials_of(options, parsed)
  if not options.password then
    misuse.unless(not (options.user or options.realm),
      "register: user and realm want a password")
    return nil
  end
  local user = options.user or parsed.user_text or parsed.user
  misuse.unless(user, "register: a password wants a user")
  return { user = user, password = options.password, realm = options.realm }
end

---@class sip.Registrant      who registers, and where
---@field aor string
---@field identity string      the same as From and To have it
---@field display? string
---@field registrar string     a URI
---@field secure boolean       we are to be reached by a sips URI
---@field user string          of our Contact, with its @; empty when the AOR has none
---@field contact? string      a URI
---@field expires integer
---@field headers? string[]
---@field credentials? table

--- Read the options.
---@param ua sip.Endpoint
---@param options? table
---@return sip.RegisterOptions options
---@return sip.Registrant who
---@private
function M.read(ua, options)
  options = option.check(options, schema, "register")
  misuse.unless(options.aor, "register: an aor, such as \"sip:2001@pbx.example\"")
  misuse.unless(not options.q or options.q >= 0 and options.q <= 1,
    "register: q is a number from 0 to 1")
  local aor, parsed, display = uri_of(ua, options.aor, "aor")
  local registrar = registrar_of(ua, options, aor, parsed)
  local contact = options.contact and uri_of(ua, options.contact, "contact")
  local secure = address.is_sips(contact or registrar)
  misuse.unless(not secure or address.is_sips(registrar), "register: the contact %q "
    .. "wants a sips registrar (RFC 5630 5.2), not %q", contact, registrar)
  return options, {
    aor = aor,
    identity = sips.of_scheme(aor, secure), -- RFC 5630 5.1.1.1
    display = display,
    registrar = registrar,
    secure = secure,
    user = parsed.user and parsed.user .. "@" or "",
    contact = contact,
    expires = options.expires or EXPIRES,
    headers = option.headers(options.headers, "register"),
    credentials = credentials_of(options, parsed),
  }
end

return M

--- Digest authentication as a client (RFC 3261 22, RFC 8760 2.4, RFC 7616).
---
--- One object belongs to one dialog, or to one registration: it remembers the nonces
--- of the realms that challenged there, and no other (22.3). Every request, together
--- with all its repetitions, is one attempt: it knows what was rejected, so that a
--- wrong password ends in an error and not in a loop (22.1). Nothing here sends,
--- waits or draws lots: `random` is given.

local digest = require "sip.msg.digest"
local err = require "sip.rt.err"

local M = {}

-- How often one request believes "stale" before it gives up.
local STALE_MAX = 3
local CNONCE_LEN = 16

-- Challenge header, in lower case, to the header that answers it.
local answers = {
  ["www-authenticate"] = "Authorization",
  ["proxy-authenticate"] = "Proxy-Authorization",
}
local info_of = {
  ["authentication-info"] = "Authorization",
  ["proxy-authentication-info"] = "Proxy-Authorization",
}

---@class sip.Credentials
---@field username string
---@field password? string  this or ha1
---@field ha1? string       H(username:realm:password) of the algorithm in use
---@field realm? string     nil: for every realm that asks

---@alias sip.CredentialsLookup
---| sip.Credentials
---| table<string, sip.Credentials>           by realm; "*" is for all others
---| fun(realm: string): sip.Credentials?

---@class sip.AuthOptions
---@field credentials? sip.CredentialsLookup  nil: every challenge is an error
---@field random fun(length: integer): string characters of a token

---@class (private) sip.AuthSession  what a realm asked for, and how often it was told
---@field header string
---@field realm string
---@field algorithm? string
---@field qop? "auth"|"auth-int"
---@field nonce string
---@field cnonce string
---@field opaque? string
---@field userhash boolean
---@field credentials sip.Credentials
---@field nc integer

---@class sip.Auth
---@field private lookup fun(realm: string): sip.Credentials?
---@field private random fun(length: integer): string
---@field private sessions sip.AuthSession[] in the order their realms first asked
local Auth = {}
local auth_mt = { __name = "sip.Auth", __index = Auth }

---@class sip.AuthRequest
---@field method string
---@field uri string    the Request-URI as it is sent
---@field body? string

---@class sip.AuthChallengeHeader
---@field header string  "WWW-Authenticate" or "Proxy-Authenticate"
---@field value string

---@class sip.AuthAttempt
---@field sent string[]? the headers that the last request of this attempt carried, as
---                      name, value ...: the ACK of its 2xx repeats them (13.2.2.4)
---@field private auth sip.Auth
---@field private request sip.AuthRequest
---@field private tried table<sip.AuthSession, { credentials: table, fresh: boolean }>
---@field private stale_count integer
local Attempt = {}
local attempt_mt = { __name = "sip.AuthAttempt", __index = Attempt }

local function lookup_of(credentials)
  if type(credentials) == "function" then
    return credentials
  end
  credentials = credentials or {}
  assert(type(credentials) == "table", "credentials are a table or a function")
  if credentials.username then
    return function(realm)
      if credentials.realm == nil or credentials.realm == realm then
        return credentials
      end
    end
  end
  return function(realm)
    return credentials[realm] or credentials["*"]
  end
end

--- Make the memory of a dialog or a registration.
---@param options sip.AuthOptions
---@return sip.Auth
function M.new(options)
  assert(type(options.random) == "function", "auth wants a random function")
  return setmetatable({
    lookup = lookup_of(options.credentials),
    random = options.random,
    sessions = {},
  }, auth_mt)
end

--- Begin a request. Its repetitions after 401 or 407 belong to the same attempt.
---@param request sip.AuthRequest
---@return sip.AuthAttempt
function Auth:attempt(request)
  assert(request.method and request.uri, "an attempt wants a method and a URI")
  return setmetatable({
    auth = self,
    request = request,
    tried = {},
    stale_count = 0,
  }, attempt_mt)
end

---@private
function Auth:session(header, realm)
  for _, session in ipairs(self.sessions) do
    if session.header == header and session.realm == realm then
      return session
    end
  end
end

-- auth before auth-int: a body may be changed on the way and still arrive. Nil: the
-- challenge has none; false: none that is known.
local function choose_qop(list)
  if list == nil then
    return nil
  end
  local offered = {}
  for token in list:gmatch "[^%s,]+" do
    offered[token:lower()] = true
  end
  return offered["auth"] and "auth" or offered["auth-int"] and "auth-int" or false
end

-- A challenge that can be answered (RFC 8760 2.4: others are ignored). A -sess
-- algorithm needs the cnonce that only comes with qop (RFC 3261 22.4, point 8).
local function is_usable(challenge)
  local params = challenge.params
  if challenge.scheme:lower() ~= "digest" or not (params.realm and params.nonce) then
    return false
  end
  local qop = choose_qop(params.qop)
  if (params.algorithm or ""):lower():find "%-sess$" and not qop then
    return false
  end
  return qop ~= false and digest.supports(params.algorithm)
end

-- Per header and realm the topmost challenge that can be answered (RFC 8760 2.4).
local function choose(challenges)
  local chosen, seen = {}, {}
  for _, line in ipairs(challenges) do
    local header = answers[line.header:lower()]
    for _, challenge in ipairs(header and digest.parse(line.value) or {}) do
      local params = challenge.params
      if is_usable(challenge) and not seen[header .. params.realm] then
        seen[header .. params.realm] = true
        chosen[#chosen + 1] = { header = header, realm = params.realm, params = params }
      end
    end
  end
  return chosen
end

local function same_credentials(a, b)
  return a.username == b.username and a.password == b.password and a.ha1 == b.ha1
end

---@private
--- May this realm be answered once more? What was just rejected is not sent again,
--- unless only its nonce was too old: the server says so, or the nonce came from an
--- earlier request and the server just did not say so.
function Attempt:may_retry(session, choice, credentials)
  local tried = session and self.tried[session]
  if not tried or not same_credentials(tried.credentials, credentials) then
    return true
  end
  local stale = (choice.params.stale or ""):lower() == "true"
  if not stale and tried.fresh then
    return false
  end
  self.stale_count = self.stale_count + 1
  return self.stale_count <= STALE_MAX
end

---@private
--- A rejected name is not sent unasked with the next request.
function Auth:forget(session)
  for i, other in ipairs(self.sessions) do
    if other == session then
      table.remove(self.sessions, i)
      return
    end
  end
end

---@private
function Auth:begin_session(choice, credentials)
  local session = self:session(choice.header, choice.realm)
  if not session then
    session = { header = choice.header, realm = choice.realm }
    self.sessions[#self.sessions + 1] = session
  end
  local params = choice.params
  session.algorithm = params.algorithm
  session.qop = choose_qop(params.qop)
  session.nonce = params.nonce
  session.cnonce = self.random(CNONCE_LEN)
  session.opaque = params.opaque
  session.userhash = (params.userhash or ""):lower() == "true"
  session.credentials = credentials
  session.nc = 0
  return session
end

local function refused(text)
  return nil, err.new("refused", { op = "authenticate", message = text })
end

--- Take the challenges of a 401 or 407. Afterwards `headers` answers them.
---@param challenges sip.AuthChallengeHeader[] in the order of the message
---@return true? ok
---@return sip.Error? err  name "refused": there is nothing better to send
function Attempt:challenged(challenges)
  local chosen = choose(challenges)
  if not chosen[1] then
    return refused "no challenge that can be answered"
  end
  local answered, why = false, nil
  for _, choice in ipairs(chosen) do
    local credentials = self.auth.lookup(choice.realm)
    local session = self.auth:session(choice.header, choice.realm)
    if not credentials then
      why = why or ("no credentials for realm %q"):format(choice.realm)
    elseif not self:may_retry(session, choice, credentials) then
      self.auth:forget(session)
      return refused(("user %q was rejected by realm %q"):format(
        credentials.username, choice.realm))
    else
      session = self.auth:begin_session(choice, credentials)
      self.tried[session] = { credentials = credentials, fresh = true }
      answered = true
    end
  end
  if not answered then
    return refused(why)
  end
  return true
end

---@private
function Attempt:value(session)
  session.nc = session.nc + 1
  local credentials, request = session.credentials, self.request
  return digest.credentials {
    algorithm = session.algorithm,
    qop = session.qop,
    username = credentials.username,
    realm = session.realm,
    password = credentials.password,
    ha1 = credentials.ha1,
    nonce = session.nonce,
    cnonce = session.cnonce,
    nc = session.nc,
    method = request.method,
    uri = request.uri,
    body = request.body,
    opaque = session.opaque,
    userhash = session.userhash,
  }
end

--- The headers to add to the request that is about to be sent: one for every realm
--- that has asked so far (22.3). Call it once per request: it counts.
---@return string[] headers  name, value, name, value ...
function Attempt:headers()
  local headers = {}
  for _, session in ipairs(self.auth.sessions) do
    local value, why = self:value(session)
    if not value then
      error(("credentials of %q: %s"):format(session.credentials.username, why))
    end
    headers[#headers + 1] = session.header
    headers[#headers + 1] = value
    if not self.tried[session] then
      self.tried[session] = { credentials = session.credentials, fresh = false }
    end
  end
  self.sent = headers
  return headers
end

--- Take an Authentication-Info or Proxy-Authentication-Info of a 2xx: the next nonce,
--- when it names one (RFC 7616 3.5). It names no realm, so with several it is ignored.
---@param header string
---@param value string
function Attempt:info(header, value)
  local answer = info_of[header:lower()]
  local parsed = answer and digest.parse("Digest " .. value)
  local next_nonce = parsed and parsed[1].params.nextnonce
  local found
  for _, session in ipairs(self.auth.sessions) do
    if session.header == answer then
      if found then
        return
      end
      found = session
    end
  end
  if found and next_nonce then
    found.nonce = next_nonce
    found.cnonce = self.auth.random(CNONCE_LEN)
    found.nc = 0
  end
end

return M

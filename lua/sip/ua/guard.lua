--- Digest authentication as a server (RFC 3261 22, RFC 8760, RFC 7616): challenges,
--- and what is wrong with the credentials that answer them.
---
--- Passwords are looked up by whoever asks, between `read` and `verify`: nothing here
--- waits or sends. What rejects a client is the same for a name that does not exist as
--- for a wrong password, and takes as long.

local address = require "sip.msg.address"
local digest = require "sip.msg.digest"

local M = {}

local find, gsub = string.find, string.gsub

local LIFETIME = 300 -- seconds that a nonce may be used

-- How many credentials of one realm are looked at (22.3 allows several).
local CREDENTIALS_MAX = 8

-- How much of a name stands in a log.
local NAME_MAX = 64

---@class sip.GuardOptions
---@field secret string         16 bytes at least: who knows it can make nonces
---@field random fun(length: integer): string  characters
---@field now fun(): number
---@field algorithms? string[]  what is offered, the best first (RFC 8760 2.3)
---@field lifetime? number      of a nonce, in seconds: 300
---@field limit? integer        how many nonces in use are remembered
---@field is_ours? fun(uri: string): boolean  whether we accept requests for a URI
---@field mark? fun(text: string): string  what only we can make of a text, 4 characters
---   at least: of whom a nonce is given to

---@class sip.Guard
---@field algorithms string[]
---@field private nonces sip.Nonces
---@field private offered table<string, boolean>  by small letters
---@field private decoy string  a password that nobody has
---@field private decoys table<string, string> HA1 of nobody, by algorithm
---@field private hashed boolean whether passwords last came as HA1
---@field private options sip.GuardOptions
---@field private salted_ms? integer  the instant of the last nonce
---@field private salts? table<integer, true>  what has been drawn then
local Guard = {}
local guard_mt = { __name = "sip.Guard", __index = Guard }

---@class sip.Proof  credentials of a request: well formed, and not yet verified
---@field header "Authorization"|"Proxy-Authorization"
---@field username string       what a hashed name stands for, when it is known
---@field realm string
---@field known boolean         false: a hashed name that is not that of From
---@field nonce_state sip.NonceVerdict
---@field package fields sip.DigestProof

-- A secret as the owner of a user gives it: a password, or a table.
---@alias sip.UserSecret string|{ password?: string, ha1?: table<string, string> }

--- Make a guard.
---@param options sip.GuardOptions
---@return sip.Guard
function M.new(options)
  local self = setmetatable({
    options = options,
    algorithms = options.algorithms or { "SHA-256", "MD5" },
    offered = {},
    hashed = false,
    decoys = {},
    decoy = options.random(32),
    nonces = digest.nonces {
      secret = options.secret,
      lifetime = options.lifetime or LIFETIME,
      limit = options.limit,
      now = options.now(),
    },
  }, guard_mt)
  for _, name in ipairs(self.algorithms) do
    assert(digest.supports(name), "an algorithm that is not known")
    self.offered[name:lower()] = true
  end
  return self
end

function guard_mt:__tostring()
  return ("sip.Guard{%s; %d nonces in use}"):format(
    table.concat(self.algorithms, ", "), self.nonces:count())
end

local function quoted(text)
  return '"' .. (find(text, '[\\"]') and gsub(text, '[\\"]', "\\%0") or text) .. '"'
end

-- What keeps nonces of one instant apart: half of it tells to whom it is given. The
-- other half is drawn once in an instant, because two phones behind one address that
-- had the same would be replays of each other (RFC 7616 3.3).
local function salt(self, source)
  local options = self.options
  local ms = math.floor(options.now() * 1000 + 0.5) -- as fine as the time of a nonce
  if ms ~= self.salted_ms then
    self.salted_ms, self.salts = ms, {}
  end
  local drawn = string.unpack(">I4", options.random(4))
  while self.salts[drawn] do
    drawn = drawn + 1 & 0xffffffff
  end
  self.salts[drawn] = true
  local own = string.pack(">I4", drawn)
  local mark = source and options.mark
  return own .. (mark and mark(own .. source):sub(1, 4) or options.random(4))
end

--- Whether the nonce of credentials was given to this address. Over UDP that is the one
--- sign that whoever fails is whom he says to be.
---@param proof sip.Proof
---@param source string
---@return boolean
function Guard:is_given_to(proof, source)
  local known, mark = self.nonces:salt(proof.fields.nonce), self.options.mark
  return known ~= nil and mark ~= nil
    and mark(known:sub(1, 4) .. source):sub(1, 4) == known:sub(5)
end

--- The headers of a challenge: one for each algorithm, the preferred one first. What is
--- quoted and what is not: RFC 7616 3.3. A realm holds no control characters.
---@param realm string
---@param header "WWW-Authenticate"|"Proxy-Authenticate"
---@param options? { stale?: boolean, qop?: string, algorithms?: string[],
---  source?: string }  source: the address that asks
---@return string[] headers  name, value, name, value ...
function Guard:challenges(realm, header, options)
  options = options or {}
  local nonce = assert(self.nonces:issue(realm, self.options.now(),
    salt(self, options.source)))
  local before = "Digest realm=" .. quoted(realm) .. ', nonce="' .. nonce .. '", '
    .. (options.stale and "stale=true, " or "") .. "algorithm="
  local behind = ', qop="' .. (options.qop or "auth") .. '"'
  local headers = { nil, nil, nil, nil } -- room for two
  for i, algorithm in ipairs(options.algorithms or self.algorithms) do
    headers[2 * i - 1], headers[2 * i] = header, before .. algorithm .. behind
  end
  return headers
end

local needed = { "username", "realm", "nonce", "uri", "response" }
local qops = { auth = true, ["auth-int"] = true }

-- "UTF-8''J%C3%A4s": a name that no quoted string can hold (RFC 7616 3.4).
local function extended(params)
  local given = params["username*"]
  local text = given and given:match "^[Uu][Tt][Ff]%-8'[%w-]*'([^%c]*)$"
  if not given or params.username or not text then
    return params.username, given ~= nil
  end
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

-- RFC 8760 2.6, point 8: auth, when nothing is said and all it takes is there.
local function qop_of(params)
  if params.qop or not (params.nc and params.cnonce) then
    return params.qop
  end
  return "auth"
end

---@private
--- What is missing, or was not asked for. A response without qop (RFC 2069, which RFC
--- 3261 22.4 wants understood) is taken of MD5 alone, whose clients may be as old as
--- that; its nonce is good for one request.
function Guard:malformed(params)
  local algorithm, qop = params.algorithm or "MD5", qop_of(params)
  for _, name in ipairs(needed) do
    if not params[name] then
      return name .. " is missing"
    end
  end
  if not self.offered[algorithm:lower()] then
    return ("the algorithm %s was not offered"):format(algorithm:sub(1, NAME_MAX))
  elseif qop and not qops[qop] then
    return "qop is neither auth nor auth-int"
  elseif qop and not (params.nc and params.cnonce) then
    return "qop without nc and cnonce"
  elseif qop and (not params.nc:find "^%x%x%x%x%x%x%x%x$" or params.nc:find "^0+$") then
    return "nc is not a count of eight digits"
  elseif not qop and algorithm:lower() ~= "md5" then
    return ("%s without qop"):format(algorithm)
  end
end

---@private
--- The URI of credentials is that of the request, or a proxy on the way has put another
--- in its place: then it must be one we accept requests for, so that credentials which
--- were meant for another place are not taken here (RFC 8760 2.6, point 6). It is no
--- syntax error, as RFC 7616 3.4.6 has it: that proxy has done nothing wrong.
function Guard:accepts(uri, request)
  local is_ours = self.options.is_ours
  return address.equal(uri, request.message:uri())
    or request.uri ~= nil and address.equal(uri, request.uri)
    or is_ours ~= nil and address.uri(uri) ~= nil and is_ours(uri)
end

-- The name that a hash stands for, if it is the one that From says (RFC 7616 3.4.4).
local function unhash(params, message)
  local from = address.uri(message:from_uri() or "") or {}
  local name = from.user_text or from.user
  local hash = name and digest.hash(params.algorithm or "MD5",
    name .. ":" .. params.realm)
  if hash and hash == params.username:lower() then
    return name
  end
end

---@private
---@return sip.Proof? proof
---@return string? why
function Guard:proof(header, params, request)
  local odd
  params.username, odd = extended(params)
  local why = odd and "two names" or self:malformed(params)
  if why then
    return nil, "malformed credentials: " .. why
  elseif not self:accepts(params.uri, request) then
    return nil, ("the credentials are for %s"):format(params.uri:sub(1, 2 * NAME_MAX))
  end
  local message, name = request.message, params.username
  if params.userhash and params.userhash:lower() == "true" then
    name = unhash(params, message)
  end
  local qop = qop_of(params)
  return {
    header = header,
    username = name or params.username,
    known = name ~= nil,
    realm = params.realm,
    nonce_state = assert(self.nonces:judge(params.nonce, params.realm,
      self.options.now())),
    fields = {
      algorithm = params.algorithm,
      qop = qop,
      username = name or params.username,
      realm = params.realm,
      nonce = params.nonce,
      cnonce = params.cnonce,
      nc = qop and params.nc,
      method = message:method(),
      uri = params.uri,
      body = message:body(),
      response = params.response,
    },
  }
end

--- Whether a line of credentials is for a realm.
---@param value string
---@param realm string
---@return boolean
function M.is_for(value, realm)
  local parsed = digest.parse(value)
  return parsed ~= nil and parsed[1].params.realm == realm
end

local rank = { good = 3, stale = 2, forged = 1 }
local headers = { "Proxy-Authorization", "Authorization" }

-- Every Digest of this realm, in order. Values of other realms are none of our
-- business (RFC 3261 22.3), broken ones of nobody's.
local function each(message, realm, visit)
  local count, why = 0, nil
  for _, header in ipairs(headers) do
    local i = 1
    local value = message:header(header, i)
    while value and count < CREDENTIALS_MAX do
      local parsed, refusal = digest.parse(value)
      why = why or refusal and "malformed credentials: " .. refusal.why
      for _, one in ipairs(parsed or {}) do
        if one.scheme:lower() == "digest" and one.params.realm == realm then
          count = count + 1
          visit(header, one.params)
        end
      end
      i = i + 1
      value = message:header(header, i)
    end
  end
  return why
end

--- The credentials of a request for a realm: of several, those with the best nonce.
---@param request { message: sip.Message, uri?: string }  uri: as it stands when a
---   strict router's work was undone (16.4)
---@param realm string
---@return sip.Proof? proof
---@return string? why  "none", or what is wrong with them
function Guard:read(request, realm)
  local best, why
  local broken = each(request.message, realm, function(header, params)
    local proof, wrong = self:proof(header, params, request)
    if proof and (not best or rank[proof.nonce_state] > rank[best.nonce_state]) then
      best = proof
    end
    why = why or wrong
  end)
  if best then
    return best
  end
  return nil, why or broken or "none"
end

-- Name a user in a log.
local function user(proof)
  local name = proof.username
  return "user " .. (#name > NAME_MAX and name:sub(1, NAME_MAX) .. "..." or name)
end

---@private
--- Put the password, or what stands for it, into the fields. False: there is none.
function Guard:give(proof, secret)
  local fields = proof.fields
  local algorithm = (fields.algorithm or "MD5"):upper():gsub("%-SESS$", "")
  if type(secret) == "string" then
    secret = { password = secret }
  end
  local ha1 = proof.known and secret and secret.ha1 and secret.ha1[algorithm]
  local password = proof.known and secret and secret.password
  if ha1 or password then
    self.hashed = ha1 ~= nil
    fields.ha1, fields.password = ha1 and ha1:lower(), password
    return true
  elseif self.hashed then
    local ha1_of = self.decoys[algorithm] or digest.hash(algorithm, self.decoy)
    fields.ha1, self.decoys[algorithm] = ha1_of, ha1_of
  else
    fields.password = self.decoy
  end
  return false
end

local words = {
  stale = "the nonce is too old",
  forged = "the nonce is not ours",
  replayed = "the nonce was used with this count before",
}

--- Does the client know the password? Call it once per request: it counts the nonce.
---@param proof sip.Proof
---@param secret sip.UserSecret|nil|false  nothing: there is no such user
---@return true? ok
---@return string? why
---@return boolean? stale  the password is right and a fresh nonce is all that it takes
function Guard:verify(proof, secret)
  local known = self:give(proof, secret)
  local fields = proof.fields
  local right, nc = digest.verify(fields)
  if not known then
    if not proof.known then
      return nil, "a hashed name that is not that of From"
    elseif secret then
      return nil, ("%s: no HA1 of %s"):format(user(proof), fields.algorithm or "MD5")
    end
    return nil, user(proof) .. ": unknown"
  elseif not right then
    return nil, user(proof) .. ": wrong password"
  end
  local verdict, failure = proof.nonce_state, nil
  if verdict == "good" then
    verdict, failure = self.nonces:use(fields.nonce, nc, self.options.now())
  end
  if verdict == "good" then
    return true
  elseif not verdict then
    return nil, ("%s: %s"):format(user(proof), failure), true
  end
  return nil, ("%s: %s"):format(user(proof), words[verdict]), true
end

return M

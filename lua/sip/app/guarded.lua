--- Who sends a request, and is it true: challenges and their answers (RFC 3261 22).

local address = require "sip.msg.address"
local guard_of = require "sip.ua.guard"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local request_of = require "sip.app.request"
local users_of = require "sip.app.users"

local M = {}

local verbs = request_of.class

---@class (private) sip.Verdict
---@field name string|false  who it is, or the network it came from
---@field why? string
---@field stale? boolean

--- What an endpoint with users has; nil for one without.
---@param ua sip.Endpoint
---@param options sip.EndpointOptions
---@param limits table<string, integer>
---@return sip.Guard?
---@private
function M.guard(ua, options, limits)
  if not options.users then
    return nil
  end
  return guard_of.new {
    secret = options.secret or ua:token(32),
    algorithms = options.algorithms,
    limit = limits.nonces,
    now = function()
      return ua.sched:now()
    end,
    random = function(n)
      return ua:token(n)
    end,
    is_ours = function(uri)
      return ua:is_local(uri)
    end,
    mark = function(text)
      return ua.stack:seal(text)
    end,
  }
end

-- The host of a URI, if it is a domain of ours.
local function domain_of(ua, uri)
  local _, _, host = address.parts(uri)
  return host and ua.domains[host] and host
end

-- One realm, or one for each of our domains: that of whoever is registered, or says to
-- be the sender, so that a user of one domain is nobody in another.
local function realm_of(self)
  local ua = self.ua
  if ua.realm then
    return ua.realm
  end
  local message = self.message
  local party = self.method == "REGISTER" and message:to_uri() or message:from_uri()
  return domain_of(ua, party) or domain_of(ua, self.uri) or ua.domain
end

-- 22.1: a registrar and a user agent ask with 401, a proxy with 407. A request for
-- somebody of our domain, or of another, is to be passed on.
local function status_of(self)
  if self.method == "REGISTER" then
    return 401
  end
  local _, user = address.parts(self.uri)
  return not user and self.ua:is_local(self.uri) and 401 or 407
end

local header_of = { [401] = "WWW-Authenticate", [407] = "Proxy-Authenticate" }

---@class sip.ChallengeOptions
---@field status? integer     401, as a user agent that answers it, or 407, as a proxy
---   that passes it on; left out: 401 to REGISTER and to what is for the domain itself
---@field qop? string         "auth"; or "auth-int", or "auth,auth-int"
---@field reason? string
---@field headers? table

local challenge_options = {
  status = "integer", qop = "line", reason = "line", headers = "headers",
}
local qops = { auth = true, ["auth-int"] = true, ["auth,auth-int"] = true }

--- Ask who it is: 401 or 407, once for each algorithm (RFC 8760). Whoever has answered
--- with a nonce that is too old is told so, and answers again without asking.
---@param options? sip.ChallengeOptions
---@return true? ok
---@return sip.Error? err  unreachable, or cancelled
function verbs:challenge(options)
  options = option.check(options, challenge_options, "challenge")
  local ua, status = self.ua, options.status or status_of(self)
  misuse.unless(ua.guard, "challenge: the endpoint has no users")
  misuse.unless(header_of[status], "challenge: status is 401 or 407")
  misuse.unless(qops[options.qop or "auth"],
    "challenge: qop is \"auth\", \"auth-int\" or \"auth,auth-int\"")
  local ok, e = self:open "challenge"
  if not ok then
    return nil, e
  end
  local headers = ua.guard:challenges(realm_of(self), header_of[status], {
    stale = self.verdict and self.verdict.stale, qop = options.qop,
    source = self.tx:reply_host(), -- who learns of it: maddr may lead elsewhere
  })
  local more = option.headers(options.headers, "challenge")
  if more then
    table.move(more, 1, #more, #headers + 1, headers)
  end
  ua:verb(self, "challenge", status)
  return self:respond(status, headers, options)
end

-- 22.3: what answers our realm has come to its end here; values of other realms are
-- those of others, and go on. Authorization is never ours to take out (RFC 7616 3.6).
local function consume(self, proof)
  if proof.header ~= "Proxy-Authorization" or self.state ~= "new" then
    return
  end
  self:remove(proof.header)
  local i, value = 1, self:header(proof.header)
  while value do
    if not guard_of.is_for(value, proof.realm) then
      self:add(proof.header, value)
    end
    i = i + 1
    value = self:header(proof.header, i)
  end
end

local function lookup(ua, proof)
  local users, name = ua.options.users, proof.username
  if type(users) == "table" then
    return users_of.secret(users[name], name)
  end
  return users_of.secret(users(name, proof.realm), name)
end

-- Of those of whom it cannot be told who they are all together.
local NOBODY, STRICT = "::", 60

-- A wrong password counts against the address that it came from. Over UDP anybody can
-- send in another's name: there it must have a nonce that this address was given. What
-- has another's counts as nobody's, and when that is too much, such a nonce is no good
-- for a minute: who is there gets one of his own.
local function failed(self, given)
  local ua = self.ua
  if given then
    ua.stack:failed_login(self.source.host)
  elseif not ua.stack:failed_login(NOBODY) then
    ua.strict_until = ua.sched:now() + STRICT
  end
end

local function is_given(self, proof)
  local host, _, transport = self.tx:source()
  return transport ~= "udp" or self.ua.guard:is_given_to(proof, host)
end

---@return sip.Verdict
local function examine(self)
  local ua = self.ua
  local network = ua.peers and ua.peers:find(self.source.host or "")
  if network then
    return { name = network }
  elseif not ua.guard then
    return { name = false, why = "there are no users" }
  end
  local proof, why = ua.guard:read(self, realm_of(self))
  if not proof then
    return { name = false, why = why }
  end
  local given = is_given(self, proof)
  if not given and ua.strict_until and ua.sched:now() < ua.strict_until then
    return { name = false, why = "the nonce was given to another", stale = true }
  end
  local secret = lookup(ua, proof)
  if self.verdict then -- another coroutine has asked meanwhile
    return self.verdict
  end
  local ok, wrong, stale = ua.guard:verify(proof, secret)
  if not ok then
    if not stale then
      failed(self, given)
    end
    return { name = false, why = wrong, stale = stale }
  end
  if given then
    ua.stack:good_login(self.source.host)
  end
  self.user = proof.username
  consume(self, proof)
  return { name = proof.username }
end

--- Whether we know who sends it: by credentials that are right for our realm, or by a
--- network of `trusted`. Waits as long as a function of `users` does; credentials are
--- looked at once, however often it is asked.
---@return string|false who  the user, who is `req.user` from then on; or the network
---@return string? why       "none": it has no credentials; or what is wrong with them,
---   for a log: no client should be told
function verbs:trusted()
  local verdict = self.verdict
  if not verdict then
    verdict = examine(self)
    if not self.verdict and verdict.why and verdict.why ~= "none" then
      self.ua.log:info("not trusted", {
        request = self.id, why = verdict.why, source = self.source.host,
      })
    end
    self.verdict = verdict
  end
  return verdict.name, verdict.why
end

return M

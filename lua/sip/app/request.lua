--- A request as a script holds it, before a call is made of it: what `ua:on` hands
--- to its handler. It is answered, sent elsewhere, forwarded, or taken as a call.
---
--- The verbs stand in files by what they are about and are put together here.

local call_of = require "sip.app.call"
local err = require "sip.rt.err"
local intake = require "sip.app.intake"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local party = require "sip.app.party"

local M = {}

---@alias sip.RequestState
---| "new"         nobody has answered it
---| "forwarding"  branches of it are under way
---| "done"        it has had its final answer, or nobody waits for one

---@class sip.Request
---@field ua sip.Endpoint
---@field state sip.RequestState
---@field message sip.Message  as it was received
---@field method string
---@field uri string           the Request-URI, after RFC 3261 16.4
---@field from sip.Party
---@field to sip.Party
---@field id string            the Call-ID
---@field source { host: string, port: integer, transport: sip.Transport }
---@field user? string          who sends it, once `trusted` has found credentials right
---@field why? sip.Error       what ended it, when that was no answer
---@field package tx any
---@field package scope sip.Scope
---@field package call_leg sip.Call|false
local Request = {}

--- What requests can do; modules that give them verbs put them in.
M.class = Request

local lazy = {
  id = function(self)
    return self.message:call_id()
  end,
  from = function(self)
    return party.of(self.message, "from")
  end,
  to = function(self)
    return party.of(self.message, "to")
  end,
  source = function(self)
    local host, port, transport = self.tx:source()
    return { host = host, port = port, transport = transport }
  end,
}

local request_mt = {
  __name = "sip.Request",
  __index = function(self, key)
    local method = Request[key]
    if method ~= nil then
      return method
    end
    local make = lazy[key]
    if make then
      local value = make(self)
      rawset(self, key, value)
      return value
    end
  end,
}

function request_mt:__tostring()
  return ("sip.Request{%s %s; %s}"):format(self.method, self.uri, self.state)
end

---@param ua sip.Endpoint
---@param tx any
---@param message sip.Message
---@param uri string
---@param route? string[]  the Route values that are left, when some were taken away
---@return sip.Request
---@private
function M.new(ua, tx, message, uri, route)
  message:keep()
  return setmetatable({
    ua = ua,
    state = "new",
    tx = tx,
    message = message,
    method = message:method(),
    uri = uri,
    route = route,
    -- False and not nil, which would be asked for in vain (see __index).
    call_leg = false,
    verdict = false,
    -- Named so that the table has room for them and does not grow.
    scope = nil,
    rest = nil,
    fork = nil,
    done = nil,
  }, request_mt)
end

-- An error of a script ends its request, and nothing else (see __close).
local function script_failed(traceback, task)
  local self = task.scope.owner
  self.ua.log:error("script failed", { request = self.id, traceback = traceback })
end

--- Its handler has returned, or unwinds.
---@param e? any  what it unwinds with
---@private
function request_mt:__close(e)
  local leg = self.call_leg
  if leg then
    if e and not self.scope.cancelled then
      leg:fail()
    else
      leg:hangup()
    end
  elseif self.state == "forwarding" then
    self.fallback = nil -- nobody is left to decide
  elseif self.state == "new" then
    if self.scope.cancelled then
      self.tx:drop()
      self:finish(err.new "ended")
    elseif e then
      self:respond(500)
    else
      self.rest(self)
    end
  end
end

local function run(self, handler)
  do
    local held <close> = self
    handler(held)
  end
  self.scope:finish "answered"
end

--- Run a handler for it (called by the endpoint). Nobody waits for the answer to
--- what is no INVITE after 64*T1 (17.1.2.2), so its handler ends then.
---@param handler fun(req: sip.Request)
---@param rest fun(self: sip.Request)  answers it when its handler has returned
---   and has not
---@private
function Request:start(handler, rest)
  local ua = self.ua
  local scope = ua.sched:scope "request"
  scope.owner, scope.on_error = self, script_failed
  self.scope, self.rest = scope, rest
  ua.servers[self.tx] = self
  ua.pending = ua.pending + 1
  if self.method ~= "INVITE" then
    scope:deadline_of_waits(ua.patience)
  end
  scope:spawn(run, self, handler)
end

--- It is over: it has its final answer, or nobody waits for one any more.
---@param why? sip.Error
---@private
function Request:finish(why)
  local state, ua = self.state, self.ua
  if state == "done" then
    return
  end
  if ua.servers[self.tx] == self then
    ua.servers[self.tx] = nil
  end
  self.state, self.why = "done", why
  ua.pending = ua.pending - 1
  ua:settled()
end

--- A CANCEL has been answered; this INVITE is ours to end (9.2).
---@private
function Request:on_cancel()
  if self.state == "forwarding" then
    self.fork:cancel()
  elseif self.state == "new" then
    self:respond(487)
    self.why = err.new "cancelled"
    self.scope:cancel "cancelled"
  end
end

--- The endpoint closes: what rings is cancelled, and whoever waits is told.
---@private
function Request:abandon()
  if self.fork then
    self.fork:cancel()
  end
  if self.state ~= "done" then
    self.tx:respond(503, { headers = { "Retry-After", "5" } })
  end
end

--- What every verb that answers does first.
---@param verb string  for the error
---@return true? ok
---@return sip.Error? err  ended: it has been cancelled
---@private
function Request:open(verb)
  if self.state == "new" then
    return true
  elseif self.state == "done" and self.why then
    return nil, self.why
  end
  misuse.raise("%s: the request has been answered", verb)
end

--- Answer with these headers, flat. Nothing is checked here.
---@param status integer
---@param headers? string[]
---@param more? { reason?: string, body?: string }
---@return true? ok
---@return sip.Error? err
---@private
function Request:respond(status, headers, more)
  local ok, name, why = self.tx:respond(status, {
    reason = more and more.reason,
    body = more and more.body,
    headers = headers,
  })
  if status >= 200 then
    self:finish()
  end
  if not ok and name == "invalid" then
    misuse.raise("reply: %s", why)
  elseif not ok then
    return nil, err.new("unreachable", { op = "reply", message = why })
  end
  return true
end

---@class sip.ReplyOptions
---@field reason? string
---@field headers? table
---@field body? string
---@field content_type? string

local reply_options = {
  reason = "line", headers = "headers", body = "string", content_type = "line",
}

--- Answer it. Never waits. A provisional answer leaves it open.
---@param status integer  100 to 699
---@param options? sip.ReplyOptions
---@return true? ok
---@return sip.Error? err  unreachable, or cancelled
function Request:reply(status, options)
  option.argument(status, "status", "reply: the status")
  options = option.check(options, reply_options, "reply")
  local ok, e = self:open "reply"
  if not ok then
    return nil, e
  end
  self.ua:verb(self, "reply", status)
  return self:respond(status, option.body_headers(options), options)
end

--- Answer with headers of our own making, flat (called by handlers of ours).
---@param status integer
---@param headers? string[]
---@return true? ok
---@return sip.Error? err
---@private
function Request:answer(status, headers)
  local ok, e = self:open "reply"
  if not ok then
    return nil, e
  end
  self.ua:verb(self, "reply", status)
  return self:respond(status, headers)
end

--- Send whoever asks elsewhere: 302 and Contacts in that order (8.3).
---@param targets string|sip.Target|(string|sip.Target)[]
---@param status? integer  302 unless told otherwise; 300 to 399
---@return true? ok
---@return sip.Error? err
function Request:redirect(targets, status)
  status = option.argument(status, "redirection", "redirect: the status", 302)
  local contacts = {}
  for _, target in ipairs(self.ua:target_list(targets, "redirect")) do
    local q = target.q and target.q ~= 1 and (";q=%.3g"):format(target.q) or ""
    contacts[#contacts + 1] = "Contact"
    contacts[#contacts + 1] = "<" .. target.uri .. ">" .. q
  end
  misuse.unless(contacts[1], "redirect: a target, or an array of them")
  local ok, e = self:open "redirect"
  if not ok then
    return nil, e
  end
  self.ua:verb(self, "redirect", status)
  return self:respond(status, contacts)
end

--- Take an INVITE as a call of our own: from here on the handler is the script of
--- that call, and is cancelled by its end.
---@return sip.Call? call
---@return sip.Error? err  cancelled; or the INVITE was refused, and why
function Request:call()
  misuse.unless(self.method == "INVITE", "call: only an INVITE begins a call")
  local ok, e = self:open "call"
  if not ok then
    return nil, e
  end
  local leg
  leg, e = intake.call(self.ua, self)
  if not leg then
    self:finish(e)
    return nil, e
  end
  self:finish()
  self.call_leg = leg
  call_of.adopt(leg, self.scope)
  return leg
end

--- The value of the i-th line of a header, in either form of its name.
---@param name string
---@param i? integer  1
---@return string?
function Request:header(name, i)
  return self.message:header(name, i)
end

--- All values of a header over all its lines, comma lists split.
---@param name string
---@return string[]
function Request:values(name)
  return self.message:header(name) and self.message:values(name) or {}
end

--- Its body; nil without one.
---@return string?
function Request:body()
  local body = self.message:body()
  return body ~= "" and body or nil
end

--- Who has sent it, as far as a certificate proves that: the SIP domains (RFC 5922) of
--- whoever is at the other end of its TLS connection. Empty without a certificate, and
--- when the connection is gone.
---@return string[] names  in lower case
function Request:peer_names()
  return self.ua.stack:peer_names(self.message)
end

--- The page that it comes from, by what its browser says: "https://www.example.com".
---@return string? origin  nil when it came by no WebSocket, or from no browser
function Request:origin()
  local said = self:handshake()
  return said and said.origin
end

---@class sip.Handshake
---@field target string   what it asked for: "/", "/sip?token=x"
---@field origin? string  of its page; nil when it is no browser
---@field cookie? string  "name=value; other=value" (RFC 6265 4.2), as it came

--- What its sender has said when it opened the WebSocket that it came by (RFC 6455
--- 4.1). Any of it may be made up: it proves no more than the secrets in it do.
---@return sip.Handshake? said  nil when it came by no WebSocket, or that is gone
function Request:handshake()
  return self.ua.stack:handshake(self.message)
end

--- Whether its sender says to be of a domain of ours. Anybody may say so: see
--- `trusted`.
---@return boolean
function Request:from_domain()
  return not self.ua.domains or self.ua:is_local(self.message:from_uri())
end

return M

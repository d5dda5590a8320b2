--- A registration at a provider or another registrar (RFC 3261 10.2), as scripts
--- hold it. It keeps itself alive by timers, with no coroutine of its own: it is the
--- owner of one REGISTER after the other, all with one Call-ID (10.2.4), and of the
--- one that removes the binding in the end. There is never more than one under way
--- (10.2).

local address = require "sip.msg.address"
local binding_of = require "sip.ua.registration"
local err = require "sip.rt.err"
local exchange_of = require "sip.ua.exchange"
local keepalive = require "sip.ua.keepalive"
local keeping_of = require "sip.app.keeping"
local misuse = require "sip.rt.misuse"
local options_of = require "sip.app.registration_options"
local verbs = require "sip.app.registration_verbs"

local M = {}

local REDIRECTS = 3 -- of one REGISTER

---@class sip.ListedBinding
---@field uri string
---@field expires_in number   seconds
---@field q? number
---@field own boolean         it is ours
---@field params sip.Params   of the Contact

---@class sip.Registration
---@field ua sip.Endpoint
---@field aor string
---@field registrar string
---@field state "registering"|"registered"|"failed"|"removed"  failed: refused, and
---   asked again only after half an hour to an hour
---@field err? sip.Error        what went wrong last, until it goes well again
---@field contact? string       the URI that was registered last
---@field private binding sip.OwnBinding
---@field private source sip.Opening
---@field private exchange? sip.Exchange  the REGISTER under way
---@field private timer? integer          the next one
---@field private expiry? integer         the end of the binding
---@field private keeping? sip.Keeping    of its flow
---@field private relied boolean          their end is that of the flow
local Registration = {}
local registration_mt = { __name = "sip.Registration", __index = Registration }

for name, method in pairs(verbs) do
  Registration[name] = method
end

function registration_mt:__tostring()
  return ("sip.Registration{%s at %s; %s}"):format(self.aor, self.registrar, self.state)
end

function registration_mt:__close()
  self:remove()
end

-- The same binding twice would be refreshed twice, and removed under the other's feet.
local function unless_twice(self)
  for _, other in ipairs(self.ua.registrations) do
    if address.equal(other.aor, self.aor) and address.equal(other.registrar,
      self.registrar) and other.options.contact == self.options.contact then
      misuse.raise("register: %s is registered at %s already", self.aor, self.registrar)
    end
  end
end

-- 0 <= x < 1 of the driver's random source, so that a run can be repeated.
local function random_of(ua)
  return function()
    return tonumber(ua:token(8), 36) / 36 ^ 8
  end
end

local function disarm(self, name)
  if self[name] then
    self.ua.sched:disarm(self[name])
    self[name] = nil
  end
end

local function arm(self, name, seconds)
  disarm(self, name)
  self[name] = self.ua.sched:arm(seconds, self)
end

-- Into a state, or into other trouble in the same.
local function change(self, state)
  local why = self.err and tostring(self.err)
  if self.state == state and self.trouble == why then
    return
  end
  local ua, on_change = self.ua, self.options.on_change
  self.state, self.trouble = state, why
  ua.log:info("registration " .. state, {
    aor = self.aor, registrar = self.registrar, err = why,
  })
  self.changed:notify(true)
  if on_change then
    ua.sched.root:spawn(on_change, self, state)
  end
end

-- Send a REGISTER; `contact` makes its Contact.
local function send(self, contact, lines)
  self.source:redirect(self.registrar) -- the last one may have been sent elsewhere
  self.exchange = exchange_of.new {
    line = self.ua,
    owner = self,
    source = self.source,
    method = "REGISTER",
    contact = contact,
    lines = lines,
    headers = self.headers,
    auth = self.auth,
    redirects = REDIRECTS,
    keep = self.options.keep_alive ~= false,
  }
  self.exchange:start()
end

-- Where we are reached: as the script says, or at our address towards there.
local function own_uri(self, place)
  if self.fixed then
    return self.fixed
  end
  local contact, why = self.ua:contact(place, self.secure)
  if not contact then
    return nil, why
  end
  local scheme, rest = contact:match "^<(sips?:)(.*)>$"
  return scheme .. self.user .. rest
end

--- Send a REGISTER now.
---@private
function Registration:ask()
  disarm(self, "timer")
  send(self, function(place)
    local uri, why = own_uri(self, place)
    return uri and self.binding:contact(uri), why
  end, self.binding:lines())
end

local function stop_keeping(self)
  if self.keeping then
    self.keeping:stop()
    self.keeping = nil
  end
end

-- Keep the way open by which the registrar has answered (RFC 5626 4.4, RFC 6223 4.3):
-- agreed upon anew by each answer.
local function keep(self, res)
  local host, port, transport, flow = res:source()
  local wanted = keepalive.after(res, self.options.keep_alive)
  stop_keeping(self)
  self.relied = wanted ~= nil and (wanted.answered or wanted.sole)
  if wanted then
    local why
    self.keeping, why = keeping_of.start(self.ua, self, { transport = transport,
      host = host, port = port, flow = flow, own = res:own() }, wanted)
    if why then
      self.ua.log:warn("a registration is not kept alive", {
        aor = self.aor, why = why,
      })
    end
  end
end

-- It is over, and known to nobody any more.
local function finish(self)
  stop_keeping(self)
  disarm(self, "timer")
  disarm(self, "expiry")
  self.binding:forget()
  local list = self.ua.registrations
  for i, one in ipairs(list) do
    if one == self then
      table.remove(list, i)
      break
    end
  end
  change(self, "removed")
end

-- Remove the binding, if there is one and nothing else under way.
local function leave(self)
  local ua, binding = self.ua, self.binding
  if self.removing or ua.state == "closed" or not binding:holds(ua.sched:now()) then
    return finish(self)
  end
  local contact, lines = binding:removal()
  self.removing = true
  send(self, function()
    return contact
  end, lines)
end

--- No more refreshes; the binding is removed. Never waits.
---@private
function Registration:retire()
  if not self.leaving then
    self.leaving, self.err = true, nil
    disarm(self, "timer")
    if not self.exchange then
      leave(self)
    end
  end
end

---@private
function Registration.provisional() end
---@private
function Registration.again() end
---@private
function Registration.over() end

-- The registrar has answered that we are registered, or it says so and is not.
local function bound(self, res)
  local ua, binding = self.ua, self.binding
  local now = ua.sched:now()
  local delay, unlisted = binding:accepted(res, now)
  if not delay then
    disarm(self, "expiry")
    self:failure(err.new("rejected", { message = "the registrar took no binding" }))
    return
  end
  if unlisted then
    ua.log:warn("the registrar does not list our contact", {
      aor = self.aor, contact = self.contact,
    })
  end
  self.err = nil
  keep(self, res)
  arm(self, "timer", delay)
  arm(self, "expiry", binding.expires_at - now)
  change(self, "registered")
end

--- Of a REGISTER: a 2xx.
---@private
function Registration:success(res)
  self.exchange = nil
  if self.removing then
    return finish(self)
  end
  self.contact = self.binding:own()
  if self.leaving then
    self.binding:accepted(res, self.ua.sched:now())
    return leave(self)
  end
  bound(self, res)
end

--- Of a REGISTER: anything else.
---@private
function Registration:failure(e, res)
  self.exchange = nil
  if self.removing or not self.leaving then
    self.err = e
  end
  if self.leaving then
    return leave(self)
  elseif self.ua.state == "closed" then
    return finish(self)
  end
  local verdict, delay = self.binding:failed(e, res)
  if verdict == "again" then
    return self:ask()
  end
  arm(self, "timer", delay)
  if verdict == "refused" then
    change(self, "failed")
  else
    change(self, self.state == "registered" and self.binding.bound and "registered"
      or "registering")
  end
end

--- Of the keep-alives: a first answer has come; or there are no more, because their
--- flow has failed. One that has worked is replaced at once,
--- any other after a while (RFC 5626 4.5).
---@param name? string  of an error
---@param why? string
---@private
function Registration:kept(name, why)
  if not name then
    self.relied = true
    return self.binding:kept()
  end
  self.keeping = nil
  if not self.relied or self.leaving or self.exchange then
    return
  end
  self.err = err.new("unreachable", { message = why })
  change(self, self.state)
  local delay = self.binding:lost()
  if delay > 0 then
    arm(self, "timer", delay)
  else
    self:ask()
  end
end

--- A timer has fired (called by the scheduler).
---@private
function Registration:expired(id)
  if id == self.timer then
    self.timer = nil
    self:ask()
  elseif id == self.expiry then
    self.expiry = nil
    self.binding:forget()
    if self.state == "registered" then
      change(self, "registering")
    end
  end
end

--- Begin a registration (called by the endpoint).
---@param ua sip.Endpoint
---@param options sip.RegisterOptions
---@return sip.Registration? registration
---@return sip.Error? err
---@private
function M.start(ua, options)
  local who
  options, who = options_of.read(ua, options)
  local self = setmetatable({
    ua = ua,
    options = options,
    aor = who.aor,
    registrar = who.registrar,
    user = who.user,
    fixed = who.contact,
    secure = who.secure,
    headers = who.headers,
    auth = ua:auth(who.credentials, "register"),
    state = "registering",
    relied = false,
    changed = ua.sched:event(),
    binding = binding_of.new {
      expires = who.expires,
      q = options.q,
      random = random_of(ua),
    },
  }, registration_mt)
  unless_twice(self)
  if ua.state ~= "open" then
    return nil, err.new("ended", { message = "the endpoint is closed" })
  end
  local source, e = ua:opening(self.registrar, {
    from = who.identity,
    display = who.display,
    to = address.write(who.identity, who.display),
    via = options.via,
  })
  if not source then
    return nil, e
  end
  self.source = source
  table.insert(ua.registrations, self)
  self:ask()
  return self
end

--- Remove all bindings, for an endpoint that closes. Never waits.
---@param ua sip.Endpoint
---@private
function M.retire_all(ua)
  for _, one in ipairs(table.move(ua.registrations, 1, #ua.registrations, 1, {})) do
    one:retire()
  end
end

--- The endpoint is closed: nothing more is sent.
---@param ua sip.Endpoint
---@private
function M.end_all(ua)
  for _, one in ipairs(table.move(ua.registrations, 1, #ua.registrations, 1, {})) do
    finish(one)
  end
end

return M

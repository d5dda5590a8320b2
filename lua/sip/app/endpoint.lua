--- An endpoint: what `sip.new` gives. It listens, keeps the calls and dialogs, and
--- lends its stack to those who send (it is the `line` of sip.ua).

local call_of = require "sip.app.call"
local check = require "sip.app.check"
local closing = require "sip.app.closing"
local dial = require "sip.app.dial"
local dialogs = require "sip.ua.dialogs"
local inbox = require "sip.app.inbox"
local guarded = require "sip.app.guarded"
local inspect = require "sip.ua.inspect"
local address = require "sip.msg.address"
local misuse = require "sip.rt.misuse"
local outofdialog = require "sip.app.outofdialog"
local reach = require "sip.app.reach"
local registration = require "sip.app.registration"
local settings_of = require "sip.app.settings"
local sources = require "sip.app.sources"
local target = require "sip.app.target"
local wait = require "sip.app.wait"

local M = {}

local bracket = address.bracket

-- RFC 3261 table 4: after 64*T1 nobody waits for an answer to what is no INVITE; and
-- timer C.
local PATIENCE, TIMER_C = 64, 181

---@class sip.Endpoint: sip.Line
---@field listening string[]   where it listens: "udp:192.0.2.1:5060"
---@field calls integer        how many there are
---@field state "open"|"closing"|"closed"
---@field registrations sip.Registration[]  those that are kept alive
---@field log any
---@field guard? sip.Guard
---@field peers? sip.Networks
---@field package handler? fun(call: sip.Call)
---@field package servers table<any, sip.Call>  by server transaction
local Endpoint = {}
local endpoint_mt = { __name = "sip.Endpoint", __index = Endpoint }

for _, methods in ipairs { check, closing, reach, target, outofdialog,
  sources.endpoint } do
  for name, method in pairs(methods) do
    Endpoint[name] = method
  end
end

function endpoint_mt:__tostring()
  return ("sip.Endpoint{%s; %d calls}"):format(self.state, self.calls)
end

function endpoint_mt:__close()
  self:close()
end

---@class sip.ListenOptions
---@field [1] string  "udp:10.0.0.5:5060"
---@field advertise? string|{ sip?: string, media?: string }  what others are told
---   instead: "198.51.100.7:5070"

---@class sip.EndpointOptions
---@field listen? string|(string|sip.ListenOptions)[]  "udp:0.0.0.0:5060" and tcp when
---   left out; port 0: any
---@field domain? string|string[]  what it answers for, and who it is; all when left out
---@field from? string             who calls and requests of ours are from
---@field auth? { user: string, password: string, realm?: string }  when challenged
---@field advertise? string|{ sip?: string, media?: string }  the host that Via, Contact
---   and descriptions name, behind a NAT; of listeners that have none of their own
---@field max_calls? integer       503 to more
---@field location? sip.Location    where registered users are; see sip.location
---@field users? sip.Users         who is known, see Request:trusted: passwords by name,
---   or a function that finds them, and may wait
---@field realm? string            what passwords are for, as phones show it: the domain
---@field algorithms? string[]     of challenges, the best first: SHA-256 and MD5
---@field trusted? string[]        networks whose requests need no password:
---   "192.0.2.0/24", "2001:db8::1"
---@field secret? string          16 bytes and more, of which the keys of nonces and of
---   Record-Route are made: with the same after a restart, calls go on. Random
---@field tls? sip.TlsOptions    certificates and whom to trust: tls:, wss: and sips
---@field ws? sip.WsOptions      whose pages may open WebSockets; what ours ask for
---@field trace? boolean|integer   keeps what passes, for `ladder`; so many records
---@field log? sip.LogLevel|function
---@field limits? table<string, number|false>  cleanup, slice and drain in seconds;
---   names: how many are remembered; and those of csrc/base/limits.h, of which those of
---   sources are off with 0 or false; loopback = true: this machine is a source too
---@field scanners? string[]|false  of whom nothing is answered: what stands in their
---   User-Agent, in small or capital letters; false: of nobody. See doc/internet.md
---@field t1? number               in seconds, as t2, t4 and timer_c (RFC 3261 table 4)
---@field t2? number
---@field t4? number
---@field timer_c? number

-- All or none: a listener that fails closes the others.
local function listen(self, list)
  for i, at in ipairs(list) do
    local as = at.advertise or {}
    local port, name, why = self.stack:listen {
      transport = at.transport, host = at.host, port = at.port,
      advertise = as.sip, advertise_port = as.port,
    }
    if not port then
      why = self:why_not(i, why ~= "" and why or name) -- while it has the others
      self.stack:close()
      misuse.raise("sip.new: cannot listen at %s: %s", at.text, why)
    end
    at.port = port
    self.listening[i] = ("%s:%s:%d"):format(at.transport, bracket(at.host), port)
  end
end

local function secure(self, tls, ws)
  local ok, _, why = true, nil, nil
  if tls then
    ok, _, why = self.stack:tls(tls)
  end
  if ws.origins then
    assert(self.stack:origins(ws.origins))
  end
  if ws.path then
    assert(self.stack:asks(ws.path))
  end
  if not ok then
    self.stack:close()
    misuse.raise("sip.new: tls: %s", why)
  end
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return list[1] and set or nil
end

-- The transactions and connections below.
local function open_stack(self, options, settings)
  return self.runtime.driver:stack {
    dispatch = inbox.of(self),
    t1 = options.t1, t2 = options.t2, t4 = options.t4, timer_c = options.timer_c,
    limits = settings.stack_limits,
    advertise = self.advertise.sip,
    secret = options.secret,
    relay = true,
    watch = self.tracer ~= nil,
    exempt = settings.exempt, scanners = settings.scanners,
  }
end

-- What it is before it has a stack.
local function fields(runtime, options, settings)
  return {
    runtime = runtime,
    sched = runtime.sched,
    log = runtime:log_for(options.log),
    options = options,
    state = "open",
    listening = {},
    bound = settings.listen,
    tls = settings.tls,
    sips = settings.sips,
    secure = settings.secure,
    sessions = 0,
    sounds = 0,
    calls = 0,
    max_calls = options.max_calls or math.huge,
    patience = PATIENCE * (options.t1 or 0.5),
    timer_c = options.timer_c or TIMER_C,
    location = options.location,
    capabilities = inspect.CAPABILITIES,
    limits = settings.stack_limits,
    drain = settings.limits.drain,
    names_max = settings.limits.names,
    advertise = settings.advertise,
    domain = settings.domains[1],
    domains = set_of(settings.domains),
    -- What all passwords are for; nil when each domain has its own.
    realm = options.realm or not settings.domains[2] and settings.domains[1] or nil,
    peers = settings.peers,
    call_set = {},
    registrations = {},
    clients = {},
    servers = {},
    queries = {},
    keeps = {},
    dialogs = dialogs.new(),
    invites = 0,
    pending = 0,
    faces = {},
    contacts = {},
  }
end

--- An endpoint. Raises when it cannot listen.
---@param runtime sip.Runtime
---@param options sip.EndpointOptions
---@return sip.Endpoint
---@private
function M.new(runtime, options)
  local settings
  options, settings = settings_of.read(options)
  local self = setmetatable(fields(runtime, options, settings), endpoint_mt)
  self.guard = guarded.guard(self, options, settings.stack_limits)
  local traced = options.trace or runtime.tracing
  self.tracer = traced and runtime:tracer_for(self, options.trace) or nil
  self.stack = open_stack(self, options, settings)
  secure(self, settings.tls, settings.ws)
  listen(self, settings.listen)
  self:check_start()
  runtime:bound(settings.limits)
  runtime:opened(self)
  return self
end

--- Answer the calls that come in: one coroutine each.
---@param handler fun(call: sip.Call)
function Endpoint:on_call(handler)
  misuse.unless(getmetatable(self) == endpoint_mt and type(handler) == "function",
    "on_call: a function, as in ua:on_call(function(call) ... end)")
  self.handler = handler
end

--- Hand requests to a function before calls are made of them: those of a method that
--- come outside of any dialog, or, with "*", all for which there is nothing more
--- particular (`on_call` is, for INVITE). Each runs in a coroutine of its own. ACK and
--- CANCEL never come here. What the function leaves unanswered gets the answer that it
--- would get without it.
---@param method string
---@param handler fun(req: sip.Request)
function Endpoint:on(method, handler)
  misuse.unless(getmetatable(self) == endpoint_mt and type(method) == "string"
    and type(handler) == "function",
    "on: a method or \"*\", and a function, as in ua:on(\"MESSAGE\", function(req) ...")
  misuse.unless(method:find(wait.METHOD) and method ~= "ACK" and method ~= "CANCEL",
    "on: %q is no method that a script handles", method)
  self.handlers = self.handlers or {}
  self.handlers[method] = handler
  self.capabilities = inspect.capabilities(self.handlers)
  self.stack:relaying(not self.watch)
end

--- Look at requests inside of dialogs that are relayed because they carry our
--- Record-Route. The function may edit what is forwarded, or refuse it by `reply`.
---@param handler fun(req: sip.Request)
function Endpoint:on_dialog_request(handler)
  misuse.unless(getmetatable(self) == endpoint_mt and type(handler) == "function",
    "on_dialog_request: a function")
  self.watch = handler
  self.stack:relaying(false)
end

--- Random characters for tags, branches and Call-IDs.
---@param n integer
---@return string
---@private
function Endpoint:token(n)
  return self.runtime.driver:token(n)
end

--- A number for the o= line of a session (RFC 8866 5.2).
---@return string
---@private
function Endpoint:session_id()
  self.sessions = self.sessions + 1
  return ("%d%06d"):format(self.sched:now() // 1, self.sessions % 1000000)
end

--- The flow of messages so far, if the endpoint is traced.
---@return string? text
function Endpoint:ladder()
  return self.tracer and self.tracer:text()
end

--- Call someone: one target, or several at once of which the first to answer wins.
---@param targets string|sip.Target|(string|sip.Target)[]  what `lookup` gives, too
---@param options? sip.DialOptions
---@return sip.Call? peer
---@return sip.Error? err
function Endpoint:dial(targets, options)
  return dial.place(self, nil, targets, options)
end

--- A call of ours, not yet sent (called by dial).
---@param source sip.Opening
---@return sip.Call
---@private
function Endpoint:new_leg(source)
  local call = call_of.outgoing(self, source)
  self:entered(call)
  return call
end

--- Register at a provider, and stay registered until that is removed or the endpoint
--- closes.
---@param options sip.RegisterOptions
---@return sip.Registration? registration
---@return sip.Error? err
function Endpoint:register(options)
  return registration.start(self, options)
end

--- A call has begun.
---@param call sip.Call
---@private
function Endpoint:entered(call)
  self.calls = self.calls + 1
  self.call_set[call] = true
end

--- A call is over. One that waits for its ACK is still found by its dialog.
---@param call sip.Call
---@private
function Endpoint:left(call)
  if not self.call_set[call] then
    return
  end
  self.call_set[call] = nil
  self.calls = self.calls - 1
  if not call.leaving then
    if call.dialog then
      self.dialogs:remove(call.dialog)
    end
    if call.tx then
      self.servers[call.tx] = nil
    end
  end
  if call.reinvite then
    self.servers[call.reinvite.tx] = nil
  end
  self:settled()
end

--- Tell the trace of a verb.
---@param call sip.Call|sip.Request
---@param text string
---@param status? integer  with which it is done
---@private
function Endpoint:verb(call, text, status)
  local tracer = self.tracer
  if tracer then
    tracer:verb(call, status and text .. " " .. status or text)
  end
end

return M

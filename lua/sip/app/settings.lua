--- The options of an endpoint, checked and made ready before anything is opened.

local address = require "sip.msg.address"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local sips = require "sip.ua.sips"
local sources = require "sip.app.sources"
local users_of = require "sip.app.users"

local M = {}

local DRAIN = 5 -- seconds that a closing endpoint waits for its calls

local schema = {
  listen = "table|string", domain = "string|table", advertise = "string|table",
  max_calls = "count", auth = "table", from = "line",
  t1 = "span", t2 = "span", t4 = "span", timer_c = "span",
  location = "location", secret = "secret",
  users = "table|function", realm = "line", algorithms = "table", trusted = "table",
  limits = "table", log = "string|function", trace = "boolean|count", tls = "table",
  scanners = "table|off", ws = "table",
}

-- Ours are about scripts; the others are those of csrc/base/limits.h.
local limit_schema = {
  cleanup = "seconds", slice = "span", drain = "seconds", names = "count",
  message_bytes = "count", header_count = "count", header_bytes = "count",
  uri_bytes = "count", sdp_lines = "count", sdp_media = "count",
  body_parts = "count", body_depth = "count",
  transactions = "count", events = "count", nonces = "count", connections = "count",
  stream_queue_bytes = "count", datagram_queue_bytes = "count",
  stream_idle_ms = "count", stream_open_ms = "count", stream_unheard_ms = "count",
  stream_head_ms = "count", stream_keep_ms = "count",
  keep_alives = "count",
  tls_handshakes = "count", tls_handshake_ms = "count", tls_ticket_ms = "count",
  stream_first_ms = "bound|off", unread_bytes = "bound|off", sources = "bound|off",
  source_messages = "bound|off", source_invites = "bound|off",
  source_registers = "bound|off", source_others = "bound|off",
  source_refusals = "bound|off", source_repeats = "bound|off",
  source_malformed = "bound|off", source_failures = "bound|off",
  source_connections = "bound|off", source_half_open = "bound|off",
  source_unread_bytes = "bound|off",
  strangers = "bound|off", strangers_bytes = "bound|off", loopback = "boolean",
}

local own_limits = {
  cleanup = true, slice = true, drain = true, names = true, loopback = true,
}

-- Places in the core's own memory: what is more cannot be had.
local most = { header_count = 384, body_depth = 16 }
local MOST = math.maxinteger >> 32 -- as many as the core counts

local advertise_schema = { sip = "line", media = "line" }
local listener_schema = { advertise = "string|table" }
local auth_schema = { user = "string", password = "string", realm = "string" }

local default_port = address.default_port

-- What others are told instead of an address of ours, as text or by purpose; a port
-- where one listener is meant.
local function advertised(given, what, with_port)
  if type(given) == "string" then
    given = { sip = given, media = (address.host_port(given)) }
  end
  given = option.check(given, advertise_schema, what)
  local host, port = given.sip, nil
  if host then
    host, port = address.host_port(host)
    misuse.unless(host and host:find "^[%w.:%[%]-]+$", "%s: %q is no host", what,
      given.sip)
    host = address.bracket(host)
    misuse.unless(with_port or not port, "%s: the port of %q is that of one listener: "
      .. "listen = { { \"udp:0.0.0.0:5060\", advertise = %q } }", what, given.sip,
      given.sip)
  end
  local media = given.media
  if media and not address.is_numeric(address.bare(media)) then
    misuse.raise("%s: media at %q: descriptions want an address; write "
      .. "{ sip = \"name\", media = \"198.51.100.7\" }", what, media)
  end
  return { sip = host, port = port, media = media and address.bare(media) }
end

-- "udp:192.0.2.1:5060", "tcp:[::1]", "tls:127.0.0.1:0", "wss:192.0.2.1", taken apart;
-- nil and what is wrong with it.
local function take_apart(text)
  if type(text) ~= "string" then
    return nil, "it is a " .. type(text)
  end
  local transport, rest = text:match "^(%a+):(.+)$"
  if not transport then
    return nil, "a transport and an address are wanted"
  elseif not default_port[transport] then
    return nil, ("%q is no transport"):format(transport)
  end
  local host, port = rest:match "^%[([^%]]*)%]:?(.*)$"
  if not host then
    host, port = rest:match "^([^:]*):?(.*)$"
  end
  if not address.is_numeric(host) then
    return nil, ("%q is no IP address"):format(host == "" and rest or host)
  end
  local number = port == "" and default_port[transport]
    or port:find "^%d+$" and tonumber(port)
  if not number or number > 65535 then
    return nil, ("%q is no port"):format(port)
  end
  return { transport = transport, host = host, port = number, text = text }
end

local function parse_listen(text)
  local at, why = take_apart(text)
  if not at then
    misuse.raise("sip.new: cannot listen at %q: %s; write \"udp:192.0.2.1:5060\", "
      .. "\"tcp:[::]:5060\", \"tls:192.0.2.1:5061\" or \"wss:192.0.2.1:443\"",
      tostring(text), why)
  end
  return at
end

-- { "udp:192.0.2.1:5060", advertise = "198.51.100.7:5070" }
local function read_listener(given)
  if type(given) ~= "table" then
    return parse_listen(given)
  end
  misuse.unless(not given[2], "sip.new: listen: one address in each table")
  local more = {}
  for name, value in pairs(given) do
    if type(name) == "string" then
      more[name] = value
    end
  end
  option.check(more, listener_schema, "sip.new: listen")
  local at = parse_listen(given[1])
  local what = "sip.new: listen: " .. at.text .. ": advertise"
  at.advertise = more.advertise and advertised(more.advertise, what, true)
  return at
end

local function listeners(given)
  given = given or { "udp:0.0.0.0:5060", "tcp:0.0.0.0:5060" }
  local list = {}
  for i, one in ipairs(type(given) == "table" and given or { given }) do
    list[i] = read_listener(one)
  end
  misuse.unless(list[1], "sip.new: listen names no address")
  misuse.unless(type(given) ~= "table" or given.advertise == nil, "sip.new: listen: "
    .. "advertise is of one listener: { { \"udp:0.0.0.0:5060\", advertise = ... } }")
  return list
end

local function domains(given)
  local list = {}
  for i, name in ipairs(type(given) == "table" and given or { given }) do
    local host, port = address.host_port(tostring(name))
    if type(name) ~= "string" or not host or port
      or not name:find "^[%w.%[%]:-]+$" then
      misuse.raise("sip.new: domain: %q is no host", tostring(name))
    end
    list[i] = name:lower()
  end
  return list
end

local function check_limits(given)
  local limits = option.check(given, limit_schema, "sip.new: limits")
  for name, value in pairs(limits) do
    misuse.unless(type(value) == "boolean" or value <= (most[name] or MOST),
      "sip.new: limits: %s is at most %d", name, most[name] or MOST)
  end
  return limits
end

local function own_part(limits, own)
  local part = {}
  for name, value in pairs(limits) do
    if (own_limits[name] or false) == own then
      part[name] = own and value or value or 0
    end
  end
  return part
end

--- Credentials as scripts name them.
---@param given table
---@param what string  whose they are, for the error
---@return { user: string, password: string, realm?: string }
---@private
function M.credentials(given, what)
  what = what .. ": auth"
  option.check(given, auth_schema, what)
  misuse.unless(given.user and given.password, "%s: a user and a password are wanted",
    what)
  return given
end

local tls_schema = {
  cert = "string", key = "string", ca = "string", verify = "boolean",
  clients = "string", domains = "table", sips = "string",
}
local pair_schema = { cert = "string", key = "string" }
local clients = { required = true, optional = true, none = true }
local policies = { required = true, allowed = true, refused = true }

local function pair_of(given, domain, what)
  misuse.unless(given.cert and given.key,
    "%s: a certificate and its key go together: cert = \"...\", key = \"...\"", what)
  return { domain = domain, cert = given.cert, key = given.key }
end

---@class sip.TlsOptions
---@field cert? string     a PEM file: our certificate, and those up to the CA's
---@field key? string      a PEM file: its key, without a passphrase
---@field ca? string       whom we trust: a PEM file or a folder of them; the system's
---@field verify? boolean  false: whoever answers is taken for who was called
---@field clients? "none"|"optional"|"required"  whether those who connect are asked
---   for a certificate: none
---@field domains? table<string, { cert: string, key: string }>  for who asks for these
---@field sips? sip.SipsPolicy  required: calls to sip URIs are refused; refused: those
---   to sips URIs are (RFC 5630 5.1.2); allowed

local function tls_of(given)
  if not given then
    return nil
  end
  local what = "sip.new: tls"
  option.check(given, tls_schema, what)
  misuse.unless(clients[given.clients or "none"],
    "%s: clients: %q is none of \"none\", \"optional\" and \"required\"", what,
    given.clients)
  misuse.unless(policies[given.sips or "allowed"],
    "%s: sips: %q is none of \"allowed\", \"required\" and \"refused\"", what,
    given.sips)
  local pairs_of = {}
  if given.cert or given.key or given.domains then
    pairs_of[1] = pair_of(given, nil, what)
  end
  local names = {}
  for domain, pair in pairs(given.domains or {}) do
    what = ("sip.new: tls: domains: %s"):format(tostring(domain))
    misuse.unless(type(domain) == "string" and type(pair) == "table",
      "%s: by name a certificate and its key", what)
    names[#names + 1] = pair_of(option.check(pair, pair_schema, what), domain, what)
  end
  table.sort(names, function(a, b)
    return a.domain < b.domain
  end)
  misuse.unless(#names < 32, "sip.new: tls: domains: at most 31")
  return {
    ca = given.ca, verify = given.verify, clients = given.clients,
    pairs = table.move(names, 1, #names, #pairs_of + 1, pairs_of),
  }
end

---@class sip.WsOptions
---@field origins? string[]  whose pages may open WebSockets: "https://www.example.com";
---   "*": any. Those of the host that they ask, when left out
---@field path? string  what ours ask a server for, with a query if it wants one: "/"

local ASKED_MAX = 512 -- as the stack has it

local function origins_of(given, what)
  misuse.unless(given[1],
    "%s: origins: at least one, as in { \"https://www.example.com\" }", what)
  for _, origin in ipairs(given) do
    local text = tostring(origin)
    misuse.unless(type(origin) == "string" and (text == "*" or text == "null"
      or text:find "^%a[%w+.-]*://[^/%s%c]+$"),
      "%s: origins: %q is none: write \"https://www.example.com\", with a port if it "
      .. "is not the usual one, and without a path", what, text)
  end
  return table.concat(given, "\n") .. "\n"
end

-- RFC 6455 3: no fragment.
local function path_of(given, what)
  misuse.unless(given:find "^/[!\"$-~]*$" and #given <= ASKED_MAX,
    "%s: path: %q is none: write \"/ws\", at most %d bytes, without blanks and #", what,
    given, ASKED_MAX)
  return given
end

---@return { origins?: string, path?: string }
local function ws_of(given)
  local what = "sip.new: ws"
  given = option.check(given, { origins = "table", path = "line" }, what)
  return { origins = given.origins and origins_of(given.origins, what),
    path = given.path and path_of(given.path, what) }
end

---@class sip.Advertised
---@field sip? string    the host of Via, Contact and Record-Route
---@field port? integer  theirs, when it is not the listener's
---@field media? string  the address of descriptions

---@class (private) sip.Listener
---@field transport string
---@field host string
---@field port integer   0 until one has been found
---@field text string    as it was given
---@field advertise? sip.Advertised

---@class sip.Settings
---@field listen sip.Listener[]
---@field domains string[]      in lower case; the first is the one we say we are
---@field advertise sip.Advertised
---@field limits { cleanup?: number, slice?: number, drain: number, names?: integer }
---@field stack_limits table<string, integer>
---@field tls? table  as the stack wants it
---@field sips sip.SipsPolicy
---@field secure boolean  it listens for TLS
---@field ws { origins?: string, path?: string }  likewise
---@field peers? sip.Networks
---@field exempt (string|integer)[]
---@field scanners string

--- What `sip.new` was given.
---@param options? table
---@return table options
---@return sip.Settings settings
---@private
function M.read(options)
  options = option.check(options, schema, "sip.new")
  if options.auth then
    M.credentials(options.auth, "sip.new")
  end
  if options.from and not address.target(options.from) then
    misuse.raise("sip.new: from: %q is no URI", options.from)
  end
  local limits = check_limits(options.limits)
  local settings = {
    listen = listeners(options.listen),
    domains = domains(options.domain),
    advertise = advertised(options.advertise, "sip.new: advertise"),
    tls = tls_of(options.tls),
    sips = options.tls and options.tls.sips or "allowed",
    secure = false,
    ws = ws_of(options.ws),
    limits = own_part(limits, true),
    stack_limits = own_part(limits, false),
  }
  for _, at in ipairs(settings.listen) do
    settings.secure = settings.secure or sips.is_secure(at.transport)
  end
  settings.peers = users_of.check(options, settings.domains[1])
  settings.exempt = sources.exempt(settings.peers, limits.loopback)
  settings.scanners = sources.scanners(options.scanners)
  settings.limits.drain = settings.limits.drain or DRAIN
  return options, settings
end

return M

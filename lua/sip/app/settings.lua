--- The options of an endpoint, checked and made ready before anything is opened.

local address = require "sip.msg.address"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local users_of = require "sip.app.users"

local M = {}

local DRAIN = 5 -- seconds that a closing endpoint waits for its calls

local schema = {
  listen = "table|string", domain = "string|table", advertise = "string|table",
  max_calls = "count", auth = "table", from = "line",
  t1 = "span", t2 = "span", t4 = "span", timer_c = "span",
  location = "table", secret = "secret",
  users = "table|function", realm = "line", algorithms = "table", trusted = "table",
  limits = "table", log = "string|function", trace = "boolean|count",
}

-- Ours are about scripts; the others are those of csrc/base/limits.h.
local limit_schema = {
  cleanup = "seconds", slice = "span", drain = "seconds", names = "count",
  message_bytes = "count", header_count = "count", header_bytes = "count",
  uri_bytes = "count", sdp_lines = "count", sdp_media = "count",
  transactions = "count", events = "count", nonces = "count", connections = "count",
  stream_queue_bytes = "count", datagram_queue_bytes = "count",
  stream_idle_ms = "count", stream_head_ms = "count",
}

local own_limits = { cleanup = true, slice = true, drain = true, names = true }
local advertise_schema = { sip = "line", media = "line" }
local auth_schema = { user = "string", password = "string", realm = "string" }

-- "udp:192.0.2.1:5060", "tcp:[::1]", "udp:127.0.0.1:0".
local function parse_listen(text)
  local transport, host, port, rest
  if type(text) == "string" then
    transport, rest = text:match "^(%a+):(.+)$"
    host, port = (rest or ""):match "^%[([%x:.]+)%]:?(%d*)$"
    if not host then
      host, port = (rest or ""):match "^([%d.]+):?(%d*)$"
    end
  end
  port = port == "" and 5060 or tonumber(port)
  if not host or (transport ~= "udp" and transport ~= "tcp") or port > 65535 then
    misuse.raise("sip.new: cannot listen at %q; write \"udp:192.0.2.1:5060\" or "
      .. "\"tcp:[::]:5060\"", tostring(text))
  end
  return { transport = transport, host = host, port = port, text = text }
end

local function listeners(given)
  given = given or { "udp:0.0.0.0:5060", "tcp:0.0.0.0:5060" }
  local list = {}
  for i, text in ipairs(type(given) == "table" and given or { given }) do
    list[i] = parse_listen(text)
  end
  misuse.unless(list[1], "sip.new: listen names no address")
  return list
end

local function domains(given)
  local list = {}
  for i, name in ipairs(type(given) == "table" and given or { given }) do
    if type(name) ~= "string" or not name:find "^[%w.%[%]:-]+$" then
      misuse.raise("sip.new: domain: %q is no host", tostring(name))
    end
    list[i] = name:lower()
  end
  return list
end

local function advertised(given)
  if type(given) == "string" then
    given = { sip = given, media = given }
  end
  given = option.check(given, advertise_schema, "sip.new: advertise")
  for _, host in pairs(given) do
    misuse.unless(host:find "^[%w.:%[%]-]+$",
      "sip.new: advertise: %q is no host", host)
  end
  if given.media and not address.is_numeric(address.bare(given.media)) then
    misuse.raise("sip.new: advertise: media at %q: descriptions want an address; write "
      .. "{ sip = \"name\", media = \"198.51.100.7\" }", given.media)
  end
  return given
end

local function own_part(limits, own)
  local part = {}
  for name, value in pairs(limits) do
    if (own_limits[name] or false) == own then
      part[name] = value
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
  misuse.unless(given.user and given.password, "%s: a user and a password", what)
  return given
end

---@class sip.Settings
---@field listen { transport: string, host: string, port: integer, text: string }[]
---@field domains string[]      in lower case; the first is the one we say we are
---@field advertise { sip?: string, media?: string }
---@field limits { cleanup?: number, slice?: number, drain: number, names?: integer }
---@field stack_limits table<string, integer>
---@field peers? sip.Networks

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
  local limits = option.check(options.limits, limit_schema, "sip.new: limits")
  local settings = {
    listen = listeners(options.listen),
    domains = domains(options.domain),
    advertise = advertised(options.advertise),
    limits = own_part(limits, true),
    stack_limits = own_part(limits, false),
  }
  settings.peers = users_of.check(options, settings.domains[1])
  settings.limits.drain = settings.limits.drain or DRAIN
  return options, settings
end

return M

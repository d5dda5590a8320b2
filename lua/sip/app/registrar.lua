--- A registrar: what `sip.registrar` gives is a handler for REGISTER (RFC 3261 10.3,
--- step by step, RFC 3327 5.3). The bindings are in the location service; what a
--- message does to them is in sip.ua.registering.

local address = require "sip.msg.address"
local binding = require "sip.ua.binding"
local date = require "sip.msg.date"
local inspect = require "sip.ua.inspect"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local registering = require "sip.ua.registering"

local M = {}

local HOUR = 3600
local BUSY = { headers = { "Retry-After", "60" } }
local REFUSED = {} -- by what is in sip.ua.registering

---@class sip.RegistrarOptions
---@field default? integer   seconds of a binding for which a phone names none: 3600
---@field min? integer       423 to less: 60. At most an hour
---@field max? integer       more is cut down to it: 7200
---@field contacts? integer  of one address-of-record: 10; 403 to more
---@field authorize? fun(user: string, aor: string): boolean  may who has
---   authenticated register for it? May wait. Left out: the user of that name. Else 403
---@field any_path? boolean  Path (RFC 3327) is taken from phones too that do not say
---   that they support it; else 420
---@field nat? boolean       false: requests go where a Contact says, even when it is
---   behind a NAT; else there to where the REGISTER came from, on streams by its
---   connection
---@field elsewhere? fun(req: sip.Request)  gets what is for no domain of ours; else 403
---@field location? sip.Location  else that of the endpoint

local schema = {
  default = "count", min = "count", max = "count", contacts = "count",
  authorize = "function", any_path = "boolean", nat = "boolean", elsewhere = "function",
  location = "location",
}

local function policy_of(options)
  local policy = {
    default = options.default or HOUR,
    min = options.min or 60,
    max = options.max or 2 * HOUR,
    contacts = options.contacts or 10,
    any_path = options.any_path or false,
    nat = options.nat ~= false,
  }
  misuse.unless(policy.min <= HOUR, "sip.registrar: min is %d: more than an hour may "
    .. "not be asked for (RFC 3261 10.3)", policy.min)
  misuse.unless(policy.min <= policy.max, "sip.registrar: min is %d, more than max, %d",
    policy.min, policy.max)
  if not options.default then
    policy.default = math.max(math.min(policy.default, policy.max), policy.min)
  end
  misuse.unless(policy.default >= policy.min and policy.default <= policy.max,
    "sip.registrar: default is %d, not from %d to %d", policy.default, policy.min,
    policy.max)
  return policy
end

-- Steps 1 and 2, and what a user agent server checks of any request (8.2).
local function acceptable(req)
  local status, headers, reason = inspect.register(req.message)
  if status then
    return nil, status, (headers or reason) and { headers = headers, reason = reason }
  elseif req.tx:is_merged() then
    return nil, 482
  end
  return true
end

-- Whether who has authenticated may do this: without a word about it, for oneself.
local function may_register(options, user, own, key)
  if options.authorize then
    return options.authorize(user, binding.aor(key)) and true or false
  end
  return user == own or user == key
end

-- Steps 3 to 5. Who is trusted by address has no user, and may register for all.
local function identify(options, req)
  local ua = req.ua
  local aor = req.message:to_uri()
  local key, own, host = binding.key(aor)
  local users = ua.options.users
  if users then
    if not req:trusted() then
      return nil, req:challenge()
    elseif key and req.user and not may_register(options, req.user, own, key) then
      return nil, req:reply(403)
    end
  end
  local known = type(users) ~= "table" or key and (users[own] or users[key])
  if not key or not known or not ua:answers_for(host) then
    return nil, req:reply(404)
  end
  return key, host
end

-- Whether a Contact leads to this endpoint. At an address it is the port that counts:
-- phones and registrar may share a machine.
local function leads_here(ua, uri)
  local hop = address.hop(uri)
  if hop and (hop.port or hop.numeric) then
    return ua:is_self(hop)
  end
  return ua:is_local(uri)
end

-- A Contact that is the address-of-record at this very endpoint reaches nobody: what
-- is sent there comes back until Max-Forwards ends it. Others that lead back here, a
-- second address-of-record say, are for the proxy to judge (16.3, RFC 5393).
local function loops(ua, key, host, reading)
  for _, change in ipairs(reading.changes) do
    if change.seconds > 0 and change.host == host and binding.key(change.uri) == key
      and leads_here(ua, change.uri) then
      return true
    end
  end
  return false
end

local function received(req)
  local host, port, transport = req.tx:source()
  return transport .. ":" .. address.bracket(host) .. ":" .. port
end

-- Date, written once in a second.
local function clock()
  local second, text
  return function(seconds)
    if seconds // 1 ~= second then
      second, text = seconds // 1, date.write(seconds)
    end
    return text
  end
end

-- Step 7: the bindings from here on, or a status and what the answer says.
local function bind(location, key, reading, policy)
  if not reading.all and not reading.changes[1] then -- a fetch
    return location:bindings(binding.aor(key))
  end
  local status, refusing
  local list, e = location:change(key, function(bindings, now)
    local new
    new, status, refusing = registering.apply(reading, bindings, now, policy)
    return new, not new and REFUSED
  end)
  if list then
    return list
  elseif e == REFUSED then
    return nil, status, refusing
  end
  return nil, e.status, e.status == 503 and BUSY or nil
end

-- Steps 6 to 8.
local function register(req, location, key, host, policy, dates)
  local message = req.message
  local reading, status, refusing = registering.read(message, policy, received(req))
  if not reading then
    return req:reply(status, refusing)
  elseif loops(req.ua, key, host, reading) then
    return req:reply(403, { reason = "A Contact Is the Address-of-Record Itself" })
  end
  local list
  list, status, refusing = bind(location, key, reading, policy)
  if not list then
    return req:reply(status, refusing)
  end
  local now = dates(req.ua.runtime.driver:unix())
  return req:answer(200, registering.accepted(message, list, now))
end

--- A handler for REGISTER: `ua:on("REGISTER", sip.registrar())`. With `users` at the
--- endpoint it challenges.
---@param options? sip.RegistrarOptions
---@return fun(req: sip.Request)
---@private
function M.new(options)
  options = option.check(options, schema, "sip.registrar")
  local policy, dates = policy_of(options), clock()
  return function(req)
    local location = options.location or req.ua.location
    misuse.unless(location, "sip.registrar: there is no location; write sip.new { "
      .. "location = sip.location.memory(), ... }")
    local ok, status, refusing = acceptable(req)
    if not ok then
      return req:reply(status, refusing)
    elseif not req.ua:is_ours(req.uri) then
      if options.elsewhere then
        return options.elsewhere(req)
      end
      return req:reply(403, { reason = "Not a Domain of This Registrar" })
    end
    local key, host = identify(options, req)
    if key then
      register(req, location, key, host, policy, dates)
    end
  end
end

return M

--- Who may use an endpoint: users and their passwords, and the networks of peers that
--- have none. Checked when the endpoint is made.

local digest = require "sip.msg.digest"
local misuse = require "sip.rt.misuse"
local networks_of = require "sip.ua.networks"

local M = {}

---@alias sip.Users
---| table<string, sip.UserSecret>
---| fun(user: string, realm: string): sip.UserSecret|nil|false

-- In digits.
local hash_lengths = { MD5 = 32, ["SHA-256"] = 64, ["SHA-512-256"] = 64 }

-- Why a secret is none; nil when it is one.
local function trouble(secret)
  if type(secret) == "string" then
    return nil
  elseif type(secret) ~= "table" then
    return ("a %s, not a password"):format(type(secret))
  end
  for key, value in pairs(secret) do
    if key == "password" and type(value) == "string" then
      value = nil
    elseif key ~= "ha1" or type(value) ~= "table" then
      return ("%q, and not password or ha1"):format(tostring(key))
    end
    for name, hash in pairs(value or {}) do
      local length = hash_lengths[name]
      if not length then
        return ("ha1 of %q, and not MD5, SHA-256 or SHA-512-256"):format(tostring(name))
      elseif type(hash) ~= "string" or #hash ~= length or hash:find "%X" then
        return ("ha1 of %s, which is %d digits"):format(name, length)
      end
    end
  end
  if not secret.password and not (secret.ha1 and next(secret.ha1)) then
    return "neither a password nor an ha1"
  end
end

--- A secret as a function gave it; raises when it is none.
---@param secret any
---@param user string
---@return sip.UserSecret|nil|false
---@private
function M.secret(secret, user)
  local why = secret and trouble(secret)
  if why then
    misuse.raise("users: what is known of %q is %s", user, why)
  end
  return secret
end

local function check_users(users)
  for name, secret in pairs(users) do
    if type(name) ~= "string" then
      misuse.raise("sip.new: users: the name %s is a %s; write [\"%s\"]",
        tostring(name), type(name), tostring(name))
    end
    local why = trouble(secret)
    if why then
      misuse.raise("sip.new: users: what is known of %q is %s", name, why)
    end
  end
end

local function check_algorithms(list)
  local seen = {}
  for _, name in ipairs(list) do
    if type(name) ~= "string" or name == "" or not digest.supports(name) then
      misuse.raise("sip.new: algorithms: %q is not known; there are SHA-256, "
        .. "SHA-512-256 and MD5, each also with -sess", tostring(name))
    elseif seen[name:upper()] then -- RFC 8760 2.3
      misuse.raise("sip.new: algorithms: %s stands there twice", name)
    end
    seen[name:upper()] = true
  end
  misuse.unless(list[1], "sip.new: algorithms: none is named")
end

--- The options of `sip.new` that are about users.
---@param options sip.EndpointOptions
---@param domain? string
---@return sip.Networks? trusted
---@private
function M.check(options, domain)
  if options.users then
    misuse.unless(options.realm or domain, "sip.new: users want a domain, or a realm: "
      .. "their passwords are good for it alone")
    if type(options.users) == "table" then
      check_users(options.users)
    end
  end
  misuse.unless(not options.realm or not options.realm:find "%c",
    "sip.new: realm: control characters have no place in it")
  if options.algorithms then
    check_algorithms(options.algorithms)
  end
  if not options.trusted then
    return nil
  end
  local networks, wrong = networks_of.new(options.trusted)
  if not networks then
    misuse.raise("sip.new: trusted: %q is no network; write \"192.0.2.0/24\" or "
      .. "\"2001:db8::/32\"", wrong)
  end
  return networks
end

return M

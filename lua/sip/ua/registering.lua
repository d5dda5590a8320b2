--- What a REGISTER does to bindings (RFC 3261 10.3 steps 6 to 8, RFC 3327 5.3). Pure:
--- a message is read once, then applied to the bindings that there are; either new
--- bindings come of it, or a status and what the answer is to say.

local address = require "sip.msg.address"
local flow = require "sip.ua.flow"
local sips = require "sip.ua.sips"
local targets = require "sip.ua.targets"

local M = {}

local byte, find, lower, match = string.byte, string.find, string.lower, string.match
local concat = table.concat

local QUOTE, BACKSLASH = byte '"', byte "\\"

local BRIEF = 3600           -- an interval from here on is never too brief
local MALFORMED = 3600       -- what an expires that is no number stands for (10.2)
local LONGEST = 4294967295
local BYTES = 4096           -- of all that is kept of one binding

---@class sip.RegisterPolicy
---@field default integer   seconds, when the request names none
---@field min integer
---@field max integer
---@field contacts integer  of one address-of-record
---@field any_path boolean  Path is taken from those who do not say they support it
---@field nat boolean       who is behind a NAT is found where the REGISTER came from

---@class sip.RegisterChange
---@field uri string
---@field host? string      of the URI, in lower case
---@field params string
---@field q? integer
---@field seconds integer  0: to be removed
---@field at? sip.Place    where it is, when the URI does not lead there

---@class sip.Registering
---@field all boolean       Contact: *
---@field changes sip.RegisterChange[]
---@field call_id string
---@field cseq integer
---@field path string
---@field received string

---@class sip.Refusing
---@field reason? string
---@field headers? string[]

local function bad(reason)
  return nil, 400, { reason = reason }
end

-- Behind the quoted string that begins here.
local function behind_quotes(text, at)
  at = find(text, '[\\"]', at + 1)
  while at and byte(text, at) == BACKSLASH do
    at = find(text, '[\\"]', at + 2)
  end
  return at and at + 1 or #text + 1
end

-- Where the parameter that begins here ends: at a semicolon that is not quoted.
local function param_end(text, at)
  local stop = find(text, '[;"]', at)
  while stop and byte(text, stop) == QUOTE do
    stop = find(text, '[;"]', behind_quotes(text, stop))
  end
  return stop and stop - 1 or #text
end

-- The parameters of a Contact as written, without q and expires: what the parser has
-- undone (quotes) could not be told apart when writing it again.
local function tail(value, params)
  if not params[1] then
    return ""
  end
  local at = 1
  if find(value, '^%s*"') then -- a display name may hold anything
    at = behind_quotes(value, find(value, '"', 1, true))
  end
  local open = find(value, "<", at, true)
  local close = open and find(value, ">", open, true)
  local first = find(value, ";", close or at, true)
  local kept = {}
  while first do
    local last = param_end(value, first + 1)
    local param = match(value:sub(first + 1, last), "%S.*") or ""
    local name = lower(match(param, "^[^%s=]*"))
    if name ~= "" and name ~= "q" and name ~= "expires" then
      kept[#kept + 1] = ";" .. match(param, "^.*%S")
    end
    first = last < #value and last + 1 or nil
  end
  return concat(kept)
end

local function seconds_of(text)
  local digits = type(text) == "string" and text:match "^%s*(%d+)%s*$"
  if not digits then
    return MALFORMED
  end
  digits = digits:match "[1-9].*" or "0"
  return #digits > 10 and LONGEST or math.min(math.tointeger(tonumber(digits)), LONGEST)
end

-- Step 7, first half: the parameter, the header, the default; then our bounds.
local function interval(params, message, policy)
  local text = params.expires or message:header "Expires"
  local seconds = text == nil and policy.default or seconds_of(text)
  if seconds > 0 and seconds < BRIEF and seconds < policy.min then
    return nil, 423, { headers = { "Min-Expires", tostring(policy.min) } }
  end
  return math.min(seconds, policy.max)
end

-- RFC 5630 5.2: a sips Contact wants sips all the way, and no sip Contact beside it.
local function secure(message, paths)
  local list = { message:uri() }
  for _, value in ipairs(message:values "Contact") do
    local addr = address.parse(value)
    if addr and addr.uri:lower():find "^sip:" then
      return false
    end
  end
  for _, value in ipairs(paths) do
    list[#list + 1] = address.parse(value).uri
  end
  for _, uri in ipairs(list) do
    if address.parts(uri) ~= "sips" then
      return false
    end
  end
  return true
end

-- RFC 5626 6: a phone that names its flow wants to be reached by that.
local function is_outbound(params, message)
  return params["reg-id"] ~= nil and params["+sip.instance"] ~= nil
    and message:has_token("Supported", "outbound")
end

-- Where a Contact is. A host that nobody can look up leaves no choice.
local function place_of(addr, host, message, policy)
  if policy.nat or address.is_invalid(host or "") then
    return flow.registered(addr.uri, message, is_outbound(addr.params, message))
  end
end

local function read_contact(value, message, paths, policy)
  local addr = address.parse(value)
  local scheme, _, host = address.parts(addr and addr.uri or "")
  if not scheme then
    return bad "A Contact Is Malformed"
  elseif scheme == "sips" and not secure(message, paths) then
    return bad "A sips Contact Wants sips Everywhere"
  end
  local params = addr.params
  local q, why = targets.q(params.q)
  if why then
    return bad(why)
  end
  local seconds, status, spec = interval(params, message, policy)
  if not seconds then
    return nil, status, spec
  end
  return { uri = addr.uri, host = host, params = tail(value, params), q = q,
    seconds = seconds, at = place_of(addr, host, message, policy) }
end

local NONE = {}
local NO_PATH = { "Unsupported", "path" }

-- RFC 3327 5.3: a Path that the phone knows nothing of was put in by a stranger.
local function read_path(message, policy)
  local paths = message:header "Path" and message:values "Path" or NONE
  if paths[1] and not policy.any_path
    and not message:has_token("Supported", "path") then
    return nil, 420, { headers = NO_PATH }
  end
  for _, value in ipairs(paths) do
    local addr = address.parse(value)
    local scheme = addr and address.parts(addr.uri)
    if scheme ~= "sip" and scheme ~= "sips" then
      return bad "A Path Is Malformed"
    end
  end
  return paths
end

local function is_star(value)
  return value:match "^%s*%*%s*$" ~= nil
end

-- Step 6: Contact: * stands alone, and with Expires: 0.
local function read_star(message, values)
  local expires = message:header "Expires"
  if #values > 1 or not (expires and expires:match "^%s*0+%s*$") then
    return bad "Contact: * Stands Alone and With Expires: 0"
  end
  return true
end

local function too_many()
  return nil, 403, { reason = "Too Many Contacts" }
end

--- Read a REGISTER.
---@param message sip.Message
---@param policy sip.RegisterPolicy
---@param received string  where it came from
---@return sip.Registering? reading
---@return integer? status
---@return sip.Refusing? refusing
function M.read(message, policy, received)
  local paths, status, spec = read_path(message, policy)
  if not paths then
    return nil, status, spec
  end
  local reading = {
    all = false, changes = {}, call_id = message:call_id(), cseq = (message:cseq()),
    path = table.concat(paths, ", "), received = received,
  }
  local values = message:values "Contact"
  if #values > 2 * policy.contacts then -- nobody replaces more than there may be
    return too_many()
  end
  for _, value in ipairs(values) do
    if is_star(value) then
      reading.all, status, spec = read_star(message, values)
      if not reading.all then
        return nil, status, spec
      end
      return reading
    end
  end
  for i, value in ipairs(values) do
    local change
    change, status, spec = read_contact(value, message, paths, policy)
    if not change then
      return nil, status, spec
    end
    local bytes = #change.uri + #change.params + #reading.path + #reading.call_id
    if bytes > BYTES then
      return nil, 513, nil
    end
    reading.changes[i] = change
  end
  return reading
end

-- 10.3: a request of the same client that is not newer than what it did before.
local function stale(b, reading)
  return b.call_id == reading.call_id and reading.cseq <= b.cseq
end

local function out_of_order()
  return nil, 500, { reason = "CSeq Is Not Higher Than Before" }
end

-- sip and sips are one Contact here, and the later counts (RFC 5630 5.1.1.1).
local function binding_of(list, uri)
  for i, b in ipairs(list) do
    if b.uri == uri
      or address.equal(sips.of_scheme(b.uri, false), sips.of_scheme(uri, false)) then
      return i, b
    end
  end
end

-- Larger than all others, and not one that was used before.
local function fresh_id(list, now)
  local id = now
  for _, b in ipairs(list) do
    id = math.max(id, b.id + 1)
  end
  return id
end

local function put(list, change, reading, now)
  local i, old = binding_of(list, change.uri)
  local mine = reading.mine
  if old and not (mine and mine[old]) and stale(old, reading) then
    return false
  elseif change.seconds == 0 then
    if i then
      table.remove(list, i)
    end
    return true
  end
  local new = {
    uri = change.uri, params = change.params, q = change.q,
    call_id = reading.call_id, cseq = reading.cseq, path = reading.path,
    received = reading.received, due = now + change.seconds * 1000,
    expires_in = change.seconds, id = old and old.id or fresh_id(list, now),
    at = change.at,
  }
  if mine then
    mine[new] = true -- the same Contact twice: the later counts
  end
  list[i or #list + 1] = new
  return true
end

--- Apply it, all or nothing.
---@param reading sip.Registering
---@param bindings sip.Binding[]  stay as they are
---@param now integer             in milliseconds
---@param policy sip.RegisterPolicy
---@return sip.Binding[]? bindings
---@return integer? status
---@return sip.Refusing? refusing
function M.apply(reading, bindings, now, policy)
  if reading.all then
    for _, b in ipairs(bindings) do
      if stale(b, reading) then
        return out_of_order()
      end
    end
    return {}
  end
  local list = table.move(bindings, 1, #bindings, 1, {})
  reading.mine = reading.changes[2] and {} or nil
  for _, change in ipairs(reading.changes) do
    if not put(list, change, reading, now) then
      return out_of_order()
    end
  end
  if #list > policy.contacts and #list > #bindings then
    return too_many()
  end
  return list
end

--- The headers of the 200 (step 8).
---@param message sip.Message
---@param bindings sip.Binding[]
---@param date string
---@return string[]
function M.accepted(message, bindings, date)
  local headers = { "Date", date, "Supported", "path", nil, nil } -- room for a Contact
  for _, b in ipairs(bindings) do
    local q = b.q and (";q=%g"):format(b.q / 1000) or ""
    local n = #headers
    headers[n + 1] = "Contact"
    headers[n + 2] = "<" .. b.uri .. ">" .. q .. ";expires=" .. b.expires_in .. b.params
  end
  if message:has_token("Supported", "path") then
    for _, value in ipairs(message:values "Path") do
      headers[#headers + 1] = "Path"
      headers[#headers + 1] = value
    end
  end
  return headers
end

return M

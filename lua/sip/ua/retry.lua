--- What to change in a request that was refused, so that it may be sent again (RFC
--- 3261 8.1.3.5), apart from credentials. Each change takes something away that does
--- not come back, so a peer that refuses for ever is not asked for ever. Pure.

local address = require "sip.msg.address"
local content = require "sip.ua.content"

local M = {}

local concat = table.concat
local lower, match = string.lower, string.match

---@class sip.Refused  what was sent
---@field method string
---@field uri string         the Request-URI
---@field hop sip.Hop        where it went
---@field headers? string[]  the script's: name, value, name, value ...
---@field body? string

---@class sip.Change
---@field uri? string        the Request-URI to use; else the headers and the body:
---@field headers? string[]
---@field body? string

-- What a body has to say of itself, compact forms too.
local of_body = {
  ["content-type"] = true, c = true, ["content-encoding"] = true, e = true,
  ["content-language"] = true, ["content-disposition"] = true, ["mime-version"] = true,
}

-- Requests that mean the same without their body. All others are about it: nobody
-- is served by an empty MESSAGE, nor by an INVITE that makes no offer.
local without_body = { BYE = true, OPTIONS = true, REGISTER = true }

local demands = { ["require"] = true, ["proxy-require"] = true }

-- The headers that a function, told name and value, gives a value for.
local function each(headers, fn)
  local kept = {}
  for i = 1, #(headers or {}), 2 do
    local value = fn(lower(headers[i]), headers[i + 1])
    if value then
      kept[#kept + 1] = headers[i]
      kept[#kept + 1] = value
    end
  end
  return kept
end

local function list(res, name)
  return res:header(name) and res:values(name) or {}
end

-- 20.11: a body that need not be understood may be left out of any request.
local function optional(sent)
  local found = false
  each(sent.headers, function(name, value)
    found = found or name == "content-disposition" and content.says_optional(value)
  end)
  return found
end

local function no_body(sent)
  if not without_body[sent.method]
    and (sent.method == "INVITE" or not optional(sent)) then
    return nil
  end
  return { headers = each(sent.headers, function(name, value)
    return not of_body[name] and value or nil
  end) }
end

local function has_body(sent)
  return sent.body ~= nil and sent.body ~= ""
end

local judges = {}

-- 21.4.11. It may be temporary, but a script waits better than we do.
judges[413] = function(res, sent)
  if not has_body(sent) then
    return nil
  end
  local change, seconds = no_body(sent), M.seconds(res)
  return change, ("its body of %d bytes is too large%s"):format(#sent.body,
    seconds and (" for the next %d seconds"):format(seconds) or "")
end

-- 21.4.13: a body is what the script has given, so it is another one or none.
judges[415] = function(res, sent)
  if not has_body(sent) then
    return nil
  end
  local takes = {}
  for _, name in ipairs { "Accept", "Accept-Encoding", "Accept-Language" } do
    local values = concat(list(res, name), ", ")
    if values ~= "" then
      takes[#takes + 1] = ("%s: %s"):format(name, values)
    end
  end
  return no_body(sent), takes[1] and "it takes " .. concat(takes, "; ") or nil
end

-- 19.1.6: all of the number goes into the user part, its parameters in one order.
local function phone(number, hop)
  local parts, first = {}, { isub = "1", postd = "2" }
  for part in lower(number):gmatch "[^;]+" do
    parts[#parts + 1] = part
  end
  local subscriber = table.remove(parts, 1)
  if not subscriber then
    return nil
  end
  local function rank(part)
    local name = match(part, "^[^=]*")
    return (first[name] or "3") .. name
  end
  table.sort(parts, function(a, b)
    return rank(a) < rank(b)
  end)
  table.insert(parts, 1, subscriber)
  local user = concat(parts, ";"):gsub("[^%w%-_.!~*'()&=+$,;?/%%]", function(char)
    return ("%%%02X"):format(char:byte())
  end)
  return ("sip:%s@%s%s;user=phone"):format(user, address.bracket(hop.host),
    hop.port and ":" .. hop.port or "")
end

-- 21.4.14. The number is one of whoever was asked. What was to be secure stays so
-- (RFC 5630 3.3).
judges[416] = function(_, sent)
  local scheme, rest = match(sent.uri, "^(%a[%w+.-]*):(.*)$")
  scheme = scheme and lower(scheme)
  if scheme == "tel" then
    local uri = phone(rest, sent.hop)
    return uri and { uri = uri }
  elseif scheme == "sips" then
    return nil, "a sips URI is not tried as a sip URI"
  end
end

-- 21.4.15
judges[420] = function(res, sent)
  local bad, names, found = {}, list(res, "Unsupported"), false
  for _, name in ipairs(names) do
    bad[lower(name)] = true
  end
  local headers = each(sent.headers, function(name, value)
    if not demands[name] then
      return value
    end
    local kept = {}
    for _, tag in ipairs(address.split(value)) do
      if bad[lower(tag)] then
        found = true
      else
        kept[#kept + 1] = tag
      end
    end
    return kept[1] and concat(kept, ", ")
  end)
  if found then
    return { headers = headers, body = sent.body }
  elseif not names[1] then
    return nil, "it does not say which extension"
  end
  return nil, ("nobody required %s"):format(concat(names, ", "))
end

--- What may be sent instead, or nil and, where there is something to be said, why not.
---@param res sip.Message
---@param status integer
---@param sent sip.Refused
---@return sip.Change? change
---@return string? why
function M.after(res, status, sent)
  local judge = judges[status]
  if judge then
    return judge(res, sent)
  end
end

--- In how many seconds it may be tried again (20.33), if the answer says so.
---@param res sip.Message
---@return integer?
function M.seconds(res)
  local value = res:header "Retry-After"
  local digits = value and match(value, "^%s*(%d+)")
  return digits and #digits <= 10 and math.tointeger(tonumber(digits)) or nil
end

return M

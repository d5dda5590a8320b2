--- Where a request that we forward goes, and what its route headers say then
--- (RFC 3261 16.4, 16.6 steps 4, 6 and 7, 16.12; RFC 5658). Pure: messages and
--- URIs in, edits out.

local address = require "sip.msg.address"

local M = {}

local find, match = string.find, string.match
local concat, move = table.concat, table.move

local OWN_MAX = 8 -- of our own in a row: what goes by us more often goes in circles

local SCHEMES = { sip = true, sips = true, tel = true }

local function mark_of(uri)
  return match(uri, ";mark=([%w]+)")
end

-- The URI of a Route value; nearly all of them are nothing else.
local function uri_of(value)
  local uri = match(value, "^<([^<>]*)>$")
  if not uri then
    local parsed = address.parse(value)
    uri = parsed and parsed.uri
  end
  return uri
end

-- An maddr of ours has brought the request here and has done its work.
local function without_maddr(uri, line)
  local parsed = find(uri, ";maddr=", 1, true) and address.uri(uri)
  local hop = parsed and address.hop(uri)
  if not hop or not line:is_self(hop) then
    return uri
  end
  local params = {}
  for _, name in ipairs(parsed.params) do
    if name ~= "maddr" and name ~= "transport" then
      params[#params + 1] = name
      params[name] = parsed.params[name]
    end
  end
  parsed.params, parsed.port = params, nil
  return address.compose(parsed)
end

local function is_self(uri, line)
  local hop = address.hop(uri)
  return hop ~= nil and line:is_self(hop)
end

-- Whether a URI names us: by a mark of ours, which only we can make, or by address.
-- Behind one that names us the mark may be that of the next proxy, whose secret is the
-- same.
local function names_us(uri, line, message, before)
  local mark = mark_of(uri)
  local marked = mark ~= nil and line.stack:is_marked(message, mark)
  if marked and not before or is_self(uri, line) then
    return true, marked
  end
  return marked and not is_self(before, line), marked
end

--- What a request that has come asks for, our own part in its route taken away.
---@param message sip.Message
---@param line sip.Line
---@return string uri        the Request-URI after 16.4
---@return string[]? route   the Route values that are left, when some were taken away
---@return boolean marked    it came along a Record-Route of ours
---@return sip.Place? at     which knows where the other side is
---@return boolean circles   it wants to come by us again and again
function M.read(message, line)
  local uri, marked, at = message:uri(), false, nil
  local route = message:header "Route" and message:values "Route"
  local taken = false
  local mark = find(uri, ";mark=", 1, true) and mark_of(uri)
  if mark and line.stack:is_marked(message, mark) then
    marked = true -- by a strict router, which wrote our Record-Route there
    at = line.stack:token_way(message, uri)
    local last = route and route[1] and uri_of(route[#route])
    if last then
      uri, taken = last, true
      route[#route] = nil
    end
  else
    uri = without_maddr(uri, line)
  end
  local first, before = 1, marked and message:uri() or nil
  while route and route[first] do -- both of a double Record-Route (RFC 5658)
    if first > OWN_MAX then
      return uri, {}, marked, at, true
    end
    local ours, by_mark = false, false
    local value = uri_of(route[first])
    if value then
      ours, by_mark = names_us(value, line, message, before)
    end
    if not ours then
      break
    end
    before = value
    marked = marked or by_mark
    at = at or by_mark and line.stack:token_way(message, value) or nil
    first, taken = first + 1, true
  end
  return uri, taken and move(route, first, #route, 1, {}) or nil, marked, at, false
end

---@class sip.Aim
---@field uri string     the Request-URI to write
---@field hop sip.Hop
---@field route? string[]  the Route values to write; nil: as they are

--- Where a copy goes: to the first route, or to its target.
---@param target string
---@param route? string[]  the values that the copy has
---@param changed boolean  they are not those of the message
---@param at? sip.Place    where the target is, when its URI does not lead there
---@return sip.Aim? aim
---@return string? why
function M.aim(target, route, changed, at)
  target = address.request_uri(target)
  if not route or not route[1] then
    local hop, why = address.hop(target)
    if not hop then
      return nil, why
    end
    hop.at = at
    return { uri = target, hop = hop, route = changed and {} or nil }
  end
  local scheme = match(target, "^(%a[%w+.-]*):")
  if not (scheme and SCHEMES[scheme:lower()]) then
    return nil, "a scheme that is not known" -- whatever the route says (16.3 step 2)
  end
  local first = uri_of(route[1])
  if not first then
    return nil, "a route is no address"
  end
  local hop, why = address.hop(first)
  if not hop then
    return nil, why
  end
  hop = address.securely(hop, target)
  if hop.lr then
    return { uri = target, hop = hop, route = changed and route or nil }
  end
  -- A strict router: it takes the Request-URI for its own (16.6 step 6).
  local rest = move(route, 2, #route, 1, {})
  rest[#rest + 1] = "<" .. target .. ">"
  return { uri = first, hop = hop, route = rest }
end

---@class sip.Interface  what a message comes by or leaves by
---@field transport string
---@field host string
---@field port integer

-- Our Record-Route for an interface.
local function record_route(transport, host, port, params, secure)
  local name = address.transport_param(transport)
  if secure and (transport == "tls" or transport == "wss") then -- 16.6 step 4
    return "<sips:" .. address.bracket(host) .. ":" .. port
      .. (transport == "wss" and ";transport=ws" or "") .. params .. ">"
  end
  return "<sip:" .. address.bracket(host) .. ":" .. port
    .. (name and ";transport=" .. name or "") .. params .. ">"
end

---@class sip.RecordRoute: sip.Interface  what the request came by
---@field mark string
---@field caller? string  the token of the way to who has sent the request

--- The edits that a copy wants beside the script's: Record-Route, both sides where
--- they differ (RFC 5658), and Route.
---@param edits string[]  appended to
---@param aim sip.Aim
---@param record? sip.RecordRoute
---@param transport? string  what the copy leaves by, and its own address there
---@param host? string
---@param port? integer
---@param callee? string    the token of the way that the copy goes
function M.edit(edits, aim, record, transport, host, port, callee)
  local n = #edits
  if record then
    edits[n + 1], edits[n + 2] = "first", "Record-Route"
    local secure, params = aim.hop.secure, ";lr;mark=" .. record.mark
    local tokens = (record.caller and ";caller=" .. record.caller or "")
      .. (callee and ";callee=" .. callee or "")
    edits[n + 3] = record_route(record.transport, record.host, record.port,
      params .. tokens, secure)
    n = n + 3
    if record.host ~= host or record.port ~= port or record.transport ~= transport then
      edits[n + 1], edits[n + 2] = "first", "Record-Route"
      edits[n + 3] = record_route(transport, host, port, params, secure)
      n = n + 3
    end
  end
  local route = aim.route
  if route and route[1] then
    edits[n + 1], edits[n + 2], edits[n + 3] = "set", "Route", concat(route, ", ")
  elseif route then
    edits[n + 1], edits[n + 2], edits[n + 3] = "remove", "Route", ""
  end
end

--- What tells a loop from a spiral: everything that decides where a request goes
--- (RFC 5393 4.2.1), to be sealed.
---@param message sip.Message
---@return string
function M.loop_text(message)
  local route = message:header "Route" and concat(message:values "Route", ",") or ""
  return message:uri() .. "\n" .. route .. "\n" .. message:call_id() .. "\n"
    .. message:from_uri() .. "\n" .. message:to_uri()
end

--- Whether a request has been here before with the same in it (RFC 5393 4.2.2).
---@param message sip.Message
---@param tail string  the sealed text
---@return boolean
function M.is_loop(message, tail)
  local ending, i = "." .. tail, 1
  local line = message:header("Via", 1)
  while line and not find(line, ending, 1, true) do
    i = i + 1
    line = message:header("Via", i)
  end
  if not line then
    return false
  end
  i = 1
  local via = message:via(1)
  while via do
    local branch = via.branch
    if branch and branch:sub(-#ending) == ending then
      return true
    end
    i = i + 1
    via = message:via(i)
  end
  return false
end

return M

--- Where a request that we forward goes, and what its route headers say then
--- (RFC 3261 16.4, 16.6 steps 4, 6 and 7, 16.12; RFC 5658). Pure: messages and
--- URIs in, edits out.

local address = require "sip.msg.address"

local M = {}

local find, match = string.find, string.match
local concat, move = table.concat, table.move

---@class sip.Routing
---@field uri string        the Request-URI after 16.4
---@field route? string[]   the Route values that are left, when some were taken away
---@field marked boolean    it came along a Record-Route of ours

---@class sip.RoutingSelf
---@field is_self fun(hop: sip.Hop): boolean  is it one of our own addresses?
---@field is_marked fun(mark: string): boolean  is this mark one that we made?

local function mark_of(uri)
  return match(uri, ";mark=([%w]+)")
end

-- Whether a URI names us: by a mark of ours, which only we can make, or by address.
local function names_us(uri, own)
  local mark = mark_of(uri)
  if mark and own.is_marked(mark) then
    return true, true
  end
  local hop = address.hop(uri)
  return hop ~= nil and own.is_self(hop), false
end

-- An maddr of ours has brought the request here and has done its work.
local function without_maddr(uri, own)
  local parsed = find(uri, ";maddr=", 1, true) and address.uri(uri)
  local hop = parsed and address.hop(uri)
  if not hop or not own.is_self(hop) then
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

--- What a request that has come asks for, our own part in its route taken away.
---@param message sip.Message
---@param own sip.RoutingSelf
---@return sip.Routing
function M.read(message, own)
  local uri, marked = message:uri(), false
  local route = message:header "Route" and message:values "Route"
  local taken = false
  if find(uri, ";mark=", 1, true) and own.is_marked(mark_of(uri)) then
    marked = true -- by a strict router, which wrote our Record-Route there
    local last = route and address.parse(route[#route])
    if last then
      uri, taken = last.uri, true
      route[#route] = nil
    end
  else
    uri = without_maddr(uri, own)
  end
  local first = 1
  while route and route[first] do -- both of a double Record-Route (RFC 5658)
    local parsed = address.parse(route[first])
    local ours, by_mark = false, false
    if parsed then
      ours, by_mark = names_us(parsed.uri, own)
    end
    if not ours then
      break
    end
    marked = marked or by_mark
    first, taken = first + 1, true
  end
  return {
    uri = uri,
    route = taken and move(route, first, #route, 1, {}) or nil,
    marked = marked,
  }
end

---@class sip.Aim
---@field uri string     the Request-URI to write
---@field hop sip.Hop
---@field route? string[]  the Route values to write; nil: as they are

--- Where a copy goes: to the first route, or to its target.
---@param target string
---@param route? string[]  the values that the copy has
---@param changed boolean  they are not those of the message
---@return sip.Aim? aim
---@return string? why
function M.aim(target, route, changed)
  target = address.request_uri(target)
  if not route or not route[1] then
    local hop, why = address.hop(target)
    if not hop then
      return nil, why
    end
    return { uri = target, hop = hop, route = changed and {} or nil }
  end
  local first = address.parse(route[1])
  if not first then
    return nil, "a route is no address"
  end
  local hop, why = address.hop(first.uri)
  if not hop then
    return nil, why
  elseif match(target, "^[sS][iI][pP][sS]:") then -- whatever the route says
    hop.transport, hop.open = "tls", false
  end
  if hop.lr then
    return { uri = target, hop = hop, route = changed and route or nil }
  end
  -- A strict router: it takes the Request-URI for its own (16.6 step 6).
  local rest = move(route, 2, #route, 1, {})
  rest[#rest + 1] = "<" .. target .. ">"
  return { uri = first.uri, hop = hop, route = rest }
end

---@class sip.Interface  what a message comes by or leaves by
---@field transport string
---@field host string
---@field port integer

--- Our Record-Route for an interface.
---@param at sip.Interface
---@param mark string
---@return string
function M.record(at, mark)
  return concat { "<sip:", address.bracket(at.host), ":", at.port,
    at.transport == "udp" and "" or ";transport=" .. at.transport, ";lr;mark=", mark,
    ">" }
end

--- The edits that a copy wants beside the script's: Record-Route, both sides where
--- they differ (RFC 5658), and Route.
---@param edits string[]  appended to
---@param aim sip.Aim
---@param record? { mark: string, from: sip.Interface, to: sip.Interface }
function M.edit(edits, aim, record)
  local n = #edits
  local function add(op, name, value)
    edits[n + 1], edits[n + 2], edits[n + 3] = op, name, value
    n = n + 3
  end
  if record then
    local from, to = record.from, record.to
    add("first", "Record-Route", M.record(from, record.mark))
    if from.host ~= to.host or from.port ~= to.port
      or from.transport ~= to.transport then
      add("first", "Record-Route", M.record(to, record.mark))
    end
  end
  local route = aim.route
  if route and route[1] then
    add("set", "Route", concat(route, ", "))
  elseif route then
    add("remove", "Route", "")
  end
end

--- What tells a loop from a spiral: everything that decides where a request goes
--- (RFC 5393 4.2.1), to be sealed.
---@param message sip.Message
---@return string
function M.loop_text(message)
  return concat({ message:uri(), message:header "Route" or "", message:call_id(),
    message:from_uri(), message:to_uri() }, "\n")
end

--- Whether a request has been here before with the same in it (RFC 5393 4.2.2).
---@param message sip.Message
---@param tail string  the sealed text
---@return boolean
function M.is_loop(message, tail)
  local i, ending = 1, "." .. tail
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

--- Bindings of an address-of-record: their canonical key (RFC 3261 10.3 step 5), the
--- text that a store keeps of them, and the targets that they are to a proxy (16.5).

local address = require "sip.msg.address"

local M = {}

local pack, unpack = string.pack, string.unpack
local max, min = math.max, math.min

-- A record: how many bindings there are, then each. A missing q is 65535. The way to a
-- binding is that of its Contact, or where its REGISTER came from: 1 for before that,
-- 2 for only that, 4 more for who has asked for it.
local HEAD, NO_Q = "<I2", 65535
local ITEM = "<i8i8I4I2I4Bs1s2s2s2s2s2"
local FIRST, SOLE, OUTBOUND = 1, 2, 4

--- The canonical form: escapes undone, parameters removed, the host in small letters.
--- The port is left out too, because whether the host and port are ours was asked
--- before; and sip and sips name the same (RFC 5630 5.2).
---@param uri string
---@return string? key    "alice@example.com"; nil when it is no address-of-record
---@return string? user   escapes undone
---@return string? host
---@return string? scheme
function M.key(uri)
  local scheme, user, host = address.parts(uri)
  if scheme ~= "sip" and scheme ~= "sips" or not user or user == "" then
    return nil
  end
  return user .. "@" .. host, user, host, scheme
end

--- A key as an URI.
---@param key string
---@return string
function M.aor(key)
  local user, host = key:match "^(.*)@([^@]*)$"
  return address.compose { scheme = "sip", user_text = user, host = host }
end

local function way_of(at)
  return not at and 0 or (at.sole and SOLE or FIRST) + (at.outbound and OUTBOUND or 0)
end

-- The place that a way, the address of ours and the source of a REGISTER make.
local function place_of(way, flow, own, received)
  if way == 0 then
    return nil
  end
  local transport, host, port = received:match "^(%a+):(.*):(%d+)$"
  host = address.bare(host)
  return { transport = transport, host = host, port = math.tointeger(port), name = host,
    flow = flow, own = own ~= "" and own or nil, sole = way & SOLE ~= 0,
    outbound = way & OUTBOUND ~= 0 }
end

--- The record of bindings, and when the first of them is over; nil for none.
---@param bindings sip.Binding[]
---@return string? record
---@return integer? due  in milliseconds
function M.pack(bindings)
  local first = bindings[1]
  if not first then
    return nil
  end
  local record, due = pack(HEAD, #bindings), first.due
  for _, b in ipairs(bindings) do -- few
    record = record .. pack(ITEM, b.due, b.id, b.cseq, b.q or NO_Q,
      b.at and b.at.flow or 0, way_of(b.at), b.at and b.at.own or "", b.uri, b.params,
      b.call_id, b.path, b.received)
    due = min(due, b.due)
  end
  return record, due
end

--- The bindings of a record, oldest first, without those that are over.
---@param record? string
---@param now integer
---@return sip.Binding[]
function M.unpack(record, now)
  local list = {}
  if not record then
    return list
  end
  local count, at = unpack(HEAD, record)
  for _ = 1, count do
    local due, id, cseq, q, flow, way, own, uri, params, call_id, path, received
    due, id, cseq, q, flow, way, own, uri, params, call_id, path, received, at =
      unpack(ITEM, record, at)
    if due > now then
      list[#list + 1] = {
        uri = uri, params = params, q = q ~= NO_Q and q or nil, call_id = call_id,
        cseq = cseq, path = path, received = received, id = id, due = due,
        expires_in = max((due - now) // 1000, 1),
        at = place_of(way, flow, own, received),
      }
    end
  end
  return list
end

--- How many bindings a record has, over or not.
---@param record? string
---@return integer
function M.count(record)
  return record and (unpack(HEAD, record)) or 0
end

--- What became of bindings, in the words of RFC 3680: created, refreshed, shortened,
--- unregistered, expired.
---@param old sip.Binding[]  with those that are over
---@param new sip.Binding[]
---@param now integer
---@return { event: string, binding: sip.Binding }[]
function M.changes(old, new, now)
  local before, after, list = {}, {}, {}
  for _, b in ipairs(old) do
    before[b.id] = b
  end
  for _, b in ipairs(new) do
    after[b.id] = true
  end
  for _, b in ipairs(old) do
    if not after[b.id] then
      list[#list + 1] =
        { event = b.due <= now and "expired" or "unregistered", binding = b }
    end
  end
  for _, b in ipairs(new) do
    local was = before[b.id]
    if not was then
      list[#list + 1] = { event = "created", binding = b }
    elseif b.due < was.due then
      list[#list + 1] = { event = "shortened", binding = b }
    elseif b.due > was.due or b.cseq ~= was.cseq or b.call_id ~= was.call_id then
      list[#list + 1] = { event = "refreshed", binding = b }
    end
  end
  return list
end

-- What no Request-URI may have is left out (19.1.1): headers and a method.
local function request_uri(uri)
  if not uri:find "[?]" and not uri:lower():find(";method=", 1, true) then
    return uri
  end
  local parsed = address.uri(uri)
  local params = {}
  parsed.headers = nil
  for _, name in ipairs(parsed.params or {}) do
    if name:lower() ~= "method" then
      params[#params + 1] = name
      params[name:lower()] = parsed.params[name:lower()]
    end
  end
  parsed.params = params
  return address.compose(parsed)
end

local NONE = {}

--- What requests may be sent to, in q order; those of one q, oldest first. Contacts of
--- other schemes than sip and sips are no targets.
---@param bindings sip.Binding[]
---@return sip.Located[]
function M.targets(bindings)
  local list = {}
  for _, b in ipairs(bindings) do
    local scheme = b.uri:match "^[^:]*":lower()
    if scheme == "sips" or scheme == "sip" then
      list[#list + 1] = {
        uri = request_uri(b.uri),
        contact = b.uri,
        q = (b.q or 1000) / 1000,
        path = b.path ~= "" and address.split(b.path) or NONE,
        received = b.received,
        at = b.at,
        expires_in = b.expires_in,
        call_id = b.call_id,
        params = b.params,
        order = #list,
      }
    end
  end
  table.sort(list, function(x, y)
    return x.q > y.q or x.q == y.q and x.order < y.order
  end)
  return list
end

return M

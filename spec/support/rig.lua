--- One stack of ours at 192.0.2.2 and a raw peer at 192.0.2.1 that says what it is
--- told, byte for byte. What each of the two hears is noted with its instant.

local core = require "sip.core"

local assert = require "luassert"

local M = { PEER = "192.0.2.1", OURS = "192.0.2.2" }

---@class spec.Rig
---@field world sip.World
---@field stack sip.Stack
---@field host sip.SimHost
---@field peer sip.SimRaw      UDP, port 5060
---@field stream? sip.SimRaw   TCP or what was asked for, port 5060
---@field events table[]       what the stack dispatched: at, kind, object, message
---@field on table<string, fun(object: any, message: sip.Message?, ...)>
local Rig = {}
local rig_mt = { __index = Rig }

---@param options? { t1?: number, t2?: number, t4?: number, stream?: boolean|string,
---  limits?: table, advertise?: string, delay?: number, seed?: integer,
---  relay?: boolean, secret?: string, exempt?: table, scanners?: string,
---  watch?: boolean }
---@return spec.Rig
function M.new(options)
  options = options or {}
  local self = setmetatable({ events = {}, on = {}, held = {} }, rig_mt)
  self.world = core.world { seed = options.seed or 1 }
  self.far = self.world:host(M.PEER, "192.0.2.9")
  self.host = self.world:host(M.OURS)
  self.peer = self.far:raw { host = M.PEER, port = 5060 }
  if options.delay then
    self.world:link { delay = options.delay }
  end
  self.host:set_dispatch(function() end)
  self.stack = self.host:stack {
    t1 = options.t1, t2 = options.t2, t4 = options.t4, limits = options.limits,
    advertise = options.advertise, relay = options.relay, secret = options.secret,
    exempt = options.exempt, scanners = options.scanners, watch = options.watch,
    dispatch = function(kind, object, message, ...)
      if message then
        message:keep()
      end
      self.events[#self.events + 1] = { at = self.world:now(), kind = kind,
        object = object, message = message, ... }
      if self.on[kind] then
        self.on[kind](object, message, ...)
      end
    end,
  }
  assert(self.stack:listen { transport = "udp", host = M.OURS, port = 5060 })
  if options.stream then
    local transport = options.stream == true and "tcp" or options.stream
    self.whole = transport == "ws" -- what is heard of one message is one message
    self.stream = self.far:raw { transport = transport, host = M.PEER, port = 5060 }
    assert(self.stack:listen { transport = transport, host = M.OURS, port = 5060 })
  end
  return self
end

--- Let time pass up to an instant, or until nothing is armed.
---@param till? number
function Rig:run(till)
  while self.world:step(till) do end
end

--- The peer sends a datagram, and what follows at this instant happens.
---@param bytes string
---@param port? integer  the port it is sent from, of another raw socket made for it
function Rig:say(bytes, port)
  local socket = self.peer
  if port and port ~= 5060 then
    self.sockets = self.sockets or {}
    socket = self.sockets[port] or self.far:raw { host = M.PEER, port = port }
    self.sockets[port] = socket
  end
  assert(socket:send(M.OURS, 5060, bytes))
  self:run(self.world:now())
end

--- Say it at an instant.
function Rig:say_at(at, bytes)
  self:run(at)
  self:say(bytes)
end

local function summary(bytes)
  local status = bytes:match "^SIP/2.0 (%d+)"
  local method = bytes:match "\r\nCSeq: *%d+ (%u+)"
  return status and status .. " " .. method or bytes:match "^(%u+) "
end

-- Where the first message of a stream ends; nil: not all of it has come, or it is none.
local function message_end(bytes)
  local head = select(2, bytes:find("\r\n\r\n", 1, true))
  local length = head and bytes:sub(1, head):match "\r\n[Cc]ontent%-[Ll]ength: *(%d+)"
  local last = length and head + tonumber(length)
  return last and last <= #bytes and last or nil
end

-- A stream has no borders between messages: one read may bring several, or a part.
local function framed(event, rest, list)
  local bytes = (rest[event.id] or "") .. event.bytes
  local last = message_end(bytes)
  while last do
    list[#list + 1] = { what = "bytes", at = event.at, id = event.id, from = event.from,
      to = event.to, bytes = bytes:sub(1, last) }
    bytes = bytes:sub(last + 1)
    last = message_end(bytes)
  end
  rest[event.id] = bytes ~= "" and bytes or nil
end

--- What the peer has heard since this was last asked: events with `bytes`, on a stream
--- message by message; last, what is none on its connection.
---@param socket? sip.SimRaw
---@return table[]
function Rig:take(socket)
  local list, rest, last = {}, {}, {}
  for _, event in ipairs((socket or self.peer):take()) do
    if event.what == "bytes" and socket and socket == self.stream
      and not self.whole then
      framed(event, rest, list)
      last[event.id] = event
    elseif event.what == "bytes" then
      list[#list + 1] = event
    end
  end
  for id, bytes in pairs(rest) do
    list[#list + 1] = { what = "bytes", at = last[id].at, id = id, bytes = bytes }
  end
  for _, event in ipairs(list) do
    event.message = core.parse(event.bytes)
  end
  return list
end

--- The same as "0.500 INVITE", "0.200 180 INVITE".
---@return string[]
function Rig:heard(socket)
  local list = {}
  for i, event in ipairs(self:take(socket)) do
    list[i] = ("%.3f %s"):format(event.at, summary(event.bytes) or event.bytes)
  end
  return list
end

--- The instants at which the peer heard such messages.
---@param pattern string  of the summary
---@return number[]
function Rig:instants(pattern, socket)
  local list = {}
  for _, event in ipairs(self:take(socket)) do
    if summary(event.bytes):find(pattern) then
      list[#list + 1] = event.at
    end
  end
  return list
end

--- What the stack said to its user, as "0.500 response 180", since this was last asked.
---@return string[]
function Rig:told()
  local list = {}
  for i, event in ipairs(self.events) do
    local more = event.message and (event.message:status() or event.message:method())
      or type(event[1]) == "string" and event[1]
    list[i] = ("%.3f %s%s"):format(event.at, event.kind, more and " " .. more or "")
  end
  self.events = {}
  return list
end

--- The last object and message of such an event.
function Rig:last(kind)
  for i = #self.events, 1, -1 do
    if self.events[i].kind == kind then
      return self.events[i].object, self.events[i].message
    end
  end
end

--- Let everything expire and count what is alive: nothing.
function Rig:clean()
  self:run(self.world:now() + (self.stream and 1000 or 200))
  local stats = self.stack:stats()
  local host = self.host:stats()
  assert.same({ 0, 0, 0, 0 }, {
    stats.transactions, stats.timers, stats.events, host.script_errors,
  })
  self.stack:close()
  self.world:close()
end

--- A request as the peer would write it. `fields` replaces by name; `extra` is more
--- lines; false leaves a line out.
---@param fields? table
---@return string
function M.request(fields)
  fields = fields or {}
  local method = fields.method or "OPTIONS"
  local lines = { ("%s %s SIP/2.0"):format(method, fields.uri or "sip:bob@192.0.2.2") }
  local order = {
    { "via", "Via", ("SIP/2.0/%s %s;branch=%s%s"):format(fields.transport or "UDP",
      fields.sent_by or "192.0.2.1", fields.branch or "z9hG4bKpeer1",
      fields.via_more or "") },
    { "max_forwards", "Max-Forwards", "70" },
    { "from", "From", "<sip:alice@192.0.2.1>;tag=" .. (fields.from_tag or "a1") },
    { "to", "To", "<sip:bob@192.0.2.2>" .. (fields.to_tag and ";tag=" .. fields.to_tag
      or "") },
    { "call_id", "Call-ID", "call-1" },
    { "cseq", "CSeq", ("%d %s"):format(fields.number or 1, method) },
    { "contact", "Contact", "<sip:alice@192.0.2.1>" },
  }
  for _, field in ipairs(order) do
    local value = fields[field[1]]
    if value == nil then
      value = field[3]
    end
    if value then
      lines[#lines + 1] = field[2] .. ": " .. value
    end
  end
  for _, line in ipairs(fields.extra or {}) do
    lines[#lines + 1] = line
  end
  local body = fields.body or ""
  if fields.length ~= false then
    lines[#lines + 1] = "Content-Length: " .. (fields.length or #body)
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

--- A response to what the peer has heard. `fields`: to_tag, via, extra, cseq, number.
---@param request string|sip.Message
---@param status integer
---@param fields? table
---@return string
function M.response(request, status, fields)
  fields = fields or {}
  local message = type(request) == "string" and assert(core.parse(request)) or request
  local lines = { ("SIP/2.0 %d Said So"):format(status) }
  local i = 1
  while not fields.via and message:header("Via", i) do
    lines[#lines + 1] = "Via: " .. message:header("Via", i)
    i = i + 1
  end
  for _, via in ipairs(fields.via or {}) do
    lines[#lines + 1] = "Via: " .. via
  end
  local to = message:header "To"
  if fields.to_tag ~= false and not message:to_tag() then
    to = to .. ";tag=" .. (fields.to_tag or "b1")
  end
  lines[#lines + 1] = "From: " .. message:header "From"
  lines[#lines + 1] = "To: " .. to
  lines[#lines + 1] = "Call-ID: " .. message:header "Call-ID"
  lines[#lines + 1] = "CSeq: " .. (fields.cseq or message:header "CSeq")
  for _, line in ipairs(fields.extra or {}) do
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = "Content-Length: 0"
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

--- Some of what the stack has counted.
---@param ... string  names of Stack:stats
---@return integer[]
function Rig:counted(...)
  local stats, list = self.stack:stats(), {}
  for i, name in ipairs { ... } do
    list[i] = assert(stats[name], name)
  end
  return list
end

--- What the log would say.
---@return string[]
function Rig:notices()
  local list = {}
  for _, event in ipairs(self.events) do
    if event.kind == "notice" then
      list[#list + 1] = event[1]
    end
  end
  return list
end

--- How many lines of a list a pattern is found in.
---@param list string[]
---@param pattern string
---@return integer
function M.count(list, pattern)
  local found = 0
  for _, line in ipairs(list) do
    found = found + (line:find(pattern) and 1 or 0)
  end
  return found
end

--- Our stack sends a request to the peer.
---@param fields? table  of Stack:request, over a usual request
---@return sip.ClientTx
function Rig:request(fields)
  fields = fields or {}
  local method = fields.method or "OPTIONS"
  local headers = {
    "From", "<sip:bob@192.0.2.2>;tag=" .. (fields.from_tag or "b9"),
    "To", fields.to or "<sip:alice@192.0.2.1>",
    "Call-ID", fields.call_id or "ours-1",
    "CSeq", ("%d %s"):format(fields.number or 1, method),
  }
  table.move(fields.headers or {}, 1, #(fields.headers or {}), #headers + 1, headers)
  local tx = assert(self.stack:request {
    method = method, uri = fields.uri or "sip:alice@192.0.2.1", headers = headers,
    raw = fields.raw, body = fields.body, transport = fields.transport or "udp",
    host = fields.host or M.PEER, port = fields.port or 5060,
  })
  self.held[#self.held + 1] = tx -- the end of what nobody holds is not told
  return tx
end

return M

--- A phone behind a NAT, played byte by byte: it registers, and answers, but nobody
--- reaches it at the address that it takes for its own.

local core = require "sip.core"

local assert = require "luassert"

local M = { INSIDE = "10.0.0.5" }

local VIA = { udp = "UDP", tcp = "TCP", tls = "TLS", ws = "WS", wss = "WSS" }
local PORT = { udp = 5060, tcp = 5060, tls = 5061, ws = 80, wss = 443 }

---@class spec.Natted
---@field net spec.Net
---@field transport string
---@field contact string   a URI
---@field sent_by string
---@field got sip.Message[]  requests and responses, as they came
---@field pings { at: number, bytes: string }[]  keep-alives, as they came
---@field connection? integer
---@field from? string       where the last bytes came from: "192.0.2.1:5060"
local Natted = {}
local natted_mt = { __index = Natted }

---@param net spec.Net
---@param options { ip: string, transport: string, to: string, to_port?: integer,
---  contact?: string, sent_by?: string, port?: integer, host?: sip.SimHost,
---  rport?: boolean }
---@return spec.Natted
function M.new(net, options)
  local transport = options.transport
  local self = setmetatable({
    net = net, transport = transport, to = options.to,
    to_port = options.to_port or PORT[transport],
    contact = options.contact or ("sip:bob@%s%s"):format(M.INSIDE,
      transport == "udp" and "" or ";transport=" .. transport),
    sent_by = options.sent_by or M.INSIDE,
    got = {}, pings = {}, rest = "", number = 0, rport = options.rport ~= false,
  }, natted_mt)
  self.host = options.host or net.world:host(options.ip)
  self.raw = self.host:raw { transport = transport, host = options.ip,
    port = options.port or 40000 }
  if transport ~= "udp" then
    self:connect()
  end
  return self
end

--- Open a connection, and use it from here on.
function Natted:connect()
  self.connection = assert(self.raw:connect(self.to, self.to_port))
  self.net:run(self.net.world:now())
  self:hear()
end

--- Close it.
function Natted:shut()
  self.raw:shut(self.connection)
  self.net:run(self.net.world:now())
end

local function message_end(bytes)
  local head = select(2, bytes:find("\r\n\r\n", 1, true))
  local length = head and bytes:sub(1, head):match "\r\n[Cc]ontent%-[Ll]ength: *(%d+)"
  return length and head + tonumber(length) or nil
end

--- Take what has come.
function Natted:hear()
  for _, event in ipairs(self.raw:take()) do
    if event.what == "bytes" then
      assert(self.transport == "udp" or event.id == self.connection)
      self.from = event.from
      if event.bytes == "\r\n\r\n" or event.bytes:byte() < 2 then -- or STUN
        table.insert(self.pings, { at = event.at, bytes = event.bytes })
      else
        self.rest = self.rest .. event.bytes
      end
    elseif event.what == "closed" and event.id == self.connection then
      self.closed = true
    end
  end
  local last = message_end(self.rest)
  while last and last <= #self.rest do
    self.got[#self.got + 1] = assert(core.parse(self.rest:sub(1, last)))
    self.rest = self.rest:sub(last + 1)
    last = message_end(self.rest)
  end
end

--- Say it, and let what follows at this instant happen.
function Natted:say(bytes)
  if self.transport == "udp" then
    assert(self.raw:send(self.to, self.to_port, bytes))
  else
    assert(self.raw:write(self.connection, bytes))
  end
  self:wait(0)
end

--- Let time pass, and take what has come.
function Natted:wait(seconds)
  self.net:run(self.net.world:now() + seconds)
  self:hear()
end

--- The last that came of a method, or a response of this status; nil.
---@return sip.Message?
function Natted:last(what)
  for i = #self.got, 1, -1 do
    local message = self.got[i]
    local is = message:is_request() and message:method() or message:status()
    if is == what then
      return message
    end
  end
end

--- A request of its own. `fields`: uri, to, from, call_id, number, extra, contact.
function Natted:request(method, fields)
  fields = fields or {}
  self.number = self.number + 1
  local contact = fields.contact
  if contact == nil then
    contact = "<" .. self.contact .. ">"
  end
  local lines = {
    ("%s %s SIP/2.0"):format(method, fields.uri or "sip:example.org"),
    ("Via: SIP/2.0/%s %s;branch=z9hG4bKn%d%s"):format(VIA[self.transport],
      self.sent_by, self.number, self.rport and ";rport" or ""),
    "Max-Forwards: 70",
    "From: " .. (fields.from or "<sip:bob@example.org>;tag=n1"),
    "To: " .. (fields.to or "<sip:bob@example.org>"),
    "Call-ID: " .. (fields.call_id or "natted"),
    ("CSeq: %d %s"):format(fields.number or self.number, method),
  }
  if contact then
    lines[#lines + 1] = "Contact: " .. contact
  end
  table.move(fields.extra or {}, 1, #(fields.extra or {}), #lines + 1, lines)
  local body = fields.body or ""
  lines[#lines + 1] = "Content-Length: " .. #body
  self:say(table.concat(lines, "\r\n") .. "\r\n\r\n" .. body)
end

--- Register, and give the answer's status.
function Natted:register(fields)
  self:request("REGISTER", fields)
  return self.got[#self.got]:status()
end

--- Answer a request.
---@param req sip.Message
---@param status integer
---@param fields? { body?: string, keep?: string }  keep: seconds; the offer of
---  keep-alives in the top Via is taken up with that
function Natted:respond(req, status, fields)
  local lines = { ("SIP/2.0 %d Natted"):format(status) }
  local keep = fields and fields.keep
  for _, name in ipairs { "Via", "Record-Route" } do
    for _, value in ipairs(req:header(name) and req:values(name) or {}) do
      lines[#lines + 1] = name .. ": "
        .. (keep and #lines == 1 and value:gsub(";keep", ";keep=" .. keep) or value)
    end
  end
  local body = fields and fields.body or ""
  for _, line in ipairs {
    "From: " .. req:header "From",
    "To: " .. req:header "To" .. (req:to_tag() and "" or ";tag=n2"),
    "Call-ID: " .. req:call_id(),
    "CSeq: " .. req:header "CSeq",
    "Contact: <" .. self.contact .. ">",
    "Content-Type: application/sdp",
    "Content-Length: " .. #body,
  } do
    lines[#lines + 1] = line
  end
  self:say(table.concat(lines, "\r\n") .. "\r\n\r\n" .. body)
end

return M

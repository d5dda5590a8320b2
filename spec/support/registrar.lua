--- A registrar at 192.0.2.1 in virtual time, and a raw peer at 192.0.2.9 that writes
--- REGISTER byte for byte.

local core = require "sip.core"
local new_sim = require "sip.sim"

local M = { OURS = "192.0.2.1", PEER = "192.0.2.9" }

---@class spec.Registrar
---@field sim sip.Sim
---@field sip table
---@field ua sip.Endpoint
---@field location sip.Location
local Registrar = {}
local registrar_mt = { __index = Registrar }

---@param options? table   of sip.registrar
---@param endpoint? table  of sip.new
---@param links? table     of the simulation
---@return spec.Registrar
function M.new(options, endpoint, links)
  local sim = new_sim(links or { seed = 1 })
  local host, far = sim:host(M.OURS), sim:host(M.PEER)
  local self = setmetatable({ sim = sim, sip = host.sip, far = far, count = 0 },
    registrar_mt)
  self.location = endpoint and endpoint.location or host.sip.location.memory()
  local given = { listen = "udp:" .. M.OURS, domain = "example.com" }
  for key, value in pairs(endpoint or {}) do
    given[key] = value or nil
  end
  given.location = self.location
  self.ua = host.sip.new(given)
  self.ua:on("REGISTER", host.sip.registrar(options))
  self.peer = far.driver:raw { host = M.PEER, port = 5060 }
  return self
end

--- A REGISTER as the peer would write it. `contact` is a text, an array, or nil;
--- `extra` more lines.
---@param fields? table
---@return string
function Registrar:request(fields)
  fields = fields or {}
  self.count = self.count + 1
  local number = fields.cseq or self.count
  local lines = {
    ("%s %s SIP/2.0"):format(fields.method or "REGISTER",
      fields.uri or "sip:example.com"),
    ("Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK%s"):format(fields.branch or self.count),
    "Max-Forwards: 70",
    "From: <" .. (fields.from or "sip:alice@example.com") .. ">;tag=f" .. self.count,
    "To: " .. (fields.to or "<sip:alice@example.com>"),
    "Call-ID: " .. (fields.call_id or "c1"),
    ("CSeq: %d %s"):format(number, fields.method or "REGISTER"),
  }
  local contacts = fields.contact or {}
  for _, contact in ipairs(type(contacts) == "table" and contacts or { contacts }) do
    lines[#lines + 1] = "Contact: " .. contact
  end
  if fields.expires then
    lines[#lines + 1] = "Expires: " .. fields.expires
  end
  table.move(fields.extra or {}, 1, #(fields.extra or {}), #lines + 1, lines)
  local body = fields.body or ""
  lines[#lines + 1] = "Content-Length: " .. #body
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

--- What the peer has heard since this was last asked.
---@return sip.Message[]
function Registrar:heard()
  local list = {}
  for _, event in ipairs(self.peer:take()) do
    if event.what == "bytes" then
      list[#list + 1] = assert(core.parse(event.bytes))
    end
  end
  return list
end

--- Say it, and give the one answer.
---@param fields? table
---@return sip.Message
function Registrar:ask(fields)
  assert(self.peer:send(M.OURS, 5060, self:request(fields)))
  self.sim:advance(0)
  local heard = self:heard()
  assert(#heard == 1, #heard .. " answers")
  return heard[1]
end

--- The same, but its status.
---@return integer
function Registrar:status(fields)
  return self:ask(fields):status()
end

--- The same, as "200 <contact> <contact>".
---@return string
function Registrar:answer(fields)
  local res = self:ask(fields)
  local words = { tostring(res:status()) }
  table.move(res:values "Contact", 1, #res:values "Contact", 2, words)
  return table.concat(words, " ")
end

--- The URIs that an address-of-record is bound to.
---@return string[]
function Registrar:bound(aor)
  local list = {}
  for i, b in ipairs(self.location:bindings(aor or "sip:alice@example.com")) do
    list[i] = b.uri
  end
  return list
end

--- End it all, and count.
function Registrar:clean()
  self.peer:close()
  self.sim:assert_clean()
  self.sim:close()
end

return M

--- From a hop to the places where a request may be sent, in order (RFC 3263 4): by
--- NAPTR, where the URI leaves the transport open; by SRV, where it leaves the port
--- open; by the addresses of its host else. Of each host both families are given (RFC
--- 7984 4), IPv6 first.
---
--- A URI that names no transport means what we have, UDP before the others (RFC 3263
--- 4.1): many a Contact that came over TCP does not say so. A name server that does not
--- answer is taken for one that knows of no such record.

local address = require "sip.msg.address"
local names_of = require "sip.ua.names"
local srv = require "sip.ua.srv"

local M = {}

local SERVERS = 16 -- whose addresses are asked for
local PLACES = 32  -- that are given

-- No RFC names those of WebSockets; they are made as RFC 3263 makes the others.
local prefix = {
  udp = "_sip._udp.", tcp = "_sip._tcp.", tls = "_sips._tcp.",
  ws = "_sip._ws.", wss = "_sips._ws.",
}
local families = { "AAAA", "A" }
local default_port = address.default_port

---@class sip.Place  where a request may be sent
---@field transport sip.Transport
---@field host string    an IP address
---@field port integer
---@field name string    the host that was asked for: what a certificate has to name
---@field flow? integer  the connection that it must be, or for UDP our socket
---@field own? string    the address of ours that it leaves by, if we listen there
---@field sole? boolean  there is no other way to whom it leads
---@field outbound? boolean  who is there wants it so (RFC 5626)

---@class sip.Server
---@field transport sip.Transport
---@field host string
---@field port integer

---@class sip.Query
---@field line sip.Line
---@field hop sip.Hop
---@field names sip.Names
---@field done fun(places: sip.Place[])
---@field transports string[]  that may be used, best first
---@field chance fun(n: integer): integer
---@field stable boolean
---@field package over boolean  `done` has been called, or nobody waits for that
local Query = {}
local query_mt = { __name = "sip.Query", __index = Query }

local function names(line)
  line.names = line.names or names_of.new(line, line.names_max)
  return line.names
end

-- What an endpoint listens on, best first.
local function listens_on(line)
  local bound, list = {}, {}
  for _, at in ipairs(line.bound) do
    bound[at.transport] = true
  end
  for _, transport in ipairs { "udp", "tcp", "tls", "ws", "wss" } do
    if bound[transport] then
      list[#list + 1] = transport
    end
  end
  return list
end

-- 4.1: what the URI says; else what we have, without trying TLS first (against RFC
-- 5630 5.3).
local function transports_of(line, hop)
  if not hop.open or hop.secure then
    return { hop.transport }
  end
  line.transports = line.transports or listens_on(line)
  return line.transports
end

-- Numbers that are the same for the same text, and that nobody else can foretell.
local function steady(line, text)
  local state = 0
  for _, byte in ipairs { line.stack:seal(text):byte(1, -1) } do
    state = state * 31 + byte
  end
  return function(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % (n + 1)
  end
end

local function by_chance(line)
  return function(n)
    return tonumber(line:token(8), 36) % (n + 1)
  end
end

local function finish(self, places)
  if not self.over then
    self.over = true
    self.done(self.stable and places or self.names:in_order(places))
  end
end

-- Ask for all of these at once; the answers come in the same order, false for none.
local function ask(self, questions, done)
  local answers, left = {}, #questions
  for i, question in ipairs(questions) do
    self.names:ask(question[1], question[2], function(records)
      answers[i], left = records or false, left - 1
      if left == 0 and not self.over then
        done(answers)
      end
    end)
  end
end

-- What we have no socket or no route for is left out.
local function add_places(self, places, server, addresses)
  for _, ip in ipairs(addresses or {}) do
    if #places < PLACES
      and self.line.stack:local_for(server.transport, ip, server.port) then
      places[#places + 1] = {
        transport = server.transport,
        host = ip,
        port = server.port,
        name = self.hop.host,
        own = self.hop.own,
      }
    end
  end
end

-- The addresses of servers, in their order.
local function by_address(self, servers, done)
  local questions, at = {}, {}
  for i = 1, math.min(#servers, SERVERS) do
    local host = servers[i].host
    if not at[host] then
      at[host] = #questions
      for _, family in ipairs(families) do
        questions[#questions + 1] = { host, family }
      end
    end
  end
  ask(self, questions, function(answers)
    done(function(server, places)
      for i = 1, #families do
        add_places(self, places, server, at[server.host]
          and answers[at[server.host] + i])
      end
    end)
  end)
end

local function all_places(self, servers)
  if not servers[1] then
    return finish(self, {})
  end
  by_address(self, servers, function(add)
    local places = {}
    for _, server in ipairs(servers) do
      add(server, places)
    end
    finish(self, places)
  end)
end

-- 4.2: without SRV records, or with a port. The first transport that leads anywhere.
local function by_host(self)
  local hop, servers = self.hop, {}
  for i, transport in ipairs(self.transports) do
    servers[i] = {
      transport = transport,
      host = hop.host,
      port = hop.port or default_port[transport],
    }
  end
  by_address(self, servers, function(add)
    local places = {}
    for _, server in ipairs(servers) do
      if not places[1] then
        add(server, places)
      end
    end
    finish(self, places)
  end)
end

-- The servers that these records name; nil when there are no records.
local function add_servers(self, servers, transport, records)
  if not records or not records[1] then
    return servers
  end
  servers = servers or {}
  for _, record in ipairs(srv.order(records, self.chance)) do
    if record.target ~= "" then
      servers[#servers + 1] = {
        transport = transport,
        host = record.target,
        port = record.port,
      }
    end
  end
  return servers
end

-- Those that SRV is asked for: WebSockets only where the URI wants one. Who listens for
-- browsers does not look for other servers so.
local function looked_up(self)
  local list = {}
  for _, transport in ipairs(self.transports) do
    if not self.hop.open or transport ~= "ws" and transport ~= "wss" then
      list[#list + 1] = transport
    end
  end
  return list
end

-- 4.1, 4.2: SRV for each transport that may be used.
local function by_srv(self)
  local questions, transports = {}, looked_up(self)
  for i, transport in ipairs(transports) do
    questions[i] = { prefix[transport] .. self.hop.host, "SRV" }
  end
  if not questions[1] then
    return by_host(self)
  end
  ask(self, questions, function(answers)
    local servers
    for i, transport in ipairs(transports) do
      servers = add_servers(self, servers, transport, answers[i])
    end
    if servers then
      all_places(self, servers)
    else
      by_host(self)
    end
  end)
end

-- What NAPTR records lead to: names of SRV records, or hosts.
local function by_targets(self, targets)
  local questions, which = {}, {}
  for _, target in ipairs(targets) do
    if not target.final then
      questions[#questions + 1] = { target.target, "SRV" }
      which[target] = #questions
    end
  end
  local function found(answers)
    local servers
    for _, target in ipairs(targets) do
      local transport = target.transport
      if target.final then
        servers = servers or {}
        servers[#servers + 1] = { transport = transport, host = target.target,
          port = default_port[transport] }
      else
        servers = add_servers(self, servers, transport, answers[which[target]])
      end
    end
    if servers then
      all_places(self, servers)
    else
      by_srv(self)
    end
  end
  if questions[1] then
    ask(self, questions, found)
  else
    found {}
  end
end

local function by_naptr(self)
  ask(self, { { self.hop.host, "NAPTR" } }, function(answers)
    local usable = {}
    for _, transport in ipairs(self.transports) do
      usable[transport] = true
    end
    local targets = answers[1] and srv.follow(answers[1], usable)
    if targets and targets[1] then
      by_targets(self, targets)
    else
      by_srv(self)
    end
  end)
end

--- Nobody waits for it any more.
function Query:cancel()
  self.over = true
end

-- The place of a numeric host: by the first transport that leads there.
local function numeric(line, hop)
  local host, transport = hop.host, hop.transport
  if hop.open then
    for _, other in ipairs(transports_of(line, hop)) do
      if line.stack:local_for(other, host, hop.port or default_port[other]) then
        transport = other
        break
      end
    end
  end
  return {
    transport = transport,
    host = host,
    port = hop.port or default_port[transport],
    name = host,
    own = hop.own,
  }
end

-- The place that a hop is bound to, and after it those that its URI leads to.
local function bound_first(at, done)
  return function(places)
    done(table.move(places, 1, #places, 2, { at }))
  end
end

--- Find the places of a hop. `done` is called once: at once when all is known, and then
--- nothing is returned.
---@param line sip.Line
---@param hop sip.Hop
---@param done fun(places: sip.Place[])
---@param stable? string  for the same text the same choice, whatever has failed: what
---   is sent without a transaction goes where its repetitions go (4.3)
---@return sip.Query?
function M.start(line, hop, done, stable)
  if hop.at then
    if hop.at.sole then
      done { hop.at }
      return nil
    end
    done = bound_first(hop.at, done)
  end
  if address.is_invalid(hop.host) then -- RFC 7118 5: never looked up
    done {}
    return nil
  elseif hop.numeric then
    done { numeric(line, hop) }
    return nil
  end
  local self = setmetatable({
    line = line,
    hop = hop,
    names = names(line),
    done = done,
    transports = transports_of(line, hop),
    chance = stable and steady(line, stable) or by_chance(line),
    stable = stable ~= nil,
    over = false,
  }, query_mt)
  if hop.port then
    by_host(self)
  elseif hop.open then
    by_naptr(self)
  else
    by_srv(self)
  end
  return not self.over and self or nil
end

--- A place has not answered, or has said when it will again: requests to the same name
--- go elsewhere first, for a while.
---@param line sip.Line
---@param place sip.Place
---@param seconds? number
function M.failed(line, place, seconds)
  if place.host ~= place.name then
    names(line):avoid(place, seconds)
  end
end

return M

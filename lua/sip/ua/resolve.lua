--- From a hop to the targets that may be tried, in order (RFC 3263). A numeric host
--- is its own answer; a name is asked for by A and AAAA at once, and both families are
--- given (RFC 7984 4). A URI that names no transport means UDP, or what we have when
--- that is not UDP (RFC 3263 4.1): many a Contact that came over TCP does not say so.
---
--- The line keeps who waits for records, by the token of the query.

local M = {}

local default_port = { udp = 5060, tcp = 5060, tls = 5061 }

---@class sip.Place  where a request may be sent
---@field transport "udp"|"tcp"|"tls"
---@field host string    an IP address
---@field port integer
---@field name string    the host that was asked for: what a certificate has to name

---@class sip.Query
---@field line sip.Line
---@field hop sip.Hop
---@field done fun(places: sip.Place[])
---@field private pending integer
---@field private found table<string, string[]>
local Query = {}
local query_mt = { __name = "sip.Query", __index = Query }

local families = { "AAAA", "A" }

local function place_of(hop, transport, address)
  return {
    transport = transport,
    host = address,
    port = hop.port or default_port[transport],
    name = hop.host,
  }
end

-- What we have no socket or no route for is left out; the rest is in the order
-- of RFC 6724: IPv6 first.
local function usable(line, hop, found, transport)
  local list = {}
  for _, family in ipairs(families) do
    for _, address in ipairs(found[family] or {}) do
      local place = place_of(hop, transport, address)
      if line.stack:local_for(transport, address, place.port) then
        list[#list + 1] = place
      end
    end
  end
  if not list[1] and hop.open and transport == "udp" then
    return usable(line, hop, found, "tcp")
  end
  return list
end

--- Records have come, or none (called by the line).
---@param token any
---@param records? string[]
function Query:records(token, records)
  local family = self[token]
  self[token] = nil
  self.found[family] = records
  self.pending = self.pending - 1
  if self.pending == 0 and not self.cancelled then
    self.done(usable(self.line, self.hop, self.found, self.hop.transport))
  end
end

--- No records will come any more.
function Query:give_up()
  if self.pending > 0 then
    self.pending = 0
    if not self.cancelled then
      self.done {}
    end
  end
end

--- Nobody waits for it any more.
function Query:cancel()
  self.cancelled = true
end

--- Find the places of a hop. `done` is called once: at once when the host is
--- numeric, and then nothing is returned.
---@param line sip.Line
---@param hop sip.Hop
---@param done fun(places: sip.Place[])
---@return sip.Query?
function M.start(line, hop, done)
  if hop.numeric then
    local list = hop.open and usable(line, hop, { A = { hop.host } }, hop.transport)
    done(list and list[1] and list or { place_of(hop, hop.transport, hop.host) })
    return nil
  end
  local self = setmetatable({
    line = line,
    hop = hop,
    done = done,
    pending = #families,
    found = {},
  }, query_mt)
  for _, family in ipairs(families) do
    local token = line.stack:resolve(hop.host, family)
    if token then
      self[token] = family
      line.queries[token] = self
    else
      self.pending = self.pending - 1
    end
  end
  if self.pending == 0 then
    done {}
    return nil
  end
  return self
end

return M

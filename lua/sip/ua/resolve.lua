--- From a hop to addresses (RFC 3263). A numeric host is its own answer; a name
--- is asked for by A and AAAA at once, and both families are given (RFC 7984 4). A
--- URI that names no transport means UDP, or what we have when that is not UDP (RFC
--- 3263 4.1): many a Contact that came over TCP does not say so.
--- NAPTR and SRV belong in `start`, before that.
---
--- The line keeps who waits for records, by the token of the query.

local M = {}

local default_port = { udp = 5060, tcp = 5060, tls = 5061 }

---@class sip.Query
---@field line sip.Line
---@field hop sip.Hop
---@field done fun(addresses: string[])
---@field private pending integer
---@field private found table<string, string[]>
local Query = {}
local query_mt = { __name = "sip.Query", __index = Query }

--- The port a hop means.
---@param hop sip.Hop
---@return integer
function M.port(hop)
  return hop.port or default_port[hop.transport] or 5060
end

local families = { "AAAA", "A" }

-- What we have no socket or no route for is left out; the rest is in the order
-- of RFC 6724: IPv6 first.
local function usable(line, hop, found)
  local list, port = {}, M.port(hop)
  for _, family in ipairs(families) do
    for _, address in ipairs(found[family] or {}) do
      if line.stack:local_for(hop.transport, address, port) then
        list[#list + 1] = address
      end
    end
  end
  if not list[1] and hop.open and hop.transport == "udp" then
    hop.transport = "tcp"
    list = usable(line, hop, found)
    hop.transport = list[1] and "tcp" or "udp"
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
    self.done(usable(self.line, self.hop, self.found))
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

--- Find the addresses of a hop. `done` is called once: at once when the host is
--- numeric, and then nothing is returned.
---@param line sip.Line
---@param hop sip.Hop
---@param done fun(addresses: string[])
---@return sip.Query?
function M.start(line, hop, done)
  if hop.numeric then
    local list = hop.open and usable(line, hop, { A = { hop.host } })
    done(list and list[1] and list or { hop.host })
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

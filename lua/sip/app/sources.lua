--- Who sends, and how much of it is taken (doc/internet.md): what `sip.new` says of it,
--- and what became of it.

local misuse = require "sip.rt.misuse"
local networks_of = require "sip.ua.networks"

local M = {}

-- What stands in the User-Agent of tools that look for servers to break into, and of
-- nothing that anybody calls with. Tools that owners use to watch their own servers,
-- sipsak and sipp, are not among them.
local SCANNERS = {
  "friendly-scanner", "friendly-request", "sipvicious", "sundayddr", "sipcli",
  "sip-scan", "sipscan", "siparmyknife", "pplsip", "sivus",
}

-- Nobody can send from these but this machine: no kernel takes them from outside.
local LOOPBACK = { "127.0.0.0/8", "::1" }

--- The patterns of User-Agents that are not answered, as the stack wants them.
---@param given? string[]|false
---@return string patterns
---@private
function M.scanners(given)
  if given == nil then
    given = SCANNERS
  end
  local list = {}
  for i, pattern in ipairs(given or {}) do
    misuse.unless(type(pattern) == "string" and pattern ~= ""
      and not pattern:find "[\r\n\0]",
      "sip.new: scanners: %q is no part of a User-Agent", tostring(pattern))
    list[i] = pattern:lower() .. "\n"
  end
  return table.concat(list)
end

--- The networks that no rule is for: trusted ones, and unless `loopback` says so this
--- machine itself.
---@param trusted? sip.Networks
---@param loopback? boolean  whether it is counted as well
---@return (string|integer)[] ranges  bytes and bits, one after the other
---@private
function M.exempt(trusted, loopback)
  local list = trusted and trusted:ranges() or {}
  if not loopback then
    local ranges = assert(networks_of.new(LOOPBACK)):ranges()
    table.move(ranges, 1, #ranges, #list + 1, list)
  end
  return list
end

---@class sip.Offender
---@field address string  of one IPv4 address, or the last one seen of an IPv6 /64
---@field rule string     the last one that it ran into: "invites", "scanners" ...
---@field count integer   how often all rules have stopped something of it
---@field ago number      seconds since the last time

---@class sip.EndpointStats
---@field received integer    messages; sent: likewise
---@field calls integer       at this moment
---@field sources integer     addresses of which something is remembered
---@field offenders sip.Offender[]  at most 16, the worst first
---@field [string] integer    the other counts: see doc/internet.md

---@class sip.Endpoint
local Endpoint = {}

--- What has come, what became of it, and who was stopped by which rule.
---@return sip.EndpointStats
function Endpoint:stats()
  local stats = self.stack:stats()
  local now, offenders = self.sched:now(), self.stack:offenders()
  for _, one in ipairs(offenders) do
    one.ago, one.at = now - one.at, nil
  end
  table.sort(offenders, function(a, b)
    if a.count ~= b.count then
      return a.count > b.count
    end
    return a.address < b.address
  end)
  stats.offenders = offenders
  stats.calls = self.calls
  return stats
end

M.endpoint = Endpoint

return M

--- Bytes per binding: a location service in memory takes a million users with one
--- Contact each, as phones behind a router register. Also what the longest of the
--- changes took, in processor time, the collector's part in it.
---
---   SIP_BUILD=build lua5.4 spec/bench/bindings.lua [bindings]

local M = {}

local function resident()
  local file <close> = assert(io.open "/proc/self/statm")
  return tonumber(file:read "a":match "^%d+ (%d+)") * 4096
end

local function user(i)
  return ("sip:user%07d@pbx.example"):format(i)
end

local function phone(i, now, cseq)
  return {
    uri = ("sip:user%07d@10.%d.%d.%d:5060;transport=udp"):format(i, i >> 16 & 255,
      i >> 8 & 255, i & 255),
    params = "", call_id = ("%016x%016x"):format(i, i * 7), cseq = cseq, path = "",
    received = ("udp:203.0.%d.%d:40000"):format(i >> 8 & 255, i & 255),
    id = now, due = now + 3600000 - i % 600000,
  }
end

-- Every user once; the longest of the changes.
local function fill(location, loop, count, cseq)
  local worst, now = 0, nil
  local i
  local function bind(list, at)
    now = at
    list[1] = phone(i, now, cseq)
    return list
  end
  local began = loop:cpu()
  for n = 1, count do
    i = n
    local before = loop:cpu()
    assert(location:update(user(i), bind))
    worst = math.max(worst, loop:cpu() - before)
  end
  return worst, (loop:cpu() - began) / count
end

--- Measure, in this process.
---@param count integer
---@return { bytes: number, grow_ms: number, refresh_ms: number, update_us: number }
function M.measure(count)
  local core = require "sip.core"
  local loop = core.loop()
  local sip = require("sip").with { driver = loop }
  local location = sip.location.memory { bindings = count }
  local ua <close> = sip.new { listen = "udp:127.0.0.1:0", location = location }
  collectgarbage()
  collectgarbage()
  local before = resident()
  local grow, cost = fill(location, loop, count, 1)
  local refresh = fill(location, loop, count, 2)
  assert(ua.location:count() == count)
  collectgarbage()
  collectgarbage()
  return {
    bytes = (resident() - before) / count, grow_ms = grow * 1000,
    refresh_ms = refresh * 1000, update_us = cost * 1e6,
  }
end

if arg and arg[0]:find "bindings%.lua$" then
  local build = os.getenv "SIP_BUILD" or "build"
  package.path = "./lua/?.lua;./lua/?/init.lua;" .. package.path
  package.cpath = ("./%s/?.so;"):format(build) .. package.cpath
  local count = math.tointeger(tonumber(arg[1])) or 1000000
  local r = M.measure(count)
  print(("%d bindings: %.0f bytes each, %.1f us a change; the longest change took "
    .. "%.1f ms while growing, %.1f ms while refreshing"):format(count, r.bytes,
    r.update_us, r.grow_ms, r.refresh_ms))
end

return M

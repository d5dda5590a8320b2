-- make bench: what luasip costs, beside others, in one run. Prints tables and writes
-- build/bench.json. RATE, SECONDS and HOLD set the load, PROXY_RATE, REGISTER_RATE and
-- OPTIONS_RATE that of the servers, STREAMS_RATE, IDLE and HANDSHAKES that of streams,
-- BINDINGS how many are counted; QUICK=1 takes a sample.

package.path = "./?.lua;" .. package.path

local calls = require "spec.bench.calls"
local counted = require "spec.bench.counted"
local messages = require "spec.bench.messages"
local servers = require "spec.bench.servers"
local streams = require "spec.bench.streams"

local function number(name, default)
  return math.tointeger(tonumber(os.getenv(name))) or default
end

local quick = (os.getenv "QUICK" or "") ~= ""
local rate = number("RATE", quick and 2000 or 4000)
local seconds = number("SECONDS", quick and 12 or 46)
local window = quick and 5 or 10
local held = number("HOLD", quick and 4000 or 10000)

local function write_json(path, rows)
  local file <close> = assert(io.open(path, "w"))
  file:write "[\n"
  for i, row in ipairs(rows) do
    file:write(("  {\"name\": %q, \"unit\": %q, \"ours\": %.6g, \"peer\": %q, "
      .. "\"theirs\": %.6g}%s\n"):format(row.name, row.unit, row.ours, row.peer,
      row.theirs, i < #rows and "," or ""))
  end
  file:write "]\n"
end

local out = io.stdout
out:setvbuf "line"
if quick then
  out:write("bench: a sample (QUICK=1)\n")
end

local results = messages.run(quick)
messages.print(out, results)
local rows = {
  messages.row(results, "parse_invite_1k", "typed3"),
  messages.row(results, "parse_invite_2k4", "typed4"),
  messages.row(results, "write_200", "write5"),
}

-- They do not drift, and nobody else's can be counted in the same way: no row.
counted.print(out)

out:write(("\ncalls answered at %d/s, the last %d of %d s; %d calls held\n")
  :format(rate, window, seconds, held))
local answered, early = {}, {}
for _, name in ipairs { "luasip", "sipp" } do
  answered[name] = calls.answer(name, rate, seconds, window)
  early[name] = calls.hold(name, held, 1000)
  out:write(("%-10s %.4f CPU-s per 1000 calls (%d calls, %d repeats), ")
    :format(name, answered[name].cpu, answered[name].calls, answered[name].repeats))
  out:write(("%.0f bytes per call held\n"):format(early[name]))
end
rows[#rows + 1] = { name = "uas_call", unit = "CPU-s/1000 calls", peer = "sipp",
  ours = answered.luasip.cpu, theirs = answered.sipp.cpu }
rows[#rows + 1] = { name = "early_call_bytes", unit = "bytes", peer = "sipp",
  ours = early.luasip, theirs = early.sipp }

-- All of these under the same load: the highest rate of those tried that all of them
-- bear without a failed call.
local function same_load(title, names, highest, measure)
  for _, part in ipairs { 1, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1 } do
    local at, costs = highest * part // 1 | 0, {}
    out:write(("\n%s at %d/s, the last %d of %d s\n"):format(title, at, window,
      seconds))
    for _, name in ipairs(names) do
      local ok, result = pcall(measure, name, at, seconds, window)
      if not ok and type(result) ~= "table" then
        error(result, 0)
      elseif not ok then
        out:write(result.overload, "\n")
        costs = nil
        break
      end
      costs[name] = result.cpu
      out:write(("%-14s %.4f CPU-s per 1000 (%d, %d repeats)\n"):format(name,
        result.cpu, result.calls, result.repeats))
    end
    if costs then
      return costs
    end
  end
  error(title .. ": no rate is borne", 0)
end

local function add(name, unit, figures, peer)
  rows[#rows + 1] = { name = name, unit = unit, peer = peer, ours = figures.luasip,
    theirs = figures[peer] }
end

local proxied = same_load("calls by a proxy", { "luasip", "kamailio", "kamailio-lua",
  "relay" }, number("PROXY_RATE", quick and 1000 or 5000), servers.proxied)
add("proxy_call", "CPU-s/1000 calls", proxied, "kamailio")
add("proxy_call_lua", "CPU-s/1000 calls", proxied, "kamailio-lua")
add("proxy_call_floor", "CPU-s/1000 calls", proxied, "relay")
for _, digest in ipairs { false, true } do
  local registered = same_load(digest and "phones that register with digest"
    or "phones that register", { "luasip", "kamailio" },
    number("REGISTER_RATE", quick and 2000 or 20000), function(name, ...)
      return servers.registered(name, digest, ...)
    end)
  add(digest and "register_digest" or "register", "CPU-s/1000 phones", registered,
    "kamailio")
end

add("options", "CPU-s/1000", same_load("OPTIONS", { "luasip", "kamailio" },
  number("OPTIONS_RATE", quick and 5000 or 40000), servers.answered), "kamailio")

local bindings = number("BINDINGS", quick and 10000 or 100000)
local bound, ringing = {}, {}
out:write(("\n%d calls by a proxy held, %d phones registered\n"):format(held, bindings))
for _, name in ipairs { "luasip", "kamailio" } do
  ringing[name] = servers.ringing(name, held, 1000)
  bound[name] = servers.bound(name, bindings, 4000)
  out:write(("%-10s %.0f bytes per call, %.0f per binding\n"):format(name,
    ringing[name], bound[name]))
end
add("proxied_call_bytes", "bytes", ringing, "kamailio")
add("binding_bytes", "bytes", bound, "kamailio")

local PEERS = { "luasip", "kamailio" }
local stream_rate = number("STREAMS_RATE", quick and 2000 or 8000)
local idle = number("IDLE", quick and 2000 or 10000)
local hands = number("HANDSHAKES", quick and 1000 or 10000)
out:write(("\nOPTIONS on 1000 connections at %d/s; %d connections idle\n"):format(
  stream_rate, idle))
for _, transport in ipairs { "tcp", "tls", "ws" } do
  local cpu, bytes = {}, {}
  for _, name in ipairs(PEERS) do
    local took = streams.connections(name, transport, { idle = idle, connections = 1000,
      rate = stream_rate, seconds = quick and 3 or 10 })
    cpu[name], bytes[name] = took.cpu, took.bytes
    out:write(("%-10s %s: %.4f CPU-s per 1000, %.0f bytes per idle connection\n")
      :format(name, transport, took.cpu, took.bytes))
  end
  add(transport .. "_messages", "CPU-s/1000", cpu, "kamailio")
  add(("idle_%s_bytes"):format(transport), "bytes", bytes, "kamailio")
end
local full = {}
for _, name in ipairs(PEERS) do
  local took = streams.handshakes(name, hands)
  full[name] = took.full
  out:write(("%-10s %.0f full TLS handshakes in a CPU-s; %.0f when %d of %d resume\n")
    :format(name, took.full, took.again, took.resumed, hands))
end
add("tls_handshakes", "a CPU-s (more: better)", full, "kamailio")

write_json("build/bench.json", rows)
out:write(("\n%-18s %-18s %10s %10s %7s\n")
  :format("name", "unit", "ours", "theirs", "ratio"))
for _, row in ipairs(rows) do
  out:write(("%-18s %-18s %10.4g %10.4g %7.2f  %s\n"):format(row.name, row.unit,
    row.ours, row.theirs, row.ours / row.theirs, row.peer))
end

-- make bench: what luasip costs, beside others, in one run. Prints tables and writes
-- build/bench.json. RATE, SECONDS and HOLD set the load; QUICK=1 takes a sample.

package.path = "./?.lua;" .. package.path

local calls = require "spec.bench.calls"
local messages = require "spec.bench.messages"

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

out:write(("\ncalls answered at %d/s, the last %d of %d s; %d calls held\n")
  :format(rate, window, seconds, held))
local answered, early = {}, {}
for _, name in ipairs { "luasip", "sipp" } do
  answered[name] = calls.answer(name, rate, seconds, window)
  early[name] = calls.hold(name, held, 1000)
  out:write(("%-10s %.4f CPU-s per 1000 calls (%d calls, %d repeats), ")
    :format(name, answered[name].cpu, answered[name].calls, answered[name].repeats))
  out:write(("%.0f bytes per call held\n"):format(early[name].bytes))
end
rows[#rows + 1] = { name = "uas_call", unit = "CPU-s/1000 calls", peer = "sipp",
  ours = answered.luasip.cpu, theirs = answered.sipp.cpu }
rows[#rows + 1] = { name = "early_call_bytes", unit = "bytes", peer = "sipp",
  ours = early.luasip.bytes, theirs = early.sipp.bytes }

write_json("build/bench.json", rows)
out:write(("\n%-18s %-18s %10s %10s %7s\n")
  :format("name", "unit", "ours", "theirs", "ratio"))
for _, row in ipairs(rows) do
  out:write(("%-18s %-18s %10.4g %10.4g %7.2f  %s\n"):format(row.name, row.unit,
    row.ours, row.theirs, row.ours / row.theirs, row.peer))
end

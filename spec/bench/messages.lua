-- Parsing, reading and writing five messages, beside libosip2 and sofia-sip: rounds in
-- turn, so that what the machine does meanwhile is shared by all of them.

local process = require "spec.bench.process"

local M = {}

local PROGRAMS = { "luasip", "osip", "sofia" }
local NAMES = { luasip = "luasip", osip = "libosip2", sofia = "sofia-sip" }
local TITLES = { "OPTIONS", "REGISTER", "INVITE 1 KB", "INVITE 2.4 KB", "200" }
local FOLDER = "spec/bench/messages"

local function round(results, program, count)
  local command = ("build/bench/msg_%s %s %d"):format(program, FOLDER, count)
  local text = process.output(command)
  for step, i, ns, allocations in text:gmatch "(%a+) (%d) (%S+) (%S+)\n" do
    local key = step .. i
    local cell = results[program][key] or { times = {} }
    cell.times[#cell.times + 1] = tonumber(ns)
    cell.allocations = tonumber(allocations)
    results[program][key] = cell
  end
end

local function instructions(program, i)
  local function collected(count)
    local said = process.output(("valgrind --tool=callgrind "
      .. "--callgrind-out-file=/dev/null build/bench/msg_%s %s %d typed %d 2>&1")
      :format(program, FOLDER, count, i))
    return tonumber(said:match "Collected : (%d+)")
  end
  local once, twice = collected(200), collected(400)
  return once and twice and (twice - once) / 200
end

--- Results by program and by step and number of the message ("typed3"): median, min
--- and allocations; instructions of "typed" where callgrind is there.
function M.run(quick)
  local results = { luasip = {}, osip = {}, sofia = {} }
  for _ = 1, quick and 7 or 15 do
    for _, program in ipairs(PROGRAMS) do
      round(results, program, quick and 3000 or 10000)
    end
  end
  for program, cells in pairs(results) do
    assert(next(cells), "msg_" .. program .. " gave nothing")
    for _, cell in pairs(cells) do
      table.sort(cell.times)
      cell.median, cell.min = cell.times[(#cell.times + 1) // 2], cell.times[1]
    end
  end
  if os.execute "command -v valgrind >/dev/null" then
    for i = quick and 3 or 1, quick and 3 or #TITLES do
      for _, program in ipairs(PROGRAMS) do
        results[program]["typed" .. i].instructions = instructions(program, i)
      end
    end
  end
  return results
end

local HEAD = "%-14s %-10s %15s %15s %15s %7s %12s\n"

function M.print(out, results)
  out:write("ns of CPU, median/min\n")
  out:write(HEAD:format("message", "library", "parse", "typed", "write", "allocs",
    "instructions"))
  for i, title in ipairs(TITLES) do
    for _, program in ipairs(PROGRAMS) do
      local cells = results[program]
      local function cell(step)
        local it = cells[step .. i]
        return ("%.0f/%.0f"):format(it.median, it.min)
      end
      local typed = cells["typed" .. i]
      out:write(HEAD:format(title, NAMES[program], cell "parse", cell "typed",
        cell "write", ("%.0f"):format(typed.allocations),
        typed.instructions and ("%.0f"):format(typed.instructions) or "-"))
    end
  end
end

--- A row: ours beside the faster of the peers.
function M.row(results, name, cell)
  local osip, sofia = results.osip[cell].median, results.sofia[cell].median
  return {
    name = name,
    unit = "ns",
    ours = results.luasip[cell].median,
    peer = osip < sofia and NAMES.osip or NAMES.sofia,
    theirs = math.min(osip, sofia),
  }
end

return M

-- A server on one processor, and on another sipp, which calls it. What the server costs
-- is taken from the kernel, in the last seconds of the run.

local process = require "spec.bench.process"

local M = {}

local OUT = "build/bench"
local FILES = "spec/bench/sipp/"

---@class sip.bench.Load
---@field name string       for the messages and the files
---@field server string     a command
---@field beside? string[]  commands that run on the caller's processor
---@field port integer      of the server; 20 more is the caller
---@field peer? integer    of what runs beside it
---@field scenario string   of the caller: a file of spec/bench/sipp, or "uac"
---@field rate integer      calls a second
---@field seconds integer
---@field window integer    the last seconds, which are measured
---@field count integer     calls, where there is no window

--- luasip with a script of this folder, as a command.
---@param script string
---@param ... any  its arguments
---@return string
function M.luasip(script, ...)
  return ("env LUA_PATH='./lua/?.lua;./lua/?/init.lua' LUA_CPATH='./build/?.so' "
    .. "%s spec/bench/%s.lua %s"):format(os.getenv "LUA" or "lua5.4", script,
    table.concat({ ... }, " "))
end

--- sipp as whoever answers, as a command.
---@param scenario string
---@param port integer
---@return string
function M.answerer(scenario, port)
  return ("sipp -sf %s%s.xml -i 127.0.0.1 -p %d -cp %d -nostdin -buff_size 4000000 "
    .. "-max_recv_loops 200"):format(FILES, scenario, port, port + 1)
end

--- Start the server, and what runs beside it; nothing is asked of them before they
--- listen, where nobody of the last run does any more.
---@param load { name: string, server: string, beside?: string[], port: integer,
---   peer?: integer, transport?: "udp"|"tcp" }  udp: the peer's always
---@param pids integer[]  they are added here
---@return integer pid  of the server
function M.start_server(load, pids)
  local log = ("%s/%s.log"):format(OUT, load.name)
  local function bound()
    return process.bound(load.transport or "udp", load.port),
      not load.peer or process.bound("udp", load.peer)
  end
  process.wait("the port of " .. load.name .. " to be free", function()
    local server, peer = bound()
    return not server and not (load.peer and peer)
  end)
  for i, command in ipairs(load.beside or {}) do
    pids[#pids + 1] = process.start(command, 1, ("%s/beside%d.log"):format(OUT, i))
  end
  local server = process.start(load.server, 0, log)
  pids[#pids + 1] = server
  process.wait(load.name .. " to listen", function()
    for _, pid in ipairs(pids) do
      assert(process.alive(pid), load.name .. " does not run: " .. process.read(log))
    end
    local one, other = bound()
    return one and other
  end)
  process.sleep(1) -- what it does when it begins is no part of what is measured
  return server
end

local function start_caller(load, pids, stats, count, user)
  os.remove(stats)
  local scenario = load.scenario
  scenario = scenario == "uac" and "-sn uac" or "-sf " .. FILES .. scenario .. ".xml"
  local caller = process.start(("sipp %s 127.0.0.1:%d -s %s -i 127.0.0.1 -p %d "
    .. "-cp %d -r %d -m %d -l %d -nostdin -trace_stat -fd 1 -stf %s "
    .. "-buff_size 4000000 -max_recv_loops 200 -timeout %ds"):format(scenario,
    load.port, user or "bench", load.port + 20, load.port + 21, load.rate, count, count,
    stats, count // load.rate + 60), 1, OUT .. "/caller.log")
  pids[#pids + 1] = caller
  return caller
end

-- Wait for the next line of statistics: what stands in it is fresh then.
local function next_row(stats, caller, count)
  repeat
    process.sleep(0.02)
    local row, lines = process.sipp_row(stats)
    if lines > count then
      return row, lines
    end
  until not process.alive(caller)
  return process.sipp_row(stats)
end

--- Run it with a list of processes, which are stopped afterwards whatever happens.
---@param body fun(load: table, pids: integer[]): any
---@param load table
---@return any
function M.guarded(body, load)
  local pids = {}
  local ok, result = xpcall(body, function(e)
    return type(e) == "string" and debug.traceback(e) or e
  end, load, pids)
  for i = #pids, 1, -1 do
    process.stop(pids[i])
  end
  return ok and result or error(result, 0)
end

-- That a server does not bear the load is a table: the one error to be expected.
local function overload(load, text, ...)
  local said = ("%s at %d/s: "):format(load.name, load.rate) .. text:format(...)
  error({ overload = said }, 0)
end

-- Nothing has failed, and nothing is left undone for seconds.
local function check(load, row)
  if row["FailedCall(C)"] ~= 0 then
    overload(load, "%s calls failed", row["FailedCall(C)"] or "all")
  elseif load.window and row["CurrentCall"] > 2 * load.rate then
    overload(load, "%d calls at once", row["CurrentCall"])
  end
end

local function answered(load, pids)
  local stats, count = ("%s/%s.csv"):format(OUT, load.name), load.rate * load.seconds
  local server = M.start_server(load, pids)
  local caller = start_caller(load, pids, stats, count)
  local samples, lines, row = {}, 0
  repeat
    row, lines = next_row(stats, caller, lines)
    check(load, row)
    samples[#samples + 1] = {
      cpu = process.cpu(server),
      calls = row["SuccessfulCall(C)"],
    }
  until row["TotalCallCreated"] == count or not process.alive(caller)
  -- The last line may be of less than a second: leave it.
  local last, first = samples[#samples - 1], samples[#samples - 1 - load.window]
  while process.alive(caller) do
    process.sleep(0.1)
  end
  row = process.sipp_row(stats)
  check(load, row)
  if row["SuccessfulCall(C)"] ~= count or not first then
    overload(load, "calls are missing")
  end
  local calls = last.calls - first.calls
  if calls < 0.9 * load.rate * load.window then
    overload(load, "only %d calls in %d s", calls, load.window)
  end
  return {
    cpu = (last.cpu - first.cpu) / calls * 1000,
    calls = calls,
    repeats = row["Retransmissions(C)"],
  }
end

--- CPU-seconds of the server per 1000 calls in the last seconds. An error that is a
--- table with `overload` when a call has failed, or the rate is not reached.
---@param load sip.bench.Load
---@return { cpu: number, calls: integer, repeats: integer }
function M.answered(load)
  return M.guarded(answered, load)
end

-- Wait until a caller has made its calls.
local function all_made(load, stats, caller)
  local lines, row = 0
  repeat
    row, lines = next_row(stats, caller, lines)
  until row["TotalCallCreated"] == load.count or not process.alive(caller)
end

local function held(load, pids)
  local stats, count = ("%s/%s.csv"):format(OUT, load.name), load.count
  local server = M.start_server(load, pids)
  local before = process.memory(server)
  all_made(load, stats, start_caller(load, pids, stats, count))
  process.sleep(1.5)
  process.wait(load.name .. ": calls are missing", function()
    local row = process.sipp_row(stats)
    check(load, row)
    return row["CurrentCall"] == count
  end)
  return (process.memory(server) - before) / count
end

--- Bytes of the server for each of `count` calls that are not over.
---@param load sip.bench.Load
---@return number
function M.held(load)
  return M.guarded(held, load)
end

-- Longer than any transaction is remembered (RFC 3261 17.2.2, timer J).
local SETTLED = 34

local function left(load, pids)
  local stats, count = ("%s/%s.csv"):format(OUT, load.name), load.count
  local server = M.start_server(load, pids)
  local memory = {}
  for i, user in ipairs { "first", "second" } do
    local caller = start_caller(load, pids, stats, count, user)
    while process.alive(caller) do
      process.sleep(0.1)
    end
    local row = process.sipp_row(stats)
    check(load, row)
    assert(row["SuccessfulCall(C)"] == count, load.name .. ": calls are missing")
    process.sleep(SETTLED)
    memory[i] = process.memory(server)
  end
  return (memory[2] - memory[1]) / count
end

--- Bytes that the server keeps for each of `count` calls when they are over: of the
--- second so many, because what the transactions of the first have needed is there.
---@param load sip.bench.Load
---@return number
function M.left(load)
  return M.guarded(left, load)
end

return M

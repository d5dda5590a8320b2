-- Calls answered, and calls held before their answer, by luasip and by sipp: the server
-- on one processor, sipp as the caller on another.

local process = require "spec.bench.process"

local M = {}

local PORTS = { server = 25110, client = 25120, control = 25130 }
local OUT = "build/bench"
local LUA = ("env LUA_PATH='./lua/?.lua;./lua/?/init.lua' LUA_CPATH='./build/?.so' "
  .. "%s spec/bench/%%s.lua udp:127.0.0.1:%d"):format(os.getenv "LUA" or "lua5.4",
  PORTS.server)
local SIPP = ("sipp -i 127.0.0.1 -p %d -cp %d -nostdin -buff_size 4000000 "):format(
  PORTS.server, PORTS.control)

M.servers = {
  luasip = { answer = LUA:format "uas", hold = LUA:format "early" },
  sipp = {
    answer = SIPP .. "-sn uas",
    hold = SIPP .. "-sf spec/bench/sipp/uas_hold.xml",
  },
}

local function start_server(name, kind)
  local log = ("%s/%s_%s.log"):format(OUT, kind, name)
  local pid = process.start(M.servers[name][kind], 0, log)
  process.sleep(1)
  assert(process.alive(pid), name .. " does not run: " .. (process.read(log) or ""))
  return pid
end

local function start_caller(scenario, rate, count, stats)
  os.remove(stats)
  local command = ("sipp %s 127.0.0.1:%d -i 127.0.0.1 -p %d -cp %d -r %d -m %d -l %d "
    .. "-nostdin -trace_stat -fd 1 -stf %s -buff_size 4000000 -max_recv_loops 200 "
    .. "-timeout %ds"):format(scenario, PORTS.server, PORTS.client, PORTS.control + 1,
    rate, count, count, stats, count // rate + 60)
  return process.start(command, 1, OUT .. "/caller.log")
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

local function guarded(body, ...)
  local pids = {}
  local ok, result = xpcall(body, debug.traceback, pids, ...)
  for i = #pids, 1, -1 do
    process.stop(pids[i])
  end
  return ok and result or error(result, 0)
end

local function no_failure(name, row)
  local failed = row["FailedCall(C)"]
  if failed ~= 0 then
    error(("%s: %s calls failed"):format(name, failed or "all"), 0)
  end
end

local function answer(pids, name, rate, seconds, window)
  local stats = ("%s/answer_%s.csv"):format(OUT, name)
  local server = start_server(name, "answer")
  pids[#pids + 1] = server
  local caller = start_caller("-sn uac", rate, rate * seconds, stats)
  pids[#pids + 1] = caller
  local samples, lines, row = {}, 0
  repeat
    row, lines = next_row(stats, caller, lines)
    samples[#samples + 1] = {
      cpu = process.cpu(server),
      calls = row["SuccessfulCall(C)"],
    }
  until row["TotalCallCreated"] == rate * seconds or not process.alive(caller)
  -- The last line may be of less than a second: leave it.
  local last, first = samples[#samples - 1], samples[#samples - 1 - window]
  while process.alive(caller) do
    process.sleep(0.1)
  end
  row = process.sipp_row(stats)
  no_failure(name, row)
  assert(row["SuccessfulCall(C)"] == rate * seconds, name .. ": calls are missing")
  assert(first, name .. ": too slow to be measured")
  local calls = last.calls - first.calls
  assert(calls > 0.9 * rate * window, name .. ": does not sustain the rate")
  return {
    cpu = (last.cpu - first.cpu) / calls * 1000,
    calls = calls,
    repeats = row["Retransmissions(C)"],
  }
end

--- CPU-seconds per 1000 calls in the last `window` seconds.
function M.answer(name, rate, seconds, window)
  return guarded(answer, name, rate, seconds, window)
end

local function hold(pids, name, count, rate)
  local stats = ("%s/hold_%s.csv"):format(OUT, name)
  local server = start_server(name, "hold")
  pids[#pids + 1] = server
  local before = process.memory(server)
  local caller = start_caller("-sf spec/bench/sipp/uac_hold.xml", rate, count, stats)
  pids[#pids + 1] = caller
  local lines, row = 0
  repeat
    row, lines = next_row(stats, caller, lines)
  until row["TotalCallCreated"] == count or not process.alive(caller)
  process.sleep(1.5)
  row = process.sipp_row(stats)
  no_failure(name, row)
  assert(row["CurrentCall"] == count, name .. ": calls are missing")
  return { bytes = (process.memory(server) - before) / count, count = count }
end

--- Bytes of the server per call that has been told 180 and nothing else.
function M.hold(name, count, rate)
  return guarded(hold, name, count, rate)
end

return M

-- Programs started beside us, and what the kernel says they have cost. Linux only.

local M = {}

local function read(path)
  local file = io.open(path)
  if not file then
    return nil
  end
  local text = file:read "a"
  file:close()
  return text
end

local function output(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

local processors = tonumber(output "nproc") or 1

function M.sleep(seconds)
  os.execute(("sleep %.3f"):format(seconds))
end

--- Start a program, pinned to a processor when there are several, with as many files
--- as it may have. What it says goes to a file.
---@return integer pid
function M.start(command, cpu, log)
  local pin = processors > 1 and ("taskset -c %d "):format(cpu) or ""
  local line = ("ulimit -n $(ulimit -Hn); %s%s >%s 2>&1 </dev/null & echo $!"):format(
    pin, command, log)
  return math.tointeger(tonumber(output(line)))
end

-- Seconds after which a bench has failed: nothing takes as long that goes well.
local PATIENCE = 60

--- Wait until it is so, at most for a minute.
---@param what string  for the error
---@param ready fun(): any
---@return any
function M.wait(what, ready)
  local value
  for _ = 1, PATIENCE * 50 do
    value = ready()
    if value then
      return value
    end
    M.sleep(0.02)
  end
  error(("waited %d s for %s"):format(PATIENCE, what), 0)
end

--- Whether somebody listens at a port of 127.0.0.1.
---@param transport "udp"|"tcp"
---@param port integer
---@return boolean
function M.bound(transport, port)
  local wanted = ("0100007F:%04X"):format(port)
  for own, state in (read("/proc/net/" .. transport) or ""):gmatch
    "%d+: (%x+:%x+) %x+:%x+ (%x%x)" do
    if own == wanted and (transport == "udp" or state == "0A") then
      return true
    end
  end
  return false
end

--- Does it still run?
function M.alive(pid)
  local stat = read(("/proc/%d/stat"):format(pid))
  return stat ~= nil and not stat:match "%) Z "
end

function M.stop(pid)
  os.execute(("kill %d 2>/dev/null"):format(pid))
  for tries = 1, 200 do
    if not M.alive(pid) then
      return
    end
    if tries == 100 then
      os.execute(("kill -9 %d 2>/dev/null"):format(pid))
    end
    M.sleep(0.05)
  end
end

-- A process and those that it has started.
local function family(pid, list)
  list = list or {}
  list[#list + 1] = pid
  local children = read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""
  for child in children:gmatch "%d+" do
    family(math.tointeger(tonumber(child)), list)
  end
  return list
end

--- Seconds of processor time of all its threads and those of its children.
function M.cpu(pid)
  local ns = 0
  local pids = family(pid)
  for i, one in ipairs(pids) do
    pids[i] = ("/proc/%d/task/*/schedstat"):format(one)
  end
  local text = output("cat " .. table.concat(pids, " "))
  for spent in text:gmatch "(%d+)[^\n]*" do
    ns = ns + tonumber(spent)
  end
  return ns / 1e9
end

--- Bytes of memory that are its own: the proportional set size, its children's too.
function M.memory(pid)
  local bytes = 0
  for _, one in ipairs(family(pid)) do
    local text = assert(read(("/proc/%d/smaps_rollup"):format(one)))
    bytes = bytes + tonumber(text:match "\nPss:%s+(%d+)") * 1024
  end
  return bytes
end

--- The last whole line of sipp's statistics, by column, and how many there are.
function M.sipp_row(path)
  local names, last, count = {}, nil, 0
  for line in (read(path) or ""):gmatch "([^\n]*)\n" do
    last, count = line, count + 1
    if count == 1 then
      for name in line:gmatch "([^;]*);" do
        names[#names + 1] = name
      end
    end
  end
  local row, i = {}, 0
  for value in (count > 1 and last or ""):gmatch "([^;]*);" do
    i = i + 1
    row[names[i]] = tonumber(value) or value
  end
  return row, count
end

M.output, M.read = output, read

return M

--- Programs that a spec starts and ends: in a folder of their own under build/, with
--- what they say in a file there. Each is known by its process id, which is that of
--- its process group too, and by nothing else.

local busted = require "busted"
local core = require "sip.core"

local M = {}

---@class spec.Process
---@field pid integer
---@field name string
---@field folder string
---@field path string      of what it says
local Process = {}
local process_mt = { __name = "spec.Process", __index = Process }

local top = os.getenv "SIP_SCRATCH" or "build/interop"
local count = 0

-- Seconds after which a spec has failed: nothing takes as long on a machine that is
-- busy with something else, and only what fails waits for it.
M.PATIENCE = 60

---@type spec.Process[]
local running = {}

local function quoted(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or nil
end

M.read = read

---@param path string
---@param text string
---@return string path
function M.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  return path
end

local function run(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read "a":gsub("%s+$", ""))
end

--- Where the checkout is.
M.here = run "pwd"

--- An empty folder, by its absolute name.
---@param name string
---@return string
function M.folder(name)
  count = count + 1
  local path = ("%s/%s/%02d-%s"):format(M.here, top, count, name)
  assert(os.execute(("rm -rf %s && mkdir -p %s"):format(quoted(path), quoted(path))))
  return path
end

--- Start a program.
---@param name string        what its folder is called after
---@param argv string[]
---@param options? { folder?: string }  where it runs: a new folder
---@return spec.Process
function M.start(name, argv, options)
  local folder = options and options.folder or M.folder(name)
  local words = {}
  for i, word in ipairs(argv) do
    words[i] = quoted(word)
  end
  local base = folder .. "/" .. name
  -- The inner shell becomes the program, so that the id is the program's own; it comes
  -- by the third descriptor, which nobody keeps.
  local script = ("cd %s; rm -f %s.status; { sh -c 'exec setsid \"$@\"' sh %s "
    .. "</dev/null >%s 2>&1 3>&- & echo $! >&3; exec 3>&-; wait $!; echo $? >%s.end; "
    .. "mv %s.end %s.status; } 3>&1 >/dev/null 2>&1 </dev/null &"):format(
    quoted(folder), quoted(base), table.concat(words, " "), quoted(base .. ".out"),
    quoted(base), quoted(base), quoted(base))
  local self = setmetatable({
    name = name,
    folder = folder,
    path = base .. ".out",
    status_path = base .. ".status",
    pid = assert(math.tointeger(tonumber(run(script))), name .. " did not start"),
  }, process_mt)
  running[#running + 1] = self
  return self
end

--- What it has said so far.
---@return string
function Process:output()
  return read(self.path) or ""
end

--- Its exit status; nil while it runs.
---@return integer?
function Process:status()
  local text = read(self.status_path)
  return text and math.tointeger(tonumber(text)) or nil
end

---@param signal? string  "TERM"
function Process:kill(signal)
  if not self:status() then
    os.execute(("kill -%s %d 2>/dev/null"):format(signal or "TERM", self.pid))
  end
end

--- Wait for something: until it is not false, for so many seconds at most.
---@generic T
---@param seconds number
---@param what string   for the error
---@param ready fun(): T
---@return T
function M.wait(seconds, what, ready)
  local loop = core.loop()
  local deadline = loop:now() + seconds
  local value = ready()
  while not value do
    if loop:now() >= deadline then
      loop:close()
      error(("waited %g s for %s"):format(seconds, what), 2)
    end
    local id = loop:arm(0.01)
    loop:step(0.01)
    loop:stop(id)
    value = ready()
  end
  loop:close()
  return value
end

--- Wait until it has ended; its status, and what it said.
---@param seconds? number  where the bound is what is to be shown
---@return integer status
---@return string output
function Process:wait(seconds)
  local what = self.name .. " to end"
  local ok, status = pcall(M.wait, seconds or M.PATIENCE, what, function()
    return self:status()
  end)
  if not ok then
    self:kill "KILL"
    error(("%s\n%s"):format(status, self:output()), 2)
  end
  return status, self:output()
end

--- Wait until it has said something.
---@param pattern string
---@return string ...  captures
function Process:says(pattern)
  local what = ("%s to say %q"):format(self.name, pattern)
  local ok, found = pcall(M.wait, M.PATIENCE, what, function()
    local ended = self:status() -- before the look at its words: no more will come then
    local found = table.pack(self:output():match(pattern))
    if found.n > 0 and found[1] then
      return found
    end
    return ended and "ended"
  end)
  if not ok or found == "ended" then
    error(("%s\n%s"):format(ok and self.name .. " ended without " .. pattern or found,
      self:output()), 2)
  end
  return table.unpack(found, 1, found.n)
end

local tables = { udp = { "udp", "udp6" }, tcp = { "tcp", "tcp6" } }

-- The sockets of this machine that are bound to a port, and listen, by their inodes.
local function bound(transport, port)
  local wanted, list = (":%04X"):format(port), {}
  for _, name in ipairs(tables[transport]) do
    for own, state, inode in (read("/proc/net/" .. name) or ""):gmatch
      "%d+: %x+(:%x%x%x%x) %x+:%x+ (%x%x) %S+ %S+ %S+ +%d+ +%d+ (%d+)" do
      if own == wanted and (transport == "udp" or state == "0A") then
        list[inode] = true
      end
    end
  end
  return list
end

-- The processes of a group that live, as words. Those who have ended have closed what
-- they had, though nobody may have asked for their status.
local function members(group)
  local all = "cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^\\([0-9]*\\) .*) /\\1 /'"
  return run(("%s | awk '$4 == %d && $2 != \"Z\" && $2 != \"X\" { print $1 }'")
    :format(all, group))
end

-- Whether one of these processes has bound one of these sockets.
local function have(pids, sockets)
  local folders = pids:gsub("%d+", "/proc/%0/fd"):gsub("%s+", " ")
  for inode in run(("ls -l %s 2>/dev/null"):format(folders)):gmatch
    "socket:%[(%d+)%]" do
    if sockets[inode] then
      return true
    end
  end
  return false
end

-- Who they are that have bound one of these, for a sentence.
local function owners(sockets)
  local list = {}
  for pid in run "ls /proc":gmatch "%f[^\n\0](%d+)%f[\n\0]" do
    if have(pid, sockets) then
      list[#list + 1] = ("%s (process %d)"):format((read("/proc/" .. pid .. "/comm")
        or "?"):gsub("%s+$", ""), pid)
    end
  end
  return table.concat(list, ", ")
end

--- Whether a TCP connection of this machine ends at a port and is not closed on that
--- side.
---@param port integer
---@return boolean
function M.connected(port)
  local wanted = (":%04X"):format(port)
  for own, state in read "/proc/net/tcp":gmatch
    "%d+: %x+(:%x%x%x%x) %x+:%x+ (%x%x)" do
    if own == wanted and state ~= "0A" and state ~= "06" then
      return true
    end
  end
  return false
end

--- Wait until it listens: it, and not somebody who had the port already.
---@param transport "udp"|"tcp"
---@param port integer
---@return spec.Process self
function Process:listens(transport, port)
  local what = ("%s to listen at %d"):format(self.name, port)
  local ok, e = pcall(M.wait, M.PATIENCE, what, function()
    local sockets = bound(transport, port)
    return next(sockets) and have(members(self.pid), sockets) or self:status()
  end)
  if not ok or self:status() then
    local others = owners(bound(transport, port))
    error(("%s does not listen at %s:%d: %s%s\n%s"):format(self.name, transport, port,
      ok and "it has ended" or e, others ~= "" and "; " .. others .. " does" or "",
      self:output()), 2)
  end
  return self
end

-- Seconds for a good end; what is not gone by then has no say in it.
local GRACE = 3

--- End everything that a spec has started. Who was started last goes first, because
--- clients take their leave of servers: kamailio that is told to end in the middle of a
--- request may wait forever for a lock of that request.
function M.end_all()
  for i = #running, 1, -1 do
    local process = running[i]
    process:kill()
    pcall(M.wait, GRACE, "an end", function()
      return process:status()
    end)
    -- The children of a server that did not end well would keep its port.
    if members(process.pid) ~= "" then
      os.execute(("kill -s KILL -- -%d"):format(process.pid))
      M.wait(M.PATIENCE, process.name .. " to be gone", function()
        return members(process.pid) == ""
      end)
    end
  end
  running = {}
end

-- A spec that fails before it ends what it has started does not take the next file with
-- it, which may want the same ports.
busted.subscribe({ "file", "end" }, function()
  M.end_all()
  return nil, true
end)

return M

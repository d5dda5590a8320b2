--- Programs that a spec starts and ends: in a folder of their own under build/, with
--- what they say in a file there. Each is known by its process id, which is that of
--- its process group too, and by nothing else.

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
  -- The inner shell becomes the program, so that the id is the program's own.
  local script = ("cd %s; rm -f %s.status; { sh -c 'exec setsid \"$@\"' sh %s <%s "
    .. ">%s 2>&1 & echo $! >%s; wait $!; echo $? >%s.end; mv %s.end %s.status; } "
    .. ">/dev/null 2>&1 </dev/null & while [ ! -s %s ]; do :; done; cat %s"):format(
    quoted(folder), quoted(base), table.concat(words, " "), "/dev/null",
    quoted(base .. ".out"), quoted(base .. ".pid"), quoted(base), quoted(base),
    quoted(base), quoted(base .. ".pid"), quoted(base .. ".pid"))
  os.remove(base .. ".pid")
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
---@param seconds? number  30
---@return integer status
---@return string output
function Process:wait(seconds)
  local ok, status = pcall(M.wait, seconds or 30, self.name .. " to end", function()
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
---@param seconds? number  10
---@return string ...  captures
function Process:says(pattern, seconds)
  local ok, found = pcall(M.wait, seconds or 10, ("%s to say %q"):format(self.name,
    pattern), function()
    local found = table.pack(self:output():match(pattern))
    if found.n > 0 and found[1] then
      return found
    end
    return self:status() and "ended"
  end)
  if not ok or found == "ended" then
    error(("%s\n%s"):format(ok and self.name .. " ended without " .. pattern or found,
      self:output()), 2)
  end
  return table.unpack(found, 1, found.n)
end

local tables = { udp = { "udp", "udp6" }, tcp = { "tcp", "tcp6" } }

--- Whether somebody is listening at a port of this machine.
---@param transport "udp"|"tcp"
---@param port integer
---@return boolean
function M.bound(transport, port)
  local wanted = (":%04X"):format(port)
  for _, name in ipairs(tables[transport]) do
    for own, state in (read("/proc/net/" .. name) or ""):gmatch
      "%d+: %x+(:%x%x%x%x) %x+:%x+ (%x%x)" do
      if own == wanted and (transport == "udp" or state == "0A") then
        return true
      end
    end
  end
  return false
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

--- Wait until it listens.
---@param transport "udp"|"tcp"
---@param port integer
---@return spec.Process self
function Process:listens(transport, port)
  local ok, e = pcall(M.wait, 10, ("%s to listen at %d"):format(self.name, port),
    function()
      return M.bound(transport, port) or self:status()
    end)
  if not ok or self:status() then
    error(("%s does not listen at %s:%d: %s\n%s"):format(self.name, transport, port,
      ok and "it has ended" or e, self:output()), 2)
  end
  return self
end

--- End everything that a spec has started. Who was started last goes first, because
--- clients take their leave of servers: kamailio that is told to end in the middle of a
--- request may wait forever for a lock of that request.
function M.end_all()
  for i = #running, 1, -1 do
    local process = running[i]
    local function ended()
      return process:status()
    end
    process:kill()
    local ok = pcall(M.wait, 3, "an end", ended)
    -- The children of a server that did not end well would keep its port.
    os.execute(("kill -KILL -- -%d 2>/dev/null"):format(process.pid))
    if not ok then
      pcall(M.wait, 3, "an end", ended)
    end
  end
  running = {}
end

return M

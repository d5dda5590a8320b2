-- Engines with their desks in virtual time: hosts 192.0.2.1, 192.0.2.2 ..., a wire
-- between them that delays and loses what a spec says, and files in memory.

local core = require "sip.core"
local engine = require("sip.test").engine
local media = require("sip.test").media
local rtp = require("sip.test").rtp
local rtcp_of = require("sip.test").rtcp

local World = {}
World.__index = World

local Host = {}
Host.__index = Host

local MS = 1000 -- instants are in microseconds

local function new_host(world, ip, number, opts)
  local host = setmetatable({
    world = world,
    ip = ip,
    engine = engine.new { seed = (opts.seed or 1) * 100 + number, cache = opts.cache },
    files = {},  -- [path] = { bytes, version }
    open = {},   -- [file] = path
    faults = {}, -- [path] = { operation = why }
    disk_ms = 1,
    events = {},
    sent = {},
    versions = 0,
  }, Host)
  host.media = host.engine:media()
  return host
end

local function new_world(opts)
  opts = opts or {}
  local world = setmetatable({
    now = 1000000 * MS,
    started = 1000000 * MS,
    flying = {},
    order = 0,
    delay_ms = 10,
    hosts = {},
  }, World)
  for i = 1, opts.hosts or 1 do
    world.hosts[i] = new_host(world, "192.0.2." .. i, i, opts)
  end
  return world
end

-- Seconds since the beginning.
function World:time()
  return (self.now - self.started) / 1e6
end

function World:at(delay_us, run)
  self.order = self.order + 1
  self.flying[#self.flying + 1] = {
    at = self.now + delay_us, order = self.order, run = run,
  }
end

local function take_due(world)
  local best
  for i, item in ipairs(world.flying) do
    local other = world.flying[best]
    if item.at <= world.now and (not other or item.at < other.at
        or item.at == other.at and item.order < other.order) then
      best = i
    end
  end
  return best and table.remove(world.flying, best)
end

function World:deliver(from, packet)
  local verdict = self.filter and self.filter(packet, from) -- "drop", or more delay
  if verdict == "drop" then
    return
  end
  for _, host in ipairs(self.hosts) do
    if host.ip == packet.host then
      self:at((self.delay_ms + (verdict or 0)) * MS, function()
        local rtcp = packet.host_port % 2 == 1
        host.engine:input(self.now, packet.host_port - (rtcp and 1 or 0), rtcp, from.ip,
          packet.port + (packet.rtcp and 1 or 0), packet.bytes)
      end)
    end
  end
end

local operations = {}

function operations.open(host, path)
  local file = host.files[path]
  if not file then
    return { why = "no such file" }
  end
  host.open[#host.open + 1] = path
  return { file = #host.open, size = #file.bytes, version = file.version }
end

function operations.create(host, path)
  host:write(path, "")
  host.open[#host.open + 1] = path
  return { file = #host.open }
end

function operations.read(host, id, at, len)
  return { bytes = host.files[host.open[id]].bytes:sub(at + 1, at + len) }
end

function operations.write(host, id, at, bytes)
  local path = host.open[id]
  local old = host.files[path].bytes
  host:write(path, old:sub(1, at) .. bytes .. old:sub(at + #bytes + 1))
  return {}
end

function operations.close(host, id)
  host.open[id] = false
  return {}
end

function Host:write(path, bytes)
  self.versions = self.versions + 1
  self.files[path] = { bytes = bytes, version = self.versions }
end

-- One request at a time, as slow as the disk is.
function Host:answer_files()
  local operation, what, at, len = self.engine:asked()
  if not operation or self.answering then
    return
  end
  self.answering = true
  self.world:at(self.disk_ms * MS, function()
    self.answering = false
    local path = type(what) == "string" and what or self.open[what]
    local why = self.faults[path] and self.faults[path][operation]
    if type(why) == "function" then
      why = why(at, len)
    end
    local answer = why and { why = why } or operations[operation](self, what, at, len)
    self.engine:answer(answer)
  end)
end

function Host:drain()
  local now_ms = self.world.now // MS
  local event = table.pack(self.engine:next(now_ms))
  while event.n > 0 do
    event.at = self.world:time()
    event.kind, event.session = event[1], event[2]
    self.events[#self.events + 1] = event
    event = table.pack(self.engine:next(now_ms))
  end
  for packet in function() return self.engine:sent() end do
    packet.at = self.world:time()
    self.sent[#self.sent + 1] = packet
    self.world:deliver(self, packet)
  end
end

local function settle(world)
  local again = true
  while again do
    again = false
    local item = take_due(world)
    if item then
      item.run()
      again = true
    end
    for _, host in ipairs(world.hosts) do
      local deadline, woken = host.engine:deadline()
      if not host.stopped and (woken or deadline and deadline <= world.now) then
        host.engine:advance(world.now)
        again = true
      end
      if not host.blocked then
        host:drain()
        host:answer_files()
      end
    end
  end
end

local function next_instant(world)
  local at = math.huge
  for _, item in ipairs(world.flying) do
    at = math.min(at, item.at)
  end
  for _, host in ipairs(world.hosts) do
    if not host.stopped then
      at = math.min(at, host.engine:deadline() or math.huge)
    end
  end
  return at
end

function World:advance(seconds)
  local stop = self.now + math.floor(seconds * 1e6 + 0.5)
  settle(self)
  while next_instant(self) <= stop do
    self.now = math.max(self.now, next_instant(self))
    settle(self)
  end
  self.now = stop
end

-- The first event of this kind, taken out; waits for it.
function World:await(host, kind, seconds)
  local stop = self:time() + (seconds or 60)
  repeat
    for i, event in ipairs(host.events) do
      if event.kind == kind then
        return table.remove(host.events, i)
      end
    end
    self:advance(0.001)
  until self:time() > stop
  error("no event " .. kind, 2)
end

-- Samples of a tone, and a WAV file of samples.
function World.tone(spec, seconds)
  return (media.tone("tone:" .. spec, 8000):fill(math.floor(seconds * 8000 + 0.5)))
end

function World.wav(samples, rate)
  return media.wav_header("pcm", rate or 8000, #samples) .. samples
end

-- What this host has sent, read: RTP packets, or compound RTCP packets as arrays.
function Host:packets()
  local list = {}
  for _, packet in ipairs(self.sent) do
    if not packet.rtcp then
      local parsed = assert(rtp.parse(packet.bytes))
      parsed.at, parsed.to = packet.at, packet.host .. ":" .. packet.host_port
      list[#list + 1] = parsed
    end
  end
  return list
end

function Host:reports()
  local list = {}
  for _, packet in ipairs(self.sent) do
    if packet.rtcp then
      local parts = assert(rtcp_of.parse(packet.bytes))
      parts.at, parts.to = packet.at, packet.host .. ":" .. packet.host_port
      list[#list + 1] = parts
    end
  end
  return list
end

-- The events of this kind so far.
function Host:told(kind)
  local list = {}
  for _, event in ipairs(self.events) do
    if event.kind == kind then
      list[#list + 1] = event
    end
  end
  return list
end

function Host:heard(path)
  return assert(core.wav_samples(self.files[path].bytes))
end

-- Everything is closed, told, and given back.
function World:finish()
  for _, host in ipairs(self.hosts) do
    host.engine:close()
  end
  self:advance(5)
  for _, host in ipairs(self.hosts) do
    local idle, sessions, ports = host.engine:idle()
    assert(idle, "the desk is idle")
    assert(sessions == 0, "no session is left in the engine")
    assert(ports == 0, "no port is left")
    for _, path in ipairs(host.open) do
      assert(not path, "every file is closed")
    end
    local bytes, blocks = host.engine:finish()
    assert(bytes == 0 and blocks == 0, "no memory is left")
  end
end

-- Two sessions that talk to each other, one per host, or on hosts of their own.
function World:pair(opts)
  local a, b = self.hosts[1], self.hosts[2]
  local one = assert(a.media:session { host = a.ip })
  local two = assert(b.media:session { host = b.ip })
  local function remote(host, session)
    local t = { host = host.ip, port = session:port(), dtmf_payload_type = 101 }
    for key, value in pairs(opts or {}) do
      t[key] = value
    end
    return t
  end
  assert(one:set_remote(remote(b, two)))
  assert(two:set_remote(remote(a, one)))
  return one, two
end

return new_world

-- The media thread behind the real loop: audio and digits over sockets of this machine,
-- while the signalling thread does something else.

local core = require "sip.core"

local RATE = 8000

-- A sweep: it sounds the same nowhere else in itself.
local function sweep(seconds)
  local samples = {}
  for i = 0, seconds * RATE - 1 do
    local t = i / RATE
    samples[i + 1] = string.pack("<i2", math.floor(9000 *
      math.sin(2 * math.pi * (300 * t + 200 * t * t)) + 0.5))
  end
  return table.concat(samples)
end

local function write_wav(path, samples)
  local file <close> = assert(io.open(path, "wb"))
  file:write(string.pack("<c4I4c4c4I4I2I2I4I4I2I2c4I4", "RIFF", 36 + #samples, "WAVE",
    "fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16, "data", #samples), samples)
end

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

describe("media on the real loop", function()
  local loop, events, prompt, heard

  before_each(function()
    prompt, heard = os.tmpname(), os.tmpname()
    loop = core.loop()
    events = {}
    loop:set_dispatch(function(...)
      events[#events + 1] = { ... }
    end)
  end)

  after_each(function()
    loop:close()
    os.remove(prompt)
    os.remove(heard)
  end)

  -- The next event of this kind and session, taken out.
  local function await(session, kind)
    local ends = loop:now() + 60
    while loop:now() < ends do
      for i, event in ipairs(events) do
        if event[1] == kind and event[2] == session then
          return table.remove(events, i)
        end
      end
      loop:step(1)
    end
    error("no " .. kind)
  end

  local function pair(media, host)
    local one = assert(media:session { host = host })
    local two = assert(media:session { host = host })
    for _, ends in ipairs { { one, two }, { two, one } } do
      assert(ends[1]:set_remote { host = host, port = ends[2]:port(),
        dtmf_payload_type = 101 })
    end
    return one, two
  end

  local function new_media()
    loop:media_ports { first_port = 21500, last_port = 21599 }
    return loop:media()
  end

  for _, host in ipairs { "127.0.0.1", "::1" } do
    it("plays, records and presses between two sessions at " .. host, function()
      local media = new_media()
      if not media:session { host = host } then
        return pending("this machine has no " .. host)
      end
      local one, two = pair(media, host)
      local port = one:port()
      assert.is_true(port % 2 == 0 and port >= 21500 and port < 21600)
      local samples = sweep(1)
      write_wav(prompt, samples)
      local recording = assert(two:record { path = heard })
      assert(one:play { prompt })
      assert.equal("finished", await(one, "played")[4])
      assert(one:press("5#", { duration = 0.06, gap = 0.06 }))
      assert.equal("5", await(two, "digit")[3])
      assert.equal("#", await(two, "digit")[3])
      assert(two:stop(recording))
      assert.equal("stopped", await(two, "recorded")[4])
      local recorded = assert(core.wav_samples(read_file(heard)))
      local peak = core.pcm_correlate(recorded, samples)
      assert.is_true(peak > 0.9)
    end)
  end

  it("goes on while the signalling thread is busy", function()
    local one, two = pair(new_media(), "127.0.0.1")
    write_wav(prompt, sweep(1))
    assert(one:play { prompt })
    for _ = 1, 10 do
      loop:step(0.02) -- the prompt is loaded, and is being played
    end
    local sent, ends = one:stats().sent, loop:now() + 60
    while one:stats().sent - sent < 10 do -- which nobody does here
      assert.is_true(loop:now() < ends)
    end
    await(one, "played")
    assert.equal(0, two:stats().lost)
    assert.equal(0, one:stats().underruns)
  end)

  it("says which ports there were when none is free, and takes them again", function()
    loop:media_ports { first_port = 21601, last_port = 21605 }
    local media = loop:media()
    local one, two = pair(media, "127.0.0.1")
    local ports = { one:port(), two:port() }
    table.sort(ports)
    assert.same({ 21602, 21604 }, ports)
    local third, why = media:session { host = "127.0.0.1" }
    assert.is_nil(third)
    assert.equal("no free pair of RTP ports at 127.0.0.1 between 21602 and 21605", why)
    one:close()
    await(one, "media_closed")
    local again
    local ends = loop:now() + 60
    repeat -- the sockets are closed by the other thread
      again = media:session { host = "127.0.0.1" }
    until again or loop:now() > ends
    assert.is_truthy(again)
  end)

  it("says when the address is not ours", function()
    local session, why = new_media():session { host = "192.0.2.1" }
    assert.is_nil(session)
    assert.matches("^192%.0%.2%.1:%d+ is not an address of this machine$", why)
  end)

  it("is made once", function()
    assert.equal(new_media(), loop:media())
    assert.has_error(function() loop:media_ports {} end, "media has its ports already")
    assert.has_error(function() loop:media_ports { port = 1 } end)
  end)

  it("goes on when the disk is full", function()
    local full = io.open("/dev/full")
    if not full then
      return pending "there is no /dev/full on this system"
    end
    full:close()
    local one, two = pair(new_media(), "127.0.0.1")
    assert(two:record { path = "/dev/full" })
    local event = await(two, "recorded")
    assert.equal("failed", event[4])
    assert.matches("no space left on device", event[5])
    assert(one:press "1")
    assert.equal("1", await(two, "digit")[3])
  end)

  it("says which prompt is missing", function()
    local one = pair(new_media(), "127.0.0.1")
    assert(one:play { prompt .. ".none" })
    local event = await(one, "played")
    assert.equal("failed", event[4])
    assert.matches("none: no such file or directory", event[5])
  end)

  it("leaves a recording that can be played when the loop is closed", function()
    local one, two = pair(new_media(), "127.0.0.1")
    local samples = sweep(1)
    write_wav(prompt, samples)
    assert(two:record { path = heard })
    assert(one:play { prompt })
    await(one, "played") -- its end is still on the way to the other one
    loop:close()
    local recorded = assert(core.wav_samples(read_file(heard)))
    local peak = core.pcm_correlate(recorded, samples:sub(1, #samples // 2))
    assert.is_true(peak > 0.9)
  end)

  it("is indifferent to rubbish and floods on its ports", function()
    local one, two = pair(new_media(), "127.0.0.1")
    local wire <close> = setmetatable({ net = require("sip.test").net.new {} },
      { __close = function(self) self.net:close() end })
    local id = assert(wire.net:listen("UDP", "127.0.0.1", 0))
    for i = 1, 2000 do
      for port = two:port(), two:port() + 1 do
        assert(wire.net:send(id, ("\x80\0x"):rep(i % 700), 0, "127.0.0.1", port))
      end
      if i % 100 == 0 then
        wire.net:poll(0)
      end
    end
    assert(one:press "9")
    assert.equal("9", await(two, "digit")[3])
  end)
end)

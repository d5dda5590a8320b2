-- Prompts and recordings of media sessions: files in memory, a disk as slow and as
-- broken as a spec wants it.

local core = require "sip.core"
local media = require("sip.test").media
local new_world = require "spec.support.media_world"

describe("a media session", function()
  local world, one, two, a, b

  local function begin(opts)
    opts = opts or {}
    opts.hosts = 2
    world = new_world(opts)
    one, two = table.unpack(world.hosts)
    a, b = world:pair()
  end

  local function heard()
    return two:heard "heard.wav"
  end

  local function finds(samples)
    local peak, at = core.pcm_correlate(heard(), samples)
    return peak and peak > 0.99 and at
  end

  before_each(function()
    begin()
  end)

  after_each(function()
    world:finish()
  end)

  describe("playing", function()
    it("a list goes on without a gap, as often as it should", function()
      local low, high = world.tone("440", 0.3), world.tone("620", 0.3)
      one:write("low.wav", world.wav(low))
      one:write("high.wav", world.wav(high))
      assert(b:record { path = "heard.wav", max = 2 })
      assert(a:play { "low.wav", "high.wav", times = 2 })
      assert.equal(1.22, world:await(one, "played").at)
      world:await(two, "recorded")
      assert.truthy(finds(low .. high .. low .. high))
    end)

    it("a tone ends when its description does", function()
      local beep = world.tone("1000/400,0/200*2", 2)
      assert(b:record { path = "heard.wav", max = 2 })
      assert(a:play { "tone:1000/400,0/200*2" })
      -- Nothing is to be read: it begins with the beat of the command.
      assert.equal(1.2, world:await(one, "played").at)
      world:await(two, "recorded")
      assert.truthy(finds(beep))
    end)

    it("for ever goes on until it is stopped", function()
      one:write("low.wav", world.wav(world.tone("440", 0.05)))
      local id = assert(a:play { "low.wav", loop = true })
      world:advance(3.006)
      assert.equal(0, #one.events)
      assert(a:stop(id))
      local played = world:await(one, "played")
      assert.same({ id, "stopped" }, { played[3], played[4] })
      assert.equal(3.006, played.at)
      assert.same({ nil, "it is over" }, { a:stop(id) })
      assert.equal(0, a:stats().underruns)
    end)

    it("for ever of nothing ends", function()
      one:write("empty.wav", world.wav "")
      assert(a:play { "empty.wav", loop = true })
      assert.equal("finished", world:await(one, "played")[4])
    end)

    it("two things mixes them, and a fifth is refused", function()
      local low, high = world.tone("440", 0.3), world.tone("620", 0.3)
      one:write("low.wav", world.wav(low))
      one:write("high.wav", world.wav(high))
      assert(b:record { path = "heard.wav", max = 1 })
      for _ = 1, 2 do
        assert(a:play { "low.wav" })
        assert(a:play { "high.wav" })
      end
      assert.same({ nil, "too many plays at the same time" }, { a:play { "low.wav" } })
      world:await(two, "recorded")
      assert.truthy(finds(media.mix(media.mix(low, high), media.mix(low, high))))
    end)

    it("a file that is not there says which", function()
      local id = assert(a:play { "tone:440/100*1", "nothing.wav", "tone:620" })
      local played = world:await(one, "played")
      assert.same({ id, "failed", "nothing.wav: no such file" },
        { table.unpack(played, 3, 5) })
    end)

    it("a file that is no WAV says so", function()
      one:write("menu.wav", "ID3 is another thing altogether, it is no RIFF file")
      assert(a:play { "menu.wav" })
      local played = world:await(one, "played")
      assert.same({ "failed", "menu.wav: not a WAV file" }, { played[4], played[5] })
    end)

    it("a WAV file of a kind that is not played says which", function()
      local bytes = world.wav(world.tone("440", 20))
      one:write("menu.wav", bytes:sub(1, 20) .. "\3\0" .. bytes:sub(23))
      assert(a:play { "menu.wav" })
      assert.equal("menu.wav: floating point samples: convert it to 16 bit PCM",
        world:await(one, "played")[5])
    end)

    it("a file whose disk breaks says why", function()
      one:write("menu.wav", world.wav(world.tone("440", 20)))
      one.faults["menu.wav"] = { read = function(at) return at > 0 and "I/O error" end }
      assert(a:play { "menu.wav" })
      assert.equal("menu.wav: I/O error", world:await(one, "played")[5])
    end)

    it("a tone that is none is refused at once", function()
      local id, why = a:play { "tone:no such tone" }
      assert.is_nil(id)
      assert.truthy(#why > 0)
    end)

    it("what is misuse raises", function()
      assert.has_error(function() a:play {} end)
      assert.has_error(function() a:play { 5 } end)
      assert.has_error(function() a:play { "a.wav", volume = 3 } end)
      assert.has_error(function() a:play "a.wav" end)
      assert.has_error(function() a:press "5x" end)
      assert.has_error(function() a:set_remote { host = "no.ip", port = 4 } end)
      assert.has_error(function() a:set_remote { host = "192.0.2.9" } end)
      assert.has_error(function() a:record { max = 3 } end)
    end)

    it("a file of another rate is brought to ours", function()
      local samples = media.resample(world.tone("440", 0.5), 8000, 16000)
      one:write("wide.wav", world.wav(samples, 16000))
      assert(b:record { path = "heard.wav", max = 1 })
      assert(a:play { "wide.wav" })
      assert.equal("finished", world:await(one, "played")[4])
      world:await(two, "recorded")
      assert.truthy(finds(world.tone("440", 0.4)))
    end)
  end)

  describe("the cache of prompts", function()
    local opened

    before_each(function()
      opened = 0
      one.faults["menu.wav"] = { open = function() opened = opened + 1 end }
      one:write("menu.wav", world.wav(world.tone("440", 0.2)))
    end)

    local function play()
      assert(a:play { "menu.wav" })
      assert.equal("finished", world:await(one, "played")[4])
    end

    it("opens a file once within a second", function()
      play()
      play()
      play()
      assert.equal(1, opened)
      world:advance(1)
      play()
      assert.equal(2, opened)
    end)

    it("reads it again when it has changed", function()
      play()
      local other = world.tone("620", 0.2)
      one:write("menu.wav", world.wav(other))
      world:advance(1)
      assert(b:record { path = "heard.wav", max = 1 })
      play()
      world:await(two, "recorded")
      assert.truthy(finds(other))
    end)

    it("knows what was recorded here", function()
      local other = world.tone("620", 0.3)
      two:write("other.wav", world.wav(other))
      play()
      local id = assert(a:record { path = "menu.wav" })
      assert(b:play { "other.wav" })
      world:await(two, "played")
      assert(a:stop(id))
      world:await(one, "recorded")
      assert(b:record { path = "heard.wav", max = 1 })
      play()
      world:await(two, "recorded")
      assert.truthy(finds(other:sub(1, 3200))) -- the last of it was still on its way
    end)

    it("tries again what has failed", function()
      one.faults["menu.wav"] = { open = "no such file" }
      assert(a:play { "menu.wav" })
      assert.equal("failed", world:await(one, "played")[4])
      one.faults["menu.wav"] = nil
      play()
    end)

    it("serves all who wait for one file", function()
      one.disk_ms = 50
      for _ = 1, 4 do
        assert(a:play { "menu.wav" })
      end
      for _ = 1, 4 do
        assert.equal("finished", world:await(one, "played")[4])
      end
      assert.equal(1, opened)
    end)

    it("stays within its bytes", function()
      world:finish()
      begin { cache = 40000 }
      for i = 1, 20 do
        one:write(i .. ".wav", world.wav(world.tone("440", 1)))
        assert(a:play { i .. ".wav" })
        assert.equal("finished", world:await(one, "played")[4])
        assert.is_true(one.engine:held() < 40000 + 600000)
      end
    end)
  end)

  describe("playing a long file", function()
    local long

    before_each(function()
      long = world.tone("440+441", 90)
      one:write("long.wav", world.wav(long))
    end)

    it("reads it while it plays, and is never starved", function()
      assert(b:record { path = "heard.wav", max = 91 })
      assert(a:play { "long.wav", "tone:620/100*1" })
      assert.equal("finished", world:await(one, "played", 100)[4])
      assert.equal(0, a:stats().underruns)
      world:await(two, "recorded")
      -- The playout delay shrinks on the way, so each second is looked for by itself.
      for second = 1, 88 do
        local part = long:sub(second * 16000 + 1, second * 16000 + 8000)
        local near = heard():sub(second * 16000 + 1, second * 16000 + 16000)
        assert.is_true(core.pcm_correlate(near, part) > 0.99)
      end
    end)

    it("is not heard to stop while a script blocks or the disk is slow", function()
      assert(a:play { "long.wav" })
      world:advance(1)
      for _ = 1, 10 do
        one.blocked = true
        world:advance(1)
        one.blocked = false
        world:advance(0.5)
      end
      one.disk_ms = 300
      world:advance(10)
      assert.equal(0, a:stats().underruns)
    end)

    it("is silent when the disk does not come up at all, and goes on", function()
      assert(a:play { "long.wav" })
      world:advance(1)
      one.disk_ms = 5000
      world:advance(10)
      assert.is_true(a:stats().underruns > 50)
      one.disk_ms = 1
      assert.equal("finished", world:await(one, "played", 120)[4])
    end)

    it("ends in the middle when the file does", function()
      one.faults["long.wav"] = {
        read = function(at) return at > 400000 and "I/O error" end,
      }
      assert(a:play { "long.wav" })
      local played = world:await(one, "played", 100)
      assert.equal("long.wav: I/O error", played[5])
      assert.is_true(played.at > 20)
    end)

    it("can be stopped", function()
      local id = assert(a:play { "long.wav" })
      world:advance(3)
      assert(a:stop(id))
      assert.equal("stopped", world:await(one, "played")[4])
    end)
  end)

  describe("recording", function()
    it("ends after so much silence, and says how long it is", function()
      assert(a:play { "tone:440/1000*1" })
      assert(b:record { path = "heard.wav", silence = 2, max = 60 })
      local recorded = world:await(two, "recorded")
      assert.equal("silence", recorded[4])
      -- 40 ms of the playout buffer, a second of tone, two of silence.
      assert.is_true(math.abs(recorded[6] - 3.04) < 0.06)
      assert.equal(math.floor(recorded[6] * 16000 + 0.5), #heard())
    end)

    it("one at a time", function()
      local id = assert(b:record { path = "heard.wav" })
      assert.same({ nil, "the media session is being recorded already" },
        { b:record { path = "other.wav" } })
      assert(b:stop(id))
      assert.equal("stopped", world:await(two, "recorded")[4])
      assert(b:record { path = "other.wav", max = 0.1 })
    end)

    it("lasts as many samples as were asked for", function()
      assert(b:record { path = "heard.wav", max = 0.511 })
      assert.equal(0.511, world:await(two, "recorded")[6])
      assert.equal(4088 * 2, #heard())
    end)

    it("leaves a file that can be played whenever we die", function()
      assert(a:play { "tone:440" })
      assert(b:record { path = "heard.wav" })
      for i = 1, 50 do
        world:advance(0.1)
        local bytes = two.files["heard.wav"].bytes
        local said = #bytes >= 44 and ("<I4"):unpack(bytes, 41) or 0
        -- Half a second is in the tape, and the header is of the last whole second.
        assert.is_true(said <= #bytes - 44 or said == 0)
        assert.is_true(said >= (i * 0.1 - 1.6) * 16000)
      end
    end)

    it("ends with its session, and the file is whole", function()
      assert(a:play { "tone:440" })
      assert(b:record { path = "heard.wav" })
      world:advance(1.234)
      b:close()
      local recorded = world:await(two, "recorded")
      assert.equal("closed", recorded[4])
      assert.equal(b, recorded.session)
      world:await(two, "media_closed")
      assert.equal(math.floor(recorded[6] * 16000 + 0.5), #heard())
      assert.same({ nil, "the media session is closed" }, { b:port() })
      assert.same({ nil, "the media session is closed" }, { b:play { "tone:us" } })
    end)

    it("ends with the disk, says so, and leaves what was written", function()
      two.faults["heard.wav"] = {
        write = function(at) return at > 30000 and "no space left on device" end,
      }
      assert(a:play { "tone:440" })
      assert(b:record { path = "heard.wav" })
      local recorded = world:await(two, "recorded")
      assert.equal("failed", recorded[4])
      assert.equal("heard.wav: no space left on device", recorded[5])
      assert.equal(math.floor(recorded[6] * 16000 + 0.5), #heard())
      assert.is_true(#heard() > 20000)
      local before = b:stats().received
      world:advance(1)
      assert.equal(before + 50, b:stats().received)
    end)

    it("into a file that cannot be made says so", function()
      two.faults["heard.wav"] = { create = "permission denied" }
      assert(b:record { path = "heard.wav" })
      assert.equal("heard.wav: permission denied", world:await(two, "recorded")[5])
    end)

    it("waits for a slow disk, and counts what it has no room for", function()
      assert(a:play { "tone:440" })
      two.disk_ms = 900
      assert(b:record { path = "heard.wav", max = 20 })
      world:advance(20)
      two.disk_ms = 1
      local recorded = world:await(two, "recorded")
      assert.equal(20, recorded[6])
      assert.is_true(recorded[7] > 1)
      assert.equal(recorded[7], b:stats().record_lost / 8000)
      assert.equal(20 * 16000, #heard())
    end)

    it("loses nothing to a disk that stops for three seconds", function()
      assert(b:record { path = "heard.wav", max = 10 })
      world:advance(2)
      two.disk_ms = 3000
      world:advance(0.6)
      two.disk_ms = 1
      assert.equal(0, world:await(two, "recorded")[7])
    end)
  end)

  it("cannot be opened without a port", function()
    one.engine:no_ports(true)
    assert.same({ nil, "no free RTP port" }, { one.media:session { host = one.ip } })
    one.engine:no_ports(false)
  end)

  it("beyond the limit is refused", function()
    local held = {}
    for i = 1, 3 do
      held[i] = assert(one.media:session { host = one.ip })
    end
    assert.same({ nil, "too many media sessions" },
      { one.media:session { host = one.ip } })
    held[1]:close()
    world:await(one, "media_closed")
    assert(one.media:session { host = one.ip })
  end)

  it("for which the engine has no memory fails, and is gone", function()
    world:finish()
    begin()
    local host = new_world().hosts[1]
    host.engine:fail(1, true)
    local session = assert(host.media:session { host = host.ip })
    assert(session:play { "tone:us" })
    assert(session:record { path = "heard.wav" })
    host.world:advance(1)
    local kinds = {}
    for i, event in ipairs(host.events) do
      kinds[i] = event.kind
    end
    table.sort(kinds)
    assert.same({ "media_closed", "media_failed", "played", "recorded" }, kinds)
    host.world:finish()
  end)
end)

describe("allocation failure in the desk", function()
  local function scene(fail_at)
    local world = new_world { hosts = 2 }
    local one = world.hosts[1]
    local a, b = world:pair()
    one:write("menu.wav", world.wav(world.tone("440", 0.3)))
    one:write("long.wav", world.wav(world.tone("440", 61)))
    one.engine:fail(fail_at)
    a:play { "menu.wav", "tone:us" }
    a:play { "long.wav" }
    a:record { path = "heard.wav" }
    a:press "123"
    world:advance(2)
    local failed = one.engine:failed()
    one.engine:fail(0)
    assert(a:play { "menu.wav", "tone:440/20*1" })
    world:advance(2)
    assert.truthy(b:stats().received > 0)
    world:finish()
    return failed
  end

  it("at any point leaves the session alive and nothing behind", function()
    local n = 1
    while scene(n) do
      n = n + 1
    end
    assert.is_true(n > 5)
  end)
end)

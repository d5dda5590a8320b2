-- Two media sessions in virtual time: what is said is heard, exactly when.
-- C-143, C-144, C-146, C-147, C-148, C-149.

local core = require "sip.core"
local media = require("sip.test").media
local rtp = require("sip.test").rtp
local new_world = require "spec.support.media_world"

local function tone(spec, seconds)
  return (media.tone("tone:" .. spec, 8000):fill(math.floor(seconds * 8000 + 0.5)))
end

local function wav(samples)
  return media.wav_header("pcm", 8000, #samples) .. samples
end

describe("a pair of media sessions", function()
  local world, one, two, a, b

  local function begin(opts, remote)
    world = new_world(opts or { hosts = 2 })
    one, two = table.unpack(world.hosts)
    a, b = world:pair(remote)
  end

  local function packets(host)
    local list = {}
    for _, packet in ipairs(host.sent) do
      if not packet.rtcp then
        local parsed = assert(rtp.parse(packet.bytes))
        parsed.at, parsed.host, parsed.port = packet.at, packet.host, packet.host_port
        list[#list + 1] = parsed
      end
    end
    return list
  end

  local function heard_on(host, path)
    return assert(core.wav_samples(host.files[path].bytes))
  end

  before_each(function()
    begin()
  end)

  after_each(function()
    world:finish()
  end)

  it("plays a file to its end, to the beat, and the other side hears it", function()
    local prompt = tone("440", 1.5)
    one:write("menu.wav", wav(prompt))
    assert(b:record { path = "heard.wav", max = 3 })
    local id = assert(a:play { "menu.wav" })
    local played = world:await(one, "played")
    -- Opening and reading take the disk two milliseconds: the second beat has audio.
    assert.same({ id, "finished", n = 2 }, table.pack(table.unpack(played, 3, 4)))
    assert.equal(1.52, played.at)
    local recorded = world:await(two, "recorded")
    assert.equal("max", recorded[4])
    assert.equal(3.0, recorded[6])
    local peak, at = core.pcm_correlate(heard_on(two, "heard.wav"), prompt)
    assert.is_true(peak > 0.999)
    assert.equal(640, at)
  end)

  it("sends 160 octets every 20 ms, silence too, from anywhere (C-143)", function()
    world:advance(1)
    local sent = packets(one)
    assert.equal(51, #sent)
    assert.is_true(sent[1].marker)
    assert.is_true(sent[1].seq ~= 0 and sent[1].timestamp ~= 0)
    for i, packet in ipairs(sent) do
      assert.equal(0, packet.payload_type)
      assert.equal(("\xff"):rep(160), packet.payload)
      assert.equal((i - 1) / 50, packet.at)
      assert.equal((sent[1].seq + i - 1) & 0xffff, packet.seq)
      assert.equal((sent[1].timestamp + (i - 1) * 160) & 0xffffffff, packet.timestamp)
      assert.equal(i == 1, packet.marker)
      assert.equal(sent[1].ssrc, packet.ssrc)
    end
  end)
end)

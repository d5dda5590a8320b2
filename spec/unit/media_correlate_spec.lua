-- Finding a piece of audio in another: what the test kit's "heard" stands on.

local core = require "sip.core"
local media = require("sip.test").media
local pcm = require "spec.support.pcm"
local world = require "spec.support.media_world" { hosts = 1 }

describe("pcm_correlate", function()
  local speech = world.tone("350+440", 0.4) .. world.tone("620", 0.3)
  local other = world.tone("480+620", 0.7)
  local silence = ("\0"):rep(8000)

  it("finds a piece where it is", function()
    local peak, at = core.pcm_correlate(silence .. speech .. silence, speech)
    assert.is_true(peak > 0.9999 and peak < 1.0001)
    assert.equal(4000, at)
  end)

  it("finds it quieter, and through G.711", function()
    local line = media.decode("alaw", media.encode("alaw", pcm.scale(speech, 0.25)))
    local peak, at = core.pcm_correlate(silence .. line, speech)
    assert.is_true(peak > 0.99)
    assert.equal(4000, at)
  end)

  it("does not find what is not there", function()
    local peak = core.pcm_correlate(silence .. other .. silence, speech)
    assert.is_true(math.abs(peak) < 0.5)
    assert.is_true(math.abs(core.pcm_correlate(silence .. silence, speech)) < 0.01)
  end)

  it("knows what is upside down", function()
    assert.is_true(core.pcm_correlate(pcm.scale(speech, -1), speech) < -0.99)
  end)

  it("compares as much as there is", function()
    assert.is_true(core.pcm_correlate(speech:sub(1, 4000), speech) > 0.999)
  end)

  it("has nothing to say about silence", function()
    assert.is_nil(core.pcm_correlate(speech, silence))
    assert.is_nil(core.pcm_correlate("", ""))
    assert.has_error(function() core.pcm_correlate(speech, "odd") end)
  end)
end)

describe("wav_samples", function()
  it("gives what a file has, at 8000 Hz", function()
    local samples = world.tone("440", 0.5)
    assert.equal(samples, core.wav_samples(world.wav(samples)))
    local wide = media.resample(samples, 8000, 44100)
    local narrow = assert(core.wav_samples(world.wav(wide, 44100)))
    assert.is_true(math.abs(#narrow - #samples) <= 4)
    assert.is_true(core.pcm_correlate(narrow, samples:sub(1, 7000)) > 0.999)
  end)

  it("says why it does not", function()
    local samples, why = core.wav_samples "no such thing as a WAV file in this string"
    assert.is_nil(samples)
    assert.truthy(#why > 0)
  end)
end)

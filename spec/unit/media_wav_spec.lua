-- WAV files: what we write we read, whole and in pieces; what others write; refusals.

local media = require("sip.test").media
local pcm = require "spec.support.pcm"

local function chunk(name, body)
  return name .. string.pack("<I4", #body) .. body .. ("\0"):rep(#body % 2)
end

local function fmt(tag, channels, rate, bits)
  local frame = channels * bits // 8
  return chunk("fmt ", string.pack("<I2I2I4I4I2I2", tag, channels, rate, rate * frame,
    frame, bits))
end

local function riff(...)
  local body = "WAVE" .. table.concat { ... }
  return "RIFF" .. string.pack("<I4", #body) .. body
end

local function read(bytes, piece, cap)
  local wav = media.wav()
  local out = {}
  local at = 1
  piece, cap = piece or #bytes, cap or 4096
  while at <= #bytes do
    local samples, used = wav:feed(bytes:sub(at, at + piece - 1), cap)
    if not samples then
      return nil, used
    end
    assert(used > 0 or #samples > 0, "no progress")
    out[#out + 1] = samples
    at = at + used
  end
  local ok, why = wav:finish()
  if not ok then
    return nil, why
  end
  return table.concat(out), nil, wav
end

local tone = pcm.sine(1001, 8000, 440, 12000)

describe("a WAV file", function()
  it("is read as it was written", function()
    local bytes = media.wav_header("pcm", 8000, #tone) .. tone
    local samples, _, wav = read(bytes)
    assert.equal(tone, samples)
    assert.same({ true, 8000, 1, 16, true }, { wav:info() })
    assert.equal(#bytes - 8, (string.unpack("<I4", bytes, 5)))
  end)

  it("is read as it was written in G.711", function()
    for _, law in ipairs { "ulaw", "alaw" } do
      local octets = media.encode(law, tone)
      local bytes = media.wav_header(law, 8000, #octets) .. octets
      assert.equal(media.decode(law, octets), (read(bytes)))
      -- Odd many octets: the padding counts in the length of the whole.
      assert.equal(#bytes + 1 - 8, (string.unpack("<I4", bytes, 5)))
    end
  end)

  it("has a header of the same length whatever it holds", function()
    for coding, len in pairs { pcm = 44, ulaw = 58, alaw = 58 } do
      assert.equal(len, #media.wav_header(coding, 8000, 0))
      assert.equal(len, #media.wav_header(coding, 8000, 1 << 40))
    end
  end)

  it("says the same in pieces of any size", function()
    local bytes = riff(chunk("JUNK", "odd"), fmt(1, 2, 44100, 16), chunk("LIST", ""),
      chunk("data", tone .. tone .. tone .. tone), chunk("id3 ", "after"))
    local whole = assert(read(bytes))
    assert.equal(4004, #whole)
    for _, piece in ipairs { 1, 2, 3, 5, 7, 11, 64, 1000 } do
      assert.equal(whole, (read(bytes, piece)))
      assert.equal(whole, (read(bytes, piece, 1)))
    end
  end)

  it("may have any usual width", function()
    local eight = riff(fmt(1, 1, 8000, 8), chunk("data", "\0\x80\xff"))
    assert.same({ -32768, 0, 32512 }, pcm.table((read(eight))))
    local wide = riff(fmt(1, 1, 8000, 24), chunk("data", "\xff\x34\x12\x01\xcc\xed"))
    assert.same({ 0x1234, -4660 }, pcm.table((read(wide))))
    wide = riff(fmt(1, 1, 8000, 32), chunk("data", "\1\2\x34\x12"))
    assert.same({ 0x1234 }, pcm.table((read(wide))))
  end)

  it("gives the mean of its channels", function()
    local bytes = riff(fmt(1, 2, 8000, 16),
      chunk("data", string.pack("<i2i2i2i2", 1000, 3000, -32768, -32768)))
    assert.same({ 2000, -32768 }, pcm.table((read(bytes))))
  end)

  it("may be WAVE_FORMAT_EXTENSIBLE", function()
    local extensible = string.pack("<I2I2I4I4I2I2I2I2I4", 0xfffe, 1, 8000, 16000, 2, 16,
      22, 16, 4) .. "\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    local bytes = riff(chunk("fmt ", extensible), chunk("data", tone))
    for _, piece in ipairs { 1, 13, #bytes } do
      assert.equal(tone, (read(bytes, piece)))
    end
  end)

  it("may end early, or not know its length", function()
    local bytes = media.wav_header("pcm", 8000, 5000) .. tone
    assert.equal(tone, (read(bytes)))
    for _, unknown in ipairs { "\0\0\0\0", "\xff\xff\xff\xff" } do
      bytes = media.wav_header("pcm", 8000, 0):sub(1, 40) .. unknown .. tone
      assert.equal(tone, (read(bytes)))
    end
  end)

  for why, bytes in pairs {
    ["an empty file"] = "",
    ["not a WAV file"] = "ID3\4 and so on, an MP3",
    ["a WAV file without audio"] = riff(fmt(1, 1, 8000, 16)),
    ["a RIFX or RF64 file, which is not supported"] = "RF64\0\0\0\0WAVE",
    ["a data chunk before any fmt chunk"] = riff(chunk("data", tone)),
    ["a fmt chunk that is too short"] = riff(chunk("fmt ", "\1\0\1\0")),
    ["no channel, or more than eight"] = riff(fmt(1, 0, 8000, 16)),
    ["a sample rate below 4000 or above 192000 Hz"] = riff(fmt(1, 1, 3999, 16)),
    ["a fmt chunk that contradicts itself"] =
      riff((fmt(1, 1, 8000, 16):gsub("\16\0$", "\8\0"))),
    ["PCM of neither 8, 16, 24 nor 32 bits"] = riff(fmt(1, 1, 8000, 0)),
    ["G.711 of other than 8 bits"] = riff(fmt(7, 1, 8000, 16)),
    ["floating point samples: convert it to 16 bit PCM"] = riff(fmt(3, 1, 8000, 32)),
    ["a compressed WAV: convert it to 16 bit PCM"] = riff(fmt(0x11, 1, 8000, 8)),
  } do
    it("refuses " .. why, function()
      assert.same({ nil, why }, { read(bytes) })
      assert.same({ nil, why }, { read(bytes, 1) })
    end)
  end

  it("stays refused", function()
    local wav = media.wav()
    assert.is_nil(wav:feed("no WAV at all", 10))
    local good = media.wav_header("pcm", 8000, 0)
    assert.same({ nil, "not a WAV file" }, { wav:feed(good, 10) })
    assert.same({ nil, "not a WAV file" }, { wav:finish() })
  end)
end)

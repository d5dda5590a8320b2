--- What was heard, judged: WAV files and raw mu-law of strangers, and audio of our own
--- making for them to play.

local core = require "sip.core"
local process = require "spec.support.process"

local M = {}

local RATE, WINDOW = 8000, 160

--- The samples of a WAV file, at 8000 Hz.
---@param path string
---@return integer[]
function M.samples(path)
  local bytes = assert(process.read(path), path .. " is not there")
  local raw = assert(core.wav_samples(bytes))
  local samples = {}
  for i = 1, #raw // 2 do
    samples[i] = string.unpack("=i2", raw, 2 * i - 1)
  end
  return samples
end

local function native(samples, from, to)
  local packed = {}
  for i = from, to do
    packed[#packed + 1] = string.pack("=i2", samples[i])
  end
  return table.concat(packed)
end

local function power(samples, from, to)
  local sum = 0
  for i = from, to do
    sum = sum + samples[i] * samples[i]
  end
  return sum
end

---@class spec.Found
---@field alike number   1 is the same shape
---@field loud number    1 is the same energy
---@field at number      seconds into what was heard
---@field ends number

--- Where a prompt is in what was heard.
---@param path string      a WAV file
---@param prompt string    another
---@param without? number  seconds of its end that do not count
---@return spec.Found
function M.find(path, prompt, without)
  local whole, part = M.samples(path), M.samples(prompt)
  local count = #part - math.floor((without or 0) * RATE)
  local alike, at = core.pcm_correlate(native(whole, 1, #whole), native(part, 1, count))
  assert(alike, at)
  local stop = math.min(at + count, #whole)
  return {
    alike = alike,
    loud = power(whole, at + 1, stop) / power(part, 1, count),
    at = at / RATE,
    ends = stop / RATE,
  }
end

--- A raw mu-law file as a WAV beside it.
---@param path string
---@return string path
function M.from_ulaw(path)
  local wav = path .. ".wav"
  assert(os.execute(("sox -t raw -r 8000 -e mu-law -b 8 -c 1 '%s' -e signed -b 16 '%s'")
    :format(path, wav)), "sox has failed")
  return wav
end

--- A tone, as a WAV file and as raw mu-law.
---@param path string     without its ending
---@param frequency number
---@param seconds number
---@return string wav
---@return string ulaw
function M.tone_file(path, frequency, seconds)
  local wav, raw = path .. ".wav", path .. ".ulaw"
  local make = "sox -n -r 8000 -b 16 -c 1 '%s' synth %g sine %g vol 0.5"
  local convert = "sox '%s' -t raw -e mu-law -b 8 '%s'"
  assert(os.execute(make:format(wav, seconds, frequency)), "sox has failed")
  assert(os.execute(convert:format(wav, raw)), "sox has failed")
  return wav, raw
end

-- How much of a window is a sine of this frequency: 1 is all of it.
local function share(samples, from, frequency)
  local re, im, energy = 0, 0, 0
  local step = 2 * math.pi * frequency / RATE
  for i = 0, WINDOW - 1 do
    local x = samples[from + i]
    re = re + x * math.cos(step * i)
    im = im + x * math.sin(step * i)
    energy = energy + x * x
  end
  if energy < WINDOW * 200 * 200 then
    return 0, false
  end
  return 2 * (re * re + im * im) / (WINDOW * energy), true
end

---@class spec.Heard
---@field tone number     seconds in which nearly everything was that frequency
---@field other number    seconds with another sound
---@field total number
---@field first? number   when the tone began

--- How long a tone of a frequency was heard.
---@param path string  a WAV file
---@param frequency number
---@return spec.Heard
function M.hear(path, frequency)
  local samples = M.samples(path)
  local heard = { tone = 0, other = 0, total = #samples / RATE }
  for from = 1, #samples - WINDOW + 1, WINDOW do
    local part, loud = share(samples, from, frequency)
    if part > 0.9 then
      heard.first = heard.first or (from - 1) / RATE
      heard.tone = heard.tone + WINDOW / RATE
    elseif loud then
      heard.other = heard.other + WINDOW / RATE
    end
  end
  return heard
end

local function bytes16(n)
  return string.pack(">I2", n)
end

-- One RTP packet in UDP, IP and Ethernet, as a capture has it.
local function frame(rtp)
  local udp = bytes16(30000) .. bytes16(30002) .. bytes16(#rtp + 8) .. "\0\0" .. rtp
  local ip = "\x45\0" .. bytes16(#udp + 20) .. "\0\0\0\0\x40\x11\0\0"
    .. ("\127\0\0\1"):rep(2)
  return ("\0"):rep(12) .. "\8\0" .. ip .. udp
end

--- A capture of packets: { at = seconds, rtp = bytes }.
---@param path string
---@param packets table[]
function M.pcap(path, packets)
  local out = { string.pack("<I4I2I2i4I4I4I4", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1) }
  for _, packet in ipairs(packets) do
    local bytes = frame(packet.rtp)
    local us = math.floor(packet.at * 1e6 + 0.5)
    out[#out + 1] = string.pack("<I4I4I4I4", us // 1000000, us % 1000000, #bytes,
      #bytes)
    out[#out + 1] = bytes
  end
  return process.write(path, table.concat(out))
end

local function rtp(payload_type, seq, timestamp, marker, payload)
  return string.pack(">BBI2I4I4", 0x80, (marker and 0x80 or 0) | payload_type, seq,
    timestamp, 0x5172) .. payload
end

--- Digits as telephone events (RFC 4733): each lasts 100 ms, with a pause of 100 ms,
--- and its end is sent three times.
---@param digits string
---@param payload_type integer
---@param after? table[]  packets that they follow, 100 ms later
---@return table[] packets
function M.events(digits, payload_type, after)
  local packets, seq, at = {}, 1, 0
  if after then
    table.move(after, 1, #after, 1, packets)
    seq, at = #after + 1, after[#after].at + 0.1
  end
  for digit in digits:gmatch "." do
    local event = ("0123456789*#ABCD"):find(digit, 1, true) - 1
    local timestamp = math.floor(at * RATE + 0.5)
    for i = 1, 7 do
      local duration, last = math.min(i, 5) * WINDOW, i >= 5
      packets[#packets + 1] = {
        at = at + math.min(i, 5) * 0.02,
        rtp = rtp(payload_type, seq, timestamp, i == 1,
          string.pack(">BBI2", event, (last and 0x80 or 0) | 10, duration)),
      }
      seq = seq + 1
    end
    at = at + 0.2
  end
  return packets
end

--- Raw mu-law as RTP packets of 20 ms.
---@param path string
---@param after? table[]  packets that they follow
---@return table[] packets
function M.speech(path, after)
  local bytes, packets, at = assert(process.read(path)), {}, 0
  if after then
    table.move(after, 1, #after, 1, packets)
    at = after[#after].at + 0.1
  end
  local before = #packets
  for i = 0, #bytes // WINDOW - 1 do
    local now = at + i * 0.02
    packets[before + i + 1] = {
      at = now,
      rtp = rtp(0, before + i + 1, math.floor(now * RATE + 0.5), i == 0,
        bytes:sub(i * WINDOW + 1, (i + 1) * WINDOW)),
    }
  end
  return packets
end

return M

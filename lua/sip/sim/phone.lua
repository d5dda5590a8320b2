--- A phone that a test plays: it dials, answers, presses and listens. What it hears
--- is recorded, and judged by its audio.

local core = require "sip.core"
local option = require "sip.app.options"

local M = {}

---@class sip.Phone
---@field host sip.SimulatedHost
---@field ua sip.Endpoint
---@field uri string         where it is called
---@field calls sip.PhoneCall[]  that have come in, in order
---@field registration? sip.Registration
---@field private sim sip.Sim
---@field private options sip.PhoneOptions
local Phone = {}
local phone_mt = { __name = "sip.Phone", __index = Phone }

---@class sip.PhoneOptions
---@field aor? string        who it says it is
---@field user? string       for authentication; the user of `aor` when left out
---@field password? string   with it and an `aor` it registers at the domain of that
---@field registrar? string|false  where else it registers, then without a password
---   too; false: it does not
---@field host? string       its address; one of its own when left out
---@field answer? boolean|number|fun(call: sip.Call)  true: at once; false: it rings;
---   a number: after so many seconds

---@class sip.PhoneCall
---@field call sip.Call      the call itself: all its verbs may be used
---@field private phone sip.Phone
---@field private heard string  the file of what was heard
local PhoneCall = {}
local call_mt = { __name = "sip.PhoneCall" }

-- How alike audio must be to be the same: lost packets and G.711 leave about so much.
local LIKE, PARTLY = 0.8, 0.3

-- In bytes: half a second, and how far one may be from its place.
local PIECE, SLIP = 8000, 800

-- A call that ends with its prompt leaves the last of it in the playout buffer.
local QUIET = ("\0"):rep(1600)

local schema = {
  aor = "string", user = "string", password = "string", host = "string",
  registrar = "string|boolean",
  answer = "boolean|number|function",
}

-- A call as the test holds it. From now on all that is heard goes into a file.
local function take(self, call)
  self.taken = self.taken + 1
  local one = setmetatable({
    phone = self,
    call = call,
    heard = ("heard-%d.wav"):format(self.taken),
  }, call_mt)
  return one
end

local function listen(one)
  if one.call.sound and not one.recording then
    one.recording = true
    one.phone.host.sip.spawn(one.call.record, one.call, one.heard)
  end
end

local function incoming(self, call)
  local one = take(self, call)
  local answer = self.options.answer
  self.calls[#self.calls + 1] = one
  if type(answer) == "function" then
    return answer(call)
  end
  call:ring()
  if answer ~= false then
    if math.type(answer) then
      self.host.sip.sleep(answer)
    end
    call:answer()
    listen(one)
  end
  call:wait()
end

---@param sim sip.Sim
---@param options sip.PhoneOptions
---@param ip string  of its host, unless the options name one
---@return sip.Phone
---@private
function M.new(sim, options, ip)
  option.check(options, schema, "phone")
  local self = setmetatable({
    sim = sim,
    options = options,
    host = sim:host(options.host or ip),
    calls = {},
    taken = 0,
  }, phone_mt)
  local user = options.user or options.aor and options.aor:match "^sips?:([^@;]+)@"
  self.uri = ("sip:%s@%s"):format(user or "phone", self.host.ip)
  self.ua = self.host.sip.new {
    listen = { "udp:" .. self.host.ip .. ":5060", "tcp:" .. self.host.ip .. ":5060" },
    from = options.aor,
    auth = options.password and { user = user, password = options.password } or nil,
  }
  self.ua:on_call(function(call)
    incoming(self, call)
  end)
  if options.registrar or options.registrar == nil and options.aor
    and options.password then
    self:register()
  end
  return self
end

--- Register, and wait until it is (called when the phone is made).
---@private
function Phone:register()
  local options = self.options
  self.registration = self.ua:register {
    aor = options.aor or self.uri,
    registrar = options.registrar,
    user = options.user,
    password = options.password,
  }
  local ok, e = self.sim:wait(self.host, self.registration.wait, self.registration, 60)
  if not ok then
    error("the phone is not registered: " .. tostring(e), 3)
  end
end

function phone_mt:__tostring()
  return ("sip.Phone{%s}"):format(self.uri)
end

--- Call someone and wait for the answer.
---@param uri string
---@param options? sip.DialOptions
---@return sip.PhoneCall? call
---@return sip.Error? err
function Phone:dial(uri, options)
  local call, e = self.sim:wait(self.host, self.ua.dial, self.ua, uri, options)
  if not call then
    return nil, e
  end
  local one = take(self, call)
  listen(one)
  return one
end

--- Wait until someone calls, or for so long.
---@param seconds? number  60
---@return sip.PhoneCall? call
function Phone:called(seconds)
  local before, till = #self.calls, self.sim:now() + (seconds or 60)
  while #self.calls == before and self.sim.world:step(till) do
  end
  return self.calls[before + 1]
end

-- Every verb of a call, waited for.
function call_mt:__index(key)
  if PhoneCall[key] then
    return PhoneCall[key]
  end
  local verb = self.call[key]
  if type(verb) ~= "function" then
    return verb
  end
  return function(one, ...)
    local phone = one.phone
    return phone.sim:wait(phone.host, verb, one.call, ...)
  end
end

function call_mt:__tostring()
  return ("sip.PhoneCall{%s; %s}"):format(self.phone.uri, self.call.state)
end

--- What was heard so far, as 16-bit samples at 8 kHz.
---@return string
function PhoneCall:audio()
  local bytes = self.phone.host:read(self.heard)
  -- Its header is brought up to date once a second: the samples count themselves.
  local audio = bytes and bytes:match "data....(.*)$" or ""
  return audio:sub(1, #audio - #audio % 2)
end

local function read(self, path)
  local bytes = self.phone.host:read(path)
  if bytes then
    return bytes
  end
  local file, why = io.open(path, "rb")
  if not file then
    return nil, why
  end
  bytes = file:read "a"
  file:close()
  return bytes
end

-- The prompt as a whole, or in pieces: a playout buffer that adapts takes a few
-- milliseconds out, and what comes after is that much early.
local function heard_in(audio, prompt)
  if #audio < #prompt then
    return false
  end
  local peak, at = core.pcm_correlate(audio, prompt)
  if not peak or peak > LIKE or peak < PARTLY then
    return peak and peak > LIKE
  end
  local sum, count = 0, 0
  for first = 1, #prompt - PIECE + 1, PIECE do
    local start = math.max(2 * at + first - SLIP, 1)
    sum = sum + (core.pcm_correlate(audio:sub(start, start + PIECE + 2 * SLIP - 1),
      prompt:sub(first, first + PIECE - 1)) or 0)
    count = count + 1
  end
  return count > 0 and sum / count > LIKE
end

--- Let time pass until this prompt has been heard, by its audio.
---@param path string      a WAV
---@param seconds? number  how long at most: 60
function PhoneCall:expect_heard(path, seconds)
  local sim = self.phone.sim
  local bytes, why = read(self, path)
  local prompt
  if bytes then
    prompt, why = core.wav_samples(bytes)
  end
  if not prompt then
    error(("expect_heard: %s: %s"):format(path, why), 2)
  end
  local till = sim:now() + (seconds or 60)
  local from = 1 -- what was searched once is not searched again
  repeat
    sim:advance(0.5)
    local audio = self:audio():sub(from) .. QUIET
    if heard_in(audio, prompt) then
      return
    end
    from = from + math.max(#audio - #QUIET - #prompt - SLIP, 0)
  until sim:now() >= till
  error(("%s was not heard within %g s; what passed:\n%s"):format(path, seconds or 60,
    sim:ladder()), 2)
end

--- Let time pass until the call has ended.
---@param seconds? number  how long at most: 60
function PhoneCall:expect_ended(seconds)
  local sim, till = self.phone.sim, self.phone.sim:now() + (seconds or 60)
  while self.call.state ~= "ended" do
    if not sim.world:step(till) then
      error("the call has not ended; what passed:\n" .. sim:ladder(), 2)
    end
  end
end

return M

--- Recording what is heard.

local err = require "sip.rt.err"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"

local M = {}

---@class sip.RecordOptions
---@field beep? boolean        play one first
---@field max? number          seconds
---@field silence? number      that many seconds of it end the recording
---@field terminator? string   digits that end it: "#"

local schema = {
  beep = "boolean", max = "span", silence = "span", terminator = "digits",
}

---@class sip.Recording
---@field path string
---@field duration number  seconds
---@field why sip.MediaEnd  "max", "silence", "stopped", "closed" with its call
local Recording = {}
local recording_mt = { __name = "sip.Recording", __index = Recording }

function recording_mt:__tostring()
  return ("sip.Recording{%s; %g s; %s}"):format(self.path, self.duration or 0,
    self.why or "running")
end

-- A hangup of the script, or any other end of the verb, ends the recording.
function recording_mt:__close()
  if not self.why and not self.stopping then
    self.stopping = true
    self.sound.session:stop(self.id)
  end
end

--- Whether a digit ends it; then it does.
---@param digit string
---@return boolean
---@private
function Recording:stops_at(digit)
  if self.terminator == "" or not self.terminator:find(digit, 1, true) then
    return false
  end
  recording_mt.__close(self)
  return true
end

--- Of the sound: it has ended.
---@private
function Recording:ended(why, message, seconds)
  self.why, self.message, self.duration = why, message, seconds
  if self.event then
    self.event:notify(true)
  end
end

--- Record what is heard into a WAV file, until the longest time, silence, a
--- terminator or the end of the call.
---@param path string
---@param options? sip.RecordOptions
---@return sip.Recording? recording
---@return sip.Error? err  rejected: the file cannot be written, and why
function M:record(path, options)
  options = option.check(options, schema, "record")
  option.argument(path, "path", "record: the path")
  local sound, e = self:speaking "record"
  if not sound then
    return nil, e
  end
  local before = sound.recording
  if before then
    misuse.unless(before.stopping, "record: one recording at a time")
    before.event:wait() -- its file is being closed
    sound, e = self:speaking "record"
    if not sound then
      return nil, e
    end
  end
  if options.beep then
    local ok
    ok, e = self:play "tone:beep"
    if not ok then
      return nil, e
    end
  end
  self.ua:verb(self, "record " .. path)
  local id, why = sound.session:record {
    path = path,
    max = options.max,
    silence = options.silence,
  }
  if not id then
    return nil, err.new("rejected", { op = "record", message = why })
  end
  local recording <close> = setmetatable({
    path = path,
    id = id,
    sound = sound,
    terminator = options.terminator or "#",
    event = self.ua.sched:event(),
  }, recording_mt)
  sound.recording = recording
  recording.event:wait()
  if recording.why == "failed" then
    return nil, err.new("rejected", { op = "record", message = recording.message })
  end
  return recording
end

return M

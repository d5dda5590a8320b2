--- Digits, both ways: what the other side presses becomes one stream, and `press`
--- sends them in the audio, or by INFO where that is elsewhere.

local digits_of = require "sip.app.digits"
local err = require "sip.rt.err"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"

local M = {}

--- A digit has come, by whichever way.
---@param digit string
---@param how "rtp"|"info"
---@private
function M:digit_heard(digit, how)
  local digits = self:digits()
  if self.state == "ended" or not digits:heard(digit, how) then
    return
  end
  self.ua:verb(self, "digit " .. digit)
  local recording = self.sound and self.sound.recording
  if recording and recording:stops_at(digit) then
    return
  end
  digits.mailbox:send(digit)
  self:changed()
end

--- The stream of what was pressed.
---@return sip.Digits
---@private
function M:digits()
  local digits = self.pressed
  if not digits then
    digits = digits_of.new(self.ua.sched)
    self.pressed = digits
  end
  return digits
end

local PRESS, GAP = 0.1, 0.1
local press_options = { duration = "span", gap = "seconds" }

--- Press digits; returns when the last one has been sent.
---@param digits string  0-9 * # A-D
---@param options? { duration?: number, gap?: number }
---@return true? ok
---@return sip.Error? err
function M:press(digits, options)
  options = option.check(options, press_options, "press")
  if type(digits) ~= "string" or not digits:match "^[%d*#A-Da-d]+$" then
    misuse.raise("press: digits from 0-9 * # A-D")
  end
  local ok, e = self:enter()
  if not ok then
    return nil, e
  end
  self.ua:verb(self, "press " .. digits)
  local duration, gap = options.duration or PRESS, options.gap or GAP
  local sound = self.sound
  if not sound then
    return self:press_by_info(digits:upper(), duration)
  end
  ok, e = sound.session:press(digits:upper(), { duration = duration, gap = gap })
  if not ok then
    return nil, err.new("rejected", { op = "press", message = e })
  end
  return self:lasts(#digits * (duration + gap))
end

--- Let time pass, as long as the call is there.
---@param seconds number
---@return true? ok
---@return sip.Error? err  ended
---@private
function M:lasts(seconds)
  local sched = self.ua.sched
  local over, changed = sched:now() + seconds, true
  while changed and self.state ~= "ended" do
    changed = self:await_change(sched:left(over))
  end
  return self:enter()
end

--- Press digits by INFO, where the media is kept elsewhere.
---@private
function M:press_by_info(digits, duration)
  for digit in digits:gmatch "." do
    local res, e = self:send {
      method = "INFO",
      content_type = "application/dtmf-relay",
      body = ("Signal=%s\r\nDuration=%d\r\n"):format(digit, duration * 1000 // 1),
    }
    if not res then
      return nil, e
    end
  end
  return true
end

return M

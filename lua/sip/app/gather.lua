--- Asking for digits.

local err = require "sip.rt.err"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"

local M = {}

local TIMEOUT = 5

---@class sip.GatherOptions
---@field play? string|table   the prompt, as for `play`
---@field digits? integer      how many at most; that many are enough
---@field min? integer         how few are still taken after a silence
---@field timeout? number      until the first digit: 5 seconds
---@field interdigit? number   between two: like `timeout`
---@field tries? integer       how often the prompt is played: once
---@field terminator? string   digits that end it: "#"

local schema = {
  play = "string|table", digits = "count", min = "count", timeout = "seconds",
  interdigit = "seconds", tries = "count", terminator = "digits",
}

--- The next digit that was or will be pressed.
---@param timeout? number  5 seconds
---@return string? digit
---@return sip.Error? err  no_input, ended
function M:digit(timeout)
  timeout = option.argument(timeout, "seconds", "digit: the timeout", TIMEOUT)
  local ok, e = self:enter()
  if not ok then
    return nil, e
  end
  local digit = self:digits().mailbox:receive(timeout)
  if digit then
    return digit
  end
  ok, e = self:enter()
  return nil, not ok and e or err.new "no_input"
end

-- What was pressed up to the last digit, the terminator or the silence.
local function collect(self, options, player)
  local mailbox, digits = self:digits().mailbox, ""
  local terminator = options.terminator or "#"
  local first = options.timeout or TIMEOUT
  local interdigit = options.interdigit or first
  local most = options.digits or math.huge
  while #digits < most do
    local digit
    if digits == "" and player and not player.why then
      digit = self:digit_or_end(player)
    else
      digit = mailbox:receive(digits == "" and first or interdigit)
      if not digit then
        return digits, self.state == "ended" and "ended" or "silence"
      end
    end
    if digit then
      if player then
        player:stop()
      end
      if terminator:find(digit, 1, true) then
        return digits, "terminator"
      end
      digits = digits .. digit
    elseif self.state == "ended" then
      return digits, "ended"
    end
  end
  return digits, "complete"
end

--- Wait for a digit or for the end of what plays; that is nil.
---@param player sip.Player
---@return string?
---@private
function M:digit_or_end(player)
  local mailbox = self:digits().mailbox
  local digit = mailbox:poll()
  while not digit and not player.why and self.state ~= "ended" do
    self:await_change() -- not sip.any: a digit in the turn of the end would be lost
    digit = mailbox:poll()
  end
  return digit
end

-- One round: the prompt, which the first digit interrupts, and the digits.
local function round(self, options)
  local player
  if options.play and #self:digits().mailbox == 0 then
    local what = options.play
    local items = type(what) == "table" and table.move(what, 1, #what, 1, {})
      or { what }
    items.background = true
    local e
    player, e = self:play(items)
    if not player then
      return nil, e
    end
  end
  local guard <close> = player
  local digits, why = collect(self, options, guard)
  if player and player.why == "failed" and digits == "" then
    return nil, err.new("rejected", { op = "gather", message = player.message })
  end
  if why == "ended" then
    return false
  end
  local least = options.min or why == "silence" and options.digits or 1
  return #digits >= least and digits ~= "" and digits
end

--- Ask for digits: play a prompt, which the first digit interrupts, and collect.
---@param options sip.GatherOptions
---@return string? digits  without the terminator, "#"
---@return sip.Error? err  no_input: nothing, or not enough, in all tries
function M:gather(options)
  options = option.check(options, schema, "gather")
  if options.min and options.digits and options.min > options.digits then
    misuse.raise("gather: min is more than digits")
  end
  for key in pairs(type(options.play) == "table" and options.play or {}) do
    misuse.unless(math.type(key) == "integer", "gather: play: files and tones only")
  end
  local ok, e = self:enter()
  if not ok then
    return nil, e
  end
  for _ = 1, options.tries or 1 do
    local digits
    digits, e = round(self, options)
    if digits then
      self.ua:verb(self, "gathered " .. digits)
      return digits
    elseif e then
      return nil, e
    end
    ok, e = self:enter()
    if not ok then
      return nil, e
    end
  end
  return nil, err.new "no_input"
end

return M

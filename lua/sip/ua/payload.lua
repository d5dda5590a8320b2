--- Payload type numbers of one session: which codec a number means. A number keeps
--- its meaning for the whole session, whoever gave it (RFC 3264 8.3.2), so this is
--- never rolled back.

local stream = require "sip.ua.stream"

local M = {}

---@class sip.PayloadTypes
---@field private numbers table<string, integer> what we receive each codec under
---@field private taken table<integer, string>   what each number means
local PayloadTypes = {}
local payload_types_mt = { __name = "sip.PayloadTypes", __index = PayloadTypes }

-- The dynamic range, then what RFC 3551 leaves unassigned below that of RTCP.
local ranges = { { 96, 127 }, { 35, 63 } }
local EVENTS_FIRST = 101 -- as nearly everybody does, so that captures read easily

---@return sip.PayloadTypes
function M.new()
  return setmetatable({ numbers = {}, taken = {} }, payload_types_mt)
end

---@private
function PayloadTypes:fits(number, key)
  return number ~= nil and (self.taken[number] or key) == key
end

---@private
function PayloadTypes:free(key, first)
  if first and self:fits(first, key) then
    return first
  end
  for _, range in ipairs(ranges) do
    for number = range[1], range[2] do
      if self:fits(number, key) then
        return number
      end
    end
  end
end

--- The number under which we receive a codec: theirs where that is possible (6.1),
--- else the one it had, its static one, or a free one.
---@param codec sip.Codec
---@param theirs? integer
---@return integer? number  nil: there is none left
function PayloadTypes:number_of(codec, theirs)
  local key = stream.key(codec.name, codec.clock, codec.channels)
  local number
  if self:fits(theirs, key) then
    number = theirs
  elseif self:fits(self.numbers[key], key) then
    number = self.numbers[key]
  elseif self:fits(codec.payload_type, key) then
    number = codec.payload_type
  else
    number = self:free(key, codec.name == "telephone-event" and EVENTS_FIRST or nil)
  end
  if number then
    self.taken[number] = key
    self.numbers[key] = number
  end
  return number
end

--- Remember what their numbers mean, so that ours never come to mean something else.
---@param formats sip.Format[]
function PayloadTypes:note(formats)
  for _, format in ipairs(formats) do
    self.taken[format.number] = self.taken[format.number] or format.key
  end
end

return M

-- A program: parse a message again and again in a state of its own, keep none, and say
-- how many bytes were behind boxes at most, in each half of the time.
--
--   SIP_BUILD=build lua5.4 spec/support/held.lua MESSAGE TIMES

package.cpath = (os.getenv "SIP_BUILD" or "build") .. "/?.so;" .. package.cpath

local core = require "sip.core"

local file <close> = assert(io.open(arg[1], "rb"))
local bytes, times = file:read "a", math.tointeger(arg[2])

local function most()
  local held = 0
  for _ = 1, times // 2 do
    core.parse(bytes)
    held = math.max(held, core.held())
  end
  return held
end

print(#bytes * times, most(), most())

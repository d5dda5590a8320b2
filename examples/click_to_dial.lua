-- Calls one phone, then another, and connects them.
-- Usage: luasip run click_to_dial.lua sip:FIRST sip:SECOND [udp:127.0.0.1:0 ...]
local sip = require "sip"
local first, second = arg[1], arg[2]
assert(second, "two phones, please: sip:FIRST sip:SECOND")

local ua <close> = sip.new {
  listen = arg[3] and { table.unpack(arg, 3) } or { "udp:0.0.0.0:0", "tcp:0.0.0.0:0" },
}

sip.run(function()
  local a <close>, err = ua:dial(first, { timeout = 30 })
  if not a then
    return print(("%s: %s"):format(first, err))
  end
  local b
  b, err = a:dial(second, { timeout = 30 })
  if not b then
    return print(("%s: %s"):format(second, err))
  end
  print "connected"
  a:bridge(b)
end)

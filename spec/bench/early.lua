-- Rings, and waits for the caller to give up: what a call costs before its answer.
local sip = require "sip"

local uas <close> = sip.new { listen = #arg > 0 and arg or { "udp:127.0.0.1:5070" } }

uas:on_call(function(call)
  call:ring()
  call:wait()
end)

sip.run()

-- Answers every call and sends back what it hears, digits too.
-- Usage: luasip run echo.lua [udp:127.0.0.1:5080 tcp:127.0.0.1:5080]
local sip = require "sip"
local ua <close> = sip.new { listen = arg[1] and arg }

ua:on_call(function(call)
  call:answer()
  call:bridge(call)
end)

sip.run()

-- Answers every call, says hello, hangs up.
-- Usage: luasip run hello.lua [udp:127.0.0.1:5080 tcp:127.0.0.1:5080]
local sip = require "sip"
local ua <close> = sip.new { listen = arg[1] and arg }

ua:on_call(function(call)
  call:answer()
  call:play((arg[0]:match "^.*/" or "") .. "sounds/hello.wav")
end)

sip.run()

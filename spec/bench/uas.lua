-- luasip run spec/bench/uas.lua udp:127.0.0.1:5070 ...: rings, answers, waits for the
-- end. The media is elsewhere, as for a call that is only controlled.
local sip = require "sip"

local SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
  .. "m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"

local uas <close> = sip.new { listen = #arg > 0 and arg or { "udp:127.0.0.1:5070" } }

uas:on_call(function(call)
  call:ring()
  call:answer { sdp = SDP }
  call:wait()
end)

sip.run()

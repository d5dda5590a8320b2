-- A small telephone system: registration with passwords, a menu, dialling of whoever
-- is registered, voicemail.
-- Usage: luasip run pbx.lua [udp:127.0.0.1:5080 tcp:127.0.0.1:5080]
local sip = require "sip"
local sounds = (arg[0]:match "^.*/" or "") .. "sounds/"

local pbx <close> = sip.new {
  listen = arg[1] and arg,
  domain = "pbx.example",
  users = { ["2001"] = "secret", ["2002"] = "secret" },
  algorithms = { "MD5" },                       -- baresip 1.0 minds a SHA-256 beside it
  location = sip.location.memory(),             -- what registrar and dial use
}

pbx:on("REGISTER", sip.registrar())             -- challenges, because there are users

pbx:on_call(function(call)                      -- one coroutine per call
  call:answer()
  local user = call:gather { play = sounds .. "extension.wav", digits = 4, timeout = 5,
    tries = 3 }
  if not user then
    return call:play(sounds .. "goodbye.wav")
  end
  local peer, err = call:dial(user, { timeout = 20 })    -- every contact of the user
  if peer then
    return call:bridge(peer)                    -- until one side leaves
  end
  call:play(sounds .. (err.name == "busy" and "busy.wav" or "unavailable.wav"))
  call:play(sounds .. "message.wav")
  call:record("voicemail-" .. user .. ".wav", { beep = true, max = 120, silence = 4 })
end)                                            -- returning hangs up

sip.run()

-- A menu: 1 takes a message, 2 connects to a second phone.
-- Usage: luasip run ivr.lua [udp:127.0.0.1:5080 tcp:127.0.0.1:5080] [sip:PHONE]
local sip = require "sip"

local listen, phone = {}, nil
for _, word in ipairs(arg) do
  if word:match "^sips?:" then
    phone = word
  else
    listen[#listen + 1] = word
  end
end

local here = arg[0]:match "^.*/" or ""
local function sound(name)
  return here .. "sounds/" .. name .. ".wav"
end

local ivr <close> = sip.new { listen = listen[1] and listen }

local messages = 0

local function take_message(call)
  call:play(sound "message")
  messages = messages + 1
  local path = ("message-%d.wav"):format(messages)
  print(("%s: recorded in %s"):format(call.from.uri, path))
  assert(call:record(path, { beep = true, max = 60, silence = 4 }))
  call:play(sound "thanks")
end

local function connect(call)
  call:play(sound "connecting")
  if not phone then
    return call:play(sound "unavailable")
  end
  local peer, err = call:dial(phone, { timeout = 20 })
  if peer then
    return call:bridge(peer)
  end
  print(("%s: %s: %s"):format(call.from.uri, phone, err))
  call:play(sound(err.name == "busy" and "busy" or "unavailable"))
end

local choices = { ["1"] = take_message, ["2"] = connect }

ivr:on_call(function(call)
  call:answer()
  local digit = call:gather { play = sound "menu", digits = 1, timeout = 5, tries = 3 }
  print(("%s: pressed %s"):format(call.from.uri, digit or "nothing"))
  local choice = choices[digit]
  if choice then
    choice(call)
  end
  call:play(sound "goodbye")
end)

sip.run()

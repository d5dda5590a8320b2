-- Test numbers, as a PBX has them; any domain will do.
--   answer  rings and answers      ring  rings until the caller gives up
--   busy    is busy                echo  sends back what it hears
--   dtmf    says what was pressed  record  records until # or silence
-- Usage: luasip run numbers.lua [udp:127.0.0.1:5080 tcp:127.0.0.1:5080]
local sip = require "sip"
local ua <close> = sip.new { listen = arg[1] and arg }
local sounds = (arg[0]:match "^.*/" or "") .. "sounds/"
local names = { ["*"] = "star", ["#"] = "pound" }
local numbers, recordings = {}, 0

function numbers.answer(call)
  call:ring()
  sip.sleep(1)
  call:answer()
  call:play(sounds .. "hello.wav")
  call:wait()
end

function numbers.ring(call)
  call:ring()
  call:wait()
end

function numbers.busy(call)
  call:reject(486)
end

function numbers.echo(call)
  call:answer()
  call:bridge(call)
end

function numbers.dtmf(call)
  call:answer()
  call:play(sounds .. "press.wav")
  local digit = call:digit(20)
  while digit do
    call:play(sounds .. (names[digit] or digit) .. ".wav")
    digit = call:digit(20)
  end
end

function numbers.record(call)
  call:answer()
  recordings = recordings + 1
  local path = ("recording-%d.wav"):format(recordings)
  print(("%s: recorded in %s"):format(call.from.uri, path))
  assert(call:record(path, { beep = true, max = 60, silence = 5 }))
end

ua:on_call(function(call)
  local number = numbers[call.uri.user]
  if number then
    number(call)
  else
    call:reject(404)
  end
end)

sip.run()

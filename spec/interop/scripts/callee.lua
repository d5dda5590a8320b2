-- What strangers call: each user does one thing; what came of it is printed.
-- Usage: luasip run callee.lua LISTEN...
local sip = require "sip"

local ua <close> = sip.new {
  listen = arg,
  trace = true,
  limits = { stream_head_ms = 1000 },
}
local numbers = {}

local function say(...)
  print(table.concat({ ... }, " "))
end

--- Rings, answers, waits for the other side.
function numbers.answer(call)
  call:ring()
  if call:answer() then
    say "answered"
    call:wait()
  end
end

--- Rings for a second first.
function numbers.slow(call)
  call:ring()
  sip.sleep(1)
  assert(call:answer())
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
  assert(call:answer())
  call:bridge(call)
end

--- Plays two seconds of 440 Hz and records meanwhile.
function numbers.talk(call)
  assert(call:answer())
  call:spawn(function()
    call:play "tone:440/2000*1"
  end)
  local recording = assert(call:record("heard.wav", { max = 2.5 }))
  say("recorded", recording.why)
end

--- Plays until four digits have come, and says them.
function numbers.collect(call)
  assert(call:answer())
  say("digits", tostring((call:gather { play = "tone:350+440", digits = 4,
    timeout = 60 })))
end

--- Sends digits, and waits until the other side has heard enough.
function numbers.press(call)
  assert(call:answer())
  assert(call:press "159#")
  call:wait()
end

--- Hangs up at once.
function numbers.short(call)
  assert(call:answer())
  sip.sleep(0.3)
end

--- Fails after the answer.
function numbers.throw(call)
  assert(call:answer())
  error "this script fails on purpose"
end

--- Fails before it.
function numbers.throw_early(call)
  call:ring()
  error "this script fails before the answer"
end

ua:on_call(function(call)
  local user = call.uri.user
  call:finally(function()
    say("ended", user, tostring(call.why))
  end)
  local number = numbers[user]
  if not number then
    return call:reject(404)
  end
  number(call)
end)

say "ready"
sip.run()
say "stopped"

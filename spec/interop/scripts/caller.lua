-- Calls a stranger and does what it is told, in order; says how it went.
-- Usage: luasip run caller.lua LISTEN URI [WORD=VALUE...]
--   user=, password=, timeout=   of the call
--   play=, press=, record=       while it lasts; record goes on beside
--   digits=                      so many are awaited, and printed
--   wait=                        seconds, or until the other side hangs up
local sip = require "sip"

local ua <close> = sip.new { listen = arg[1], trace = true }

local options, steps = {}, {}
for i = 3, #arg do
  local word, value = arg[i]:match "^(%w+)=(.*)$"
  if word == "user" or word == "password" or word == "timeout" then
    options[word] = value
  else
    steps[#steps + 1] = { word, value }
  end
end

local verbs = {}

function verbs.play(call, what)
  return call:play(what)
end

function verbs.press(call, digits)
  return call:press(digits)
end

function verbs.wait(call, seconds)
  return call:wait(tonumber(seconds))
end

--- In the background, until the call is over.
function verbs.record(call, path)
  call:spawn(function()
    call:record(path)
  end)
  return true
end

--- The next digits that are heard.
function verbs.digits(call, count)
  local heard = ""
  for _ = 1, tonumber(count) do
    heard = heard .. (call:digit(60) or "?")
  end
  print("digits " .. heard)
  return true
end

local function talk(call)
  for _, step in ipairs(steps) do
    local ok, e = verbs[step[1]](call, step[2])
    if not ok then
      print(step[1] .. " " .. tostring(e))
      return
    end
  end
end

sip.run(function()
  local call, e = ua:dial(arg[2], {
    timeout = tonumber(options.timeout or 60),
    auth = options.user and { user = options.user, password = options.password } or nil,
  })
  if not call then
    print(("failed %s %s %s"):format(e.name, tostring(e.status), tostring(e)))
    return
  end
  print "answered"
  talk(call)
  print("over " .. call.state)
  call:hangup()
  ua:close()
end)
print "stopped"

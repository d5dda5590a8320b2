--- `luasip call`: a phone on the command line. It places one call, plays, presses and
--- records as it was told, and prints what passed.

local phone = require "sip.cli.phone"

local M = { summary = "call someone: play, press digits, record" }

---@type sip.cli.Spec
local spec = {
  usage = "luasip call [OPTION...] URI",
  about = [[
Places one call and prints what passed. What is to be played and pressed is done in the
order of the command line, once the call is answered. We hang up when the last of it was
to play, else when the time is over, unless the other side does so first. Status 0 when
the call was answered and ended well, 1 when not, 130 after ^C.]],
  options = {
    { "--play", "FILE", "play a WAV file, or a tone such as tone:us", many = true,
      action = true },
    { "--press", "DIGITS", "press 0-9 * # A-D; a comma waits for a second", many = true,
      action = true },
    { "--record", "FILE", "record what is heard into a WAV file" },
    { "--timeout", "SECONDS", "how long it may ring, and then how long it may last: 60",
      number = true },
    phone.USER, phone.PASSWORD, phone.FROM, phone.LISTEN,
  },
  least = 1,
  most = 1,
}

local function unreadable(path)
  if path:find "^tone:" then
    return nil
  end
  local file, why = io.open(path, "rb")
  if not file then
    return why
  end
  file:close()
end

-- What can be seen to be wrong before anybody's phone rings.
local function complaint(args)
  for _, action in ipairs(args.actions) do
    local verb, value = action[1], action[2]
    if verb == "press" and not value:match "^[%d*#A-Da-d,]+$" then
      return ("--press: '%s' has more than 0-9 * # A-D and commas"):format(value)
    end
    local why = verb == "play" and unreadable(value)
    if why then
      return "--play: " .. why
    end
  end
  return phone.complaint(args)
end

local verbs = {}

function verbs.play(_, call, file)
  return call:play(file)
end

function verbs.press(sip, call, digits)
  for pause, pressed in digits:gmatch "(,*)([^,]*)" do
    local ok, e = true, nil
    sip.sleep(#pause)
    if pressed ~= "" then
      ok, e = call:press(pressed)
    end
    if not ok then
      return nil, e
    end
  end
  return true
end

-- All that is to be done in an answered call, then its end.
local function act(sip, call, args)
  for _, action in ipairs(args.actions) do
    local ok, e = verbs[action[1]](sip, call, action[2])
    if not ok then
      return nil, e
    end
  end
  local last = args.actions[#args.actions]
  if not last or last[1] ~= "play" then
    call:wait()
  end
  return true
end

-- Until the time is over; what went wrong is in the result.
local function converse(sip, call, args, result)
  local time = args.timeout or 60
  local ok, e = sip.timeout(time, act, sip, call, args)
  result.ended_by_peer = call.state == "ended"
  if ok or e.name == "ended" then
    result.early = not ok
  elseif e.name ~= "timeout" then
    result.why = e
  end
  call:hangup()
end

local function record(call, path, result)
  if path then
    local e
    result.recording, e = call:record(path)
    result.why = result.why or e
  end
end

local function talk(ctx, ua, args, result)
  local sip = ctx.sip
  local began = sip.now()
  local call, e = ua:dial(args[1], {
    timeout = args.timeout,
    from = phone.from(args),
    auth = phone.auth(args),
  })
  if not call then
    result.why = e
    return
  end
  local answered = sip.now()
  result.rang = answered - began
  sip.all(function()
    record(call, args.record, result)
  end, function()
    converse(sip, call, args, result)
    result.lasted = sip.now() - answered
  end)
  result.why = result.why or call.why
end

-- How it went, for a person.
local function tell(ctx, args, result)
  local out = ctx.out
  if result.lasted then
    out:write(("answered after %.1f s, hung up by %s after %.1f s%s\n"):format(
      result.rang, result.ended_by_peer and "the other side" or "us", result.lasted,
      result.early and ", before all was done" or ""))
  end
  if result.recording then
    out:write(("recorded %.1f s in %s\n"):format(result.recording.duration or 0,
      args.record))
  end
end

--- Run the command.
---@param argv string[]
---@param ctx sip.cli.Context
---@return integer status
function M.main(argv, ctx)
  local ua, args = phone.begin(ctx, "call", spec, argv, complaint)
  if not ua then
    return args
  end
  local result = {}
  ctx.sip.run(function()
    local scoped <close> = ua
    talk(ctx, scoped, args, result)
    result.done = true
  end)
  ctx.out:write(ua:ladder(), "\n")
  tell(ctx, args, result)
  if not result.done then
    return ctx:fail("call", "interrupted", 130)
  elseif result.why then
    return ctx:fail("call", ("%s: %s"):format(args[1], result.why))
  end
  return 0
end

return M

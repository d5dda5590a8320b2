--- A call as a script holds it: one leg, one dialog, perhaps one stream of audio.
--- Its endpoint keeps it; it ends by a hangup of either side, and with it ends
--- the script it was started for.
---
--- The verbs stand in files by what they are about and are put together here.

local answer = require "sip.app.answer"
local bridge = require "sip.app.bridge"
local dial = require "sip.app.dial"
local err = require "sip.rt.err"
local gather = require "sip.app.gather"
local indialog = require "sip.app.indialog"
local option = require "sip.app.options"
local outgoing = require "sip.app.outgoing"
local party = require "sip.app.party"
local play = require "sip.app.play"
local press = require "sip.app.press"
local record = require "sip.app.record"
local sound = require "sip.app.sound"
local misuse = require "sip.rt.misuse"
local invite_of = require "sip.ua.invite"

local M = {}

---@alias sip.CallState "new"|"ringing"|"answering"|"answered"|"calling"|"ended"

---@class sip.Call
---@field state sip.CallState
---@field direction "in"|"out"
---@field ua sip.Endpoint
---@field id string              the Call-ID
---@field from sip.Party
---@field to sip.Party
---@field uri sip.Party          the Request-URI
---@field request? sip.Message   the INVITE that came in
---@field response? sip.Message  the 2xx that answered ours
---@field why? sip.Error         what ended it, if it was not a hangup
---@field scope? sip.Scope
---@field package dialog? sip.Dialog
---@field package tx? any
---@field package invite? sip.Invite
---@field package sound? sip.Sound
---@field package keeping? sip.Keeping
---@field package legs? sip.Call[]
---@field package owner? sip.Call
local Call = {}

for _, verbs in ipairs { answer, outgoing, indialog, dial.verbs, bridge,
  sound.verbs, play, press, gather, record } do
  for name, verb in pairs(verbs) do
    Call[name] = verb
  end
end

local call_mt = { __name = "sip.Call", __index = Call }

function call_mt:__tostring()
  return ("sip.Call{%s; %s; %s}"):format(self.direction, self.state, self.id)
end

--- `local peer <close> = ua:dial(...)` hangs up when its block ends.
function call_mt:__close()
  self:hangup()
end

--- The call that an INVITE starts (called by the endpoint).
---@param ua sip.Endpoint
---@param tx any
---@param req sip.Message
---@param dialog sip.Dialog
---@return sip.Call
---@private
function M.incoming(ua, tx, req, dialog)
  local self = setmetatable({
    ua = ua,
    direction = "in",
    state = "new",
    id = dialog.call_id,
    tx = tx,
    request = req,
    dialog = dialog,
    from = party.of(req, "from"),
    to = party.of(req, "to"),
    uri = party.of(req, "uri"),
  }, call_mt)
  dialog.owner = self
  return self
end

--- A call that we start (called by dial). It has not been sent.
---@param ua sip.Endpoint
---@param source sip.Opening
---@return sip.Call
---@private
function M.outgoing(ua, source)
  return setmetatable({
    ua = ua,
    direction = "out",
    state = "calling",
    id = source.call_id,
    source = source,
  }, call_mt)
end

-- An error of any script that belongs to the call ends the call, and nothing else.
local function script_failed(traceback, task)
  local scope = task.scope
  while not scope.owner do
    scope = scope.parent
  end
  local call = scope.owner
  call.ua.log:error("script failed", { call = call.id, traceback = traceback })
  call:fail()
end

--- The scope that everything of this call lives in.
---@return sip.Scope
---@private
function Call:home()
  local scope = self.scope
  if not scope then
    scope = self.ua.sched:scope("call")
    scope.owner = self
    scope.on_error = script_failed
    self.scope = scope
    if self.state == "ended" then
      scope:cancel("ended")
    end
  end
  return scope
end

--- Live in a scope that there is already: what runs in it is the script of the call
--- from here on.
---@param call sip.Call
---@param scope sip.Scope
---@private
function M.adopt(call, scope)
  scope.owner, scope.on_error = call, script_failed
  call.scope = scope
end

local function run(call, fn)
  fn(call)
  call:hangup()
end

--- Run the script of a call (called by the endpoint).
---@param fn fun(call: sip.Call)
---@private
function Call:start(fn)
  self:home():spawn(run, self, fn)
end

--- What every verb does first: a script that was cancelled unwinds here.
---@return true? ok
---@return sip.Error? err  ended
---@private
function Call:enter()
  self.ua.sched:enter()
  if self.state == "ended" then
    return nil, err.new("ended", { cause = self.why })
  end
  return true
end

--- Something has changed: wake the verbs that wait for it.
---@private
function Call:changed()
  local event = self.change
  if event then
    event:notify(true)
  end
end

--- Wait until something changes (called by verbs).
---@param timeout? number
---@return true? ok
---@return sip.Error? err  timeout
---@private
function Call:await_change(timeout)
  local event = self.change
  if not event then
    event = self.ua.sched:event()
    self.change = event
  end
  return event:wait(timeout)
end

--- The call is over, whoever ended it: nothing is sent here.
---@param why? sip.Error
---@private
function Call:finish(why)
  if self.state == "ended" then
    return
  end
  self.state = "ended"
  self.why = why
  local ua, legs, owner = self.ua, self.legs, self.owner
  if self.scope then
    self.scope:cancel(why and why.name or "hangup")
  end
  if self.timer then
    ua.sched:disarm(self.timer)
    self.timer = nil
  end
  if self.sound then
    self.sound:close()
  end
  if self.keeping then
    self.keeping:stop()
    self.keeping = nil
  end
  if self.pressed then
    self.pressed.mailbox:close("ended")
  end
  self.legs = nil
  for _, leg in ipairs(legs or {}) do
    leg:hangup()
  end
  if owner then
    self:detach()
  end
  ua:left(self)
  self:changed()
end

--- End the call: BYE, CANCEL or a refusal, whatever its state asks for. Never
--- waits and never raises.
function Call:hangup()
  local state = self.state
  if state == "ended" then
    return
  end
  self.ua:verb(self, "hangup")
  if self.direction == "out" and not self.dialog then
    self.invite:cancel(err.new("cancelled"))
  elseif state == "new" or state == "ringing" then
    self:refuse(480)
    return
  elseif state == "answering" then
    self.leaving = true -- BYE is for after the ACK (RFC 3261 15)
    self.ua.pending = self.ua.pending + 1
  else
    self:bye()
  end
  self:finish()
end

--- Send the BYE of the dialog.
---@private
function Call:bye()
  invite_of.bye(self.ua, self.dialog, { auth = self.auth })
end

--- End the call because its script has failed: 500 before the answer, else BYE.
---@private
function Call:fail()
  local state = self.state
  if self.direction == "in" and (state == "new" or state == "ringing") then
    self:refuse(500)
  else
    self:hangup()
  end
end

--- Run a function when the call has ended and its script has unwound: in a task
--- of its own that nothing cancels, for at most `limits.cleanup` seconds.
---@param fn fun(call: sip.Call)
function Call:finally(fn)
  misuse.unless(type(fn) == "function", "finally: a function")
  self:home():finally(function()
    fn(self)
  end)
end

--- Run a function beside the script; it dies with the call.
---@param fn function
---@param ... any
---@return sip.Task
function Call:spawn(fn, ...)
  misuse.unless(type(fn) == "function", "spawn: a function")
  return self:home():spawn(fn, ...)
end

--- A CANCEL has been answered; the INVITE is ours to end (9.2).
---@private
function Call:on_cancel()
  if self.state == "new" or self.state == "ringing" then
    self:refuse(487, nil, err.new("cancelled"))
  end
end

--- Free a leg from the call that dialled it: it goes on by itself.
---@return sip.Call self
function Call:detach()
  local owner = self.owner
  self.owner = nil
  for i, leg in ipairs(owner and owner.legs or {}) do
    if leg == self then
      table.remove(owner.legs, i)
      break
    end
  end
  return self
end

--- Wait until the call has ended.
---@param timeout? number
---@return true? ok
---@return sip.Error? err  timeout
function Call:wait(timeout)
  local sched = self.ua.sched
  if timeout then
    option.argument(timeout, "seconds", "wait: the timeout")
  end
  sched:enter()
  local deadline = timeout and sched:now() + timeout
  while self.state ~= "ended" do
    local ok, e = self:await_change(deadline and sched:left(deadline))
    if not ok then
      return nil, e
    end
  end
  return true
end

--- Counters of its audio; nil without any.
---@return table?
function Call:stats()
  return self.sound and self.sound:stats()
end

return M

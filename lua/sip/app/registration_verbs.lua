--- What scripts do with a registration that they hold.

local err = require "sip.rt.err"
local option = require "sip.app.options"

---@class sip.Registration
local Registration = {}

--- Wait until it is registered, or failed, or removed. Returns at once when it is.
---@param timeout? number
---@return true? ok
---@return sip.Error? err  why not; "timeout" with the last failure as its cause
function Registration:wait(timeout)
  option.argument(timeout, "seconds", "wait: timeout", math.huge)
  local sched = self.ua.sched
  sched:checkpoint()
  local till = timeout and sched:now() + timeout
  while self.state == "registering" do
    local ok, e = self.changed:wait(till and sched:left(till))
    if not ok then
      e.cause = self.err
      return nil, e
    end
  end
  if self.state == "registered" then
    return true
  end
  return nil, self.err or err.new("ended", { message = "the registration is removed" })
end

--- Register again now, whatever was planned: when the network has changed, say. Not
--- sent when a REGISTER is under way. Never waits.
function Registration:refresh()
  if not (self.leaving or self.exchange) then
    self:ask()
  end
end

--- Seconds until the binding ends unless it is refreshed; nil when there is none.
---@return number?
function Registration:expires_in()
  local now = self.ua.sched:now()
  return self.binding:holds(now) and self.binding.expires_at - now or nil
end

--- All bindings of the AOR, those of other phones too, as the registrar has listed
--- them in its last answer.
---@return sip.ListedBinding[]
function Registration:bindings()
  return self.binding:bindings(self.ua.sched:now())
end

--- Remove the binding and end the registration. Inside a script it waits for the
--- answer.
---@param timeout? number  how long it waits; it is removed all the same
---@return true? ok
---@return sip.Error? err  nobody has confirmed it; the binding will expire
function Registration:remove(timeout)
  option.argument(timeout, "seconds", "remove: timeout", math.huge)
  local sched = self.ua.sched
  self:retire()
  if not sched:running() then
    return true
  end
  sched:checkpoint()
  local till = timeout and sched:now() + timeout
  while self.state ~= "removed" do
    local ok, e = self.changed:wait(till and sched:left(till))
    if not ok then
      return nil, e
    end
  end
  if self.err then
    return nil, self.err
  end
  return true
end

return Registration

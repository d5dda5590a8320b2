--- A call that we start, as its INVITE sees it: what came of it (RFC 3261 13.2).
--- `watcher`, the dial that waits for it, is told in turn.

local err = require "sip.rt.err"
local inspect = require "sip.ua.inspect"
local keeping = require "sip.app.keeping"

local M = {}

-- How many provisional answers may wait for a dial that does not look; answers and
-- failures always find room.
local PROGRESS_MAX = 16

local function tell(self, kind, res, why)
  local watcher = self.watcher
  if watcher and (kind ~= "progress" or #watcher < PROGRESS_MAX) then
    if res then
      res:keep()
    end
    watcher:send { kind = kind, leg = self, response = res, why = why }
  end
end

--- Of the INVITE: a 101-199; one that carries a description brings early audio.
---@private
function M:on_provisional(_, res)
  if self.state == "ended" then
    return
  end
  self.state = "ringing"
  local sdp = inspect.description(res)
  local sound = self.sound
  if sdp and sound then
    sound:preview(sdp)
  end
  tell(self, "progress", res)
end

--- Of the INVITE: it has been answered and acknowledged.
---@private
function M:on_answer(dialog, res)
  self.dialog = dialog
  if self.state == "ended" then
    return self:bye()
  end
  local sdp, sound, e = inspect.description(res), self.sound, nil
  if sound then
    if sdp then
      local ok
      ok, e = sound:accept(sdp)
      e = not ok and e or nil
    else
      e = err.new("not_acceptable", { message = "the answer has no description" })
    end
  end
  if e then
    self:bye()
    self:finish(e)
    return tell(self, "failed", nil, e)
  end
  res:keep()
  self.response = res
  self.state = "answered"
  if self.offers_keep then
    keeping.call(self, res)
  end
  self.ua:verb(self, "answered")
  tell(self, "answered", res)
  self:changed()
end

--- Of the keep-alives: the first has been answered, or there are no more. What they
--- have found to be broken the next request finds another way for.
---@private
function M:kept(name, why)
  if name then
    self.keeping = nil
    self.ua.log:info("a call is not kept alive any more", { call = self.id, why = why })
  end
end

--- Of the INVITE: it has failed.
---@private
function M:on_failed(e, res)
  if res then
    res:keep()
    e.response = res
  end
  self:finish(e)
  tell(self, "failed", nil, e)
end

--- Of the INVITE: nothing is left to be done.
---@private
function M:on_over()
  self.invite = nil
end

return M

--- Connecting two calls.

local err = require "sip.rt.err"
local misuse = require "sip.rt.misuse"

local M = {}

local parting_mt = {
  __close = function(self)
    self.sound:part(self.other)
  end,
}

--- Connect the audio of this call with that of another, until one side leaves. A
--- caller that has not been answered is answered first.
---@param peer sip.Call
---@return true? left  the peer has hung up
---@return sip.Error? err
function M:bridge(peer)
  misuse.unless(type(peer) == "table" and peer.audio_leg, "bridge: a call")
  local ok, e = self:enter()
  if ok and (self.state == "new" or self.state == "ringing")
    and self.direction == "in" then
    ok, e = self:answer()
  end
  if not ok then
    return nil, e
  elseif peer.state ~= "answered" then
    return nil, err.new("ended", { cause = peer.why })
  elseif not self.sound or not peer.sound then
    misuse.raise("bridge: the media of both calls must be here")
  end
  self.ua:verb(self, "bridge")
  local why
  ok, why = self.sound:join(peer.sound)
  if not ok then
    return nil, err.new("rejected", { op = "bridge", message = why })
  end
  local _ <close> = setmetatable({ sound = self.sound, other = peer.sound }, parting_mt)
  while peer.state ~= "ended" and self.state ~= "ended" do
    M.either_change(self, peer)
  end
  if peer.state == "ended" then
    return true
  end
  return nil, err.new("ended", { cause = self.why })
end

--- Wait until something changes with one of two calls.
---@param peer sip.Call
---@private
function M:either_change(peer)
  self.ua.sched:any(function()
    return peer:await_change()
  end, function()
    return self:await_change()
  end)
end

return M

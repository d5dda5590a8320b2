--- A way of ours that is kept open by keep-alives (RFC 5626 4.4): that of a
--- registration, or of a call. The stack sends them; its owner is told, by
--- `kept(name, why)`: without a name, that the first has been answered; with one, that
--- there are no more, because the way has failed.

local keepalive = require "sip.ua.keepalive"
local resolve = require "sip.ua.resolve"

local M = {}

---@class sip.Keeping
---@field private ua sip.Endpoint
---@field private owner { kept: fun(self, name?: string, why?: string) }
---@field private id integer
local Keeping = {}
local keeping_mt = { __name = "sip.Keeping", __index = Keeping }

function keeping_mt:__tostring()
  return ("sip.Keeping{%d}"):format(self.id)
end

--- Keep the way to a place open.
---@param ua sip.Endpoint
---@param owner table
---@param place sip.Place
---@param wanted sip.KeepAlive
---@return sip.Keeping? keeping
---@return string? why
---@private
function M.start(ua, owner, place, wanted)
  local id, _, why = ua.stack:keep {
    transport = place.transport, host = place.host, port = place.port,
    flow = place.flow, own = place.own,
    low = wanted.low, high = wanted.high, answered = wanted.answered,
  }
  if not id then
    return nil, why
  end
  local self = setmetatable({ ua = ua, owner = owner, id = id }, keeping_mt)
  ua.keeps[id] = self
  return self
end

--- Keep the way of a call open that has been answered, when who is next on it wants so:
--- the way of its further requests (RFC 6223 4.3).
---@param call sip.Call
---@param res sip.Message  the 2xx
---@private
function M.call(call, res)
  local wanted = keepalive.accepted(res)
  if not wanted then
    return
  end
  local ua, _, _, transport, flow = call.ua, res:source()
  local own = res:own()
  resolve.start(ua, call.dialog.hop, function(places)
    local place, why = places[1], "no address"
    if call.state ~= "answered" then
      return
    elseif place then
      call.keeping, why = M.start(ua, call, {
        transport = place.transport, host = place.host, port = place.port,
        flow = place.flow or place.transport == transport and flow or nil,
        own = place.own or own,
      }, wanted)
    end
    if why then
      ua.log:warn("a call is not kept alive", { call = call.id, why = why })
    end
  end)
end

--- No more of them. Nobody is told.
---@private
function Keeping:stop()
  self.ua.keeps[self.id] = nil
  self.ua.stack:keep_end(self.id)
end

--- Of the stack (called by the inbox).
---@param name? string  of an error
---@param why? string
---@private
function Keeping:kept(name, why)
  if name then
    self.ua.keeps[self.id] = nil
  end
  self.owner:kept(name, why)
end

return M

--- The target set of a request (RFC 3261 16.5): in which order its targets have their
--- turn, and which of them have had it.

local address = require "sip.msg.address"

local M = {}

--- A q (20.10): 0 to 1, with at most three decimals; in thousandths.
---@param text? string
---@return integer? q   nil without one, and when it is none
---@return string? why  it is none
function M.q(text)
  if text == nil then
    return nil
  end
  local whole, decimals = tostring(text):match "^([01])%.?(%d?%d?%d?)$"
  local q = whole and whole * 1000 + tonumber((decimals .. "000"):sub(1, 3))
  if not q or q > 1000 then
    return nil, "A q Is Not Between 0 and 1"
  end
  return math.tointeger(q)
end

--- Targets in groups: those of a group have their turn at once.
---@param list sip.Target[]  best first
---@param order "parallel"|"sequential"|"q"  all at once, one after the other, or those
---   of equal q at once (16.6)
---@return sip.Target[][] groups
function M.split(list, order)
  if order == "parallel" then
    return { list }
  end
  local groups = {}
  for _, target in ipairs(list) do
    local last = groups[#groups]
    if last and order == "q" and (last[1].q or 1) == (target.q or 1) then
      last[#last + 1] = target
    else
      groups[#groups + 1] = { target }
    end
  end
  return groups
end

---@class sip.Tried
---@field private uris table<string, true>
local Tried = {}
local tried_mt = { __name = "sip.Tried", __index = Tried }

--- The URIs that have had their turn: none.
---@return sip.Tried
function M.tried()
  return setmetatable({ uris = {} }, tried_mt)
end

--- Whether a URI has had its turn: by 19.1.4, not letter by letter (16.5).
---@param uri string
---@return boolean
function Tried:has(uri)
  if self.uris[uri] then
    return true
  end
  for other in pairs(self.uris) do
    if address.equal(uri, other) then
      return true
    end
  end
  return false
end

--- Those of a group that have not had their turn; they have it here.
---@param group sip.Target[]
---@return sip.Target[]
function Tried:take(group)
  local list = {}
  for _, target in ipairs(group) do
    if not self:has(target.uri) then
      self.uris[target.uri] = true
      list[#list + 1] = target
    end
  end
  return list
end

--- One of them has not, after all.
---@param uri string
function Tried:give_back(uri)
  self.uris[uri] = nil
end

return M

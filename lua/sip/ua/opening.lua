--- What a request outside any dialog says of itself (RFC 3261 8.1.1): the part
--- that stays when it is tried again with credentials, at another address or at
--- another target (8.1.3.4, 8.1.3.5), where only its CSeq number rises.

local address = require "sip.msg.address"
local sips = require "sip.ua.sips"

local M = {}

local concat = table.concat

---@class sip.Opening
---@field request_uri string
---@field hop sip.Hop
---@field call_id string
---@field local_tag string
---@field local_seq integer
---@field from_uri string
---@field private head string
---@field private route? string[]
local Opening = {}
local opening_mt = { __name = "sip.Opening", __index = Opening }

function opening_mt:__tostring()
  return ("sip.Opening{%s; %s}"):format(self.request_uri, self.call_id)
end

---@class sip.OpeningFields
---@field uri string       Request-URI, and To unless told otherwise (C-82)
---@field from string      a URI
---@field display? string  the name that goes with it
---@field to? string       a name-addr
---@field call_id string
---@field tag string       the From tag
---@field route? string[]  pre-loaded Route values (8.1.2)
---@field at? sip.Place    where the target is, when its URI does not lead there

-- Request-URI and Route lines for a target, with the route set that was loaded
-- before (8.1.2): as 12.2.1.1 does it.
local function aim(self, uri, at)
  local set, lines = self.route, ""
  uri = address.request_uri(uri)
  local hop, why
  if not set or #set == 0 then
    hop, why = address.hop(uri)
    if hop then
      hop.at = at
    end
  else
    set = sips.routes(set, uri)
    local first = address.parse(set[1])
    if not first then
      return nil, "the route is no URI"
    end
    hop, why = address.hop(first.uri)
    hop = address.securely(hop, uri)
    local values = set
    if hop and not hop.lr then
      values = table.move(set, 2, #set, 1, {})
      values[#values + 1] = "<" .. uri .. ">"
      uri = first.uri
    end
    lines = "Route: " .. concat(values, "\r\nRoute: ") .. "\r\n"
  end
  if not hop then
    return nil, why
  end
  self.request_uri, self.hop, self.lines = uri, hop, lines
  return true
end

---@param fields sip.OpeningFields
---@return sip.Opening? opening
---@return string? why
function M.new(fields)
  local self = setmetatable({
    call_id = fields.call_id,
    local_tag = fields.tag,
    local_seq = 0,
    route = fields.route,
    from_uri = fields.from,
    head = concat { "From: ", address.write(fields.from, fields.display), ";tag=",
      fields.tag, "\r\nTo: ",
      fields.to or "<" .. fields.uri .. ">", "\r\nCall-ID: ", fields.call_id,
      "\r\n" },
  }, opening_mt)
  local ok, why = aim(self, fields.uri, fields.at)
  if not ok then
    return nil, why
  end
  return self
end

--- Everything is, always; a dialog may have to do something for it.
---@return true
function Opening.ready()
  return true
end

--- The header lines of the next attempt.
---@param method string
---@return string raw
function Opening:request(method)
  local number = self.local_seq + 1
  self.local_seq = number
  return self.head .. self.lines .. "CSeq: " .. number .. " " .. method .. "\r\n"
end

--- Go to another target (8.1.3.4).
---@param uri string
---@return true? ok
---@return string? why
function Opening:redirect(uri)
  return aim(self, uri)
end

return M

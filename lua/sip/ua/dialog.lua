--- Dialog state (RFC 3261 section 12). Bookkeeping only: this module builds and
--- judges messages; it never sends one and never reads a clock.
---
--- What every request of a dialog has in common, its From, To, Call-ID and Route
--- lines, is formatted once; a request adds its CSeq. A callee that never sends
--- never formats: `ready` comes before whoever looks at where the dialog goes.

local address = require "sip.msg.address"
local flow = require "sip.ua.flow"
local sips = require "sip.ua.sips"

local M = {}

local concat = table.concat

---@alias sip.DialogState "early"|"confirmed"|"terminated"

---@class sip.Dialog
---@field state sip.DialogState
---@field call_id string
---@field local_tag string
---@field remote_tag? string    none: a peer of RFC 2543 (12.1.1, 12.1.2)
---@field remote_target string  where the next request goes (12.2.1.1)
---@field route_set string[]    fixed when the dialog is created (12.1)
---@field request_uri string    the Request-URI that follows from the two
---@field hop sip.Hop           the URI that is routed by, taken apart
---@field at? sip.Place         where the remote target is, when its URI does not lead
---   there
---@field own? string          the address of ours that its peer knows, and that its
---   requests leave by
---@field local_seq integer     0: no request has been sent yet
---@field remote_seq integer    -1: none has been received yet
---@field invite_seq? integer   of the INVITE it was made by, for its ACK
---@field owner any             whatever the keeper of the dialog wants to find
---@field sibling? sip.Dialog   another fork with the same local tag
---@field private origin? sip.Message  what it is made from, until it is ready
---@field private local_address string
---@field private remote_address string
---@field private head string
local Dialog = {}
local dialog_mt = { __name = "sip.Dialog", __index = Dialog }

function dialog_mt:__tostring()
  return ("sip.Dialog{%s; %s; %s; %s}"):format(self.call_id, self.local_tag,
    self.remote_tag or "-", self.state)
end

-- Request-URI and Route of all further requests (12.2.1.1): a first route that is
-- a strict router's goes into the Request-URI, and the target to the end.
local function route(self)
  local set = self.route_set
  local uri, lines = self.remote_target, ""
  local hop, why
  if #set == 0 then
    hop, why = address.hop(uri)
  else
    set = sips.routes(set, uri)
    local first = address.parse(set[1])
    if not first then
      return nil, "a route is no address"
    end
    hop, why = address.hop(first.uri)
    hop = address.securely(hop, uri)
    if hop and hop.lr then
      lines = "Route: " .. concat(set, "\r\nRoute: ") .. "\r\n"
    elseif hop then
      local rest = table.move(set, 2, #set, 1, {})
      rest[#rest + 1] = "<" .. uri .. ">"
      uri = first.uri:gsub("%?.*$", ""):gsub(";method=[^;]*", "")
      lines = "Route: " .. concat(rest, "\r\nRoute: ") .. "\r\n"
    end
  end
  if not hop then
    return nil, why
  elseif #set == 0 then
    hop.at = self.at
  end
  hop.own = self.own
  self.request_uri, self.hop = uri, hop
  self.head = concat { "From: ", self.local_address, "\r\nTo: ",
    self.remote_address, "\r\nCall-ID: ", self.call_id, "\r\n", lines }
  return true
end

local function values(message, name)
  return message:header(name) and message:values(name) or {}
end

--- The dialog that our answer to this request makes (12.1.1).
---@param req sip.Message    kept for as long as the dialog lives
---@param local_tag string  the To tag of our answers
---@return sip.Dialog? dialog
---@return string? why      the Contact or a Record-Route cannot be used
function M.uas(req, local_tag)
  local number = req:cseq()
  local self = setmetatable({
    state = "early",
    call_id = req:call_id(),
    local_tag = local_tag,
    remote_tag = req:from_tag(),
    local_seq = 0,
    remote_seq = number,
    origin = req,
  }, dialog_mt)
  local target = req:contact_uri()
  if not target or req:header "Record-Route" or not address.is_plain(target) then
    local ok, why = self:ready()
    if not ok then
      return nil, why
    end
  end
  return self
end

--- Have its requests, its target and its hop ready to be used.
---@return true? ok
---@return string? why
function Dialog:ready()
  local req = self.origin
  if not req then
    return true
  end
  self.origin = nil
  self.local_address = req:header "To" .. ";tag=" .. self.local_tag
  self.remote_address = req:header "From"
  self.remote_target = req:contact_uri() or req:from_uri()
  self.route_set = values(req, "Record-Route")
  self.at, self.own = flow.of_request(req), req:own()
  return route(self)
end

local function reversed(list)
  local n = #list
  for i = 1, n // 2 do
    list[i], list[n + 1 - i] = list[n + 1 - i], list[i]
  end
  return list
end

-- Where the Contact of an answer is, or of a request inside the dialog: when it is that
-- of before, or what our request went to, where that is.
local function place_of(self, message, uri, hop)
  local found = hop and hop.at and address.hop(uri)
  if found and found.host == hop.host then
    return hop.at
  end
  return self.route_set[1] == nil and flow.behind(uri, message) or nil
end

--- The dialog that an answer to our request makes (12.1.2). Everything is in the
--- answer, so that a 2xx can be acknowledged after all else is forgotten.
---@param res sip.Message
---@param hop? sip.Hop  that our request went to
---@return sip.Dialog? dialog
---@return string? why
function M.uac(res, hop)
  local number = res:cseq()
  local self = setmetatable({
    state = res:status() >= 200 and "confirmed" or "early",
    call_id = res:call_id(),
    local_tag = res:from_tag(),
    remote_tag = res:to_tag(),
    local_address = res:header "From",
    remote_address = res:header "To",
    remote_target = res:contact_uri() or res:to_uri(),
    route_set = reversed(values(res, "Record-Route")),
    local_seq = number,
    remote_seq = -1,
    invite_seq = number,
  }, dialog_mt)
  self.at, self.own = place_of(self, res, self.remote_target, hop), res:own()
  local ok, why = route(self)
  if not ok then
    return nil, why
  end
  return self
end

--- A 2xx has come for an early dialog: its route set counts and may be another
--- (13.2.2.4).
---@param res sip.Message
---@param hop? sip.Hop  that our request went to
---@return true? ok
---@return string? why
function Dialog:confirm(res, hop)
  self.state = "confirmed"
  self.route_set = reversed(values(res, "Record-Route"))
  self.remote_target = res:contact_uri() or self.remote_target
  self.at = place_of(self, res, self.remote_target, hop)
  self.invite_seq = res:cseq()
  return route(self)
end

--- The header lines of the next request inside the dialog (12.2.1.1). Not for
--- ACK, which repeats its INVITE's number (13.2.2.4), nor for CANCEL (9.1).
---@param method string
---@return string raw  From, To, Call-ID, Route, CSeq
function Dialog:request(method)
  self:ready()
  local number = self.local_seq + 1
  self.local_seq = number
  return self.head .. "CSeq: " .. number .. " " .. method .. "\r\n"
end

--- The header lines of the ACK to a 2xx (13.2.2.4).
---@param number? integer  its INVITE's; without it, the one that made the dialog
---@return string raw
function Dialog:ack(number)
  return self.head .. "CSeq: " .. (number or self.invite_seq) .. " ACK\r\n"
end

--- Judge the number of a request that arrived inside the dialog (12.2.2).
---@param number integer
---@return boolean in_order  false: answer it with 500
function Dialog:receive(number)
  if number < self.remote_seq then
    return false
  end
  self.remote_seq = number
  return true
end

--- Send further requests to another target; the route set stays.
---@param target string
---@param at? sip.Place  where that is
---@return true? ok
---@return string? why  and nothing has changed
function Dialog:retarget(target, at)
  self:ready()
  local before, was_at = self.remote_target, self.at
  if target == before and at == was_at then
    return true
  end
  self.remote_target, self.at = target, at
  local ok, why = route(self)
  if not ok then
    self.remote_target, self.at = before, was_at
    route(self)
  end
  return ok, why
end

--- Take the Contact of a target refresh request, or of the 2xx to one, as the
--- remote target (12.2.1.2, 12.2.2).
---@param message sip.Message
---@return true? ok
---@return string? why
function Dialog:refresh(message)
  self:ready()
  local uri = message:contact_uri()
  if not uri then
    return true
  elseif self.route_set[1] then
    return self:retarget(uri)
  end
  return self:retarget(uri, message:is_request() and flow.of_request(message)
    or place_of(self, message, uri, self.hop))
end

--- Whether this final answer to a request inside the dialog ends it (12.2.1.2).
---@param status integer
---@return boolean
function M.ends(status)
  return status == 481 or status == 408
end

return M

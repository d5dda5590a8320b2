--- What comes in from the stack of an endpoint, and who it is for: a client
--- transaction's exchange, a call by its dialog, or a new call (RFC 3261 8.2, 12.2.2).

local call_of = require "sip.app.call"
local dialog_of = require "sip.ua.dialog"
local err = require "sip.rt.err"
local inspect = require "sip.ua.inspect"
local invite_of = require "sip.ua.invite"

local M = {}

local BUSY = { headers = { "Retry-After", "5" } }
local TAG_LEN = 10

-- The status that an INVITE would get now (11.2), as far as no script decides.
local function availability(ua)
  if ua.state ~= "open" or ua.calls >= ua.max_calls then
    return 503
  elseif not ua.handler then
    return 480
  end
end

local function is_ours(ua)
  return ua.domains and function(uri)
    return ua:is_ours(uri)
  end
end

-- An Expires of the INVITE bounds the time to answer it (13.3.1).
local function bound(call, req)
  local seconds = req:header "Expires" and req:expires()
  if seconds then
    call.expires = call.ua.sched:now() + seconds
    call:arm_expiry()
  end
end

local function invited(ua, tx, req)
  local status = availability(ua)
  if status then
    return tx:respond(status, status == 503 and BUSY or nil)
  end
  local dialog, why = dialog_of.uas(req, ua:token(TAG_LEN))
  if not dialog then
    ua.log:info("INVITE refused", { why = why, call = req:call_id() })
    return tx:respond(400, { reason = "Contact or Record-Route is not usable" })
  end
  req:keep()
  local call = call_of.incoming(ua, tx, req, dialog)
  ua:entered(call)
  ua.servers[tx] = call
  ua.dialogs:add(dialog)
  bound(call, req)
  call:start(ua.handler)
end

-- Requests outside of any dialog, checked.
local outside = {
  INVITE = invited,
  OPTIONS = function(ua, tx)
    tx:respond(availability(ua) or 200, { headers = inspect.CAPABILITIES })
  end,
}

local function in_dialog(ua, tx, req, to_tag)
  local dialog = ua.dialogs:find(req:call_id(), to_tag, req:from_tag())
  if not dialog then
    return tx:respond(481)
  end
  dialog.owner:on_request(tx, req, dialog)
end

local events = {}

---@private
function events.request(ua, tx, req)
  local method, to_tag = req:method(), req:to_tag()
  if to_tag then
    return in_dialog(ua, tx, req, to_tag)
  elseif inspect.in_dialog_only[method] then
    return tx:respond(481)
  end
  local status, headers = inspect.request(req, method, is_ours(ua))
  if status then
    return tx:respond(status, headers and { headers = headers })
  elseif tx:is_merged() then
    return tx:respond(482)
  end
  outside[method](ua, tx, req)
end

-- A CANCEL has been answered; its INVITE is ours to end (9.2).
---@private
function events.cancel(ua, tx)
  local call = ua.servers[tx]
  if call and (call.state == "new" or call.state == "ringing") then
    call:refuse(487, nil, err.new("cancelled"))
  end
end

---@private
function events.ack(ua, _, req)
  local dialog = ua.dialogs:find(req:call_id(), req:to_tag(), req:from_tag())
  if dialog then
    dialog.owner:on_ack(req)
  end
end

---@private
function events.no_ack(ua, tx)
  local call = ua.servers[tx]
  ua.servers[tx] = nil
  if call then
    call:on_no_ack()
  end
end

---@private
function events.response(ua, tx, res)
  local exchange = ua.clients[tx]
  if exchange then
    exchange:response(tx, res)
  end
end

---@private
function events.stray(ua, _, res)
  invite_of.stray(ua, res)
end

---@private
function events.failed(ua, tx, _, name, why)
  local exchange = ua.clients[tx]
  if exchange then
    exchange:failed(tx, name, why)
  end
end

---@private
function events.ended(ua, tx)
  local exchange = ua.clients[tx]
  if exchange then
    ua.clients[tx] = nil
    exchange:ended(tx)
  end
end

---@private
function events.records(ua, _, _, token, records)
  local query = ua.queries[token]
  if query then
    ua.queries[token] = nil
    query:records(token, records)
  end
end

---@private
function events.message(ua, _, _, ...)
  ua.tracer:message(...)
end

---@private
function events.closed() end

--- The dispatch function of an endpoint's stack.
---@param ua sip.Endpoint
---@return fun(kind: string, object: any, message: sip.Message?, ...)
---@private
function M.of(ua)
  return function(kind, object, message, ...)
    return events[kind](ua, object, message, ...)
  end
end

return M

--- What an endpoint does with a request of nobody's: an INVITE becomes a call for
--- its handler, OPTIONS is answered, and all else is refused as RFC 3261 8.2 wants.

local call_of = require "sip.app.call"
local dialog_of = require "sip.ua.dialog"
local err = require "sip.rt.err"
local inspect = require "sip.ua.inspect"
local sips = require "sip.ua.sips"

local M = {}

local BUSY = { headers = { "Retry-After", "5" } }
local TAG_LEN = 13

-- The status that an INVITE would get now (11.2), as far as no script decides.
local function availability(ua)
  if ua:refuses() or ua.calls >= ua.max_calls then
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

-- The call that an INVITE makes; nil and why when it has been refused.
local function take_call(ua, tx, req)
  local dialog, why = dialog_of.uas(req, ua:token(TAG_LEN))
  if not dialog then
    ua.log:info("INVITE refused", { why = why, call = req:call_id() })
    tx:respond(400, { reason = "Contact or Record-Route is not usable" })
    return nil, err.new("rejected", { status = 400, message = why })
  end
  req:keep()
  local call = call_of.incoming(ua, tx, req, dialog)
  ua:entered(call)
  ua.servers[tx] = call
  ua.dialogs:add(dialog)
  bound(call, req)
  return call
end

local function invited(ua, tx, req)
  local status = availability(ua)
  if status then
    return tx:respond(status, status == 503 and BUSY or nil)
  end
  local call = take_call(ua, tx, req)
  if call then
    call:start(ua.handler)
  end
end

-- Requests outside of any dialog, checked.
local outside = {
  INVITE = invited,
  OPTIONS = function(ua, tx)
    tx:respond(availability(ua) or 200, { headers = ua.capabilities })
  end,
}

-- RFC 5630 5.1.2: whether we are who such a URI asks for.
local function refuse_scheme(ua, tx, req, method)
  local code, reason = sips.refusal(req, method, ua.sips, ua.secure)
  if code then
    tx:respond(480, {
      headers = sips.warning(code, (tx:local_address()) or "luasip"),
    })
    return 480
  elseif reason then
    tx:respond(400, { reason = reason })
    return 400
  end
end

-- What is wrong with a request that we are to answer ourselves (8.2); its status when
-- it has been refused for it.
local function refused(ua, tx, req, method)
  local status, headers, reason = inspect.request(req, method, is_ours(ua),
    ua.capabilities[2])
  if not status and tx:is_merged() then
    status = 482
  end
  if status then
    tx:respond(status, (headers or reason) and { headers = headers, reason = reason })
    return status
  end
  return refuse_scheme(ua, tx, req, method)
end

--- An INVITE that a handler takes as a call.
---@param ua sip.Endpoint
---@param req sip.Request
---@return sip.Call? call
---@return sip.Error? err  it has been refused
---@private
function M.call(ua, req)
  local status
  if ua:refuses() or ua.calls >= ua.max_calls then
    status = 503
    req.tx:respond(status, BUSY)
  else
    status = refused(ua, req.tx, req.message, "INVITE")
  end
  if status then
    return nil, err.from_status(status)
  end
  return take_call(ua, req.tx, req.message)
end

--- The answer to a request outside of any dialog that nobody takes.
---@param ua sip.Endpoint
---@param tx any
---@param req sip.Message
---@param method string
---@private
function M.answer(ua, tx, req, method)
  if inspect.in_dialog_only[method] or method == "CANCEL" then -- of nothing (9.2)
    return tx:respond(481)
  elseif not refused(ua, tx, req, method) then
    outside[method](ua, tx, req)
  end
end

return M

--- What comes in from the stack of an endpoint, and who it is for: a client
--- transaction's exchange, a call by its dialog, a handler of requests, or a new call
--- (RFC 3261 8.2, 12.2.2).

local address = require "sip.msg.address"
local intake = require "sip.app.intake"
local invite_of = require "sip.ua.invite"
local proxy = require "sip.app.proxy"
local resolve = require "sip.ua.resolve"

local M = {}

local BUSY = { headers = { "Retry-After", "5" } }

local function in_dialog(ua, tx, req, to_tag)
  local dialog = ua.dialogs:find(req:call_id(), to_tag, req:from_tag())
  if dialog then
    return dialog.owner:on_request(tx, req, dialog)
  elseif not ua.handlers or not proxy.relay(ua, tx, req) then
    return tx:respond(481)
  end
end

-- What the handler of a request has left alone.
local function left_alone(request)
  request:finish()
  intake.answer(request.ua, request.tx, request.message, request.method)
end

-- The most particular handler there is.
local function handler_of(ua, method)
  local handlers = ua.handlers
  if method == "INVITE" and ua.handler and not handlers.INVITE then
    return nil
  end
  return handlers[method] or handlers["*"]
end

local function handled(ua, tx, req, method)
  if method == "CANCEL" then
    return proxy.cancel(ua, tx, req) or tx:respond(481)
  end
  local handler = handler_of(ua, method)
  if not handler then
    return intake.answer(ua, tx, req, method)
  elseif ua:refuses() then
    return tx:respond(503, BUSY)
  end
  proxy.request(ua, tx, req):start(handler, left_alone)
end

local events = {}

---@private
function events.request(ua, tx, req)
  local method, to_tag = req:method(), req:to_tag()
  if to_tag and method ~= "CANCEL" then
    return in_dialog(ua, tx, req, to_tag)
  elseif ua.handlers then
    return handled(ua, tx, req, method)
  end
  intake.answer(ua, tx, req, method)
end

-- A CANCEL has been answered; its INVITE is ours to end (9.2).
---@private
function events.cancel(ua, tx)
  local taker = ua.servers[tx]
  if taker then
    taker:on_cancel()
  end
end

---@private
function events.ack(ua, _, req)
  local dialog = ua.dialogs:find(req:call_id(), req:to_tag(), req:from_tag())
  if dialog then
    dialog.owner:on_ack(req)
  elseif ua.handlers then
    proxy.ack(ua, req)
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
function events.records(ua, _, _, token, records, ttl)
  local names = ua.queries[token]
  if names then
    ua.queries[token] = nil
    names:records(token, records, ttl)
  end
end

---@private
function events.message(ua, _, _, ...)
  ua.tracer:message(...)
end

---@private
function events.dropped(ua, _, _, text, own)
  ua.tracer:note(text, own)
end

---@private
function events.notice(ua, _, _, text)
  ua.log:warn(text)
end

---@private
function events.kept(ua, _, _, id, name, why)
  local keeping = ua.keeps[id]
  if keeping then
    keeping:kept(name, why)
  end
end

-- A response that nobody took where its request came from goes where its Via leads
-- (RFC 3263 5): to one place after the other.
---@private
function events.astray(ua, _, res, attempt)
  local via = res:via(1)
  local transport, host = via.transport:lower(), address.bare(via.host)
  local hop = { transport = transport, host = host, port = via.port,
    numeric = address.is_numeric(host), secure = transport == "tls" }
  res:keep()
  resolve.start(ua, hop, function(places)
    local place = places[attempt + 1]
    if place and ua.state ~= "closed" then
      ua.stack:give_back {
        message = res, attempt = attempt + 1, transport = place.transport,
        host = place.host, port = place.port, server_name = place.name,
      }
    end
  end, via.branch or "")
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

--- Passing requests on: what a script does with one that is not for us (RFC 3261
--- 16), and what goes through us without a script, because it carries our own Route.
---
--- A Record-Route of ours has a mark that only we can make and that is bound to the
--- call. What carries it is relayed; a Route that somebody made up is not.

local address = require "sip.msg.address"
local err = require "sip.rt.err"
local flow = require "sip.ua.flow"
local fork_of = require "sip.ua.fork"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local request_of = require "sip.app.request"
local resolve = require "sip.ua.resolve"
local routing = require "sip.ua.routing"

local M = {}

local verbs = request_of.class

local MAX_FORWARDS, MAX_BREADTH = 70, 60
local EDITS = 50 -- of a script, at most

-- What a script may not edit: it belongs to the transaction, or to the route, or
-- says how long the body is.
local ROUTES = { route = true, ["record-route"] = true, ["max-forwards"] = true,
  ["max-breadth"] = true }

local function edit(self, op, name, value)
  option.headers({ name, value }, op)
  if ROUTES[name:lower()] then
    misuse.raise("%s: %s is not for scripts to edit", op, name)
  elseif self.state ~= "new" then
    misuse.raise("%s: the request has been answered or forwarded", op)
  end
  local edits = self.edits
  if not edits then
    edits = {}
    self.edits = edits
  end
  local n = #edits
  misuse.unless(n < 3 * EDITS, "%s: no more than %d edits", op, EDITS)
  edits[n + 1], edits[n + 2], edits[n + 3] = op, name, value
end

--- Give a header this value in what is forwarded; all its lines become this one.
---@param name string
---@param value string
function verbs:set(name, value)
  edit(self, "set", name, value)
end

--- Add a line of a header to what is forwarded.
---@param name string
---@param value string
function verbs:add(name, value)
  edit(self, "add", name, value)
end

--- Leave a header out of what is forwarded.
---@param name string
function verbs:remove(name)
  edit(self, "remove", name, "")
end

--- Stay in the way of the dialog that this request begins: its further requests come
--- by us, and are relayed (16.6 step 4).
function verbs:record_route()
  self.recording = true
end

--- A request for a handler.
---@param ua sip.Endpoint
---@param tx any
---@param message sip.Message
---@return sip.Request
---@private
function M.request(ua, tx, message)
  local uri, route, _, _, circles = routing.read(message, ua)
  local req = request_of.new(ua, tx, message, uri, route)
  req.circles = circles or nil
  return req
end

-- 16.3: why a request cannot be passed on; nil when it can.
local function refusal(self, tail)
  local message = self.message
  local hops = message:max_forwards()
  if hops == 0 then
    return 483
  elseif message:header "Proxy-Require" then
    local tags = message:values "Proxy-Require"
    if tags[1] then
      return 420, { "Unsupported", table.concat(tags, ", ") }
    end
  end
  if self.circles or routing.is_loop(message, tail) then
    return 482
  end
end

-- RFC 5393 5.3.3: the value that came, and never more than our own.
local function breadth_of(message)
  local text = message:header "Max-Breadth"
  local value = text and tonumber(text:match "^%s*(%d+)%s*$")
  return math.min(value or MAX_BREADTH, MAX_BREADTH)
end

-- The response context of a request, not yet started.
local function new_fork(self, options)
  local ua, message = self.ua, self.message
  local tail = ua.stack:seal(routing.loop_text(message))
  local status, headers = refusal(self, tail)
  if status then
    return nil, status, headers
  end
  local record
  if self.recording then
    local host, port = self.tx:local_address()
    local _, _, transport = self.tx:source()
    local at = flow.of_request(message)
    record = {
      mark = ua.stack:mark(message),
      caller = at and ua.stack:token(message, "caller", at) or nil,
      transport = transport, host = host, port = port,
    }
  end
  return fork_of.new {
    line = ua,
    tx = self.tx,
    message = message,
    secure = address.is_sips(self.uri),
    method = self.method,
    max_forwards = (message:max_forwards() or MAX_FORWARDS + 1) - 1,
    breadth = breadth_of(message),
    edits = self.edits or {},
    route = options.route or self.route or message:header "Route"
      and message:values "Route" or nil,
    rerouted = options.route ~= nil or self.route ~= nil,
    tail = tail,
    record = record,
    timeout = options.timeout,
    timer_c = ua.timer_c,
    patience = ua.patience,
    redirects = options.redirects or 0,
    owner = self,
    -- Room for what the fork puts in, so that the table does not grow.
    state = nil,
    branches = nil,
  }
end

---@class sip.ForwardOptions
---@field order? "q"|"parallel"|"sequential"  all of equal q at once, the best first
---   (16.6); all at once; one after the other
---@field timeout? number     seconds that each of these may take; timer C ends all
---@field redirects? integer  how many further targets of 3xx are tried: none
---@field fallback? boolean   a failure is not sent back, but returned: the request is
---   still to be answered, or to be forwarded elsewhere
---@field via? string         the next proxy, put in front of the route
---@field stateless? boolean  without a transaction (16.11), to the request's own
---   target only

local forward_options = {
  order = "order", timeout = "span", redirects = "integer", fallback = "boolean",
  via = "line", stateless = "boolean",
}

local function check_forward(self, targets, options)
  options = option.check(options, forward_options, "forward")
  local list = self.ua:target_list(targets == nil and self.uri or targets, "forward")
  if options.via then
    local route = { self.ua:route_value(options.via) }
    local rest = self.route or self:values "Route"
    options = setmetatable({ route = table.move(rest, 1, #rest, 2, route) },
      { __index = options })
  end
  return list, options
end

--- Pass it on, and its answers back (16.6, 16.7). Returns when a final answer has
--- been sent back, or chosen.
---@param targets? string|sip.Target|(string|sip.Target)[]  its own Request-URI; of an
---   empty array comes 480
---@param options? sip.ForwardOptions
---@return sip.Message? response  the 2xx that was sent back
---@return sip.Error? err         with status, and response if there was one
function verbs:forward(targets, options)
  local list
  list, options = check_forward(self, targets, options)
  local sched = self.ua.sched
  sched:enter()
  local ok, e = self:open "forward"
  if not ok then
    return nil, e
  elseif options.stateless then
    return M.stateless(self, list, options)
  end
  local fork, status, headers = new_fork(self, options)
  if not fork then
    self:respond(status, headers)
    return nil, err.from_status(status)
  end
  self.ua:verb(self, "forward")
  if not list[1] then -- 16.5: nobody to forward it to
    if not options.fallback then
      self:respond(480)
    end
    return nil, err.from_status(480)
  end
  self.state, self.fork, self.fallback = "forwarding", fork, options.fallback
  return sched:await(function(done)
    self.done = done
    fork:start(list, options.order or "q")
  end)
end

--- Of the fork: a final answer has been chosen. A 2xx has gone back; of what was
--- cancelled nothing is left to decide.
---@param status integer
---@param res? sip.Message
---@private
function verbs:settled(status, res)
  local fork, done = self.fork, self.done
  self.fork, self.done = nil, nil
  local e
  if status < 300 then
    res:keep()
    self:finish()
  else
    e = err.from_status(status, res and res:reason(), { response = res })
    if self.fallback and not fork.cancelled then
      self.state = "new"
    else
      fork:relay(status, res)
      self:finish(fork.cancelled and e or nil)
    end
  end
  if done then
    done(not e and res or nil, e)
  end
end

--- Of a fork that has settled for a failure: somebody has answered all the same. If
--- that failure has not gone back, this does, and what came after it is over.
--- What has become a call of our own is answered by that (against 16.7 step 5).
---@param res sip.Message
---@return boolean taken
---@private
function verbs:late(res)
  if self.call_leg or not self.tx:forward(res) then
    return false
  elseif self.fork then
    self.fork:answered(res)
  else
    self:finish(err.new("ended", { message = "an earlier target has answered" }))
  end
  return true
end

-- Send without a transaction, by what the route or the Request-URI says; names are
-- looked up first. Nobody is told whether it arrived.
local function pass(ua, message, branch, uri, route, script, at)
  local changed = route ~= nil
  route = route or message:header "Route" and message:values "Route"
  local aim = routing.aim(uri, route, changed, at)
  if not aim or message:max_forwards() == 0 then
    return false
  end
  local edits = script and table.move(script, 1, #script, 1, {}) or {}
  routing.edit(edits, aim)
  message:keep()
  resolve.start(ua, aim.hop, function(places)
    local place = places[1]
    if place and ua.state ~= "closed" then
      ua.stack:pass {
        message = message,
        uri = aim.uri,
        max_forwards = (message:max_forwards() or MAX_FORWARDS + 1) - 1,
        edits = edits,
        branch = branch,
        transport = place.transport,
        host = place.host,
        port = place.port,
        server_name = place.name,
        flow = place.flow,
        own = place.own,
      }
    end
  end, branch)
  return true
end

--- Pass it on and forget it (16.11). What comes back finds its way by its Via. A
--- choice of ours would have to be the same for each retransmission, and for ACK and
--- CANCEL: so the target is the request's own.
---@private
function M.stateless(self, list, options)
  if #list ~= 1 or list[1].uri ~= self.uri or options.fallback then
    misuse.raise "forward: stateless: only to the request's own target"
  elseif self.recording then
    misuse.raise "forward: stateless: without record_route"
  end
  local status, headers = refusal(self, self.ua.stack:seal(
    routing.loop_text(self.message)))
  if status then
    self:respond(status, headers)
    return nil, err.from_status(status)
  end
  local ok = pass(self.ua, self.message, self.ua.stack:stateless_branch(self.message),
    self.uri, options.route or self.route, self.edits)
  if not ok then
    self:respond(416)
    return nil, err.from_status(416)
  end
  self.ua.passes = true
  self.tx:drop()
  self:finish()
  return nil
end

-- What refreshes or makes a dialog keeps us in its way (16.6 step 4; RFC 6665 4.3).
local RECORDED = { INVITE = true, UPDATE = true, SUBSCRIBE = true, NOTIFY = true,
  REFER = true }

--- What comes inside a dialog that is not ours: relayed when it came along our
--- Record-Route (16.12). `watch` sees it first, and may edit or refuse it.
---@param ua sip.Endpoint
---@param tx any
---@param message sip.Message
---@return boolean taken
---@private
function M.relay(ua, tx, message)
  local uri, route, marked, at, circles = routing.read(message, ua)
  if not marked then
    return false
  end
  local req = request_of.new(ua, tx, message, uri, route)
  req.at, req.circles = at, circles or nil
  req.recording = RECORDED[req.method]
  if ua.watch then
    req:start(ua.watch, M.go_on)
    return true
  end
  ua.servers[tx] = req
  ua.pending = ua.pending + 1
  M.go_on(req)
  return true
end

--- Relay it to where it wants to go.
---@param req sip.Request
---@private
function M.go_on(req)
  local fork, status, headers = new_fork(req, {})
  if not fork then
    return req:respond(status, headers)
  end
  req.state, req.fork = "forwarding", fork
  fork:start({ { uri = req.uri, at = req.at } }, "parallel")
end

--- An ACK that is not for a call of ours: to a 2xx along our Record-Route, or to
--- what was forwarded without a transaction (16.11). All others are dropped.
---@param ua sip.Endpoint
---@param message sip.Message
---@private
function M.ack(ua, message)
  local uri, route, marked, at, circles = routing.read(message, ua)
  if circles then
    return
  elseif marked then -- one that is sent again is the same to who comes next
    local branch = ua.stack:stateless_branch(message) or "z9hG4bK" .. ua:token(20)
    pass(ua, message, branch, uri, route, nil, at)
  elseif ua.passes and not ua:is_local(uri) then
    pass(ua, message, ua.stack:stateless_branch(message), uri, route)
  end
end

--- A CANCEL for nothing that we know: its INVITE may have been forwarded without a
--- transaction (16.10). False: it is not for us to pass on.
---@param ua sip.Endpoint
---@param tx any
---@param message sip.Message
---@return boolean passed
---@private
function M.cancel(ua, tx, message)
  local uri, route, _, _, circles = routing.read(message, ua)
  if not ua.passes or circles or ua:is_local(uri)
    or not pass(ua, message, ua.stack:stateless_branch(message), uri, route) then
    return false
  end
  tx:drop()
  return true
end

return M

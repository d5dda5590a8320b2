--- One branch of a request that is forwarded (RFC 3261 16.6): its copy, the places
--- of its next hop one after the other (RFC 3263 4.3), and timer C.

local address = require "sip.msg.address"
local resolve = require "sip.ua.resolve"
local retry = require "sip.ua.retry"
local routing = require "sip.ua.routing"
local sips = require "sip.ua.sips"
local targets = require "sip.ua.targets"

local M = {}

---@class sip.Branch
---@field fork sip.Fork
---@field target sip.Target
---@field breadth integer   its share
---@field late? boolean     its time is over; only a 2xx still counts
---@field tx? any
---@field private aim sip.Aim
---@field private places sip.Place[]
---@field private at integer
---@field heard boolean    a provisional answer has come
---@field private done boolean
local Branch = {}
local branch_mt = { __name = "sip.Branch", __index = Branch }

function branch_mt:__tostring()
  return ("sip.Branch{%s}"):format(self.target.uri)
end

---@param fork sip.Fork
---@param target sip.Target
---@param breadth integer
---@return sip.Branch
function M.new(fork, target, breadth)
  return setmetatable({
    fork = fork,
    target = target,
    breadth = breadth,
    done = false,
    heard = false,
    -- Named so that the table has room for them and does not grow.
    aim = nil,
    places = nil,
    at = nil,
    tx = nil,
    timer = nil,
  }, branch_mt)
end

local function disarm(self)
  if self.timer then
    self.fork.line.sched:disarm(self.timer)
    self.timer = nil
  end
end

--- It has had its final: nothing is kept for it.
---@private
function Branch:retire()
  self.done = true
  disarm(self)
  if self.tx then
    self.fork.line.clients[self.tx] = nil
    self.tx = nil
  end
end

-- The final of this branch, if it is no 2xx, and the edits with which it goes back; the
-- headers, when it is of our own making.
local function fail(self, status, res, edits)
  if self.done then
    return
  end
  self:retire()
  if self.late and status == 487 then
    status, res = 408, nil
  end
  if res then
    res:keep()
  end
  self.fork:candidate(status, res, edits)
  self.fork:finished(self)
end

-- Our own side towards a place, as a Record-Route names it.
local function side_of(line, place)
  local transport, host, port = place.transport, place.host, place.port
  local own, own_port, why = line.stack:local_for(transport, host, port, place.flow,
    place.own)
  if own_port == 0 then -- nobody listens for streams: we are reached by datagrams
    transport = "udp"
    own, own_port, why = line.stack:local_for(transport, host, port, nil, place.own)
  end
  return transport, own, own_port, why
end

-- The copy for a place, sent; false and why if it could not be.
local function attempt(self)
  local fork, place = self.fork, self.places[self.at]
  local line, transport = fork.line, place.transport
  local host, port = place.host, place.port
  local side, own, own_port, why, token
  if fork.record then
    side, own, own_port, why = side_of(line, place)
    if not own then
      return false, why
    end
    token = place == self.aim.hop.at and line.stack:token(fork.message, "callee", place)
      or nil
  end
  -- With room for two Record-Routes.
  local edits = { "set", "Max-Breadth", tostring(self.breadth), nil, nil, nil, nil, nil,
    nil }
  table.move(fork.edits, 1, #fork.edits, 4, edits)
  routing.edit(edits, self.aim, fork.record, side, own, own_port, token)
  local tx, name
  tx, name, why = line.stack:forward {
    message = fork.message,
    uri = self.aim.uri,
    max_forwards = fork.max_forwards,
    edits = edits,
    tail = fork.tail,
    transport = transport,
    host = host,
    port = port,
    server_name = place.name,
    flow = place.flow,
    own = place.own,
  }
  if not tx then
    return false, why ~= "" and why or name
  end
  if self.tx then
    line.clients[self.tx] = nil
  end
  self.tx, self.heard = tx, false
  line.clients[tx] = self
  if fork.method == "INVITE" then
    disarm(self)
    self.deadline = line.sched:now() + fork.timer_c
    self.timer = line.sched:arm(fork.timer_c, self)
  end
  return true
end

-- The next place that takes it; false when there is none left.
local function next_place(self)
  while not self.cancelled and self.at < #self.places do
    self.at = self.at + 1
    if attempt(self) then
      return true
    end
  end
  return false
end

-- What it means that nothing could be sent: 503 (16.9). Of a connection that is the
-- only way and is gone: 430 inside a dialog with who has asked for that way (RFC 5626
-- 5.3.1), and before any dialog that nobody is there.
local function unsent(self)
  local at = self.aim.hop.at
  if not (at and at.sole) then
    return 503
  elseif not self.fork.message:to_tag() then
    return 480
  end
  return at.outbound and 430 or 503
end

--- Send it. What cannot be sent is a failed branch at once.
function Branch:start()
  if self.aim or self.done then
    return
  end
  local fork, target = self.fork, self.target
  local uri, hop = sips.forwarded(target.uri, fork.secure)
  if not uri then
    local host = fork.tx:local_address()
    return fail(self, 480, nil, sips.warning(380, host or "luasip"))
  end
  local path = target.path
  local route, changed = fork.route, fork.rerouted
  if path and path[1] then
    route = table.move(route or {}, 1, #(route or {}), #path + 1,
      table.move(path, 1, #path, 1, {}))
    changed = true
  end
  local aim = routing.aim(uri, route, changed, target.at)
  if not aim then
    return fail(self, 416)
  elseif hop then
    hop.at = aim.hop.at
    aim.hop = sips.by_tls(route and route[1] and aim.hop or hop)
  end
  self.aim = aim
  self.query = resolve.start(fork.line, aim.hop, function(places)
    self.query = nil
    self.places, self.at = places, 0
    if not self.done and not next_place(self) then
      fail(self, self.cancelled and 487 or unsent(self))
    end
  end)
end

--- Timer C (16.8), put off by each provisional answer (16.7 step 2).
function Branch:expired()
  local sched = self.fork.line.sched
  self.timer = nil
  local left = sched:left(self.deadline)
  if self.done then
    return
  elseif left > 0 then
    self.timer = sched:arm(left, self)
  elseif self.heard then
    self.late = true
    self:cancel()
  else
    self.tx:cancel() -- should it ring yet, nobody is there any more
    fail(self, 408)
  end
end

--- Give it up (16.10).
function Branch:cancel()
  if self.done or self.cancelled then
    return
  end
  self.cancelled = true
  if self.query then
    self.query:cancel()
    self.query = nil
    fail(self, 487)
  elseif self.tx and self.fork.method == "INVITE" then
    disarm(self)
    self.tx:cancel()
  elseif not self.aim then
    fail(self, 487)
  end
end

-- The targets of a redirection that we can send to, best first: of the scheme that was
-- asked for alone (RFC 5630 5.3).
local function contacts(res, secure)
  local list = {}
  for i = 1, #(res:header "Contact" and res:values "Contact" or {}) do
    local contact = res:name_addr("Contact", i)
    if contact and address.is_sips(contact.uri) == secure
      and address.hop(contact.uri) then
      list[#list + 1] = { uri = contact.uri, place = i,
        q = (targets.q(contact.params.q) or 1000) / 1000 }
    end
  end
  table.sort(list, function(a, b)
    return a.q > b.q or a.q == b.q and a.place < b.place
  end)
  return list
end

-- A redirection. Contacts that are tried are not told of any more, and what has none
-- left is no answer (16.7 step 4).
local function redirected(self, status, res)
  local fork, rest = self.fork, {}
  local gone = fork:add(contacts(res, fork.secure))
  if not gone then
    return fail(self, status, res)
  end
  for i, contact in ipairs(res:values "Contact") do
    rest[#rest + 1] = not gone[i] and contact or nil
  end
  if rest[1] then
    return fail(self, status, res, { "set", "Contact", table.concat(rest, ", ") })
  end
  self:retire()
  fork:finished(self)
end

--- The request has been answered: whatever 2xx still comes goes back without us, and
--- nothing is kept for it.
function Branch:let_go()
  local fork, tx = self.fork, self.tx
  self.done = true
  disarm(self)
  if tx then
    fork.line.clients[tx] = nil
    tx:hand_over(fork.tx)
    self.tx = nil
  end
end

-- After a 503: whoever says for how long is asked last until then (21.5.4).
local function elsewhere(self, res)
  local seconds = retry.seconds(res)
  if seconds then
    resolve.failed(self.fork.line, self.places[self.at], seconds)
  end
  return next_place(self)
end

--- A response has come (called by the line).
---@param res sip.Message
function Branch:response(tx, res)
  local fork, status = self.fork, res:status()
  if status < 200 then
    if not self.done and status > 100 then
      self.heard = true
      self.deadline = self.deadline and fork.line.sched:now() + fork.timer_c
      fork:provisional(res)
    end
  elseif status < 300 then
    fork:success(self, res)
  elseif tx ~= self.tx or self.done then
    return
  elseif status == 503 and elsewhere(self, res) then
    return
  elseif status < 400 and not self.cancelled then
    redirected(self, status, res)
  else
    fail(self, status, res)
  end
end

--- The transaction has failed (called by the line): a timeout is a 408, an error of
--- the wire a 503 (16.8, 16.9).
function Branch:failed(tx, name)
  if tx ~= self.tx or self.done then
    return
  end
  if not self.cancelled then
    resolve.failed(self.fork.line, self.places[self.at])
  end
  if next_place(self) then
    return
  end
  fail(self, name ~= "timeout" and unsent(self) or self.cancelled and 487 or 408)
end

--- A transaction has ended (called by the line).
function Branch:ended(tx)
  if tx == self.tx then
    self.tx = nil
  end
end

return M

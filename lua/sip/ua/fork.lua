--- A response context (RFC 3261 16.7): the branches that a request was forwarded to,
--- and which of their answers goes back. It never waits; its owner is told once, by
--- `settled(status, res)`, when a final answer has been chosen, and decides whether
--- that goes back. A 2xx has gone already. `late(res)` tells of a 2xx to INVITE after
--- that; true: it has gone back, too.

local branch_of = require "sip.ua.branch"
local sips = require "sip.ua.sips"
local targets_of = require "sip.ua.targets"

local M = {}

local CHALLENGES = 32 -- of other branches in one answer, at most

---@class sip.ForkFields
---@field line sip.Line
---@field tx any                server transaction
---@field message sip.Message   kept
---@field secure boolean        it is for a sips URI
---@field method string
---@field max_forwards integer  for the copies
---@field breadth integer       what may be under way at once (RFC 5393 5.3)
---@field edits string[]        the script's: op, name, value ...
---@field route? string[]       Route values that are left
---@field rerouted boolean      they are not those of the message
---@field tail string           for loop detection
---@field record? sip.RecordRoute
---@field timeout? number       seconds that a group may take
---@field timer_c number
---@field patience number      seconds for which what is no INVITE is repeated
---@field redirects integer     how many further targets of 3xx may be tried
---@field owner table

---@class sip.Fork: sip.ForkFields
---@field state "open"|"answered"|"failed"
---@field private groups sip.Target[][]
---@field private branches sip.Branch[]  those that have no final yet
---@field private best? { status: integer, res?: sip.Message }
---@field private challenges? sip.Message[]
---@field private tried sip.Tried
local Fork = {}
local fork_mt = { __name = "sip.Fork", __index = Fork }

function fork_mt:__tostring()
  return ("sip.Fork{%s; %s; %d branches}"):format(self.method, self.state,
    #self.branches)
end

---@class sip.Target
---@field uri string
---@field q? number         0 to 1; 1
---@field path? string[]    Route values on the way to it (RFC 3327)
---@field at? sip.Place      where it is, when its URI does not lead there

---@param fields sip.ForkFields  becomes the fork: do not use it again
---@return sip.Fork
function M.new(fields)
  fields.state = "open"
  fields.given_up_at = fields.line.sched:now() + fields.patience
  fields.branches = {}
  return setmetatable(fields, fork_mt)
end

--- Begin with these targets: all at once, one after the other, or those of equal q
--- at once (16.6).
---@param targets sip.Target[]  best first
---@param order "parallel"|"sequential"|"q"
function Fork:start(targets, order)
  targets = sips.allowed(targets, self.secure)
  self.groups, self.order = targets_of.split(targets, order), order
  self.tried = targets_of.tried()
  self:advance()
end

-- How much of the breadth is not in use.
local function room(self)
  local left = self.breadth
  for _, branch in ipairs(self.branches) do
    left = left - branch.breadth
  end
  return left
end

-- The next group; what the breadth does not allow at once comes after it.
local function start_group(self)
  local group = self.tried:take(table.remove(self.groups, 1))
  local left, n = room(self), #group
  if n == 0 then
    return
  elseif left < 1 and #self.branches == 0 then
    return self:candidate(440)
  elseif n > left then
    table.insert(self.groups, 1, table.move(group, left + 1, n, 1, {}))
    for _, target in ipairs(self.groups[1]) do
      self.tried:give_back(target.uri)
    end
    n = left
  elseif self.timeout and self.groups[1] then
    left = math.max(left // 2, n) -- the next may begin before these have ended
  end
  local share = n > 0 and left // n
  for i = 1, n do
    group[i] = branch_of.new(self, group[i], share)
    self.branches[#self.branches + 1] = group[i]
  end
  if self.timeout and n > 0 then
    self.timer = self.line.sched:arm(self.timeout, self)
  end
  for i = 1, n do
    group[i]:start()
  end
end

-- Whether nothing is under way that the next group would have to wait for.
local function idle(self)
  for _, branch in ipairs(self.branches) do
    if not branch.late then
      return false
    end
  end
  return true
end

-- Whether an answer is still to come. Of who has not said a word in his time none is
-- (as in 16.8); should he answer yet, nobody has to wait for it.
local function awaited(self)
  for _, branch in ipairs(self.branches) do
    if not branch.late or branch.heard then
      return true
    end
  end
  return false
end

local function disarm(self)
  if self.timer then
    self.line.sched:disarm(self.timer)
    self.timer = nil
  end
end

--- Go on: to the next group, or to the choice when nothing is left (called by the
--- branches).
function Fork:advance()
  while self.state == "open" and not self.starting and idle(self) do
    disarm(self)
    if self.groups and self.groups[1] and (room(self) > 0 or not self.branches[1]) then
      self.starting = true
      start_group(self)
      self.starting = false
    elseif not awaited(self) and not (self.groups and self.groups[1]) then
      return self:choose()
    else
      return
    end
  end
end

--- The time of a group is over (called by the scheduler): the next one has its turn,
--- and who of this one still answers in spite of its CANCEL is not lost.
function Fork:expired()
  self.timer = nil
  self:cancel_pending "late"
  self:advance()
end

--- CANCEL what is pending.
---@param flag? "late"
---@private
function Fork:cancel_pending(flag)
  for _, branch in ipairs(table.move(self.branches, 1, #self.branches, 1, {})) do
    if flag then
      branch[flag] = true
    end
    branch:cancel()
  end
end

--- The client has given up (16.10).
function Fork:cancel()
  self.cancelled, self.groups = true, nil
  disarm(self)
  self:cancel_pending()
  self:advance()
end

-- Inside 4xx, how much an answer helps whoever asked (16.7 step 6). A request that
-- was cancelled is told so.
local HELPFUL = {
  [401] = 9, [407] = 9, [415] = 8, [420] = 8, [484] = 8, [486] = 7, [480] = 6,
  [404] = 3, [408] = 2, [487] = 1,
}

-- What goes first: 6xx, then the lowest class.
local function rank(self, status)
  if status >= 600 then
    return 100
  elseif self.cancelled and status == 487 then
    return 90
  elseif status >= 400 and status < 500 then
    return 40 + (HELPFUL[status] or 5)
  end
  return status < 400 and 60 or status == 503 and 1 or 10
end

--- A final answer that is no 2xx, of a branch or of our own making (called by
--- branches).
---@param status integer
---@param res? sip.Message  kept
---@param edits? string[]   with which it goes back; of our own making: its headers
---@private
function Fork:candidate(status, res, edits)
  local best = self.best
  if not best or rank(self, status) > rank(self, best.status) then
    self.best = { status = status, res = res, edits = edits }
  end
  if res and (status == 401 or status == 407) then
    self.challenges = self.challenges or {}
    table.insert(self.challenges, res)
  end
  if status >= 600 and self.groups then -- nothing new begins (16.7 step 5)
    self.groups = nil
    self:cancel_pending()
  end
end

-- All challenges in one answer (16.7 step 7), as many as are of any use.
local function aggregated(self, res)
  local edits = {}
  for _, other in ipairs(self.challenges or {}) do
    for _, name in ipairs { "WWW-Authenticate", "Proxy-Authenticate" } do
      local i = other ~= res and 1
      while i and other:header(name, i) and #edits < 3 * CHALLENGES do
        table.move({ "add", name, other:header(name, i) }, 1, 3, #edits + 1, edits)
        i = i + 1
      end
    end
  end
  return edits
end

-- A transaction never stays without its final, whatever there is no room or no memory
-- for.
local function send_back(self, res, edits)
  local tx = self.tx
  local ok, name = tx:forward(res, edits)
  if ok or name == "no_memory" and self.method == "INVITE" and res:status() < 300 then
    return -- a 2xx comes again
  elseif not (edits and tx:forward(res) or tx:respond(500)) then
    tx:drop()
  end
end

---@private
function Fork:choose()
  local best = self.best or { status = self.cancelled and 487 or 408 }
  if self.cancelled and best.status == 408 then
    best = { status = 487 }
  end
  self.state = "failed"
  self.branches = {}
  self.owner:settled(best.status, best.res)
end

-- RFC 4320 4.2: 408 to what is no INVITE helps nobody. The transaction goes when the
-- request is not repeated any more: a repetition is not to be forwarded.
local function say_nothing(self)
  local sched, tx = self.line.sched, self.tx
  local left = self.given_up_at - sched:now()
  if left < 0.001 then
    tx:drop()
  else
    sched:arm(left, { expired = function()
      tx:drop()
    end })
  end
end

--- Send the chosen failure back.
---@param status integer
---@param res? sip.Message
function Fork:relay(status, res)
  local tx = self.tx
  if status == 408 and self.method ~= "INVITE" then
    say_nothing(self)
  elseif status == 503 then
    tx:respond(500) -- our next hop's trouble is not ours (16.7 step 6)
  elseif not res then
    local best = self.best
    tx:respond(status, {
      headers = best and best.status == status and best.edits or nil,
    })
  elseif status == 401 or status == 407 then
    send_back(self, res, aggregated(self, res))
  else
    send_back(self, res, self.best.edits)
  end
end

--- A 101-199 of a branch.
---@private
function Fork:provisional(res)
  if self.state == "open" then
    self.tx:forward(res)
  end
end

--- A 2xx of a branch: it goes back at once (16.7 step 5), and so does each that still
--- comes to an INVITE, but without us.
---@private
function Fork:success(branch, res)
  if self.state == "open" then
    send_back(self, res)
    self:answered(res, branch)
  elseif self.state == "failed" and self.method == "INVITE" then
    if self.owner:late(res) then
      branch:let_go()
    end
  else
    branch:retire()
  end
end

--- The request has been answered by a 2xx: of this branch, or of an earlier fork of it.
--- What else is under way is cancelled.
---@param res sip.Message
---@param winner? sip.Branch
function Fork:answered(res, winner)
  local branches = self.branches
  self.state, self.groups, self.branches = "answered", nil, {}
  disarm(self)
  for _, one in ipairs(branches) do
    if self.method ~= "INVITE" then
      one:retire()
    else
      if one ~= winner then
        one:cancel()
      end
      one:let_go()
    end
  end
  self.owner:settled(res:status(), res)
end

--- More targets, from a 3xx (16.7 step 4): as many as may be tried, and none twice.
---@param targets sip.Target[]
---@return table<integer, true>? gone  the places of those that are tried, or have been;
---   nil: none is
---@private
function Fork:add(targets)
  local list, gone = {}, {}
  for _, target in ipairs(self.groups and targets or {}) do
    local known = self.tried:has(target.uri)
    if not known and self.redirects > 0 then
      self.redirects = self.redirects - 1
      list[#list + 1] = target
      known = true
    end
    gone[target.place] = known or nil
  end
  for i, group in ipairs(list[1] and targets_of.split(list, self.order) or {}) do
    table.insert(self.groups, i, group)
  end
  return list[1] and gone or nil
end

--- A branch has its final (called by it).
---@private
function Fork:finished(branch)
  for i, one in ipairs(self.branches) do
    if one == branch then
      table.remove(self.branches, i)
      break
    end
  end
  self:advance()
end

return M

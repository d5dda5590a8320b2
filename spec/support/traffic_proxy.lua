--- Who passes on what comes: in transactions, to one or to two at once, or without any.

local book_of = require "spec.support.traffic_book"

local assert = require "luassert"

local M = { stateful = {}, stateless = {} }

local TIMER_C = 100 -- before who is called gives up, too
local PORTS = { udp = 5060, tcp = 5060, tls = 5061 }
local TRANSPORTS = { "udp", "udp", "tcp", "tls" }

---@class spec.TrafficFork
---@field entry spec.Entry    of the server transaction
---@field clients spec.Entry[]
---@field open integer        how many have had no final
---@field best? any           the failure that goes back when there is nothing better
---@field wire? boolean       one could not be sent

local function is_done(fork)
  return fork.entry.outcome ~= nil
end

local function cancel_rest(fork, winner)
  for _, client in ipairs(fork.clients) do
    if client ~= winner and not client.outcome then
      client.asked = client.asked or fork.node.traffic.now()
      client.tx:cancel() -- or it has had its final
    end
  end
end

local function answer(fork, status)
  fork.node.book:decide(fork.entry, status)
  assert(fork.entry.tx:respond(status))
end

-- All have failed. 408 to what is no INVITE is never said (RFC 4320 4.2).
local function give_up(fork)
  local entry = fork.entry
  if fork.best then
    fork.node.book:decide(entry, fork.best:status())
    if not entry.tx:forward(fork.best) then -- a 408 of somebody else's
      assert(entry.tx:drop())
    end
  elseif entry.method == "INVITE" then
    answer(fork, 408)
  elseif fork.wire then
    answer(fork, 500)
  else
    fork.node.book:decide(entry, "dropped")
    assert(entry.tx:drop())
  end
end

local function one_less(fork)
  fork.open = fork.open - 1
  if fork.open == 0 and not is_done(fork) then
    give_up(fork)
  end
end

local function forward(node, fork, message, ip)
  local roll = node.traffic.roll
  local transport = TRANSPORTS[roll(#TRANSPORTS)]
  local tx, why = node.stack:forward {
    message = message, host = ip, transport = transport, port = PORTS[transport],
  }
  if not tx then
    error(why)
  end
  local client = node.book:begin(tx, message:method())
  client.fork = fork
  node.traffic:count "forwarded"
  fork.clients[#fork.clients + 1], fork.open = client, fork.open + 1
  if client.method == "INVITE" then -- timer C (16.8)
    node.traffic.after(TIMER_C, function()
      if not client.outcome and tx:cancel() then
        client.asked = client.asked or node.traffic.now()
      end
    end)
  end
end

-- By when a client transaction of ours has its outcome.
local function bound(client)
  local first = client.born + book_of.LONG
  if client.method ~= "INVITE" then
    return first
  end
  return math.max(first, client.asked or client.born + TIMER_C) + book_of.LONG
end

local function on_response(node, tx, message)
  local client = assert(node.book:find(tx), "a response to nobody")
  local fork, status = client.fork, message:status()
  local server = fork.entry
  if status < 200 then
    if server.method == "INVITE" and not is_done(fork) then
      assert(server.tx:forward(message))
    end
    return
  elseif status < 300 and client.outcome then -- RFC 6026 8.5
    server.tx:forward(message) -- or it has had another final
    return
  end
  node.book:decide(client, status, bound(client))
  if status >= 300 then
    message:keep()
    fork.best = message
    return one_less(fork)
  end
  fork.open = fork.open - 1
  if not is_done(fork) then
    node.book:decide(server, status)
    cancel_rest(fork, client)
  end
  server.tx:forward(message)
end

--- In transactions.
---@param node spec.Node
---@param places table
function M.stateful.attach(node, places)
  local traffic, on, book = node.traffic, node.on, node.book

  function on.request(tx, message)
    local entry = book:begin(tx, message:method())
    local fork = { node = node, entry = entry, clients = {}, open = 0 }
    local how = traffic.roll(3)
    entry.fork = fork
    traffic:count "answered"
    if how ~= 2 then
      forward(node, fork, message, places.ONE)
    end
    if how == 2 or how == 3 and entry.method == "INVITE" then
      forward(node, fork, message, places.TWO)
    end
  end

  function on.response(tx, message)
    on_response(node, tx, message)
  end

  function on.cancel(tx)
    cancel_rest(assert(book:find(tx), "a CANCEL of nobody").fork)
  end

  function on.failed(tx, _, name)
    local entry = assert(book:find(tx), "a failure of nobody")
    if entry == entry.fork.entry then
      traffic:count("response " .. name)
    elseif entry.outcome then
      traffic:count "ACK unsent"
    else
      book:decide(entry, name, bound(entry))
      entry.fork.wire = entry.fork.wire or name == "wire"
      one_less(entry.fork)
    end
  end

  function on.ended(tx)
    local entry = assert(book:find(tx), "the end of nobody")
    book:close(entry, book_of.LONG + book_of.T4)
  end
end

--- Without any (16.11): what goes back finds its way by what was sealed.
---@param node spec.Node
---@param places table
function M.stateless.attach(node, places)
  local traffic, on = node.traffic, node.on

  -- The same for all that belongs together, as it must be.
  local function pass(message)
    local first = message:call_id():byte(-1) % 2 == 0
    local _, _, transport = message:source()
    node.stack:pass {
      message = message, branch = assert(node.stack:stateless_branch(message)),
      host = first and places.ONE or places.TWO, transport = transport,
      port = PORTS[transport],
    }
    traffic:count "passed"
  end

  function on.request(tx, message)
    pass(message)
    assert(tx:drop())
  end

  function on.ack(_, message)
    pass(message)
  end
end

return M

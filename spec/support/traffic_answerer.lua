--- Who answers, each time in another way: at once, late, several times or not at all.

local book_of = require "spec.support.traffic_book"

local assert = require "luassert"

local M = {}

local PATIENCE = 100 -- nothing rings longer

local FAILURES = { 302, 404, 480, 486, 488, 500, 503, 600, 603 }

-- Answer, unless that is over or the host is another by then.
local function respond(node, entry, status, spec)
  if entry.outcome or node.book:find(entry.tx) ~= entry then
    return
  end
  spec = spec or {}
  spec.headers = { "Contact", "<sip:bob@" .. node.ip .. ">" }
  assert(entry.tx:respond(status, spec))
  if status >= 200 then
    node.book:decide(entry, status)
  end
end

local function later(node, entry, seconds, status, spec)
  node.traffic.after(seconds, function()
    respond(node, entry, status, spec)
  end)
end

local ACKED = { until_ack = true }

local calls = {
  function(node, entry, roll)
    respond(node, entry, FAILURES[roll(#FAILURES)])
  end,
  function(node, entry, roll)
    respond(node, entry, 180)
    later(node, entry, roll(200) / 10, FAILURES[roll(#FAILURES)])
  end,
  function(node, entry)
    respond(node, entry, 200, ACKED)
  end,
  function(node, entry, roll)
    respond(node, entry, 180)
    later(node, entry, roll(100) / 10, 183)
    later(node, entry, roll(200) / 10, 200, ACKED)
  end,
  function(node, entry, roll) -- its user repeats the 2xx itself, and says another
    later(node, entry, roll(20) / 10, 200)
    node.traffic.after(4, function()
      if entry.outcome == 200 and node.book:find(entry.tx) == entry then
        assert(entry.tx:respond(roll(2) == 1 and 200 or 202,
          { headers = { "Contact", "<sip:bob@" .. node.ip .. ">" } }))
      end
    end)
  end,
  function(node, entry) -- rings until its CANCEL
    respond(node, entry, 180)
  end,
  function() end, -- says nothing but the 100 that is said for it
}

-- Of no INVITE: nobody waits longer than 64*T1 (RFC 4320).
local function other(node, entry, roll)
  local how = roll(20)
  if how <= 14 then
    respond(node, entry, roll(3) == 1 and FAILURES[roll(#FAILURES)] or 200)
  elseif how <= 18 then
    later(node, entry, roll(200) / 10, 200)
  else
    node.traffic.after(book_of.LONG, function()
      if not entry.outcome and node.book:find(entry.tx) == entry then
        node.book:decide(entry, "dropped")
        assert(entry.tx:drop())
      end
    end)
  end
end

---@param node spec.Node
function M.attach(node)
  local traffic, on, book = node.traffic, node.on, node.book
  local by_call = {}

  function on.request(tx, message)
    local method, roll = message:method(), traffic.roll
    local entry = book:begin(tx, method)
    traffic:count "answered"
    if method ~= "INVITE" then
      return other(node, entry, roll)
    end
    entry.call = ("%s %d"):format(message:call_id(), (message:cseq()))
    by_call[entry.call] = entry
    calls[roll(#calls)](node, entry, roll)
    later(node, entry, PATIENCE, 480)
  end

  function on.cancel(tx)
    local entry = assert(book:find(tx), "a CANCEL of nobody")
    if traffic.roll(5) > 1 then -- or the user does not care
      respond(node, entry, 487)
    end
  end

  -- The ACK to a 2xx has a branch of its own.
  function on.ack(_, message)
    local entry = by_call[("%s %d"):format(message:call_id(), (message:cseq()))]
    if entry and book:find(entry.tx) == entry then
      entry.tx:acked()
    end
  end

  function on.no_ack(tx)
    assert.equal(2, assert(book:find(tx)).outcome // 100)
    traffic:count "2xx without ACK"
  end

  -- Of the response, in whatever state; timer H is one (17.2.1).
  function on.failed(tx, _, name)
    assert(book:find(tx), "a failure of nobody")
    traffic:count("response " .. name)
  end

  -- Timers H and I, J, L (17.2.1, 17.2.2, RFC 6026 8.7).
  function on.ended(tx)
    local entry = assert(book:find(tx), "the end of nobody")
    book:close(entry, book_of.LONG + book_of.T4)
    if entry.call and by_call[entry.call] == entry then
      by_call[entry.call] = nil
    end
  end
end

return M

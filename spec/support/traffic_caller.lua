--- Who begins transactions: of any method, by any transport, to whom it likes, and
--- cancels calls when its patience is over.

local book_of = require "spec.support.traffic_book"

local assert = require "luassert"

local M = {}

local METHODS = { "OPTIONS", "MESSAGE", "INFO", "SUBSCRIBE", "NOTIFY", "UPDATE",
  "PUBLISH", "BYE", "JUMP" }
local TRANSPORTS = { "udp", "udp", "udp", "tcp", "tls" }
local PORTS = { udp = 5060, tcp = 5060, tls = 5061 }
local PATIENCE = 60

-- What is written into a table of results.
local function kind_of(outcome)
  if type(outcome) == "string" then
    return outcome
  elseif outcome == 487 then
    return "487"
  end
  return ("%dxx"):format(outcome // 100)
end

-- By when there is an outcome: RFC 3261 17.1.1.2, 17.1.2.2; a call that rings has 64*T1
-- from its CANCEL on (9.1), which may have to wait for a provisional response.
local function bound(entry)
  local first = entry.born + book_of.LONG
  if entry.method ~= "INVITE" then
    return first
  elseif entry.asked then
    return math.max(first, entry.asked) + book_of.LONG
  end
  return entry.born + PATIENCE
end

-- How long it is remembered: timers D and M, or K (17.1.1.2, 17.1.2.2).
local function lingers(entry)
  return entry.method == "INVITE" and book_of.LONG or book_of.T4
end

-- The ACK to a 2xx goes where its Contact says; one in ten never does.
local function acknowledge(node, entry, message)
  if entry.forgetful then
    return
  end
  local ip = message:contact_uri():match "@([%d.]+)"
  assert(node.stack:send {
    method = "ACK", uri = message:contact_uri(), transport = entry.transport,
    host = ip, port = PORTS[entry.transport],
    headers = { "From", message:header "From", "To", message:header "To",
      "Call-ID", message:call_id(), "CSeq", (message:cseq()) .. " ACK" },
  })
end

---@param node spec.Node
function M.attach(node)
  local traffic, on, book = node.traffic, node.on, node.book

  function on.response(tx, message)
    local entry = assert(book:find(tx), "a response to nobody")
    local status = message:status()
    if status < 200 then
      assert.is_nil(entry.outcome, "a provisional response after the final one")
      return
    elseif not entry.outcome then
      book:decide(entry, status, bound(entry))
      traffic:count(entry.name .. " " .. kind_of(status))
    else -- RFC 6026 7.2: another 2xx, or the same again
      assert.equal("INVITE", entry.method)
      assert.same({ 2, 2 }, { entry.outcome // 100, status // 100 })
      traffic:count "2xx after a 2xx"
    end
    if entry.method == "INVITE" and status < 300 then
      acknowledge(node, entry, message)
    end
  end

  function on.failed(tx, _, name)
    local entry = assert(book:find(tx), "a failure of nobody")
    if entry.outcome then -- the ACK to a failure, which the stream did not take
      assert.equal("INVITE", entry.method)
      assert.is_true(entry.outcome >= 300 and name == "wire")
      traffic:count "ACK unsent"
      return
    end
    book:decide(entry, name, bound(entry))
    traffic:count(entry.name .. " " .. name)
  end

  function on.ended(tx)
    local entry = assert(book:find(tx), "the end of nobody")
    book:close(entry, lingers(entry))
  end
end

-- Where to, and what that is called.
local function way(traffic, places)
  local roll = traffic.roll(20)
  if roll <= 7 then
    return traffic.roll(2) == 1 and places.ONE or places.TWO, "direct"
  elseif roll <= 13 then
    return places.PROXY, "proxied"
  elseif roll <= 17 then
    return places.STATELESS, "stateless"
  elseif roll == 18 then
    return places.NOBODY, "to nobody"
  end
  return places.ONE, "refused", 5999
end

local function cancel_later(node, entry)
  local traffic = node.traffic
  local when = traffic.roll(2) == 1 and PATIENCE or traffic.roll(PATIENCE * 10) / 10
  traffic.after(when, function()
    local ok, why = entry.tx:cancel()
    if ok then
      entry.asked = traffic.now()
      traffic:decided()
      traffic:count "CANCEL"
    else -- its final response is there, told or not yet
      assert.is_truthy(why == "state" or why == "gone", why)
    end
  end)
end

--- Begin one.
---@param node spec.Node
---@param places table
function M.begin(node, places)
  local traffic = node.traffic
  local ip, name, port = way(traffic, places)
  local method = traffic.roll(2) == 1 and "INVITE" or METHODS[traffic.roll(#METHODS)]
  local transport = TRANSPORTS[traffic.roll(#TRANSPORTS)]
  local number = (node.number or 0) + 1
  node.number = number
  local tx = assert(node.stack:request {
    method = method, uri = "sip:bob@" .. ip, transport = transport,
    host = ip, port = port or PORTS[transport],
    headers = { "From", "<sip:alice@192.0.2.1>;tag=a" .. number,
      "To", "<sip:bob@" .. ip .. ">", "Call-ID", "call-" .. number,
      "CSeq", number .. " " .. method, "Contact", "<sip:alice@192.0.2.1>" },
    body = traffic.roll(20) == 1 and ("x"):rep(1300) or nil,
  })
  local entry = node.book:begin(tx, method)
  entry.transport, entry.forgetful = transport, traffic.roll(10) == 1
  entry.name = ("%s %s"):format(method == "INVITE" and method or "other", name)
  traffic:count "begun"
  traffic:count("by " .. transport)
  if method == "INVITE" then
    cancel_later(node, entry)
  end
end

return M

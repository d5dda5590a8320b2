--- Many calls at once between endpoints whose scripts do something at random, over
--- links with faults. Everything random comes from the seed.

local net_of = require "spec.support.net"

local M = {}

local SDP = net_of.SDP

-- A source of chance of our own, so that scripts do not disturb the network's.
local function dice(seed)
  local state = seed * 2654435761 % 4294967296
  return function(n)
    state = (state * 1664525 + 1013904223) % 4294967296
    return (state >> 8) % n + 1
  end
end

local callee = {
  function(call)
    call:reject(({ 486, 404, 603, 480 })[#call.id % 4 + 1])
  end,
  function(call, sip, roll)
    call:ring()
    sip.sleep(roll(80) / 10)
    call:answer { sdp = SDP }
    call:wait()
  end,
  function(call, sip, roll)
    call:answer { sdp = SDP }
    sip.sleep(roll(60) / 10)
  end,
  function(call, sip)
    call:ring()
    sip.sleep(100)
  end,
  function(call, sip, roll)
    call:ring()
    local hang <close> = setmetatable({}, { __close = function()
      sip.sleep(0.1)
    end })
    sip.sleep(roll(40) / 10)
    call:answer { sdp = function()
      return SDP
    end }
    sip.timeout(roll(50) / 10, call.wait, call)
    return hang
  end,
  function(call, sip, roll)
    call:spawn(function()
      sip.sleep(roll(30) / 10)
      call:hangup()
    end)
    call:answer { sdp = SDP }
    call:send { method = "OPTIONS" }
    call:wait()
  end,
  function(call)
    call:ring()
    call:redirect "sip:elsewhere@192.0.2.3"
  end,
  function(call, sip)
    call:answer { sdp = SDP }
    call:dial({ "sip:x@192.0.2.3", "sip:y@192.0.2.2" }, { sdp = SDP, timeout = 3 })
    sip.sleep(1)
  end,
}

local BOTH = { "sip:bob@192.0.2.2", "sip:bob@192.0.2.3" }

-- What a proxy does with a request: each in another way.
local routes = {
  function(req)
    req:forward(BOTH)
  end,
  function(req, roll)
    req:record_route()
    req:forward(BOTH, { order = "sequential", timeout = roll(60) / 10 })
  end,
  function(req, roll)
    req:record_route()
    req:forward(BOTH, { timeout = roll(90) / 10, redirects = roll(2) })
  end,
  function(req, roll)
    req:record_route()
    local ok = req:forward(BOTH[roll(2)], { timeout = roll(30) / 10, fallback = true })
    if not ok and req.state == "new" then
      req:forward(BOTH[roll(2)])
    end
  end,
  function(req, roll)
    local call = roll(4) == 1 and req:call()
    if call and call:answer { sdp = SDP } then
      call:wait()
    elseif req.state == "new" then
      req:reply(480)
    end
  end,
}

-- So many proxies in a row, of which the last forks.
local function add_proxies(net, count, roll)
  for i = 1, count do
    net:endpoint("192.0.2." .. 100 + i, { trace = false }):on("*", function(req)
      if i == count then
        return routes[roll(#routes)](req, roll)
      end
      req:record_route()
      req:forward("sip:bob@192.0.2." .. 101 + i)
    end)
  end
end

local function caller(ua, sip, roll, tally, proxies)
  sip.sleep(roll(200) / 10)
  local host = proxies > 0 and 101 or 1 + roll(2)
  local peer, e = ua:dial("sip:bob@192.0.2." .. host, {
    sdp = SDP, timeout = roll(12), redirects = roll(3) - 1,
  })
  tally[peer and "answered" or e.name] = (tally[peer and "answered" or e.name] or 0) + 1
  if not peer then
    return
  end
  local what = roll(3)
  if what == 1 then
    sip.timeout(roll(80) / 10, peer.wait, peer)
  elseif what == 2 then
    peer:send { method = "INFO" }
    sip.sleep(roll(20) / 10)
  end
  peer:hangup()
end

--- Run so many calls; gives how they ended, by name. Nothing is left when it
--- returns, or it fails.
---@param seed integer
---@param count integer
---@param options? table  of the links; `proxies`: how many are in between, of which the
---   last one forks
---@return table<string, integer> tally
---@return spec.Net net  closed
function M.run(seed, count, options)
  options = options or { loss = 0.1, duplicate = 0.1, reorder = 0.1, delay = 0.02 }
  options.seed = seed
  local net, roll, tally, ended = net_of.new(options), dice(seed), {}, 0
  local alice, sip = net:endpoint("192.0.2.1", { trace = false })
  for i = 2, 3 do
    local ua, host = net:endpoint("192.0.2." .. i, { trace = false })
    local started = 0
    ua:on_call(function(call)
      started = started + 1
      call:finally(function()
        ended = ended + 1
      end)
      callee[roll(#callee)](call, host, roll)
    end)
    tally[i] = function()
      return started
    end
  end
  local proxies = options.proxies or 0
  add_proxies(net, proxies, roll)
  for _ = 1, count do
    sip.spawn(caller, alice, sip, roll, tally, proxies)
  end
  net:run()
  local begun = tally[2]() + tally[3]()
  tally[2], tally[3] = nil, nil
  assert(ended == begun, ("%d scripts began, %d ended"):format(begun, ended))
  assert(#net.errors == 0, net.errors[1])
  net:clean()
  return tally, net
end

return M

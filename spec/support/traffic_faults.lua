--- What goes wrong: links that go away and come back, hosts that are out of reach for a
--- while, processes that end and begin anew.

local users = require "spec.support.traffic_users"

local M = {}

local EVERY = 8 -- seconds

-- Seconds, and now and then minutes.
local function span(roll)
  return roll(4) == 1 and roll(900) / 10 or roll(100) / 10
end

local function pairs_of(places)
  return {
    { places.CALLER, places.ONE }, { places.CALLER, places.TWO },
    { places.CALLER, places.PROXY }, { places.CALLER, places.STATELESS },
    { places.PROXY, places.ONE }, { places.PROXY, places.TWO },
    { places.STATELESS, places.ONE }, { places.STATELESS, places.TWO },
    { places.USERS, places.REGISTRAR }, { places.REGISTRAR, places.ONE },
  }
end

local function set_link(traffic, one, two, loss)
  for from, to in pairs { [one] = two, [two] = one } do
    traffic.world:link { from = from, to = to, loss = loss, delay = 0.02,
      duplicate = 0.1, reorder = 0.1 }
  end
end

local function partition(traffic, links)
  local pair = links[traffic.roll(#links)]
  set_link(traffic, pair[1], pair[2], 1)
  traffic:count "links that went away"
  traffic.after(span(traffic.roll), function()
    set_link(traffic, pair[1], pair[2], 0.3)
  end)
end

local function out_of_reach(traffic)
  local node = traffic.nodes[traffic.roll(#traffic.nodes)]
  node.host:set_down(true)
  traffic:count "hosts that went away"
  traffic.after(span(traffic.roll), function()
    node.host:set_down(false)
  end)
end

local function restart(traffic, places)
  local node = traffic.nodes[traffic.roll(#traffic.nodes)]
  local seconds = span(traffic.roll) / 2
  if node.ip == places.CALLER then
    traffic:count "restarts"
    return users.restart(traffic, places, seconds)
  elseif not node.stack then
    return
  end
  traffic:count "restarts"
  node:stop()
  traffic.after(seconds, function()
    node:start()
  end)
end

--- From now until the end of what is begun.
---@param traffic spec.Traffic
---@param places table
function M.start(traffic, places)
  local links = pairs_of(places)
  local faults = { partition, partition, out_of_reach, restart }
  local function next_one()
    if traffic.now() > traffic.last then
      return
    end
    local fault = faults[traffic.roll(#faults)]
    fault(traffic, fault == partition and links or places)
    traffic.after(traffic.roll(2 * EVERY * 10) / 10, next_one)
  end
  next_one()
end

return M

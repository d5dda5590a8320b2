--- The crossings of a forking proxy: who is there, and what they may do at any time.

local net_of = require "spec.support.net"
local search = require "spec.support.search"

local M = {}

local SDP = net_of.SDP
local CALLER = "192.0.2.1"
local PROXIES = { "192.0.2.10", "192.0.2.11" }
local CALLEES = { "192.0.2.21", "192.0.2.22" }

local function outcome(at)
  return at.outcome or ""
end

local function listen(at, ip)
  at.ua = at.sip.new { listen = "udp:" .. ip .. ":5060" }
end

-- One call; `acts`: "hangs up", at any time while there is a call.
local function caller(acts)
  local host = { ip = CALLER, outcome = outcome, acts = {} }
  function host.setup(at)
    listen(at, CALLER)
    at.sip.spawn(function()
      local peer, e = at.ua:dial("sip:bob@" .. PROXIES[1], { sdp = SDP })
      at.outcome = peer and "answered" or e.name
      if peer then
        peer:wait()
        at.outcome = "answered, ended"
      end
    end)
  end
  for _, name in ipairs(acts or {}) do
    host.acts[#host.acts + 1] = {
      name = name,
      when = function(at)
        return next(at.ua.call_set)
      end,
      run = function(at)
        next(at.ua.call_set):hangup()
      end,
    }
  end
  return host
end

local function proxy(ip, targets)
  return {
    ip = ip,
    setup = function(at)
      listen(at, ip)
      at.ua:on("*", function(req)
        req:record_route()
        req:forward(targets)
      end)
    end,
  }
end

-- Rings, and then does what it is told: a status at any time while it rings.
local function callee(ip, status)
  local host = { ip = ip, outcome = outcome, acts = {} }
  function host.setup(at)
    listen(at, ip)
    at.told = at.sip.runtime.sched:event()
    at.ua:on_call(function(call)
      at.call = call
      at.outcome = "ringing"
      call:finally(function()
        at.call = nil
        at.outcome = call.why and call.why.name == "no_answer" and "not acknowledged"
          or at.outcome .. ", ended"
      end)
      call:ring()
      at.told:wait()
      if status > 299 then
        at.outcome = "refused"
        call:reject(status)
      elseif call:answer { sdp = SDP } then
        at.outcome = "answered"
        call:wait()
      end
    end)
  end
  if status then
    host.acts[1] = {
      name = "answers " .. status,
      when = function(at)
        return at.call and at.call.state == "ringing"
      end,
      run = function(at)
        at.told:notify(true)
      end,
    }
  end
  return host
end

-- At rest one callee has the call if the caller has it, and else none; and who was told
-- of a refusal was refused.
local function agree(outcomes, callees)
  local told, having, refused, forgotten = outcomes[1], 0, false, false
  for i = 2, callees + 1 do
    having = having + (outcomes[i] == "answered" and 1 or 0)
    refused = refused or outcomes[i]:find "^refused" ~= nil
    forgotten = forgotten or outcomes[i] == "not acknowledged"
  end
  local all = table.concat(outcomes, "; ", 1, callees + 1)
  if forgotten then
    return "an answer was never acknowledged: " .. all
  elseif having ~= (told == "answered" and 1 or 0) then
    return "they do not agree: " .. all
  elseif told == "declined" and not refused then
    return "nobody has declined: " .. all
  elseif told ~= "answered" and told ~= "answered, ended" and told ~= "cancelled"
    and told ~= "no_answer" and told ~= "declined" then
    return "no such end: " .. all
  end
end

--- A scenario: the caller, so many proxies of which the last one forks, and callees.
---@param spec table  proxies; caller = { acts }; callees = { statuses, or false: rings
---   on }; firings; messages; quiet
---@return spec.Scenario
function M.new(spec)
  local hosts = { caller(spec.caller) }
  local targets = {}
  for i, status in ipairs(spec.callees) do
    targets[i] = "sip:bob@" .. CALLEES[i]
    hosts[#hosts + 1] = callee(CALLEES[i], status)
  end
  for i = 1, spec.proxies do
    hosts[#hosts + 1] = proxy(PROXIES[i],
      i == spec.proxies and targets or { "sip:bob@" .. PROXIES[i + 1] })
  end
  return { hosts = hosts, quiet = spec.quiet ~= false, firings = spec.firings,
    messages = spec.messages, agree = function(outcomes)
      return agree(outcomes, #spec.callees)
    end }
end

--- Search one to its end, and say what was visited; fails where it finds something, and
--- where it is not complete.
---@param name string
---@param spec table
function M.check(name, spec)
  local result = search.new(M.new(spec)):run(spec.bound)
  name = ("%s, %d %s, %d timers, %s messages"):format(name, spec.proxies,
    spec.proxies == 1 and "proxy" or "proxies", spec.firings, spec.messages or "any")
  print(search.line(name, result))
  if result.why then
    error(name .. ": " .. result.why .. "\n" .. result.way, 2)
  end
  assert(result.complete, name .. ": not complete")
  return result
end

return M

--- The same scripts on both wires: two endpoints that know each other's address, in
--- virtual time or on loopback. What is asserted holds on either; exact instants belong
--- into spec/sim.

local core = require "sip.core"
local facade = require "sip"
local new_sim = require "sip.sim"

local M = {}

---@class spec.Pair
---@field alice sip.Endpoint
---@field bob sip.Endpoint
---@field sip table          of alice
---@field bob_uri fun(user: string, transport?: string): string
---@field run fun(fn: function): ...   run a script of alice's to its end
---@field close fun()

local function uri_of(host, port)
  return function(user, transport)
    return ("sip:%s@%s:%d%s"):format(user, host, port,
      transport and ";transport=" .. transport or "")
  end
end

--- In virtual time.
---@return spec.Pair
function M.simulated(options)
  local sim = new_sim(options)
  local a, b = sim:host "192.0.2.1", sim:host "192.0.2.2"
  return {
    alice = a:endpoint(), bob = b:endpoint(), sip = a.sip,
    bob_uri = uri_of("192.0.2.2", 5060),
    errors = sim.errors,
    run = function(fn)
      return sim:wait(a, fn)
    end,
    close = function(errors)
      for _ = 1, errors or 0 do
        table.remove(sim.errors)
      end
      sim:assert_clean()
      sim:close()
    end,
  }
end

--- On loopback.
---@return spec.Pair
function M.real()
  local errors = {}
  local loop = core.loop()
  local sip = facade.with {
    driver = loop,
    log = function(level, text, fields)
      if level == "error" then
        errors[#errors + 1] = text .. ": " .. tostring(fields.traceback)
      end
    end,
  }
  local function endpoint()
    -- One port number for both transports: TCP is asked for the one UDP was given.
    for _ = 1, 20 do
      local udp = sip.new { listen = { "udp:127.0.0.1:0" } }
      local port = udp.listening[1]:match ":(%d+)$"
      udp:close()
      local ok, both = pcall(sip.new, {
        listen = { "udp:127.0.0.1:" .. port, "tcp:127.0.0.1:" .. port },
      })
      if ok then
        return both, math.tointeger(port)
      end
    end
    error "no port is free for both transports"
  end
  local alice = endpoint()
  local bob, port = endpoint()
  return {
    alice = alice, bob = bob, sip = sip,
    bob_uri = uri_of("127.0.0.1", port),
    errors = errors,
    run = function(fn)
      return sip.run(fn)
    end,
    close = function(expected)
      sip.run(function()
        alice:close()
        bob:close()
      end)
      assert(#errors == (expected or 0), table.concat(errors, "\n"))
      loop:close()
    end,
  }
end

return M

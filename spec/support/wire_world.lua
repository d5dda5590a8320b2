--- SIP_WIRE=real (`make wire`): what asks for a world of the simulator gets one of
--- real sockets on loopback, in which only time is simulated. Specs of clauses, with
--- the same exact instants, then run over UDP and TCP as the kernel has them.
---
--- Datagrams are lost, doubled and late before the kernel gets them, streams are late;
--- media and files are simulated. What else no kernel does on demand fails a spec that
--- has not said so (spec/support/simulated.lua).

local M = {}

local function needs(what)
  error(what .. " cannot be had on real sockets: see spec/support/simulated.lua", 0)
end

--- The whole run uses one copy of the core, the one with the test module in it.
function M.install()
  local path = assert(package.searchpath("sip.test", package.cpath))
  package.preload["sip.core"] = assert(package.loadlib(path, "luaopen_sip_core"))
  local core = require "sip.core"
  local test = require "sip.test"
  function core.world(options)
    return test.world.new { seed = options.seed, needs = needs }
  end
end

return M

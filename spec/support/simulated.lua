--- For what only the simulator can do: `local virtual = simulated(it, "IPv6")` is `it`
--- there; on real sockets (SIP_WIRE=real) what it describes is skipped, and said so,
--- unless this machine can do it.

local busted = require "busted"
local wire = require "spec.support.wire"

---@param block fun(name: string, fn: function)  it or describe
---@param what string                            what it needs
---@return fun(name: string, fn: function)
return function(block, what)
  if os.getenv "SIP_WIRE" ~= "real" or what == "IPv6" and wire.has_ipv6() then
    return block
  end
  return function(name)
    busted.pending(("%s: only in the simulator, for it needs %s"):format(name, what))
  end
end

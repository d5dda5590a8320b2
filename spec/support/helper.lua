-- Loaded by busted before the first spec.
--
-- SIP_COVER=path (`make cover`) counts the lines that run.
--
-- SIP_WIRE=real (`make wire`) puts what is simulated on real sockets.
--
-- SIP_GC=1 (`make gc`) runs the suite with a collector that stops the world after
-- every tenth of growth, and twice more after each test, for finalizers: what survives
-- only because nobody collected does not survive here.

local busted = require "busted"
local linecount = require "spec.support.linecount"

local cover = os.getenv "SIP_COVER"
if cover then
  linecount.start(cover)
end

if os.getenv "SIP_WIRE" == "real" then
  require("spec.support.wire_world").install()
end

if os.getenv "SIP_GC" then
  collectgarbage("incremental", 110, 1000, 30)

  busted.subscribe({ "test", "end" }, function()
    collectgarbage()
    collectgarbage()
    return nil, true
  end)
end

-- Opens a connection to where nothing ever answers, and prints what comes of it and
-- whether it has had its time.  Started by spec/wire/tcp_spec.lua, in a namespace
-- of its own.

local wire = require "spec.support.wire"

local limit_ms = tonumber(arg[1])
local w = wire.new { stream_open_ms = limit_ms }
local began = w.net:now()
local id = assert(w.net:open("TCP", "10.64.3.2", 5060))
assert(w.net:send(id, "hello", 7))
local failed = w:expect { kind = "failed", id = id }
local closed = w:expect { kind = "closed", id = id }
local took_ms = math.floor((w.net:now() - began) * 1000 + 0.5) -- whole ones, as floats
print(failed.why, closed.why, took_ms >= limit_ms)
w:close()

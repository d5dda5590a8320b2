-- Connections over TLS while OpenSSL is short of memory: run by spec/oom/openssl.c,
-- which gives `openssl`.  Usage: openssl.lua CERT KEY CA FIRST STEP COUNT
-- Prints of each series how many allocations were tried, and the most blocks that
-- OpenSSL had more at its end than before.

local core = require "sip.core"
local facade = require "sip"

local openssl = openssl -- luacheck: ignore 113
local cert, key, ca = arg[1], arg[2], arg[3]
local first, step, count = tonumber(arg[4]), tonumber(arg[5]), tonumber(arg[6])

local loop = core.loop()
local sip = facade.with { driver = loop, log = function() end }
local tls = { cert = cert, key = key, ca = ca, clients = "required" }
local bob = sip.new { listen = "tls:127.0.0.1:0", tls = tls }
local uri = "sips:bob@" .. bob.listening[1]:match "^tls:(.*)$"

bob:on_call(function() end) -- ready for calls, and says so

local function ask(ua, timeout)
  return ua:request { method = "OPTIONS", uri = uri, timeout = timeout }
end

-- Wait until nobody is connected any more: no longer than for half a handshake.
local function alone(n)
  local ends = loop:now() + 20
  while bob.stack:stats().connections > 0 do
    assert(loop:now() < ends, ("allocation %d: a connection is left"):format(n))
    sip.sleep(0.001)
  end
end

-- A connection with the n-th allocation refused, and then one with enough memory, from
-- whoever has had the trouble and to whoever has.
local function try(n)
  local ua = sip.new { listen = "udp:127.0.0.1:0", tls = tls }
  openssl.fail(n, count)
  local res, e = ask(ua, 0.2)
  local calls = openssl.calls()
  openssl.fail(0)
  assert(res or e.name == "unreachable" or e.name == "timeout" or e.status == 503
    or e.status == 500, tostring(e))
  -- The first may still go by the connection that has had the trouble, as long as
  -- nobody has been told of its end.
  res, e = ask(ua, 10)
  if not res then
    sip.sleep(0.01)
    res, e = ask(ua, 10)
  end
  if not res then
    error(("allocation %d: no answer afterwards: %s"):format(n, tostring(e)))
  end
  assert(res:status() == 200)
  ua:shut()
  alone(n)
  return calls >= n
end

local function held()
  collectgarbage()
  collectgarbage()
  local stats = loop:stats()
  return openssl.live(), stats.blocks, stats.bytes
end

local function series(name, fn)
  local n, tried, worst = first, 0, 0
  for _ = 1, 3 do -- what OpenSSL makes once and keeps
    fn(1 << 40)
  end
  local live, blocks = held()
  while fn(n) do
    local now_live, now_blocks = held()
    worst = math.max(worst, now_live - live)
    assert(now_blocks <= blocks, ("%s %d: %d blocks of ours are left"):format(name, n,
      now_blocks - blocks))
    n, tried = n + step, tried + 1
  end
  print(name, tried, worst)
end

sip.run(function()
  series("connection", try)
  bob:close()
end)

-- Connections over TLS, endpoints made and certificates renewed while OpenSSL is short
-- of memory: run by spec/oom/openssl.c, which gives `openssl`.
-- Usage: openssl.lua CERT KEY CA OTHER-CERT OTHER-KEY COUNT STEP LAST
-- Prints of each series how many allocations were tried, and the most blocks that
-- OpenSSL had more at its end than before.

local core = require "sip.core"
local facade = require "sip"

local openssl = openssl -- luacheck: ignore 113
local cert, key, ca = arg[1], arg[2], arg[3]
local others = { cert = arg[4], key = arg[5] }
local count, step, last = tonumber(arg[6]), tonumber(arg[7]), tonumber(arg[8])

local loop = core.loop()
local sip = facade.with { driver = loop, log = function() end }
local tls = { cert = cert, key = key, ca = ca, clients = "required" }
local bob = sip.new { listen = { "tls:127.0.0.1:0", "tls:127.0.0.1:0" }, tls = tls }
local uri = "sips:bob@" .. bob.listening[1]:match "^tls:(.*)$"
local elsewhere = "sips:bob@" .. bob.listening[2]:match "^tls:(.*)$"
local names -- of who has asked bob last

bob:on("OPTIONS", function(req)
  names = req:peer_names()
  req:reply(200)
end)

local function ask(ua, timeout, to)
  return ua:request { method = "OPTIONS", uri = to or uri, timeout = timeout }
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

-- An endpoint made while memory is short is whole, or an error says why there is none.
local function try_new(n)
  openssl.fail(n, count)
  local ok, ua = pcall(sip.new, { listen = "udp:127.0.0.1:0", tls = tls })
  local calls = openssl.calls()
  openssl.fail(0)
  if ok then
    local res, e = ask(ua, 10)
    assert(res, ("allocation %d: it is there, and of no use: %s"):format(n,
      tostring(e)))
    ua:shut()
    alone(n)
  else
    assert(tostring(ua):find("sip.new: tls:", 1, true), tostring(ua))
    sip.sleep(0.001) -- a turn: what is closed goes at its end
  end
  return calls >= n
end

local function copy(from, to)
  local source <close> = assert(io.open(from, "rb"))
  local target <close> = assert(io.open(to, "wb"))
  target:write(source:read "a")
end

-- A certificate that has changed, and that memory was short for when it was first to be
-- read, is used when memory is there.
local function try_renewal(n)
  local live = { cert = cert .. ".live", key = key .. ".live", ca = ca }
  copy(cert, live.cert)
  copy(key, live.key)
  local ua = sip.new { listen = "udp:127.0.0.1:0", tls = live }
  copy(others.cert, live.cert)
  copy(others.key, live.key)
  openssl.fail(n, count)
  ask(ua, 0.2)
  local calls = openssl.calls()
  openssl.fail(0)
  local res, e = ask(ua, 10, elsewhere)
  assert(res, ("allocation %d: no answer afterwards: %s"):format(n, tostring(e)))
  assert(names[1] == "renewed.example",
    ("allocation %d: the old certificate is still in use"):format(n))
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
  local n, tried, worst = 1, 0, 0
  for _ = 1, 3 do -- what OpenSSL makes once and keeps
    fn(1 << 40)
  end
  local live, blocks = held()
  while n <= last and fn(n) do
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
  series("endpoint", try_new)
  series("renewal", try_renewal)
  bob:close()
end)

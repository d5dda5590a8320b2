-- Connections over TCP, TLS and WebSocket: what a message on one of many costs, what a
-- handshake costs, and what one that is idle takes. The client is spec/bench/streams.c.

local certificates = require "spec.support.certificates"
local load = require "spec.bench.load"
local process = require "spec.bench.process"

local M = {}

local OUT = "build/bench"
local CLIENT = "build/bench/streams"
local PORTS = { tcp = 26040, tls = 26041, ws = 26042 }
local SETTLED = 1 -- seconds, for what is done when nothing more comes

local function listen(transport)
  return ("%s:127.0.0.1:%d"):format(transport, PORTS[transport])
end

-- A WebSocket begins on a TCP port of kamailio.
local servers = {
  luasip = function(transport, cert, key)
    return load.luasip("options", listen(transport), cert, key)
  end,
  kamailio = function(transport, cert, key)
    return ("kamailio -DD -E -f spec/bench/kamailio/streams.cfg -l %s -m 2048 -M 64 "
      .. "-x fm -X fm -Y $PWD/build/bench -P $PWD/build/bench/kamailio.pid "
      .. "-A 'CERT=\"%s\"' -A 'KEY=\"%s\"'"):format(
      (listen(transport):gsub("^ws:", "tcp:")), cert, key)
  end,
}

-- What the client has said, up to this word or its end.
local function wait_for(client, word)
  local text, alive
  repeat
    process.sleep(0.02)
    alive = process.alive(client.pid) -- before the look at what were its last words
    text = process.read(client.log) or ""
    local line = text:match("%f[^\n\0](" .. word .. "[^\n]*)\n")
    if line then
      return line
    end
  until not alive
  error(("%s: %s"):format(client.name, text), 0)
end

local function start_client(run, pids, ...)
  local client = { name = run.name, log = ("%s/%s.client"):format(OUT, run.name) }
  os.remove(client.log)
  client.pid = process.start(table.concat({ CLIENT, ... }, " "), 1, client.log)
  pids[#pids + 1] = client.pid
  return client
end

local function served(what, server, transport, body)
  local files <close> = certificates.new()
  local pair = files:issue { san = "DNS:bench.example" }
  local run = { name = ("%s_%s_%s"):format(what, transport, server),
    port = PORTS[transport], transport = "tcp",
    server = servers[server](transport, pair.cert, pair.key) }
  return load.guarded(function(_, pids)
    return body(run, pids, load.start_server(run, pids))
  end, run)
end

-- A few that come and go: what is made once is there then.
local function warm(run, pids, transport)
  local client = start_client(run, pids, "idle", transport, PORTS[transport], 4)
  wait_for(client, "done")
  process.stop(client.pid)
end

-- Seconds of the server's processor time for what a client does between its "begin" and
-- its "done", and what that says.
local function cost(client, server)
  wait_for(client, "begin")
  local before = process.cpu(server)
  local line = wait_for(client, "done")
  return process.cpu(server) - before, line
end

---@class sip.bench.Streams
---@field idle integer         connections that have had an answer and say nothing more
---@field connections integer  those on which OPTIONS come in turn
---@field rate integer         a second
---@field seconds integer

--- What a server takes for connections of a transport.
---@param server "luasip"|"kamailio"
---@param transport "tcp"|"tls"|"ws"
---@param how sip.bench.Streams
---@return { bytes: number, cpu: number }  for each idle one; CPU-seconds per 1000
function M.connections(server, transport, how)
  return served("streams", server, transport, function(run, pids, pid)
    local port, count = PORTS[transport], how.rate * how.seconds
    warm(run, pids, transport)
    process.sleep(SETTLED)
    local before = process.memory(pid)
    local client = start_client(run, pids, "idle", transport, port, how.idle)
    wait_for(client, "done")
    process.sleep(SETTLED)
    local bytes = (process.memory(pid) - before) / how.idle
    process.stop(client.pid)
    client = start_client(run, pids, "messages", transport, port, how.connections,
      count, how.rate)
    return { bytes = bytes, cpu = cost(client, pid) / count * 1000 }
  end)
end

--- TLS handshakes per second of the server's processor time: full ones, and such as
--- resume a session where that is possible; and how many of these have done so.
---@param server "luasip"|"kamailio"
---@param count integer
---@return { full: number, again: number, resumed: integer }
function M.handshakes(server, count)
  return served("handshakes", server, "tls", function(run, pids, pid)
    local function rate(...)
      local client = start_client(run, pids, "handshakes", PORTS.tls, count, 16, ...)
      local spent, line = cost(client, pid)
      return count / spent, math.tointeger(tonumber(line:match "(%d+) resumed"))
    end
    warm(run, pids, "tls")
    local full = rate()
    local again, resumed = rate "resume"
    return { full = full, again = again, resumed = resumed }
  end)
end

return M

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
  local text
  repeat
    process.sleep(0.02)
    text = process.read(client.log) or ""
    local line = text:match("%f[^\n\0]" .. word .. "[^\n]*")
    if line then
      return line
    end
  until not process.alive(client.pid)
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

--- CPU-seconds per 1000 OPTIONS that come on so many connections in turn.
---@param server "luasip"|"kamailio"
---@param transport "tcp"|"tls"|"ws"
---@param connections integer
---@param rate integer  a second
---@param seconds integer
---@return number
function M.messages(server, transport, connections, rate, seconds)
  return served("messages", server, transport, function(run, pids, pid)
    local count = rate * seconds
    local client = start_client(run, pids, "messages", transport, PORTS[transport],
      connections, count, rate)
    return cost(client, pid) / count * 1000
  end)
end

--- TLS handshakes per second of the server's processor time: with full ones, or with
--- such as resume a session where that is possible; and how many have done so.
---@param server "luasip"|"kamailio"
---@param count integer
---@param resume? boolean
---@return number per_second
---@return integer resumed
function M.handshakes(server, count, resume)
  local result = served("handshakes", server, "tls", function(run, pids, pid)
    warm(run, pids, "tls")
    local spent, line = cost(start_client(run, pids, "handshakes", PORTS.tls, count, 16,
      resume and "resume" or nil), pid)
    return { count / spent, math.tointeger(tonumber(line:match "(%d+) resumed")) }
  end)
  return table.unpack(result)
end

--- Bytes of the server for each of so many connections that have had an answer and say
--- nothing more.
---@param server "luasip"|"kamailio"
---@param transport "tcp"|"tls"|"ws"
---@param count integer
---@return number
function M.idle(server, transport, count)
  return served("idle", server, transport, function(run, pids, pid)
    warm(run, pids, transport)
    process.sleep(SETTLED)
    local before = process.memory(pid)
    local client = start_client(run, pids, "idle", transport, PORTS[transport], count)
    wait_for(client, "done")
    process.sleep(SETTLED)
    return (process.memory(pid) - before) / count
  end)
end

return M

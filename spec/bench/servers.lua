-- A proxy and a registrar: luasip beside kamailio, natively and with its routing in
-- Lua, and beside what only passes the same datagrams on.

local load = require "spec.bench.load"

local M = {}

local PORT = 26010
local PEER = PORT + 10
local LISTEN = ("udp:127.0.0.1:%d"):format(PORT)
local TARGET = ("sip:127.0.0.1:%d"):format(PEER)

-- As many processes as there is work for: its one worker does it all.
local function kamailio(config, defines)
  return ("kamailio -DD -E -f spec/bench/kamailio/%s.cfg -l %s -m 2048 -M 64 "
    .. "-x fm -X fm -Y $PWD/build/bench -P $PWD/build/bench/kamailio.pid %s"):format(
    config, LISTEN, defines)
end

local proxies = {
  relay = ("build/bench/relay %d %d"):format(PORT, PEER),
  luasip = load.luasip("proxy", LISTEN, TARGET),
  kamailio = kamailio("proxy", ("-A 'TARGET=\"%s\"'"):format(TARGET)),
  ["kamailio-lua"] = "env TARGET=" .. TARGET .. " " .. kamailio("proxy_lua",
    "-A 'SCRIPT=\"'$PWD'/spec/bench/kamailio/proxy.lua\"'"),
}

local answerers = {
  luasip = load.luasip("options", LISTEN),
  kamailio = kamailio("options", ""),
}

local registrars = {
  luasip = load.luasip("registrar", LISTEN),
  kamailio = kamailio("registrar", ""),
}

local registrars_digest = {
  luasip = load.luasip("registrar", LISTEN, "digest"),
  kamailio = kamailio("registrar", "-A DIGEST=1"),
}

--- CPU-seconds per 1000 calls that go by a proxy: INVITE, 180, 200, ACK, BYE, 200.
function M.proxied(name, rate, seconds, window)
  return load.answered { name = "proxy_" .. name, server = proxies[name], port = PORT,
    peer = PEER,
    beside = { load.answerer("uas_routed", PEER) }, scenario = "uac_routed",
    rate = rate, seconds = seconds, window = window }
end

--- CPU-seconds per 1000 OPTIONS that are answered with 200.
function M.answered(name, rate, seconds, window)
  return load.answered { name = "options_" .. name, server = answerers[name],
    port = PORT, scenario = "uac_options", rate = rate, seconds = seconds,
    window = window }
end

--- Bytes of a proxy per call that rings.
function M.ringing(name, count, rate)
  return load.held { name = "ringing_" .. name, server = proxies[name], port = PORT,
    peer = PEER, beside = { load.answerer("uas_hold", PEER) }, scenario = "uac_hold",
    rate = rate, count = count }
end

--- CPU-seconds per 1000 phones that register for the first time.
function M.registered(name, digest, rate, seconds, window)
  local servers = digest and registrars_digest or registrars
  return load.answered { name = (digest and "digest_" or "register_") .. name,
    server = servers[name], port = PORT,
    scenario = digest and "register_digest" or "register", rate = rate,
    seconds = seconds, window = window }
end

--- Bytes of a registrar per binding, when its transactions are over.
function M.bound(name, count, rate)
  return load.left { name = "bound_" .. name, server = registrars[name], port = PORT,
    scenario = "register", rate = rate, count = count }
end

return M

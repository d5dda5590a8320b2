--- Scripts among the others: users that register with a password at a registrar, and
--- send what it routes. Each request that a script waits for returns once, in time.

local book_of = require "spec.support.traffic_book"

local assert = require "luassert"

local M = {}

local PASSWORD = "secret"

-- One transaction is challenged, the next one may find its nonce too old.
local BOUND = 3 * book_of.LONG

local function listen(ip)
  return { "udp:" .. ip, "tcp:" .. ip, "tls:" .. ip }
end

local TLS = { cert = "cert.pem", key = "key.pem" } -- the simulator reads neither

local function start_registrar(traffic, places)
  local sip = traffic.net:sip(places.REGISTRAR)
  local location = traffic.location or sip.location.memory()
  local ua = traffic.net:endpoint(places.REGISTRAR, {
    listen = listen(places.REGISTRAR), tls = TLS, trace = false,
    domain = places.REGISTRAR, location = location,
    secret = "the same after a restart",
    users = function()
      return PASSWORD
    end,
  })
  ua:on("REGISTER", sip.registrar())
  ua:on("MESSAGE", function(req)
    req:forward("sip:bob@" .. (traffic.roll(2) == 1 and places.ONE or places.TWO))
  end)
  traffic.location, traffic.registrar = location, ua
end

--- The registrar's process ends, and another begins later.
---@param traffic spec.Traffic
---@param places table
---@param seconds number
function M.restart(traffic, places, seconds)
  if traffic.registrar.state == "closed" then
    return
  end
  traffic.registrar:shut()
  traffic.after(seconds, function()
    start_registrar(traffic, places)
  end)
end

local function ask(traffic, ua, places, i)
  local transport = ({ "udp", "udp", "tcp", "tls" })[traffic.roll(4)]
  local method = traffic.roll(3) == 1 and "MESSAGE" or "REGISTER"
  local aor = ("sip:u%d@%s"):format(i % 20, places.REGISTRAR)
  local born = traffic.now()
  local res, e = ua:request {
    method = method, from = aor, to = method == "REGISTER" and "<" .. aor .. ">" or nil,
    uri = ("sip:%s%s;transport=%s"):format(method == "MESSAGE" and "bob@" or "",
      places.REGISTRAR, transport),
    headers = method == "REGISTER" and { Contact = ("<sip:u%d@%s>"):format(i,
      places.USERS), Expires = 600 } or nil,
    auth = { user = "u" .. i % 20, password = PASSWORD },
  }
  local took = traffic.now() - born
  assert.is_true(took <= BOUND, ("%s took %.3f s"):format(method, took))
  traffic:decided()
  traffic:count(("user's %s %s"):format(method, res and "2xx" or e.name))
end

--- So many requests, over all of the time.
---@param traffic spec.Traffic
---@param places table
---@param count integer
function M.start(traffic, places, count)
  start_registrar(traffic, places)
  local ua, sip = traffic.net:endpoint(places.USERS, {
    listen = listen(places.USERS), tls = TLS, trace = false,
  })
  for i = 1, count do
    sip.spawn(function()
      sip.sleep(traffic.roll(traffic.last * 1000) / 1000)
      ask(traffic, ua, places, i)
      traffic:count "user's requests"
    end)
  end
end

return M

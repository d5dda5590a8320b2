-- A redirect server: a registrar that tells callers where its users are.
-- Usage: luasip run redirect.lua [udp:127.0.0.1:5080 tcp:127.0.0.1:5080]
local sip = require "sip"

local server <close> = sip.new {
  listen = arg[1] and arg,
  location = sip.location.memory(),
}

server:on("REGISTER", sip.registrar())

server:on("INVITE", function(req)
  local targets = server.location:lookup(req.uri)
  if #targets == 0 then
    return req:reply(480)
  end
  return req:redirect(targets)           -- 302, the best first
end)

sip.run()

-- proxy.lua LISTEN TARGET: a stateful proxy that stays in the way of its calls; where
-- they go is looked up here.
local sip = require "sip"

local listen, target = table.unpack(arg)
local routes = { bench = target }

local proxy <close> = sip.new { listen = { listen } }

proxy:on("*", function(req)
  local where = routes[req.uri:match "^sips?:([^@]*)@"]
  if not where then
    return req:reply(404)
  end
  req:record_route()
  return req:forward(where)
end)

sip.run()

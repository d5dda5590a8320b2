-- A registrar and a stateful forking proxy, with the routing in Lua.
-- Usage: luasip run proxy.lua [--open] [--sha256]
--        [udp:127.0.0.1:5080 tcp:127.0.0.1:5080]
-- --open: nobody is asked for a password, and any domain is ours.
-- --sha256: offers that beside MD5; baresip 1.0 gives up when it sees it.
local sip = require "sip"

local domain = "pbx.example"
local users = { ["2001"] = "secret", ["2002"] = "secret" }

local open, algorithms, listen = false, { "MD5" }, {}
for _, word in ipairs(arg) do
  if word == "--open" then
    open = true
  elseif word == "--sha256" then
    algorithms = { "SHA-256", "MD5" }
  else
    listen[#listen + 1] = word
  end
end

local proxy <close> = sip.new {
  listen = listen[1] and listen,
  domain = not open and domain or nil,
  users = not open and users or nil,
  algorithms = not open and algorithms or nil,
  location = sip.location.memory(),
}

proxy:on("REGISTER", sip.registrar())

proxy:on("*", function(req)              -- outside a dialog; never ACK or CANCEL
  if not open and req:from_domain() and not req:trusted() then
    return req:challenge()               -- 407
  end
  local targets = proxy.location:lookup(req.uri)
  if #targets == 0 then
    return req:reply(404)
  end
  req:record_route()
  return req:forward(targets, { order = "parallel", timeout = 30 })
end)

sip.run()

-- A registrar that asks nobody, and a proxy that stays in the way of all calls. What is
-- for nobody who has registered goes to the next proxy for its domain, if there is one.
-- Usage: luasip run proxy.lua LISTEN... [secret=TEXT] [cert=FILE key=FILE]
--        [DOMAIN=URI...]
local sip = require "sip"

local listen, next_hops = {}, {}
for _, word in ipairs(arg) do
  local name, value = word:match "^([%w.]+)=(.*)$"
  if name then
    next_hops[name] = value
  else
    listen[#listen + 1] = word
  end
end

local proxy <close> = sip.new {
  listen = listen,
  location = sip.location.memory(),
  secret = next_hops.secret,
  tls = next_hops.cert and { cert = next_hops.cert, key = next_hops.key } or nil,
  trace = true,
}
io.stdout:setvbuf "line"

proxy:on("REGISTER", sip.registrar())

proxy:on("*", function(req)
  local targets = proxy.location:lookup(req.uri)
  local via = not targets[1] and next_hops[req.uri:match "@([%w.]+)"]
  if not targets[1] and not via then
    return req:reply(404)
  end
  req:record_route()
  local res, e = req:forward(via and req.uri or targets, {
    order = "parallel", timeout = 30, via = via or nil,
  })
  print(("forwarded %s %s: %s"):format(req.method, req.uri, res and "answered"
    or tostring(e.status)))
end)

print "ready"
sip.run()
print(proxy:ladder())

-- A registrar alone: phones register here, and who comes and goes is printed.
-- Usage: luasip run registrar.lua [--open] [udp:127.0.0.1:5080 tcp:127.0.0.1:5080]
-- --open: nobody is asked for a password, and any domain is ours.
local sip = require "sip"

local domain = "pbx.example"
local users = { ["2001"] = "secret", ["2002"] = "secret" }

local open, listen = false, {}
for _, word in ipairs(arg) do
  if word == "--open" then
    open = true
  else
    listen[#listen + 1] = word
  end
end

local registrar <close> = sip.new {
  listen = listen[1] and listen,
  domain = not open and domain or nil,
  users = not open and users or nil,
  algorithms = not open and { "MD5" } or nil, -- baresip 1.0 minds a SHA-256 beside it
  location = sip.location.memory(),
}

registrar:on("REGISTER", sip.registrar())

registrar.location:watch(function(aor, _, changes)
  for _, change in ipairs(changes) do
    print(("%s %s: %s"):format(aor, change.event, change.binding.uri))
  end
end)

sip.run()

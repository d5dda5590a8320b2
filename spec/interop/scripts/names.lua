-- Answers by itself, or asks each of these URIs, by names of a server on loopback.
-- Usage: luasip run names.lua NAME_SERVER LISTEN... [-- URI...]
local sip = require "sip"

local listen, uris = {}, {}
local into = listen
for i = 2, #arg do
  if arg[i] == "--" then
    into = uris
  else
    into[#into + 1] = arg[i]
  end
end
io.stdout:setvbuf "line"

sip.name_servers { arg[1] }
local ua <close> = sip.new { listen = listen }

ua:on("OPTIONS", function(req)
  print(("asked over %s for %s"):format(req.source.transport, req.uri))
  req:reply(200)
end)

sip.run(uris[1] and function()
  for _, uri in ipairs(uris) do
    local answer, err = ua:request { method = "OPTIONS", uri = uri, timeout = 30 }
    print(uri, answer and answer:status() or err)
  end
end)

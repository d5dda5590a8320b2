-- options.lua LISTEN... [CERT KEY]: answers OPTIONS as every endpoint does. Calls are
-- for nobody.
local sip = require "sip"

local listen, files = {}, {}
for _, word in ipairs(arg) do
  local list = word:find "^%a+:%d" and listen or files
  list[#list + 1] = word
end

local uas <close> = sip.new {
  listen = listen,
  tls = files[1] and { cert = files[1], key = files[2] },
}

uas:on_call(function(call)
  call:reject()
end)

sip.run()

-- registrar.lua LISTEN [digest]: a registrar; whoever asks knows the password.
local sip = require "sip"

local listen, digest = table.unpack(arg)

local registrar <close> = sip.new {
  listen = { listen },
  domain = "bench.example",
  location = sip.location.memory(),
  users = digest and function()
    return "secret"
  end,
  algorithms = digest and { "MD5" },
}

registrar:on("REGISTER", sip.registrar { authorize = digest and function()
  return true
end })

sip.run()

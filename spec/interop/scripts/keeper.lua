-- Registers whoever comes, and says how many STUN requests it has answered.
-- Usage: luasip run keeper.lua LISTEN
local sip = require "sip"

io.stdout:setvbuf "line"
local ua <close> = sip.new { listen = arg[1], location = sip.location.memory() }

ua:on("REGISTER", sip.registrar())
print "ready"

sip.spawn(function()
  local answered = 0
  while true do
    sip.sleep(0.2)
    if ua:stats().stun > answered then
      answered = ua:stats().stun
      print("answered " .. answered)
    end
  end
end)

sip.run()

-- Registers, says what becomes of it, and answers who calls by way of the registrar.
-- Usage: luasip run registrant.lua LISTEN AOR PASSWORD [EXPIRES [REGISTRAR]]
local sip = require "sip"

local ua <close> = sip.new { listen = arg[1], trace = true }
io.stdout:setvbuf "line"

ua:on_call(function(call)
  print("call from " .. call.from.uri)
  call:finally(function()
    print "call ended"
  end)
  call:answer()
  call:wait()
end)

ua:register {
  aor = arg[2],
  password = arg[3],
  expires = math.tointeger(tonumber(arg[4] or 300)),
  registrar = arg[5],
  on_change = function(reg, state)
    print(state .. (reg.err and ": " .. tostring(reg.err) or ""))
    for _, binding in ipairs(reg:bindings()) do
      print(("binding %s %.0f%s"):format(binding.uri, binding.expires_in,
        binding.own and " own" or ""))
    end
  end,
}

sip.run()
print(ua:ladder())

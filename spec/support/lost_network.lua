-- Asks a name server two questions and loses its network; the time to ask the first one
-- again comes while the processor is elsewhere, and asking fails at once.  Prints what
-- is told by a wait that could go on until the second one fails as well.  Started by
-- spec/wire/dns_spec.lua, in a namespace of its own.

local wire = require "spec.support.wire"

local w = wire.new()
local server, port = assert(w.net:listen("UDP", "127.0.0.1", 0))
assert(w.net:servers("127.0.0.1:" .. port))

local function pass(seconds)
  local till = w.net:now() + seconds
  while w.net:now() <= till do end -- luacheck: ignore
end

local function ask(token)
  assert(w.net:lookup("nobody.example", "A", token))
  w:expect { kind = "bytes", id = server } -- and nobody answers
end

ask(1)
local due = w.net:now() + w.net:wait()
pass((due - w.net:now()) * 2 / 3)
ask(2) -- due after the wait has begun
assert(os.execute "ip address flush dev lo")
pass(due - w.net:now())
w:poll(5)
for _, event in ipairs(w.events) do
  print(event.token, event.err)
end
w:close()

-- An endpoint over TLS that says what came of it.
-- Usage: luasip run secure.lua LISTEN CERT KEY CA CLIENTS answer | register | call URI
--   CLIENTS: whether those who connect must show a certificate: none, required
--   answer: takes calls, and waits for their end; register: is a registrar and a proxy
--   call: calls, waits until the other side hangs up or a second, and ends
local sip = require "sip"

local SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
  .. "m=audio 40000 RTP/AVP 0\r\n"

local listen, cert, key, ca, clients, role, uri = table.unpack(arg)

local function say(...)
  print(table.concat({ ... }, " "))
end

local ua = sip.new {
  listen = listen,
  tls = { cert = cert, key = key, ca = ca, clients = clients },
  location = sip.location.memory(),
  log = function(level, text)
    if level == "warn" or level == "error" then
      say("log:", text)
    end
  end,
}

local roles = {}

function roles.answer()
  ua:on_call(function(call)
    local names = table.concat(ua.stack:peer_names(call.request), ",")
    say("call", call.request:uri(), call.request:via(1).transport, "from", names)
    call:finally(function()
      say "call ended"
    end)
    assert(call:answer { sdp = SDP })
    call:wait()
  end)
  say "ready"
  sip.run()
end

function roles.register()
  ua:on("REGISTER", sip.registrar())
  ua:on("*", function(req)
    local targets = ua.location:lookup(req.uri)
    say("request", req.method, #targets, req.source.transport)
    if #targets == 0 then
      return req:reply(404)
    end
    req:record_route()
    return req:forward(targets)
  end)
  say "ready"
  sip.run()
end

function roles.call()
  sip.run(function()
    local call, e = ua:dial(uri, { sdp = SDP, timeout = 60 })
    if not call then
      say("failed", tostring(e))
    else
      say("answered", call.response:header "Contact")
      call:wait(1)
      call:hangup()
      say "over"
    end
    ua:close()
  end)
end

roles[role]()

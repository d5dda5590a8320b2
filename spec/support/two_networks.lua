-- One of two machines that two networks connect, each in a namespace of its own: `peer`
-- answers with the address that it was asked from; `we` ask by both networks, are
-- called by both, and print what came of it.  Started by spec/wire/addresses_spec.lua.

local sip = require "sip"

local SDP = "v=0\r\no=- 1 1 IN IP4 10.64.1.2\r\ns=-\r\nc=IN IP4 10.64.1.2\r\nt=0 0\r\n"
  .. "m=audio 4000 RTP/AVP 0\r\n"

local role, listen = arg[1], { table.unpack(arg, 2) }

-- Where the last BYE came from.
local function last_bye(ua)
  local from = "nowhere"
  for _, record in ipairs(ua.tracer.trace:list()) do
    if record.kind == "message" and record.text:find "^BYE" then
      from = record.from
    end
  end
  return (from:gsub(":%d+$", ""))
end

local function serve_peer()
  local ua = sip.new { trace = true,
    listen = { "udp:0.0.0.0:5060", "tcp:0.0.0.0:5060" } }
  ua:on("OPTIONS", function(req)
    req:reply(200, { headers = { "X-From", req.source.host,
      "X-Via", req.message:via(1).host, "X-Bye", last_bye(ua) } })
  end)
  -- Call back by the address that is named.
  ua:on("MESSAGE", function(req)
    local to = req:body()
    req:reply(200)
    local peer = assert(ua:dial(to, { sdp = SDP }))
    peer:wait()
  end)
  sip.run()
end

local function ask(ua, uri)
  for _ = 1, 100 do -- until the other side is there
    local res = ua:request { method = "OPTIONS", uri = uri, timeout = 0.5 }
    if res then
      return ("%s %s"):format(res:header "X-From", res:header "X-Via")
    end
    sip.sleep(0.05)
  end
  return "nobody"
end

local function ask_all()
  local ua <close> = sip.new { listen = listen }
  ua:on_call(function(call)
    call:answer { sdp = SDP }
    sip.sleep(0.1)
  end)
  for _, host in ipairs { "10.64.1.2", "10.64.2.2" } do
    for _, transport in ipairs { "udp", "tcp" } do
      local uri = ("sip:peer@%s;transport=%s"):format(host, transport)
      print(host, transport, ask(ua, uri))
    end
  end
  for _, own in ipairs { "10.64.1.1", "10.64.2.1" } do
    ua:request { method = "MESSAGE", uri = "sip:peer@10.64.1.2",
      body = "sip:we@" .. own, content_type = "text/plain" }
    local bye
    for _ = 1, 200 do -- until it has come; or the one before is what there is
      local res = assert(ua:request { method = "OPTIONS", uri = "sip:peer@10.64.1.2" })
      bye = res:header "X-Bye"
      if bye == own then
        break
      end
      sip.sleep(0.05)
    end
    print("called at", own, bye)
  end
end

if role == "peer" then
  serve_peer()
else
  sip.run(ask_all)
end

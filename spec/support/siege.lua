-- The parts of a siege, each a process in one network: `server` is a registrar that
-- answers calls and OPTIONS, and traces; `crowd` sends from 198 addresses, from each
-- less than any rule is for, as fast as it can; `phone` registers with a password, and
-- then again and again registers, asks and calls; `stranger` asks without one.  Started
-- by spec/wire/siege_spec.lua.

local sip = require "sip"

local SERVER, PORT, SECONDS = "10.66.0.1", 5060, 4
local ADDRESSES, RATE = 198, 900 -- messages a second of each

local SDP = "v=0\r\no=- 1 1 IN IP4 10.66.2.1\r\ns=-\r\nc=IN IP4 10.66.2.1\r\nt=0 0\r\n"
  .. "m=audio 4000 RTP/AVP 0\r\n"

local role = arg[1]

local function say(...)
  io.write(table.concat({ ... }, " "), "\n")
  io.flush()
end

local parts = {}

function parts.server()
  local ua = sip.new { listen = ("udp:%s:%d"):format(SERVER, PORT), domain = SERVER,
    users = { alice = "secret" }, location = sip.location.memory(), trace = true,
    log = function() end }
  ua:on("REGISTER", sip.registrar())
  ua:on("OPTIONS", function(req)
    req:reply(200)
  end)
  ua:on_call(function(call)
    call:answer { sdp = SDP }
    call:wait()
  end)
  say "ready"
  sip.spawn(function()
    while not io.open(arg[2]) do -- it is over
      sip.sleep(0.05)
    end
    local stats = ua:stats()
    local rules = 0
    for name, count in pairs(stats) do
      if name:find "^over_" and name ~= "over_strangers" then
        rules = rules + count
      end
    end
    say("server", stats.received, rules, stats.over_strangers)
    os.exit(0)
  end)
  sip.run()
end

function parts.crowd()
  local net = require("sip.test").net.new {}
  local id = assert(net:listen("UDP", "0.0.0.0", 0))
  local shape = "BYE sip:x@" .. SERVER .. " SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;"
    .. "branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:x@example.com>;tag=a\r\n"
    .. "To: <sip:x@" .. SERVER .. ">;tag=b\r\nCall-ID: %d\r\nCSeq: 1 BYE\r\n"
    .. "Content-Length: 0\r\n\r\n"
  local began, number, sweep = net:now(), 0, 0
  while net:now() - began < SECONDS do
    for i = 1, ADDRESSES do
      local from = "10.66.1." .. i
      number = number + 1
      net:send(id, shape:format(from, number, number), 0, SERVER, PORT, from)
    end
    sweep = sweep + 1
    net:poll(0)
    while sweep > (net:now() - began) * RATE do
      net:poll(0.001)
    end
  end
  say("crowd", number // SECONDS)
  net:close()
end

-- How long what it asks takes, and how often it had to say it.
local function user(address, login, ask)
  local ua = sip.new { listen = ("udp:%s:5060"):format(address), log = function() end,
    from = "sip:alice@" .. SERVER, auth = { user = "alice", password = "secret" } }
  local asked, answered, worst = 0, 0, 0
  sip.spawn(function()
    if login then
      assert(ask(ua))
    end
    say "logged in"
    sip.sleep(1)
    local before = ua:stats().repeats_sent
    local ends = sip.now() + SECONDS - 2
    while sip.now() < ends do
      local at = sip.now()
      asked = asked + 1
      answered = answered + (ask(ua) and 1 or 0)
      worst = math.max(worst, sip.now() - at)
      sip.sleep(0.02)
    end
    say(role, asked, answered, ua:stats().repeats_sent - before,
      ("%.3f"):format(worst))
    os.exit(0)
  end)
  sip.run()
end

function parts.phone()
  user("10.66.2.1", true, function(ua)
    local contact = { Contact = "<sip:alice@10.66.2.1>" }
    local res = ua:request { method = "REGISTER", uri = "sip:" .. SERVER,
      to = "<sip:alice@" .. SERVER .. ">", headers = contact }
    local options = ua:request { method = "OPTIONS", uri = "sip:" .. SERVER }
    local call = ua:dial("sip:bob@" .. SERVER, { sdp = SDP })
    if call then
      call:hangup()
    end
    return res and options and call
  end)
end

function parts.stranger()
  user("10.66.2.2", false, function(ua)
    return ua:request { method = "OPTIONS", uri = "sip:" .. SERVER }
  end)
end

parts[role]()

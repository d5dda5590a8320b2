-- SIP.js, which browsers load too, against us over WebSocket: through a registrar and
-- proxy, and with nobody between.  C-41.

local certificates = require "spec.support.certificates"
local node = require "spec.support.node"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, PHONE = 15500, 15510

describe("SIP.js", function()
  if not node.is_here() then
    pending "there is no node here"
    return
  end

  after_each(function()
    process.end_all()
  end)

  local sipjs = node.pages("sipjs", PORT)

  local function pbx()
    return strangers.command({ "run", process.here .. "/examples/proxy.lua",
      "ws:127.0.0.1:" .. PORT }):listens("tcp", PORT)
  end

  -- @rfc 7118 5 MUST C-41
  it("registers with a password, calls another, and both speak inside", function()
    pbx()
    local bob = sipjs("2002", { uri = "sip:2002@pbx.example", password = "secret",
      plan = { "info hello=info and to you", "answered and to you=refresh",
        "refreshed=hangup" } })
    bob:says "registered"
    local alice = sipjs("2001", { uri = "sip:2001@pbx.example", password = "secret",
      plan = { "registered=message sip:2002@pbx.example hi",
        "message answered=call sip:2002@pbx.example", "confirmed=info hello",
        "ended=stop" } })
    alice:says "disconnected"
    assert.matches("registered\nmessage answered\nprogress\nconfirmed\n.*"
      .. "info and to you\nhung up\nended\nunregistered\n", alice:output())
    assert.matches("registered\nmessage hi\ncalled by 2001\nconfirmed\ninfo hello\n.*"
      .. "refreshed\nended\n", bob:output())
  end)

  it("is told when its password is wrong", function()
    pbx()
    sipjs("2001", { uri = "sip:2001@pbx.example", password = "wrong" })
      :says "registration failed 4%d%d"
  end)

  for _, kind in ipairs { "ws", "wss" } do
    -- @rfc 7118 5 MUST C-41
    -- @rfc 7118 9.2 MUST
    it("is called by a phone and by JsSIP, and calls it, by " .. kind, function()
      local made <close> = certificates.new()
      local pair = made:issue { san = "DNS:localhost,IP:127.0.0.1" }
      local port = kind == "ws" and PORT or PORT + 1
      strangers.luasip("proxy.lua", { "ws:127.0.0.1:" .. PORT,
        "wss:127.0.0.1:" .. PORT + 1, "udp:127.0.0.1:" .. PORT, "cert=" .. pair.cert,
        "key=" .. pair.key }):says "ready"
      local url = ("%s://127.0.0.1:%d"):format(kind, port)
      local function uri(user)
        return ("sip:%s@127.0.0.1:%d"):format(user, PORT)
      end
      local bob = sipjs("bob", { url = url, ca = made.ca,
        plan = { "info hello=hangup", "ended=call " .. uri "alice" } })
      bob:says "registered"
      local alice = node.page("jssip", { url = url, ca = made.ca, uri = uri "alice",
        plan = { "registered=call " .. uri "bob", "confirmed=info hello",
          "confirmed=hangup" } })
      bob:says "info hello\nended\n.*hung up\nended\n"
      alice:says "ended local"
      assert.matches("ended remote .*called by bob\n.*ended local", alice:output())
      strangers.luasip("caller.lua", { "udp:127.0.0.1:" .. PHONE, uri "bob",
        "wait=0.1" }):wait()
      bob:says "called by \nconfirmed\nhung up\nended\n"
    end)
  end

  -- Its Contact is nowhere, and no proxy has said where to go instead.
  -- @rfc 7118 5 MUST C-41
  it("is hung up on by an endpoint that it has called", function()
    local callee = strangers.luasip("callee.lua", { "ws:127.0.0.1:" .. PORT })
    callee:says "ready"
    sipjs("bob", { plan = { "registration failed 405=call sip:short@127.0.0.1" } })
      :says "confirmed\nhung up\nended\n"
    callee:says "ended short"
  end)
end)

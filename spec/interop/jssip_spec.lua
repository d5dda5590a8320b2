-- JsSIP, which browsers load, against a registrar and proxy of ours over WebSocket: its
-- Contact and Via are nowhere, so everything goes by its connection.  C-41.

local certificates = require "spec.support.certificates"
local node = require "spec.support.node"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, PHONE = 15400, 15410

describe("JsSIP", function()
  if not node.is_here() then
    pending "there is no node here"
    return
  end

  after_each(function()
    process.end_all()
  end)

  local jssip = node.pages("jssip", PORT)

  -- A proxy that asks nobody.
  local function proxy(more)
    local words = { "ws:127.0.0.1:" .. PORT, "udp:127.0.0.1:" .. PORT }
    table.move(more or {}, 1, #(more or {}), #words + 1, words)
    local self = strangers.luasip("proxy.lua", words)
    self:says "ready"
    return self
  end

  -- @rfc 7118 5 MUST C-41
  it("registers with a password, calls another, and both speak inside", function()
    local pbx = strangers.command { "run", process.here .. "/examples/proxy.lua",
      "ws:127.0.0.1:" .. PORT }
    pbx:listens("tcp", PORT)
    local bob = jssip("2002", { uri = "sip:2002@pbx.example", password = "secret",
      plan = { "info hello=info and to you", "answered and to you=hangup" } })
    bob:says "registered"
    local alice = jssip("2001", { uri = "sip:2001@pbx.example", password = "secret",
      plan = { "registered=message sip:2002@pbx.example hi",
        "message answered=call sip:2002@pbx.example", "confirmed=info hello" } })
    alice:says "ended remote Terminated"
    assert.matches("registered\nmessage answered\nprogress\nconfirmed\n.*"
      .. "info and to you\n", alice:output())
    bob:says "ended local Terminated"
    assert.matches("registered\nmessage hi\ncalled by 2001\n.*confirmed\ninfo hello\n",
      bob:output())
  end)

  it("is told when its password is wrong", function()
    local pbx = strangers.command { "run", process.here .. "/examples/proxy.lua",
      "ws:127.0.0.1:" .. PORT }
    pbx:listens("tcp", PORT)
    jssip("2001", { uri = "sip:2001@pbx.example", password = "wrong" })
      :says "registration failed Authentication Error"
  end)

  it("is called by a phone on UDP, and calls it", function()
    proxy()
    local bob = jssip("bob", {})
    bob:says "registered"
    strangers.luasip("caller.lua", { "udp:127.0.0.1:" .. PHONE,
      ("sip:bob@127.0.0.1:%d"):format(PORT), "wait=0.2" }):wait()
    bob:says "ended remote Terminated"
    local phone = strangers.luasip("registrant.lua", { "udp:127.0.0.1:" .. PHONE,
      ("sip:carol@127.0.0.1:%d"):format(PORT), "none", "300",
      ("sip:127.0.0.1:%d"):format(PORT) })
    phone:says "registered"
    local alice = jssip("alice", { plan = {
      ("registered=call sip:carol@127.0.0.1:%d"):format(PORT), "confirmed=hangup" } })
    phone:says "call ended"
    alice:says "ended local Terminated"
  end)

  it("is not looked for when it is gone, and found when it is back", function()
    local pbx = proxy()
    local bob = jssip("bob", {})
    bob:says "registered"
    bob:kill "KILL"
    bob:wait()
    local target = ("sip:bob@127.0.0.1:%d"):format(PORT)
    strangers.luasip("caller.lua", { "udp:127.0.0.1:" .. PHONE, target })
      :says "failed not_found 404"
    assert.is_nil(pbx:output():find("forwarded", 1, true))
    bob = jssip("bob", {})
    bob:says "registered"
    strangers.luasip("caller.lua", { "udp:127.0.0.1:" .. PHONE, target, "wait=0.1" })
      :wait()
    bob:says "ended remote Terminated"
  end)

  it("unregisters when it stops", function()
    proxy()
    local bob = jssip("bob", { plan = { "registered=stop" } })
    bob:says "unregistered"
    bob:says "disconnected"
  end)

  -- @rfc 6455 10.2 SHOULD C-41
  it("is refused when its page is of another host", function()
    local pbx = proxy()
    jssip("bob", { origin = "https://evil.example" }):says "disconnected"
    pbx:says "its page is of https://evil.example, which is not among ws.origins"
  end)

  -- @rfc 7118 9.2 MUST C-41
  it("registers and calls over TLS", function()
    local made <close> = certificates.new()
    local pair = made:issue { san = "DNS:localhost,IP:127.0.0.1" }
    proxy { "wss:127.0.0.1:" .. PORT + 1, "cert=" .. pair.cert, "key=" .. pair.key }
    local url = "wss://127.0.0.1:" .. PORT + 1
    local bob = jssip("bob", { url = url, ca = made.ca,
      plan = { "info hello=info and to you", "answered and to you=hangup" } })
    bob:says "registered"
    local alice = jssip("alice", { url = url, ca = made.ca, plan = {
      ("registered=call sip:bob@127.0.0.1:%d"):format(PORT), "confirmed=info hello" } })
    alice:says "ended remote Terminated"
    bob:says "ended local Terminated"
  end)
end)

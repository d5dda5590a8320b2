-- baresip over TLS: calls, is called, registers and is called there.  It verifies no
-- server (1.0.0 cannot), but we do.  C-38, C-39.

local certificates = require "spec.support.certificates"
local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, BARESIP, CALLER = 15300, 15310, 15320

describe("baresip over TLS", function()
  local made, ours, theirs, source

  lazy_setup(function()
    made = certificates.new()
    ours = made:issue { san = "IP:127.0.0.1" }
    theirs = made:issue { san = "IP:127.0.0.1" }
    source = ear.tone_file(process.folder "sources" .. "/source", 500, 10)
  end)

  lazy_teardown(function()
    made:remove()
  end)

  after_each(function()
    strangers.end_all()
  end)

  local function secure(port, role, uri)
    local self = strangers.luasip("secure.lua", { "tls:127.0.0.1:" .. port, ours.cert,
      ours.key, made.ca, "none", role, uri })
    if role ~= "call" then
      self:says "ready\n"
    end
    return self
  end

  local function baresip(options, pair)
    options.port, options.source = BARESIP, source
    options.tls = { pair = pair or theirs, ca = made.ca }
    return strangers.baresip(options)
  end

  it("calls", function()
    local callee = secure(PORT, "answer")
    local stranger = baresip {
      dial = ("sip:talk@127.0.0.1:%d;transport=tls"):format(PORT) }
    assert.equal("TLS", select(2, callee:says "call (%S+) (%u+) from"))
    stranger:says "Call established"
    strangers.baresip_command(BARESIP, "hangup")
    callee:says "call ended\n"
  end)

  it("is called", function()
    local stranger = baresip {}
    local caller = secure(CALLER, "call",
      ("sip:bob@127.0.0.1:%d;transport=tls"):format(BARESIP + 1))
    assert.matches("^answered <sip:bob[^>]*transport=tls[^>]*>\nover\n",
      select(2, caller:wait()))
    stranger:says "session closed"
  end)

  it("registers, and is called there by its connection", function()
    local server = secure(PORT, "register")
    local stranger = baresip { account = { user = "bob", password = "x",
      domain = "127.0.0.1:" .. PORT, proxy = PORT } }
    stranger:says "200 OK"
    local caller = secure(CALLER, "call",
      ("sip:bob@127.0.0.1:%d;transport=tls"):format(PORT))
    assert.matches("^answered ", select(2, caller:wait()))
    server:says "request INVITE 1 tls\n"
    stranger:says "session closed"
  end)

  it("is not called when its certificate is a stranger's", function()
    made:authority "stranger"
    local stranger = baresip({}, made:issue { san = "IP:127.0.0.1", by = "stranger" })
    local caller = secure(CALLER, "call",
      ("sip:bob@127.0.0.1:%d;transport=tls"):format(BARESIP + 1))
    assert.matches("^failed .*the certificate of 127.0.0.1:" .. BARESIP + 1
      .. " is signed by /CN=stranger, who is not among those of tls.ca",
      (select(2, caller:wait())))
    assert.is_nil(stranger:output():find("Incoming call", 1, true))
  end)
end)

-- kamailio over TLS, as the next hop and as the previous one: both show certificates,
-- and a wrong one is refused by whoever sees it.  C-38, C-39, C-40.

local certificates = require "spec.support.certificates"
local kamailio = require "spec.support.kamailio"
local strangers = require "spec.support.strangers"

local KAMAILIO, CALLER, CALLEE = 15600, 15610, 15620

describe("kamailio over TLS", function()
  local made, server, ours, foreign

  lazy_setup(function()
    made = certificates.new()
    server = made:issue { san = "URI:sip:kamailio.example,IP:127.0.0.1" }
    ours = made:issue { san = "URI:sip:luasip.example,IP:127.0.0.1" }
    made:authority "stranger"
    foreign = made:issue { san = "IP:127.0.0.1", by = "stranger" }
  end)

  lazy_teardown(function()
    made:remove()
  end)

  after_each(function()
    strangers.end_all()
  end)

  local function secure(port, pair, role, ...)
    return strangers.luasip("secure.lua", { "tls:127.0.0.1:" .. port, pair.cert,
      pair.key, made.ca, "required", role, ... })
  end

  local function proxy(pair, clients)
    return kamailio.start_tls("secure", KAMAILIO, { pair = pair, ca = made.ca,
      clients = clients }, { ('NEXT="sip:127.0.0.1:%d;transport=tls"'):format(CALLEE) })
  end

  -- What the caller says of its call, by kamailio.
  local function call(uri, pair)
    local caller = secure(CALLER, pair or ours, "call", uri)
    return select(2, caller:wait()), caller
  end

  local SIPS = ("sips:bob@127.0.0.1:%d"):format(KAMAILIO + 1)
  local SIP = ("sip:bob@127.0.0.1:%d;transport=tls"):format(KAMAILIO + 1)

  for _, uri in ipairs { SIP, SIPS } do
    it("is on the way of a call to a " .. uri:match "^%a+" .. " URI", function()
      local callee = secure(CALLEE, ours, "answer")
      callee:says "ready\n"
      local between = proxy(server, true)
      local said = call(uri)
      assert.matches("^answered <sips?:127.0.0.1:" .. CALLEE .. ".*>\nover\n", said)
      local seen, transport, names = callee:says "call (%S+) (%u+) from (%S*)\n"
      assert.same({ uri, "TLS", "kamailio.example,127.0.0.1" },
        { seen, transport, names })
      callee:says "call ended\n"
      local passed = between:output()
      for _, word in ipairs { "forwarded INVITE\n", "relayed ACK\n",
        "relayed BYE\n" } do
        assert.matches(word, passed, 1, true)
      end
    end)
  end

  it("is refused when its certificate is a stranger's, and told why", function()
    local between = proxy(foreign, false)
    assert.matches("^failed .*the certificate of 127.0.0.1:" .. KAMAILIO + 1
      .. " is signed by /CN=stranger, who is not among those of tls.ca", (call(SIPS)))
    between:says "alert"
  end)

  it("refuses our certificate when that is a stranger's, and we say so", function()
    proxy(server, true)
    local said = call(SIPS, foreign)
    assert.matches("127.0.0.1:" .. KAMAILIO + 1 .. " does not trust whoever signed our "
      .. "certificate " .. foreign.cert, said, 1, true)
  end)

  it("is refused as the previous hop when its certificate is a stranger's", function()
    local callee = secure(CALLEE, ours, "answer")
    callee:says "ready\n"
    proxy(foreign, false)
    -- Whoever calls takes kamailio for what it says it is.
    local caller = strangers.luasip("secure.lua", { "tls:127.0.0.1:" .. CALLER,
      ours.cert, ours.key, made.folder .. "/stranger.pem", "none", "call", SIP })
    assert.matches("^failed ", (select(2, caller:wait())))
    callee:says("log: the certificate of 127.0.0.1:%d+ is signed by /CN=stranger, who "
      .. "is "
      .. "not among those of tls.ca")
  end)

  it("refuses us as the next hop when our certificate is a stranger's", function()
    local callee = secure(CALLEE, foreign, "answer")
    callee:says "ready\n"
    proxy(server, false)
    assert.matches("^failed ", (call(SIP)))
    callee:says("log: 127.0.0.1:%d+ does not trust whoever signed our certificate ")
  end)
end)

-- A STUN client that is not ours, against the SIP port (RFC 5626 5.4).  C-33.

local node = require "spec.support.node"
local strangers = require "spec.support.strangers"

local PORT = 17500

describe("node's stun", function()
  if not node.is_here() then
    pending "there is no node here"
    return
  end

  after_each(function()
    strangers.end_all()
  end)

  -- @rfc 5626 5.4 MUST C-33
  it("hears where it is seen, without a fingerprint and with one", function()
    local ours = strangers.luasip("keeper.lua", { "udp:127.0.0.1:" .. PORT })
    ours:says "ready"
    local client = node.stun(PORT)
    local status, said = client:wait()
    assert.equal(0, status, said)
    local line = "seen at 127.0.0.1, my port\n"
    assert.equal(line .. line, said)
    ours:says "answered 2"
  end)
end)

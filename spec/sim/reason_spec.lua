-- What a transport error says reaches the script (RFC 3261 18.4). C-36.
-- @rfc 3261 18.4 MUST C-36

local new_sim = require "sip.sim"

describe("a request that cannot be sent", function()
  it("says what the network said", function()
    local sim <close> = new_sim()
    local alice = sim:host "192.0.2.1"
    sim:host "192.0.2.2"
    local response, e = alice:request {
      method = "OPTIONS", uri = "sip:192.0.2.2;transport=tcp",
    }
    assert.is_nil(response)
    assert.equal("unreachable", e.name)
    assert.matches("connection refused by 192.0.2.2:5060", tostring(e), 1, true)
    response, e = alice:request { method = "OPTIONS", uri = "sip:192.0.2.2" }
    assert.is_nil(response)
    assert.matches("connection refused by 192.0.2.2:5060", tostring(e), 1, true)
    sim:assert_clean()
  end)
end)

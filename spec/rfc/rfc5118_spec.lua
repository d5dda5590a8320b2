-- The IPv6 torture messages of RFC 5118.  C-15, C-17.

local torture = require "spec.support.torture"
local core = require "sip.core"

local CASES = {
  { "4.1", "ipv6-good", "ok", function(m)
    assert.equal("[2001:db8::", core.uri(m:uri()).host:sub(1, 11))
    assert.equal("[2001:db8::", m:via().host:sub(1, 11))
  end },
  { "4.2", "ipv6-bad", 400 },
  { "4.3", "port-ambiguous", "ok", function(m)
    assert.is_nil(core.uri(m:uri()).port)
    assert.is_truthy(core.uri(m:uri()).host:find ":5070%]$")
  end },
  { "4.4", "port-unambiguous", "ok", function(m)
    assert.equal(5070, core.uri(m:uri()).port)
  end },
  { "4.5", "via-received-param-with-delim", "ok", function(m)
    assert.is_truthy(m:via().received:find "^%[2001:db8::")
  end },
  { "4.5", "via-received-param-no-delim", "ok", function(m)
    assert.is_truthy(m:via().received:find "^2001:db8::")
  end },
  { "4.6", "ipv6-in-sdp", "ok" },
  { "4.7", "mult-ip-in-header", "ok", function(m)
    assert.equal(6050, m:via(1).port)
    assert.equal("UDP", m:via(2).transport)
    assert.is_string(m:via(3).received)
  end },
  { "4.8", "mult-ip-in-sdp", "ok" },
  { "4.9", "ipv4-mapped-ipv6", "ok", function(m)
    assert.equal(19823, m:via(1).port)
    assert.is_truthy(m:contact_uri():find "%[::ffff:")
  end },
  { "4.10", "ipv6-bug-abnf-3-colons", "ok" },
  { "4.10", "ipv6-correct-abnf-2-colons", "ok" },
}

-- @rfc 5118 4 SHOULD C-17
describe("RFC 5118", function()
  for _, case in ipairs(CASES) do
    local section, name, want, more = table.unpack(case)
    for kind, bytes in pairs(torture.load("rfc5118-crlf", name)) do
      it(("%s %s, %s: %s"):format(section, name, kind, want), function()
        local verdict, message, refusal = torture.judge(bytes)
        assert.equal(want, verdict, refusal and refusal.why)
        if more then
          more(message)
        end
      end)
    end
  end

  it("is all there", function()
    assert.equal(12, #CASES)
  end)
end)

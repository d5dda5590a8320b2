-- The torture messages of RFC 4475, as far as a parser judges them.  C-17.
--
-- "ok" is taken for well formed, a status is the answer, "discard" is a response which
-- nobody sees.  What only a role can refuse (420, 415, 416, 483) is well formed here.

local torture = require "spec.support.torture"

local BLANKS = "a blank too many in the request line"

local CASES = {
  { "3.1.1.1", "wsinv", "ok", function(m)
    assert.equal("INVITE", select(2, m:cseq()))
    assert.equal(3, #m:values "Via")
    assert.equal("", m:header "Subject")
    assert.is_string(m:to_tag())
    assert.is_nil(m:name_addr("Contact").display:find "\\")
    assert.is_truthy(m:name_addr("Contact").params.q)
  end },
  { "3.1.1.2", "intmeth", "ok", function(m)
    assert.is_truthy(m:header "To":find "\0")
    assert.equal(255, m:max_forwards())
  end },
  { "3.1.1.3", "esc01", "ok", function(m)
    local uri = require("sip.core").uri(m:uri())
    assert.is_truthy(uri.user_text:find "^sips:.+@")
  end },
  { "3.1.1.4", "escnull", "ok", function(m)
    assert.equal(2, #m:values "Contact")
    local core = require "sip.core"
    local one, two = m:name_addr("Contact", 1).uri, m:name_addr("Contact", 2).uri
    assert.is_false(core.uri_equal(one, two))
    assert.same({ "\0", "\0\0" }, { core.uri(one).user_text, core.uri(two).user_text })
  end },
  { "3.1.1.5", "esc02", "ok", function(m)
    assert.equal(2, #m:values "Contact")
    assert.is_truthy(m:method():find "%%")
    assert.is_truthy(m:to_display():find "%%45")
  end },
  { "3.1.1.6", "lwsdisp", "ok", function(m)
    assert.is_string(m:from_display())
  end },
  { "3.1.1.7", "longreq", "ok" },
  { "3.1.1.8", "dblreq", "ok", function(m)
    assert.equal("REGISTER", m:method())
    assert.equal("", m:body())
    assert.is_nil(m:bytes():find "INVITE")
  end },
  { "3.1.1.9", "semiuri", "ok", function(m)
    local uri = require("sip.core").uri(m:uri())
    assert.is_truthy(uri.user_text:find ";.+@")
    assert.same({}, uri.params)
  end },
  { "3.1.1.10", "transports", "ok", function(m)
    assert.equal(5, #m:values "Via")
  end },
  { "3.1.1.11", "mpart01", "ok", function(m)
    assert.is_truthy(m:body():find "\0")
  end },
  { "3.1.1.12", "unreason", "ok", function(m)
    assert.is_truthy(m:reason():find "[\xd0\xd1]")
  end },
  { "3.1.1.13", "noreason", "ok", function(m)
    assert.equal("", m:reason())
  end },
  { "3.1.2.1", "badinv01", 400, "a parameter has no name" },
  { "3.1.2.2", "clerr", 400, "the body is shorter than Content-Length" },
  { "3.1.2.3", "ncl", 400, "Content-Length is not a number" },
  { "3.1.2.4", "scalar02", 400, "the CSeq number is larger than 2**32-1" },
  { "3.1.2.5", "scalarlg", "discard", "the CSeq number is larger than 2**32-1" },
  { "3.1.2.6", "quotbal", 400, "a quoted string is not closed" },
  { "3.1.2.7", "ltgtruri", 400, "an URI has no scheme" },
  { "3.1.2.8", "lwsruri", 400, BLANKS },
  { "3.1.2.9", "lwsstart", 400, BLANKS },
  { "3.1.2.10", "trws", 400, BLANKS },
  { "3.1.2.11", "escruri", 400, "the Request-URI has headers in it" },
  { "3.1.2.12", "baddate", "ok" }, -- of no use to us, so of no harm
  { "3.1.2.13", "regbadct", 400, "an URI with this character needs angle brackets" },
  { "3.1.2.14", "badaspec", 400, "an URI has no scheme" },
  { "3.1.2.15", "baddn", 400 },
  { "3.1.2.16", "badvers", 505, "the version of SIP is not 2.0" },
  { "3.1.2.17", "mismatch01", 400, "the method of CSeq is not that of the request" },
  { "3.1.2.18", "mismatch02", 400, "the method of CSeq is not that of the request" },
  { "3.1.2.19", "bigcode", "discard", "the status code is not one of 100 to 699" },
  { "3.2.1", "badbranch", "ok", function(m)
    assert.equal("z9hG4bK", m:branch()) -- matched as RFC 2543 does
  end },
  { "3.3.1", "insuf", 400, "there is no From" },
  { "3.3.2", "unkscm", "ok" },
  { "3.3.3", "novelsc", "ok" },
  { "3.3.4", "unksm2", "ok" },
  { "3.3.5", "bext01", "ok", function(m)
    assert.equal(2, #m:values "Require")
  end },
  { "3.3.6", "invut", "ok" },
  { "3.3.7", "regaut01", "ok" },
  { "3.3.8", "multi01", 400, "a header that may stand once stands twice" },
  { "3.3.9", "mcl01", 400, "two Content-Lengths do not agree" },
  { "3.3.10", "bcast", "ok", function(m)
    assert.equal(2, #m:values "Via") -- for the element to discard: 8.1.3.3
  end },
  { "3.3.11", "zeromf", "ok", function(m)
    assert.equal(0, m:max_forwards())
  end },
  { "3.3.12", "cparam01", "ok", function(m)
    assert.equal(1, #m:name_addr("Contact").params)
    assert.is_nil(m:contact_uri():find ";")
  end },
  { "3.3.13", "cparam02", "ok", function(m)
    assert.equal(0, #m:name_addr("Contact").params)
    assert.is_truthy(m:contact_uri():find ";")
  end },
  { "3.3.14", "regescrt", "ok", function(m)
    assert.is_truthy(m:contact_uri():find "%?Route=%%3C")
  end },
  { "3.3.15", "sdp01", "ok" },
  { "3.4.1", "inv2543", "ok", function(m)
    assert.same({}, { m:branch(), m:from_tag(), m:max_forwards() })
    assert.equal("v=0", m:body():sub(1, 3))
  end },
}

-- @rfc 4475 3 SHOULD C-17
describe("RFC 4475", function()
  for _, case in ipairs(CASES) do
    local section, name, want, more = table.unpack(case)
    for kind, bytes in pairs(torture.load("rfc4475", name)) do
      it(("%s %s, %s: %s"):format(section, name, kind, want), function()
        local verdict, message, refusal = torture.judge(bytes)
        assert.equal(want, verdict, refusal and refusal.why)
        if type(more) == "function" then
          more(message)
        elseif more then
          assert.equal(more, refusal.why)
        end
        if type(want) == "number" then
          assert.is_true(message:is_request(), "nobody to answer")
        end
      end)
    end
  end

  it("is all there", function()
    assert.equal(49, #CASES)
  end)
end)

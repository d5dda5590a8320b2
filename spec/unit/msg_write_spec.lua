-- Writing: requests, responses, ACK and CANCEL.  C-4, C-18, C-51, C-77, C-78, C-88.

local core = require "sip.core"
local messages = require "spec.support.messages"

local function lines_of(bytes)
  local lines = {}
  for line in bytes:gmatch "(.-)\r\n" do
    lines[#lines + 1] = line
  end
  return lines
end

local invite = messages.join {
  "INVITE sip:bob@192.0.2.4 SIP/2.0",
  "v: SIP/2.0/TCP p1.example;branch=z9hG4bKp1 , "
    .. "SIP/2.0/UDP p2.example;branch=z9hG4bKp2",
  "Via: SIP/2.0/UDP ua.example;branch=z9hG4bKua",
  "Max-Forwards: 68",
  "Route: <sip:r1.example;lr>", "Route: <sip:r2.example;lr>",
  "Record-Route: <sip:p1.example;lr>", "Record-Route: <sip:p2.example;lr>",
  "f: \"Alice\" <sip:alice@example.com>;tag=88sja8x",
  "t   : Bob <sip:bob@example.com>",
  "i: 987asjd97y7atg", "CSeq: 986759 INVITE", "Timestamp: 54",
  "Authorization: Digest username=\"alice\"", "X-Mine: kept here",
  "Contact: <sip:alice@192.0.2.9>", "Content-Length: 0",
}

describe("a response", function()
  local req

  before_each(function()
    req = assert(core.parse(invite))
  end)

  -- @rfc 3261 8.2.6.2 MUST C-77
  -- @rfc 3261 8.2.6.1 MUST C-78
  it("repeats what RFC 3261 8.2.6.2 names, in order", function()
    assert.same({
      "SIP/2.0 100 Trying",
      "v: SIP/2.0/TCP p1.example;branch=z9hG4bKp1 , "
        .. "SIP/2.0/UDP p2.example;branch=z9hG4bKp2",
      "Via: SIP/2.0/UDP ua.example;branch=z9hG4bKua",
      "f: \"Alice\" <sip:alice@example.com>;tag=88sja8x",
      "t: Bob <sip:bob@example.com>",
      "i: 987asjd97y7atg", "CSeq: 986759 INVITE", "Timestamp: 54",
      "Content-Length: 0", "",
    }, lines_of(core.write_response(req, { status = 100 })))
  end)

  it("adds a tag, the route that was recorded, fields and a body", function()
    local bytes = core.write_response(req, { status = 200, tag = "314159",
      record_route = true, headers = { "Contact", "<sip:b@c>", "X-A", "" },
      body = "v=0\r\n" })
    local res = assert(core.parse(bytes, { datagram = false }))
    assert.is_true(res:check())
    assert.same({ 200, "OK" }, { res:status(), res:reason() })
    assert.equal("314159", res:to_tag())
    assert.same({ "<sip:p1.example;lr>", "<sip:p2.example;lr>" },
      res:values "Record-Route")
    assert.equal("sip:b@c", res:contact_uri())
    assert.equal("", res:header "X-A")
    assert.equal("5", res:header "Content-Length")
    assert.equal("v=0\r\n", res:body())
  end)

  it("records no route in 100 and in failures", function()
    for _, status in ipairs { 100, 302, 486, 500, 603 } do
      local bytes = core.write_response(req, { status = status, record_route = true })
      assert.is_nil(bytes:find "Record%-Route")
    end
  end)

  it("keeps a tag that is there", function()
    local tagged = assert(core.parse((invite:gsub("(Bob [^\r]*)", "%1;tag=old"))))
    local res = assert(core.parse(core.write_response(tagged,
      { status = 200, tag = "new" })))
    assert.equal("old", res:to_tag())
  end)

  -- RFC 3261 18.2.1, RFC 3581 4
  it("marks the topmost Via alone", function()
    local bytes = core.write_response(req, { status = 200, received = "192.0.2.77",
      rport = 4444 })
    assert.equal("Via: SIP/2.0/TCP p1.example;branch=z9hG4bKp1;received=192.0.2.77 , "
      .. "SIP/2.0/UDP p2.example;branch=z9hG4bKp2", lines_of(bytes)[2])
    assert.equal("Via: SIP/2.0/UDP ua.example;branch=z9hG4bKua", lines_of(bytes)[3])
  end)

  it("fills rport where it was asked for, and believes no received", function()
    local asked = messages.request { Via = "SIP/2.0/UDP h;rport;received=10.0.0.1"
      .. ";branch=z9hG4bK1;own" }
    local bytes = core.write_response(assert(core.parse(asked)),
      { status = 200, received = "192.0.2.77", rport = 4444 })
    assert.equal("Via: SIP/2.0/UDP h;branch=z9hG4bK1;own;"
      .. "received=192.0.2.77;rport=4444", lines_of(bytes)[2])
  end)

  it("is refused with what would break it", function()
    for _, spec in ipairs {
      { status = 200, headers = { "X", "a\r\nb" } },
      { status = 200, headers = { "X", "a\rb" } },
      { status = 200, headers = { "X", "a\nb" } },
      { status = 200, headers = { "X", "a\0b" } },
      { status = 200, headers = { "X:", "a" } },
      { status = 200, headers = { "", "a" } },
      { status = 200, headers = { "X y", "a" } },
      { status = 200, reason = "OK\r\nX: y" },
      { status = 200, tag = "a b" },
      { status = 200, tag = "a\r\n" },
      { status = 200, received = "1\r\n" },
      { status = 99 },
      { status = 700 },
      { status = 200, headers = { "Content-Length", "7" } },
    } do
      assert.has_error(function()
        core.write_response(req, spec)
      end)
    end
    assert.error_matches(function()
      core.write_response(req, { status = 200, headers = { "X", "a\r\nb" } })
    end, "a header value with CR, LF or NUL")
  end)

  it("takes lists of names and values only", function()
    for _, headers in ipairs { "X: y", { "X" }, { "X", 1 }, { {}, "y" } } do
      assert.has_error(function()
        core.write_response(req, { status = 200, headers = headers })
      end)
    end
  end)

  it("may be larger than any buffer", function()
    local body = ("x"):rep(100000)
    local bytes = core.write_response(req, { status = 200, body = body })
    assert.equal(body, bytes:sub(-#body))
  end)
end)

describe("a request", function()
  it("gets Max-Forwards and Content-Length when it has none", function()
    assert.same({ "OPTIONS sip:a@b SIP/2.0", "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
      "Max-Forwards: 70", "To: <sip:a@b>", "Content-Length: 2", "" },
      lines_of(core.write_request { method = "OPTIONS", uri = "sip:a@b",
        via = "SIP/2.0/UDP h;branch=z9hG4bK1", headers = { "To", "<sip:a@b>" },
        body = "hi" }))
  end)

  it("keeps its own, as a field or among raw lines", function()
    assert.same({ "OPTIONS sip:a@b SIP/2.0", "x: y", "l: 2", "Max-Forwards: 9", "" },
      lines_of(core.write_request { method = "OPTIONS", uri = "sip:a@b",
        raw = "x: y\r\nl: 2\r\n", headers = { "Max-Forwards", "9" }, body = "hi" }))
    assert.same({ "OPTIONS sip:a@b SIP/2.0", "MAX-FORWARDS : 9",
      "Content-Length: 0", "" },
      lines_of(core.write_request { method = "OPTIONS", uri = "sip:a@b",
        raw = "MAX-FORWARDS : 9\r\n", headers = { "Content-Length", "0" } }))
  end)

  it("is refused with what would break it", function()
    for _, spec in ipairs {
      { method = "OPT IONS", uri = "sip:a@b" },
      { method = "", uri = "sip:a@b" },
      { method = "OPTIONS", uri = "sip:a b" },
      { method = "OPTIONS", uri = "sip:a@b\r\nX: y" },
      { method = "OPTIONS", uri = "sip:a@b", raw = "X: y" },
      { method = "OPTIONS", uri = "sip:a@b", via = "x\r\ny" },
      { method = "OPTIONS", uri = "sip:a@b", headers = { "l", "1" } },
    } do
      assert.has_error(function()
        core.write_request(spec)
      end)
    end
  end)
end)

describe("ACK and CANCEL", function()
  -- C-51: RFC 3261 17.1.1.3
  -- @rfc 3261 17.1.1.3 MUST C-51
  it("ACK repeats the INVITE, its top Via alone, and the To of the response", function()
    local req = assert(core.parse(invite))
    local res = assert(core.parse(core.write_response(req,
      { status = 486, tag = "uas" })))
    assert.same({
      "ACK sip:bob@192.0.2.4 SIP/2.0",
      "Via: SIP/2.0/TCP p1.example;branch=z9hG4bKp1", "Max-Forwards: 70",
      "Route: <sip:r1.example;lr>", "Route: <sip:r2.example;lr>",
      "f: \"Alice\" <sip:alice@example.com>;tag=88sja8x",
      "To: Bob <sip:bob@example.com>;tag=uas", "i: 987asjd97y7atg",
      "CSeq: 986759 ACK", "Authorization: Digest username=\"alice\"",
      "Content-Length: 0", "",
    }, lines_of(core.write_ack(req, res)))
  end)

  -- RFC 3261 9.1: neither Require nor credentials
  it("CANCEL repeats the INVITE with its own To", function()
    assert.same({
      "CANCEL sip:bob@192.0.2.4 SIP/2.0",
      "Via: SIP/2.0/TCP p1.example;branch=z9hG4bKp1", "Max-Forwards: 70",
      "Route: <sip:r1.example;lr>", "Route: <sip:r2.example;lr>",
      "f: \"Alice\" <sip:alice@example.com>;tag=88sja8x",
      "t: Bob <sip:bob@example.com>", "i: 987asjd97y7atg",
      "CSeq: 986759 CANCEL", "Content-Length: 0", "",
    }, lines_of(core.write_cancel(assert(core.parse(invite)))))
  end)
end)

describe("the standard phrases", function()
  -- C-88: an unknown code means x00, an unknown 1xx means 183
  it("are those of the code, or of its class", function()
    assert.equal("Busy Here", core.reason_phrase(486))
    assert.equal("OK", core.reason_phrase(299))
    assert.equal("Bad Request", core.reason_phrase(499))
    assert.equal("Session Progress", core.reason_phrase(150))
    assert.equal("Busy Everywhere", core.reason_phrase(699))
    assert.has_error(function()
      core.reason_phrase(99)
    end)
  end)
end)

describe("parsing and writing", function()
  it("is the identity", function()
    for _, bytes in ipairs(messages.bench()) do
      local message = assert(core.parse(bytes))
      assert.equal(bytes, message:bytes())
      if message:is_request() then
        local headers = {}
        for name, value in message:fields() do
          headers[#headers + 1] = name
          headers[#headers + 1] = value
        end
        assert.equal(bytes, core.write_request { method = message:method(),
          uri = message:uri(), headers = headers, body = message:body() })
      end
    end
  end)
end)

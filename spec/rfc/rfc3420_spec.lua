-- Fragments of messages, message/sipfrag: RFC 3420. In cases of the project's own
-- wording, one for each of its examples.

local core = require "sip.core"
local messages = require "spec.support.messages"
local sip = require "sip.app.body" -- as the facade has it

local function lines(...)
  return table.concat({ ... }, "\r\n") .. "\r\n"
end

local function read(text)
  local fragment, refusal = sip.read_fragment(text)
  return assert(fragment, refusal and refusal.why)
end

local function refused(text)
  local fragment, refusal = sip.read_fragment(text)
  assert.is_nil(fragment, text)
  assert.is_nil(refusal.status) -- it is nobody's to answer
  assert.is_true(refusal.at >= 1 and refusal.at <= #text + 1)
  return refusal.why
end

describe("RFC 3420 2: a fragment", function()
  -- @rfc 3420 2 MUST
  it("may be a start line alone, with its line end or without", function()
    for _, text in ipairs { "INVITE sip:bob@b.example SIP/2.0\r\n",
      "INVITE sip:bob@b.example SIP/2.0" } do
      local fragment = read(text)
      assert.same({ true, "INVITE", "sip:bob@b.example" },
        { fragment:is_request(), fragment:method(), fragment:uri() })
      assert.is_nil(fragment:status())
      assert.is_nil(fragment:call_id())
    end
    for _, text in ipairs { "SIP/2.0 603 Declined\r\n", "SIP/2.0 603 Declined" } do
      local fragment = read(text)
      assert.same({ false, 603, "Declined" },
        { fragment:is_request(), fragment:status(), fragment:reason() })
      assert.is_nil(fragment:method())
    end
  end)

  -- @rfc 3420 2 MUST
  it("may be a start line and some headers", function()
    local fragment = read(lines("REGISTER sip:b.example SIP/2.0",
      "To: sip:bob@b.example", "Contact: <sip:bob@pc.b.example>;q=0.9,",
      "         <sip:bob@m.b.example>;q=0.1"))
    assert.equal("REGISTER", fragment:method())
    assert.equal("sip:bob@b.example", fragment:to_uri())
    assert.equal("0.1", fragment:name_addr("Contact", 2).params.q)
    fragment = read(lines("SIP/2.0 400 Bad Request",
      "Warning: 399 b.example \"The Event header cannot be read\""))
    assert.equal(400, fragment:status())
    assert.matches("^399 ", fragment:header "Warning")
  end)

  -- @rfc 3420 2 MUST
  it("may be headers alone", function()
    local text = lines("From: Alice <sip:alice@a.example>",
      "t : Bob <sip:bob@b.example>",
      "Contact: <sip:alice@pc.a.example>", "Date: Sat, 13 Nov 2010 23:29:00 GMT",
      "Call-ID: a84b", "Cseq: 7 INVITE")
    local fragment = read(text)
    assert.is_false(fragment:is_request())
    assert.same({}, { fragment:method(), fragment:status(), fragment:uri(),
      fragment:version(), fragment:reason() })
    assert.same({ "sip:alice@a.example", "sip:bob@b.example", "a84b" },
      { fragment:from_uri(), fragment:to_uri(), fragment:call_id() })
    assert.same({ 7, "INVITE" }, { fragment:cseq() })
    assert.equal(text .. "\r\n", fragment:bytes())
    assert.equal("sip.Message{headers}", tostring(fragment))
  end)

  it("may be nothing at all", function()
    for _, text in ipairs { "", "\r\n" } do
      assert.equal("\r\n", read(text):bytes())
    end
  end)

  -- @rfc 3420 2 MUST
  it("may have a body with the headers that describe it", function()
    local sdp = lines("v=0", "o=a 1 1 IN IP4 192.0.2.1", "s=-", "t=0 0")
    local fragment = read(messages.join({ "SIP/2.0 200 OK",
      "Content-Type: application/sdp", "Content-Length: " .. #sdp }, sdp))
    assert.equal(sdp, fragment:body())
    assert.equal("session", fragment:content().disposition)
    fragment = read(messages.join({ "c: text/plain", "l: 4" }, "a\0b\nrest"))
    assert.equal("a\0b\n", fragment:body())
    assert.equal("text/plain", fragment:part("text/plain").type)
    for text, why in pairs {
      ["\r\nHi"] = "a body without a Content-Type",
      ["l: 2\r\n\r\nHi"] = "a body without a Content-Type",
      ["c: text/plain\r\nl: 3\r\n\r\nHi"] = "the body is shorter than Content-Length",
      ["c: text/plain\r\nl: x\r\n\r\nHi"] = "Content-Length is not a number",
      ["MESSAGE sip:b@b.example SIP/2.0\r\nHi"] =
        "a header line has no name and colon",
    } do
      assert.equal(why, refused(text))
    end
  end)

  -- @rfc 3420 2 MUST
  it("may have lost its body and kept the length of it", function()
    local fragment = read(lines("SIP/2.0 200 OK", "Content-Type: a/b",
      "Content-Length: 247"))
    assert.equal("", fragment:body())
    assert.equal("247", fragment:header "Content-Length")
  end)

  -- @rfc 3420 2 MUST
  it("has a start line that is whole", function()
    for _, text in ipairs { "INVITE", "INVITE sip:b@b.example", "SIP/2.0",
      "404 Not Found", "INVITE sip:b@b.example SIP/1.09", "SIP/1.0 200 OK",
      "SIP/2.0 99 x", "SIP/2.0 700 x",
      "INVITE b SIP/2.0", "INVITE sip:b@b.example?a=b SIP/2.0", " From: <sip:a@b>",
    } do
      assert.is_string(refused(text))
      assert.is_string(refused(text .. "\r\n"))
    end
  end)

  -- @rfc 3420 2 MUST
  it("has headers that are valid", function()
    for _, text in ipairs {
      lines("INVITE sip:b@b.example SIP/2.0", "Via: SIP/2.0/UDP ;branch=z9hG4bKx"),
      lines("INVITE sip:b@b.example SIP/2.0", "To: <>;tag=1"),
      lines("Via: SIP/2.0/UDP h", "v: SIP/2.0/UDP"),
      lines("To: sip:a@a.example", "Call-ID: with blanks in it"),
      lines("From: <sip:a@a.example>;tag=1;tag=2"),
      lines("From: <sip:a@a.example>", "f: <sip:b@a.example>"),
      lines("CSeq: INVITE"), lines("CSeq: 4294967296 INVITE"), lines("Contact: <sip:a"),
      lines("INVITE sip:b@b.example SIP/2.0", "CSeq: 1 BYE"), lines("Expires: soon"),
      lines("Max-Forwards: 256"), lines("SIP/2.0 200 OK", "Subject: x\r"),
    } do
      assert.is_string(refused(text))
    end
    assert.equal("*", read(lines("Contact: *")):contact_uri())
  end)

  it("is no message: it is not passed on, nor parsed as one", function()
    local forward = require("sip.test").forward
    local fragment = read(lines("INVITE sip:b@b.example SIP/2.0",
      "Via: SIP/2.0/UDP h;branch=z9hG4bK1"))
    local bytes, why = forward.write { message = fragment }
    assert.same({ nil, "a fragment of a message" }, { bytes, why })
    assert.is_nil((forward.relay(read(lines("SIP/2.0 200 OK", "v: SIP/2.0/UDP a",
      "v: SIP/2.0/UDP b")))))
    assert.is_nil((core.parse(lines("From: <sip:a@a.example>") .. "\r\n")))
  end)

  it("is bounded as a message is", function()
    local bound = 65535
    assert.equal("the message is too long", refused(("x"):rep(bound + 1)))
    assert.equal("there are too many header lines",
      refused(("A: b\r\n"):rep(257)))
  end)
end)

describe("a fragment that is written", function()
  -- @rfc 3420 2 MUST
  it("reads as what was asked for", function()
    assert.equal("SIP/2.0 200 OK\r\n", sip.fragment { status = 200 })
    assert.equal("SIP/2.0 100 Trying\r\n", sip.fragment { status = 100 })
    assert.equal("SIP/2.0 503 Nobody\r\n", sip.fragment { status = 503,
      reason = "Nobody" })
    assert.equal("INVITE sip:b@b.example SIP/2.0\r\n", sip.fragment { method = "INVITE",
      uri = "sip:b@b.example" })
    assert.equal(lines("SIP/2.0 400 Bad Request", "Warning: 399 h \"x\""),
      sip.fragment { status = 400, headers = { Warning = '399 h "x"' } })
    assert.equal(lines("From: <sip:a@a.example>", "Call-ID: 1"),
      sip.fragment { headers = { "From", "<sip:a@a.example>", "Call-ID", "1" } })
    assert.equal("", sip.fragment {})
  end)

  it("describes its body", function()
    local text = sip.fragment { status = 200, content_type = "text/plain",
      body = "\0a" }
    assert.equal(messages.join({ "SIP/2.0 200 OK", "Content-Type: text/plain",
      "Content-Length: 2" }, "\0a"), text)
    assert.equal("\0a", read(text):body())
  end)

  it("is one that can be read, or misuse", function()
    for want, options in pairs {
      ["a method and its uri"] = { method = "INVITE" },
      ["of a request or of a response"] = { method = "BYE", uri = "sip:a@b",
        status = 200 },
      ["a body wants a Content%-Type"] = { body = "x" },
      ["is no text of one line"] = { headers = { X = "a\r\nb" } },
      ["is no name"] = { headers = { ["a b"] = "x" } },
      ["the CSeq number"] = { headers = { CSeq = "9999999999 BYE" } },
      ["an URI has no scheme"] = { method = "BYE", uri = "bob" },
      ["Content%-Length is not the length"] = { content_type = "a/b", body = "x",
        headers = { ["Content-Length"] = "2" } },
      ["unknown option \"code\""] = { code = 200 },
    } do
      local ok, why = pcall(sip.fragment, options)
      assert.is_false(ok, want)
      assert.matches(want, why)
      assert.matches("rfc3420_spec", why)
    end
    assert.has_error(function()
      sip.read_fragment(nil)
    end)
  end)

  -- Parse, write, parse.
  it("is the same again of every message there is", function()
    for _, bytes in ipairs(messages.bench()) do
      local whole = assert(core.parse(bytes))
      local headers = {}
      for name, value in whole:fields() do
        table.move({ name, value }, 1, 2, #headers + 1, headers)
      end
      local text = sip.fragment { method = whole:method(), uri = whole:uri(),
        status = whole:status(), reason = whole:reason(), headers = headers,
        body = whole:body() }
      local again = read(text)
      assert.equal(bytes, again:bytes())
    end
  end)
end)

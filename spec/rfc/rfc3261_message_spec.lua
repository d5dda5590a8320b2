-- The syntax of messages by clause of RFC 3261.  C-1 to C-10, C-13, C-14, C-15, C-18.

local core = require "sip.core"
local messages = require "spec.support.messages"
local request = messages.request

local function parse(change, body)
  return assert(core.parse(request(change, body)))
end

-- What an element makes of it: "ok", or the status and the reason.
local function judge(change, body)
  local message, refusal = core.parse(request(change, body))
  if message then
    local ok, why = message:check()
    if ok then
      return "ok"
    end
    refusal = why
  end
  return refusal.status, refusal.why
end

describe("7.3.1 header fields", function()
  -- @rfc 3261 7.3.1 MUST C-1
  it("have names without case, and compact forms anywhere", function()
    local message = assert(core.parse(messages.join {
      "OPTIONS sip:a@b SIP/2.0", "V: SIP/2.0/UDP h;branch=z9hG4bK1",
      "f: <sip:a@b>;tag=1", "T: <sip:c@d>", "i: x", "CSEQ: 1 OPTIONS",
      "m: <sip:e@f>", "L: 0", "k: path", "SUPPORTED: timer", "c: a/b", "S: hi",
      "o: presence", "r: <sip:x@y>", "x: 90",
    }))
    assert.is_true(message:check())
    assert.equal("z9hG4bK1", message:branch())
    assert.equal("sip:a@b", message:from_uri())
    assert.equal("sip:c@d", message:to_uri())
    assert.equal("x", message:call_id())
    assert.equal("sip:e@f", message:contact_uri())
    assert.same({ "path", "timer" }, message:values "Supported")
    assert.equal("a/b", message:header "Content-Type")
    assert.equal("hi", message:header "SUBJECT")
    assert.equal("presence", message:header "Event")
    assert.equal("<sip:x@y>", message:header "Refer-To")
    assert.equal("90", message:header "Session-Expires")
  end)

  -- @rfc 3261 7.3.1 MUST C-2
  it("may be folded, which reads as one SP", function()
    local message = parse { To = "\r\n\t<sip:bob@example.com>\r\n ;tag=9",
      extra = { "Subject: one\r\n two\r\n\t \tthree", "Supported: path\r\n , timer" } }
    assert.equal("one two three", message:header "Subject")
    assert.equal("9", message:to_tag())
    assert.same({ "path", "timer" }, message:values "Supported")
    assert.is_true(message:check())
    assert.equal("<sip:bob@example.com> ;tag=9", message:header "To")
  end)

  it("are not folded by an empty line", function()
    local message = assert(core.parse(request({ ["Content-Length"] = false },
      " a body that begins with a blank")))
    assert.equal(" a body that begins with a blank", message:body())
  end)

  -- @rfc 3261 7.3.1 MUST C-3
  it("in several lines equal one list, in order", function()
    local one = parse { extra = { "Route: <sip:a;lr>, <sip:b;lr>,<sip:c;lr>" } }
    local more = parse { extra = { "Route: <sip:a;lr>", "Subject: x",
      "ROUTE:<sip:b;lr> , <sip:c;lr>" } }
    assert.same({ "<sip:a;lr>", "<sip:b;lr>", "<sip:c;lr>" }, one:values "Route")
    assert.same(one:values "Route", more:values "Route")
    assert.equal("sip:c;lr", more:name_addr("Route", 3).uri)
    assert.is_nil(more:name_addr("Route", 4))
  end)

  -- @rfc 3261 7.3.1 MUST C-3
  it("of authentication are never combined or split", function()
    local message = parse { extra = { "Authorization: Digest a=1, b=2",
      "Authorization: Digest c=3", "Proxy-Authorization: Digest d=4, e=5" } }
    assert.same({ "Digest a=1, b=2", "Digest c=3" }, message:values "Authorization")
    assert.same({ "Digest d=4, e=5" }, message:values "Proxy-Authorization")
  end)

  it("are split by the grammar: quotes, escapes and brackets", function()
    local message = parse { extra = { "Contact: \"a, \\\", b\" <sip:x@y;p=1,2>;q=0.1 "
      .. ", <sip:c@d?h=a,b>;s=\"x,y\",sip:e@f;expires=3" } }
    assert.same({ "\"a, \\\", b\" <sip:x@y;p=1,2>;q=0.1",
      "<sip:c@d?h=a,b>;s=\"x,y\"", "sip:e@f;expires=3" }, message:values "Contact")
    assert.equal("a, \", b", message:name_addr("Contact", 1).display)
    assert.same({ "s", s = "x,y" }, message:name_addr("Contact", 2).params)
    assert.same({ "expires", expires = "3" }, message:name_addr("Contact", 3).params)
    assert.same({ "a", "b" }, core.split " a,, ,b,")
    assert.same({ "a (b", "c)" }, core.split "a (b, c)") -- no comment here (25.1)
  end)

  -- @rfc 3261 20 MUST C-10
  it("that nobody knows are kept as they are", function()
    local message = parse { extra = { "X-Unknown: ;;,,;=\" \\", "x: 1" } }
    assert.is_true(message:check())
    assert.equal(";;,,;=\" \\", message:header "x-unknown")
    assert.equal(";;,,;=\" \\", message:values "X-Unknown"[1])
    assert.is_truthy(message:bytes():find("X-Unknown: ;;,,;=\" \\\r\n", 1, true))
  end)
end)

describe("7.1 and 7.2 start lines", function()
  -- @rfc 3261 7.1 MUST C-4
  it("have methods with case and versions without", function()
    assert.equal("options", parse { "options sip:a@b SIP/2.0",
      CSeq = "1 options" }:method())
    assert.same({ 400, "the method of CSeq is not that of the request" },
      { judge { "options sip:a@b SIP/2.0" } })
    assert.equal("ok", judge { "OPTIONS sip:a@b sip/2.0" })
    assert.equal("SIP/2.0", core.write_request { method = "X", uri = "sip:a@b" }
      :match "^X sip:a@b (%S+)")
  end)

  -- @rfc 3261 21.5.6 MUST C-8
  it("of another version are answered 505", function()
    for _, version in ipairs {
      "SIP/7.0", "SIP/2.1", "SIP/1.0", "SIP/20.0", "SIP/2.00",
    } do
      assert.equal(505, (judge { "OPTIONS sip:a@b " .. version }), version)
    end
    for _, version in ipairs { "SIP/2", "SIP/.0", "SIP/2.", "SIP/a.b", "HTTP/2.0" } do
      assert.equal(400, (judge { "OPTIONS sip:a@b " .. version }), version)
    end
  end)
end)

describe("7.5 and 18.3 datagrams", function()
  -- @rfc 3261 7.5 MUST C-5
  it("may begin with empty lines", function()
    assert.equal("OPTIONS", assert(core.parse("\r\n\r\n\r\n" .. request())):method())
  end)

  -- @rfc 3261 18.3 MUST C-9
  it("end where Content-Length says, or are refused when it is too long", function()
    local message = parse({ ["Content-Length"] = "2" }, "abcdef")
    assert.equal("ab", message:body())
    assert.equal("ab", message:bytes():sub(-2))
    assert.same({ 400, "the body is shorter than Content-Length" },
      { judge({ ["Content-Length"] = "7" }, "abcdef") })
    assert.equal("abcdef", parse({ ["Content-Length"] = false }, "abcdef"):body())
    local response = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h\r\nl: 3\r\n\r\nab"
    local none, refusal, malformed = core.parse(response)
    assert.same({}, { none, refusal.status, malformed })
  end)

  -- @rfc 3261 18.3 MUST C-31
  it("are more forgiving than streams", function()
    local strict = { datagram = false }
    for _, length in ipairs { "2", "7", false } do
      local change = { ["Content-Length"] = length }
      local _, refusal = core.parse(request(change, "abcdef"), strict)
      assert.equal(400, refusal.status)
    end
    assert.is_truthy(core.parse(request({}, "abcdef"), strict))
  end)
end)

describe("8.1.1 what a request has", function()
  -- @rfc 3261 8.1.1 MUST C-6
  it("is answered 400 when it is not there", function()
    for name, why in pairs {
      From = "there is no From", To = "there is no To",
      ["Call-ID"] = "there is no Call-ID", CSeq = "there is no CSeq",
    } do
      assert.same({ 400, why }, { judge { [name] = false } })
    end
    local message = parse { Via = false }
    local _, refusal = message:check()
    assert.equal("there is no Via", refusal.why)
  end)

  it("may lack what RFC 2543 did not have", function()
    assert.equal("ok", judge { ["Max-Forwards"] = false, ["Content-Length"] = false,
      Via = "SIP/2.0/UDP h", From = "sip:a@b" })
  end)

  it("is there once", function()
    for _, line in ipairs {
      "From: <sip:x@y>;tag=2", "t: <sip:x@y>", "Call-ID: other", "CSeq: 2 OPTIONS",
      "Max-Forwards: 7", "Content-Length: 0",
    } do
      assert.same({ 400, "a header that may stand once stands twice" },
        { judge { extra = { line } } })
    end
    assert.equal("ok", judge { extra = { "Subject: a", "Warning: 399 a \"b\"",
      "Via: SIP/2.0/UDP second", "X-Own: a", "X-Own: b" } })
  end)

  -- @rfc 3261 8.1.1.5 MUST C-7
  it("has a CSeq below 2**32 with its method", function()
    assert.equal("ok", judge { CSeq = "4294967295 OPTIONS" })
    assert.equal("ok", judge { CSeq = "0000000000000007\t OPTIONS" })
    for _, value in ipairs {
      "4294967296 OPTIONS", "-1 OPTIONS", "1", "OPTIONS", "", "1 OPTIONS x",
      "1OPTIONS", "1 INVITE", "1 Options", "99999999999999999999999 OPTIONS",
    } do
      assert.equal(400, (judge { CSeq = value }), value)
    end
  end)

  it("has numbers that are numbers", function()
    for name, values in pairs {
      ["Max-Forwards"] = { "-1", "256", "x", "", "7 0" },
      ["Expires"] = { "-1", "soon", "", "6 0" },
    } do
      for _, value in ipairs(values) do
        local change = name == "Expires" and { extra = { "Expires: " .. value } }
          or { [name] = value }
        assert.equal(400, (judge(change)), name .. ": " .. value)
      end
    end
    local message = parse { extra = { "Expires: 99999999999999999999999" } }
    assert.is_true(message:check())
    assert.equal(4294967295, message:expires()) -- too long a time is the longest
  end)

  it("has a Call-ID of words", function()
    for _, value in ipairs { "a b", "a,b", "a;b", "" } do
      assert.equal(400, (judge { ["Call-ID"] = value }), value)
    end
    assert.equal("ok", judge { ["Call-ID"] = "a(b)<c>:\\\"/[d]?{e}@f" })
  end)

  it("has contacts that are addresses", function()
    assert.equal("ok", judge { extra = { "Contact: <sip:a@b>, sip:c@d;q=1" } })
    for _, value in ipairs {
      "<sip:a@b>, x", "*", "<sip:a@b", "<>", "sip:a@b;;", "\"x\"",
    } do
      assert.equal(400, (judge { extra = { "Contact: " .. value } }), value)
    end
    assert.equal("ok", judge { "REGISTER sip:b SIP/2.0", CSeq = "1 REGISTER",
      extra = { "Contact: *", "Expires: 0" } })
  end)
end)

describe("20.10 and 20.20 addresses", function()
  -- @rfc 3261 20.10 MUST C-13
  it("without brackets leave their parameters to the header", function()
    local addr = assert(core.name_addr "sip:a@b;tag=x;y=\"z\"")
    assert.same({ uri = "sip:a@b", params = { "tag", "y", tag = "x", y = "z" } }, addr)
    addr = assert(core.name_addr "<sip:a@b;tag=x>;y=z")
    assert.same({ uri = "sip:a@b;tag=x", params = { "y", y = "z" } }, addr)
    for _, text in ipairs { "sip:a@b?c=d", "sip:a,b@c", "sip:a@b;c=d?e=f" } do
      assert.is_nil((core.name_addr(text)), text)
      assert.is_truthy(core.name_addr("<" .. text .. ">"))
    end
  end)

  -- @rfc 3261 25.1 MUST C-14
  it("have names in quotes with escapes and UTF-8", function()
    for text, display in pairs {
      ["\"A \\\"B\\\" \\\\ C\" <sip:a@b>"] = "A \"B\" \\ C",
      ["\"Zoë, Ж\" <sip:a@b>"] = "Zoë, Ж",
      ["Zoë Ж <sip:a@b>"] = "Zoë Ж",
      ["One  Two<sip:a@b>"] = "One  Two",
      ["\"a <b> c\"   <sip:a@b>"] = "a <b> c",
    } do
      assert.equal(display, assert(core.name_addr(text)).display)
    end
    assert.is_nil(assert(core.name_addr "\"\" <sip:a@b>").display)
    assert.equal("Ж", assert(core.parse("SIP/2.0 200 Ж\r\nv: SIP/2.0/UDP h\r\n\r\n"))
      :reason())
  end)

  it("are refused with a reason", function()
    for _, text in ipairs {
      "", "<sip:a@b", "\"open <sip:a@b>", "\"name\"", "\"name\" sip:a@b", "<>",
      "<sip:a@b> x", "<sip:a@b>;", "<sip:a@b>;;x", "<sip:a@b>;x=\"y", "<sip:a@b>;tag=",
      "A, B <sip:a@b>", "A;B <sip:a@b>", "<sip:a@b>x=y",
    } do
      local addr, why = core.name_addr(text)
      assert.is_nil(addr, text)
      assert.is_string(why)
    end
  end)

  it("are written in quotes, and read back", function()
    for _, display in ipairs { "A \"B\" \\", "x", "Ж, y" } do
      local text = core.name_addr_write { display = display, uri = "sip:a@b;c",
        params = { "tag", tag = "1", note = "two words", flag = true } }
      local addr = assert(core.name_addr(text))
      assert.same({ display, "sip:a@b;c", "1", "two words", true }, { addr.display,
        addr.uri, addr.params.tag, addr.params.note, addr.params.flag })
    end
    for _, parts in ipairs {
      { uri = "sip:a@b>" }, { uri = "sip:a\r\n" }, {},
      { display = "a\nb", uri = "sip:a@b" },
      { uri = "sip:a@b", params = { x = "a\r\nb" } }, { uri = "" },
      { uri = "sip:a@b", params = { ["x y"] = "1" } },
    } do
      assert.has_error(function()
        core.name_addr_write(parts)
      end)
    end
  end)
end)

describe("20.42 Via", function()
  local function via(value)
    return parse { Via = value }:via()
  end

  -- @rfc 3261 25.1 MUST C-15
  it("has its host as written, its port apart, its parameters", function()
    local got = via("SIP/2.0/TLS [2001:db8::1]:5071;branch=z9hG4bKx"
      .. ";received=2001:db8::2")
    assert.same({ "TLS", "[2001:db8::1]", 5071, "z9hG4bKx", "2001:db8::2" },
      { got.transport, got.host, got.port, got.branch, got.received })
    assert.is_nil(got.rport)
    got = via "SIP/2.0/UDP h.example;rport=4000;received=[2001:db8::2];maddr=1.2.3.4;x"
    assert.same({ 4000, "[2001:db8::2]", "1.2.3.4", true },
      { got.rport, got.received, got.params.maddr, got.params.x })
    assert.is_true(via("SIP/2.0/UDP h;rport").rport)
    assert.equal("h", via("SIP / 2.0 / UDP   h : 5060 ; branch = b").host)
  end)

  it("is refused when it is malformed", function()
    for _, value in ipairs {
      "", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0 h", "SIP/2.0/UDP/x h", "/2.0/UDP h",
      "SIP/2.0/UDP h:", "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:65536", "SIP/2.0/UDP h;",
      "SIP/2.0/UDP h;rport=x", "SIP/2.0/UDP h;rport=65536", "SIP/2.0/UDP [::1",
      "SIP/2.0/UDP h x", "SIP/2.0/UDP h;=x", "SIP/2.0/UDP h;a=\"",
    } do
      local message = parse { Via = value }
      assert.is_nil((message:via()), value)
      assert.is_nil(message:branch())
      local _, refusal = message:check()
      assert.equal(400, refusal.status, value)
    end
  end)
end)

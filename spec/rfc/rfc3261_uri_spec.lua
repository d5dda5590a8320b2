-- URIs: RFC 3261 19.1, RFC 5954 (addresses), RFC 3966 4 (tel).  C-11, C-12, C-15, C-16.

local core = require "sip.core"

local function equal_both_ways(a, b)
  local one, other = core.uri_equal(a, b), core.uri_equal(b, a)
  assert.equal(one, other, a .. " against " .. b)
  return one
end

local function check_sets(sets, want)
  for _, set in ipairs(sets) do
    for i = 1, #set do
      assert.is_true(equal_both_ways(set[i], set[i]), set[i])
      for j = i + 1, #set do
        assert.equal(want, equal_both_ways(set[i], set[j]), set[i] .. "  " .. set[j])
      end
    end
  end
end

describe("comparing SIP URIs (19.1.4)", function()
  -- C-11: the examples of the clause
  -- @rfc 3261 19.1.4 MUST C-11
  it("finds equal what is equal", function()
    check_sets({
      { "sip:%61lice@atlanta.com;transport=TCP",
        "sip:alice@AtLanTa.CoM;Transport=tcp" },
      { "sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5" },
      { "sip:carol@chicago.com", "sip:carol@chicago.com;security=on" },
      { "sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on" },
      { "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com" },
      { "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x" },
      { "sip:carol@chicago.com", "sip:carol@chicago.com;security=off" },
    }, true)
  end)

  -- @rfc 3261 19.1.4 MUST C-11
  it("finds different what is different", function()
    check_sets({
      { "SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP" },
      { "sip:bob@biloxi.com", "sip:bob@biloxi.com:5060" },
      { "sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp" },
      { "sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp" },
      { "sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting" },
      { "sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4" },
      { "sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off" },
    }, false)
  end)

  it("knows the parameters that may not stand in one alone", function()
    for _, param in ipairs {
      "user=phone", "ttl=1", "method=INVITE", "maddr=192.0.2.1", "transport=tcp",
    } do
      assert.is_false(equal_both_ways("sip:a@b", "sip:a@b;" .. param), param)
      assert.is_true(equal_both_ways("sip:a@b;lr;" .. param,
        "sip:a@b;" .. param:upper()))
    end
  end)

  it("tells sip from sips, users and passwords that are there from none", function()
    check_sets({
      { "sip:a@b", "sips:a@b" },
      { "sip:b", "sip:a@b" },
      { "sip:a@b", "sip:a:@b", "sip:a:secret@b", "sip:a:Secret@b" },
      { "sip:a@b?x=1", "sip:a@b?x=1&x=1", "sip:a@b?x=2" },
    }, false)
  end)

  -- @rfc 3261 19.1.4 MUST C-11
  it("compares headers by the rules of each", function()
    local x = "sip:x@y?"
    check_sets({
      { x .. "subject=a%3ab&priority=urgent", x .. "Priority=URGENT&s=a:b" },
      { x .. "to=sip:bob%40b.example", x .. "t=Bob%20%3csip:bob%40B.example%3e",
        x .. "To=%22B.%22%3csip:%62ob%40b.example%3e" },
      { x .. "from=%3csip:a%40b%3e%3btag%3d1%3bx%3d2",
        x .. "from=%3csip:a%40b%3e%3by%3btag%3d1" },
      { x .. "accept=text/plain", x .. "accept=Text/Plain" },
    }, true)
    check_sets({
      { x .. "subject=a", x .. "subject=A", x .. "subject=a&subject=a", x .. "body=a",
        x .. "call-id=a", x .. "i=A" },
      { x .. "to=sip:bob%40b", x .. "to=sip:Bob%40b", x .. "from=sip:bob%40b",
        x .. "to=%3csip:bob%40b%3e%3btag%3d1", x .. "to=%3csip:bob%40b%3e%3btag%3d2" },
      { x .. "allow=INVITE", x .. "allow=invite" },
      { x .. "content-type=a/b%3bc%3d%22d%22", x .. "content-type=a/b%3bc%3d%22D%22" },
      { x .. "to=%3csip:a%40b%3e%3bx%3d1", x .. "to=%3csip:a%40b%3e%3bx%3d2" },
    }, false)
  end)

  -- Who writes URIs in URIs, or many of them, has them compared as text.
  it("looks into the URI of a header, and no deeper", function()
    local function inside(name)
      return "sip:x@y?to=%3csip:a%40b?to%3d" .. name .. "%3e"
    end
    assert.is_true(equal_both_ways(inside "sip:c%2540d", inside "sip:c%2540d"))
    assert.is_false(equal_both_ways(inside "sip:c%2540d", inside "sip:c%2540D"))
    local long = ("a"):rep(600)
    assert.is_true(equal_both_ways("sip:x@y?to=sip:" .. long,
      "sip:x@y?To=sip:" .. long))
    assert.is_false(equal_both_ways("sip:x@y?to=sip:" .. long,
      "sip:x@y?to=%3csip:" .. long .. "%3e"))
    local two = "to=sip:a%40b&to=sip:a%40b&from=sip:a%40b"
    assert.is_true(equal_both_ways("sip:x@y?" .. two, "sip:x@y?" .. two))
    assert.is_false(equal_both_ways("sip:x@y?" .. two, "sip:x@y?"
      .. two:gsub("sip:a%%40b$", "sip:a%%40B")))
  end)

  -- @rfc 3261 19.1.2 MUST C-12
  it("tells a reserved character from its escape, and no other", function()
    assert.is_false(equal_both_ways("sip:a;b@c", "sip:a%3Bb@c"))
    assert.is_false(equal_both_ways("sip:a%2fb@c", "sip:a/b@c"))
    assert.is_true(equal_both_ways("sip:a%2Fb@c", "sip:a%2fb@c"))
    assert.is_true(equal_both_ways("sip:a%2Db@c", "sip:a-b@c"))
    assert.is_false(equal_both_ways("sip:%41@c", "sip:a@c"))
    assert.is_true(equal_both_ways("sip:a@b;%6Cr=x", "sip:a@b;lr=%78"))
    assert.is_false(equal_both_ways("sip:a%2541@b", "sip:aA@b")) -- undone once: C-12
    assert.is_false(equal_both_ways("sip:%00@b", "sip:%00%00@b"))
  end)

  -- C-16: RFC 5954 3.2
  -- @rfc 5954 3 MUST C-16
  it("compares IPv6 addresses by value", function()
    check_sets({
      { "sip:bob@[::ffff:192.0.2.128]", "sip:bob@[::ffff:c000:280]" },
      { "sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0:0:0:0:1]",
        "sip:a@[2001:0db8::0:0001]" },
    }, true)
    check_sets({
      { "sip:a@[2001:db8::1]", "sip:a@[2001:db8::2]", "sip:a@[2001:db8::1]:5060" },
      { "sip:a@192.0.2.128", "sip:a@[::ffff:192.0.2.128]" },
    }, false)
  end)

  -- Anybody may write them, in credentials too: what is compared with what is bounded.
  it("looks for no more than 32 parameters or headers in another order", function()
    for prefix, between in pairs { ["sip:a@b;"] = ";", ["tel:+1;"] = ";",
      ["sip:a@b?"] = "&" } do
      for _, count in ipairs { 32, 33, 3000 } do
        local there, back = {}, {}
        for i = 1, count do
          there[i] = ("p%d=%%61"):format(i)
          back[count + 1 - i] = ("P%d=a"):format(i)
        end
        local one = prefix .. table.concat(there, between)
        local other = prefix .. table.concat(back, between)
        assert.is_true(equal_both_ways(one, (one:gsub("%%61", "a"))))
        assert.equal(count == 32, equal_both_ways(one, other), prefix .. count)
      end
    end
  end)

  it("compares other schemes byte by byte behind the scheme", function()
    assert.is_true(equal_both_ways("URN:x:y", "urn:x:y"))
    assert.is_false(equal_both_ways("urn:x:y", "urn:x:Y"))
    assert.is_false(equal_both_ways("urn:x", "isbn:x"))
    assert.is_false(core.uri_equal("no uri", "no uri"))
  end)
end)

describe("comparing tel URIs (RFC 3966 4)", function()
  -- @rfc 3966 4 MUST
  it("looks at digits, in whatever way they are set", function()
    check_sets({
      { "tel:+1-201-555-0123", "tel:+12015550123", "TEL:+1(201)555.0123" },
      { "tel:7042;phone-context=example.com", "tel:70-42;phone-context=EXAMPLE.com" },
      { "tel:863-1234;phone-context=+1-914-555", "tel:8631234;phone-context=+1914555" },
      { "tel:+1201;ext=1-2;isub=7", "tel:+1201;isub=7;EXT=12" },
      { "tel:A1;phone-context=b", "tel:a1;phone-context=b" },
    }, true)
  end)

  it("tells local from global numbers and one parameter from none", function()
    check_sets({
      { "tel:+12015550123", "tel:12015550123;phone-context=x", "tel:+12015550124",
        "tel:+1201555012" },
      { "tel:+1201", "tel:+1201;ext=1", "tel:+1201;ext=2", "tel:+1201;ext=1;x=y" },
    }, false)
  end)
end)

describe("the parts of an URI", function()
  it("are kept escaped, and the user's text beside it", function()
    local uri = assert(core.uri
      "sips:al%20ice;p=1?:p%3Aw@[2001:db8::9]:5081;TransPort=tcp;lr?Subject=a%20b&x=")
    assert.equal("sips", uri.scheme)
    assert.equal("al%20ice;p=1?", uri.user)
    assert.equal("al ice;p=1?", uri.user_text)
    assert.equal("p%3Aw", uri.password)
    assert.equal("[2001:db8::9]", uri.host)
    assert.equal(5081, uri.port)
    assert.same({ "TransPort", "lr", transport = "tcp", lr = true }, uri.params)
    assert.same({ { name = "Subject", value = "a b" }, { name = "x", value = "" } },
      uri.headers)
  end)

  it("of tel and of other schemes", function()
    local tel = assert(core.uri "tel:+49-30-55;ext=9")
    assert.same({ "tel", "+49-30-55", "9" }, { tel.scheme, tel.user, tel.params.ext })
    assert.is_truthy(core.uri "tel:911")
    local urn = assert(core.uri "URN:service:sos")
    assert.same({ "urn", "service:sos" }, { urn.scheme, urn.opaque })
  end)

  it("are refused with the place", function()
    for _, marked in ipairs {
      "^", "^sip", "^:a", "^1sip:a", "sip:^", "sip:^@b", "sip:a@^", "sip:a^ b@c",
      "sip:a@b:^", "sip:a@b:^0", "sip:a@b:^65536", "sip:a@b:5^x", "sip:a@b;^",
      "sip:a@b;^=1", "sip:a@b;^;c", "sip:a@b?^", "sip:a@b?c^", "sip:a@b?^=1",
      "sip:a@^[::1", "sip:a@^[1.2.3.4]", "sip:a^%4@b", "sip:a@b^@c", "sip:a@b;p=1^<",
      "sip:a@b^\0", "tel:^", "tel:+^", "tel:+^x", "urn:^", "urn:a^ b", "sip:a@b^ ",
      "sip:2001:^db8::1",
    } do
      local at = marked:find("^", 1, true)
      local uri, why, where = core.uri((marked:gsub("%^", "", 1)))
      assert.is_nil(uri, marked)
      assert.is_string(why)
      assert.equal(at, where, marked .. ": " .. why)
    end
  end)
end)

describe("writing an URI", function()
  it("is the inverse of reading it", function()
    for _, text in ipairs {
      "sip:example.com", "sip:alice@example.com", "sips:a%40b:pw@[::1]:5061;lr;x=%20",
      "sip:a@b;transport=tcp?Subject=a%20b&Route=%3Csip:c%3E", "tel:+1-2;ext=3",
      "urn:x:y",
    } do
      assert.equal(text, core.uri_write(assert(core.uri(text))))
    end
  end)

  it("orders parameters as listed, then by name", function()
    assert.equal("sip:h;b=2;a=1;c", core.uri_write { host = "h",
      params = { "b", a = "1", b = "2", c = true } })
  end)

  it("escapes texts and brackets addresses", function()
    assert.equal("sip:a%20b%40%00@[2001:db8::1]:5070", core.uri_write {
      user_text = "a b@\0", host = "2001:db8::1", port = 5070 })
  end)

  it("raises when the parts make no URI", function()
    for _, parts in ipairs {
      {}, { host = "a b" }, { host = "h", port = 0 }, { host = "h", user = "a@b" },
      { host = "h", user = "a\r\nb" }, { host = "h", params = { x = "a;b" } },
      { host = "h", params = { ["a b"] = true } }, { scheme = "tel" },
      { scheme = "tel", user = "x" }, { scheme = "1", opaque = "x" },
      { host = {} }, { host = "h", headers = "x" },
    } do
      assert.has_error(function()
        core.uri_write(parts)
      end)
    end
  end)
end)

describe("the parts of a URI without a table (19.1.1)", function()
  local function parts(text)
    return { core.uri_parts(text) }
  end

  it("are scheme, user, host and port, as they compare", function()
    assert.same({ "sip", "alice", "example.com", 5070 },
      parts "SIP:%61lice:pw@Example.COM:5070;lr?a=b")
    assert.same({ "sips", nil, "[2001:db8::1]" }, parts "sips:[2001:DB8::1]")
    assert.same({ "tel", "+12015550123" }, parts "tel:+12015550123")
    assert.same({ "urn" }, parts "urn:x:y")
    assert.same({}, parts "no uri")
  end)
end)

describe("a URI that is a user at an IPv4 address (19.1.1)", function()
  it("is told from one that is more than that", function()
    assert.same({ "192.0.2.1", 5070 }, { core.uri_plain "sip:%61;c@192.0.2.1:5070" })
    assert.same({ "192.0.2.1" }, { core.uri_plain "sip:192.0.2.1" })
    for _, other in ipairs { "sips:a@192.0.2.1", "sip:a@192.0.2.1;lr", "sip:a@host",
      "sip:a@[2001:db8::1]", "sip:a@192.0.2.1?b=c", "sip:a@192.0.2.1:0", "no uri" } do
      assert.is_nil((core.uri_plain(other)), other)
    end
  end)
end)

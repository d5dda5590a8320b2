-- Writing what is passed on: the bytes that came, and an edit list. C-2, C-10, C-25,
-- C-204, C-208, C-209.

local core = require "sip.core"
local forward = require("sip.test").forward
local messages = require "spec.support.messages"

local HEAD = {
  "INVITE sip:bob@b.example SIP/2.0",
  "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa", "v:SIP/2.0/UDP 192.0.2.8",
  "Max-Forwards: 12", "X-One : 1", "f: <sip:a@a.example>;tag=1",
  "To: <sip:b@b.example>", "k: 100rel, timer", "x-one:2", "i: c@a",
  "CSeq: 1 INVITE", "Supported:path", "Subject: a", "\t b ", "l: 4",
}
local INVITE = messages.join(HEAD, "body")

local function request(bytes)
  return assert(core.parse(bytes or INVITE))
end

-- The lines of what is written of INVITE with these edits, without start line, Vias,
-- Max-Forwards and body.
local function edited(...)
  local bytes, why = forward.write { message = request(), edits = { ... } }
  if not bytes then
    return nil, why
  end
  local lines = {}
  for line in bytes:match("^(.-\r\n)\r\nbody$"):gmatch "(.-)\r\n" do
    if line ~= "Max-Forwards: 11" then
      lines[#lines + 1] = line
    end
  end
  assert.truthy(bytes:find("\r\nMax-Forwards: 11\r\n", 1, true))
  return table.move(lines, 4, #lines, 1, {})
end

local UNTOUCHED = {
  "X-One : 1", "f: <sip:a@a.example>;tag=1", "To: <sip:b@b.example>",
  "k: 100rel, timer", "x-one:2", "i: c@a", "CSeq: 1 INVITE", "Supported:path",
  "Subject: a  \t b ", "l: 4",
}

-- UNTOUCHED with lines put in or replaced: { [index] = { lines } or line or false }.
local function with(changes)
  local lines = {}
  for i = 0, #UNTOUCHED + 1 do
    local change = changes[i]
    if change == nil then
      change = UNTOUCHED[i]
    end
    for _, line in ipairs(type(change) == "table" and change or { change or nil }) do
      lines[#lines + 1] = line
    end
  end
  return lines
end

describe("a forwarded request", function()
  -- @rfc 3261 16.6 MUST C-204
  it("is what came, but for one hop", function()
    local bytes, via_at = forward.write { message = request() }
    local expected = table.move(HEAD, 1, #HEAD, 1, {})
    expected[4] = "Max-Forwards: 11"
    expected[13] = "Subject: a  " .. expected[14]
    table.remove(expected, 14)
    assert.equal(messages.join(expected, "body"), bytes)
    assert.equal(#HEAD[1] + 3, via_at)
  end)

  it("has the Request-URI and the Max-Forwards that it is given", function()
    local bytes = forward.write { message = request(), uri = "sip:x@y",
      max_forwards = 0 }
    assert.equal("INVITE sip:x@y SIP/2.0", bytes:match "^[^\r]*")
    assert.equal("Max-Forwards: 0", bytes:match "\r\n(Max%-Forwards[^\r]*)")
  end)

  it("has 70 hops when it came without, and a Content-Length", function()
    local bytes = messages.join({ HEAD[1], HEAD[2], "From: <sip:a@b>" }, "1234567")
    assert.equal(messages.join({ HEAD[1], HEAD[2], "Max-Forwards: 70",
      "From: <sip:a@b>", "Content-Length: 7" }, "1234567"),
      (forward.write { message = request(bytes) }))
    bytes = messages.join({ HEAD[1], HEAD[2], HEAD[3] }, "")
    assert.equal(messages.join({ HEAD[1], HEAD[2], HEAD[3], "X: y",
      "Max-Forwards: 70", "Content-Length: 0" }, ""),
      (forward.write { message = request(bytes), edits = { "first", "X", "y" } }))
  end)

  it("is refused when its hops are used up", function()
    local bytes = INVITE:gsub("Forwards: 12", "Forwards: 0")
    local written, why = forward.write { message = request(bytes) }
    assert.is_nil(written)
    assert.equal("Max-Forwards is used up", why)
    assert.truthy((forward.write { message = request(bytes), max_forwards = 1 }))
  end)

  for name, case in pairs {
    ["set, of lines in both names"] = { { "set", "supported", "new" },
      { [4] = "supported: new", [8] = false } },
    ["set, of none"] = { { "set", "X-New", "" }, { [11] = "X-New: " } },
    ["add, behind the last"] = { { "add", "X-ONE", "3" }, { [5] = { "x-one:2",
      "X-ONE: 3" } } },
    ["add, of none"] = { { "add", "X-New", "1", "add", "x-new", "2" },
      { [11] = { "X-New: 1", "x-new: 2" } } },
    ["first, before the first"] = { { "first", "k", "a", "first", "Supported", "b" },
      { [4] = { "Supported: b", "k: a", "k: 100rel, timer" } } },
    ["first, of none"] = { { "first", "Route", "<a>", "first", "Route", "<b>", "first",
      "P", "q" }, { [0] = { "P: q", "Route: <b>", "Route: <a>" } } },
    ["remove"] = { { "remove", "X-One", "", "remove", "Supported", "", "remove",
      "X-None", "" }, { false, [4] = false, [5] = false, [8] = false } },
    ["set behind add"] = { { "add", "X-One", "9", "set", "X-One", "0" },
      { "X-One: 0", [5] = false } },
    ["first and add behind set"] = { { "set", "X-One", "b", "add", "X-One", "c",
      "first", "X-One", "a" }, { { "X-One: a", "X-One: b", "X-One: c" },
      [5] = false } },
    ["add behind remove"] = { { "remove", "X-One", "", "add", "X-One", "z" },
      { false, [5] = false, [11] = "X-One: z" } },
    ["remove behind all"] = { { "set", "k", "a", "add", "k", "b", "first", "k", "c",
      "remove", "k", "" }, { [4] = false, [8] = false } },
    ["set twice"] = { { "set", "Subject", "1", "set", "s", "2" }, { [9] = "s: 2" } },
  } do
    it("is edited by " .. name, function()
      assert.same(with(case[2]), edited(table.unpack(case[1])))
    end)
  end

  it("takes no value that breaks lines, and no name that is none", function()
    for _, value in ipairs { "a\rb", "a\nb", "a\r\n b", "a\0b" } do
      assert.is_nil(edited("set", "X-One", value))
      assert.is_nil(edited("add", value, "x"))
      assert.is_nil((forward.write { message = request(), uri = "sip:a" .. value }))
    end
    assert.is_nil(edited("add", "", "x"))
    assert.is_nil(edited("add", "a b", "x"))
    assert.is_nil((forward.write { message = request(), uri = "sip:a b" }))
  end)

  it("leaves Via, Content-Length and Max-Forwards to the writer", function()
    for _, name in ipairs { "Via", "v", "l", "CONTENT-LENGTH", "Max-Forwards" } do
      local bytes, why = edited("remove", name, "")
      assert.is_nil(bytes)
      assert.truthy(why:find "^an edit of Via")
    end
  end)

  it("says what is no edit list", function()
    for _, edits in ipairs { { "set", "X" }, { "put", "X", "y" }, { "set", 1, {} } } do
      assert.has_error(function()
        forward.write { message = request(), edits = edits }
      end)
    end
    local many = {}
    for i = 1, 65 do
      many[3 * i - 2], many[3 * i - 1], many[3 * i] = "add", "X" .. i, "y"
    end
    assert.has_error(function()
      forward.write { message = request(), edits = many }
    end)
  end)

  it("is never a message that was refused, nor a response", function()
    local _, _, malformed = core.parse((INVITE:gsub("l: 4", "l: 5")))
    local bytes, why = forward.write { message = malformed }
    assert.is_nil(bytes)
    assert.equal("a message that was refused", why)
    local response = request "SIP/2.0 200 OK\r\nVia: a\r\n\r\n"
    assert.is_nil((forward.write { message = response }))
  end)

  -- @rfc 3261 18.2.1 MUST C-25
  it("says in the Via on top where it came from", function()
    local function via(value, from, port)
      local bytes = INVITE:gsub("Via: [^\r]*", "Via: SIP/2.0/UDP " .. value)
      return forward.write({ message = request(bytes), from = from, port = port })
        :match "Via: SIP/2.0/UDP ([^\r]*)"
    end
    assert.equal("192.0.2.1;branch=1", via("192.0.2.1;branch=1", "192.0.2.1"))
    assert.equal("192.0.2.1;branch=1;received=192.0.2.7",
      via("192.0.2.1;branch=1", "192.0.2.7"))
    assert.equal("[2001:db8::1];received=2001:db8::2",
      via("[2001:db8::1]", "2001:db8::2"))
    assert.equal("a.example;x;received=192.0.2.7;rport=6000 , SIP/2.0/TCP b",
      via("a.example;rport=1;received=1.2.3.4;x , SIP/2.0/TCP b", "192.0.2.7", 6000))
  end)
end)

describe("a relayed response", function()
  local function response(...)
    return messages.join({ "SIP/2.0 180 Ringing, perhaps ", ... }, "")
  end

  -- @rfc 3261 16.7 MUST C-209
  it("loses its topmost Via, alone or first of several in its line", function()
    local rest = { "from: <a>", "X:  y ", "Via: d", "l:0" }
    for given, left in pairs {
      ["Via: a\r\nv : b,c"] = "v : b,c", ["Via:a , b,\tc"] = "Via:b,\tc",
      ["V: a;x=\"q,\\\"\"  ,b"] = "V: b", ["Via: , ,a,, b"] = "Via: b",
    } do
      local bytes = response(given, table.unpack(rest))
      assert.equal(response(left, table.unpack(rest)),
        (forward.relay(request(bytes), {})))
    end
    assert.equal(response(table.unpack(rest)),
      (forward.relay(request(response("Via: a, ", table.unpack(rest))))))
  end)

  it("is edited, and gets a Content-Length", function()
    local bytes = response("From: <a>", "Via: a", "Via: b", "X: 1", "To: <b>", "X: 2")
    assert.equal(response("R: t", "From: <a>", "Via: b", "X: 0", "To: <b>", "X: 3",
      "Content-Length: 0"):gsub("X: 3\r\n", "Y: 4\r\n"),
      (forward.relay(request(bytes), { "set", "X", "0", "add", "Y", "4", "first", "R",
        "t" })))
  end)

  it("has a Via left, or is none of ours", function()
    assert.is_nil((forward.relay(request(response "Via: a"))))
    assert.is_nil((forward.relay(request(response "X: a"))))
    assert.is_nil((forward.relay(request())))
  end)
end)

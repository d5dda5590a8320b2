-- What an endpoint makes of the syntax of what comes, over the wire: RFC 3261 7, 8.1.1,
-- 18.3 and 20. C-1, C-2, C-4 to C-9, C-13, C-14.

local core = require "sip.core"
local messages = require "spec.support.messages"
local net_of = require "spec.support.net"
local rig_of = require "spec.support.rig"

local A, B = "192.0.2.1", "192.0.2.9"

describe("an endpoint", function()
  local net, ua, sip, raw

  before_each(function()
    net = net_of.new()
    ua, sip = net:endpoint(A)
    raw = net.world:host(B):raw { host = B }
  end)

  after_each(function()
    raw:close()
    assert.same({}, net.errors)
    net:clean()
  end)

  -- The answers to a text.
  local function ask(text)
    raw:send(A, 5060, text)
    net:run(net.world:now())
    local list = {}
    for i, event in ipairs(raw:take()) do
      list[i] = assert(core.parse(event.bytes))
    end
    return list[1], list[2]
  end

  local count = 0
  local function request(change, body)
    count = count + 1
    change = change or {}
    if change.Via == nil then
      change.Via = ("SIP/2.0/UDP %s;branch=z9hG4bKs%d"):format(B, count)
    end
    if change["Call-ID"] == nil then
      change["Call-ID"] = "syntax" .. count
    end
    return messages.request(change, body)
  end

  local function status(change, body)
    return (ask(request(change, body))):status()
  end

  -- @rfc 3261 7.3.1 MUST C-1
  it("reads every header in its compact form, and answers in any", function()
    local seen
    ua:on("SUBSCRIBE", function(req)
      seen = req.message
      req:reply(200)
    end)
    local compact = { i = "Call-ID", m = "Contact", e = "Content-Encoding",
      l = "Content-Length", c = "Content-Type", f = "From", s = "Subject",
      k = "Supported", t = "To", v = "Via", a = "Accept-Contact",
      x = "Session-Expires", o = "Event", u = "Allow-Events", r = "Refer-To",
      d = "Request-Disposition", j = "Reject-Contact", y = "Identity",
      b = "Referred-By" }
    local values = { i = "compact", m = "<sip:a@" .. B .. ">", l = "0",
      f = "<sip:a@b>;tag=1", t = "<sip:c@d>",
      v = "SIP/2.0/UDP " .. B .. ";branch=z9hG4bKcompact" }
    local lines = { "SUBSCRIBE sip:a@b SIP/2.0", "CSeq: 1 SUBSCRIBE" }
    for letter in pairs(compact) do
      lines[#lines + 1] = letter .. ": " .. (values[letter] or "value of " .. letter)
    end
    local res = ask(messages.join(lines))
    assert.same({ 200, "compact", "1" }, { res:status(), res:call_id(),
      res:from_tag() })
    for letter, name in pairs(compact) do
      local value = values[letter] or "value of " .. letter
      assert.equal(value, seen:header(name))
      assert.equal(value, seen:header(letter:upper()))
      assert.equal(value, seen:header(name:upper()))
    end
  end)

  -- @rfc 3261 7.3.1 MUST C-2
  it("reads folded lines, and answers with what they say", function()
    local seen
    ua:on("OPTIONS", function(req)
      seen = req.message
      req:reply(480)
    end)
    local res = ask(request { From = "\r\n \"A\r\n\tB\"\r\n  <sip:a@b>\r\n\t;tag=9",
      ["Call-ID"] = "\r\n folded", CSeq = "7\r\n OPTIONS",
      Via = "SIP/2.0/UDP\r\n " .. B .. "\r\n ;branch=z9hG4bKfold",
      ["Max-Forwards"] = "\r\n 70", ["Content-Length"] = "\r\n\t0" })
    assert.same({ 480, "9", "folded", "z9hG4bKfold" },
      { res:status(), res:from_tag(), res:call_id(), res:branch() })
    assert.same({ 7, "OPTIONS" }, { res:cseq() })
    assert.is_nil(res:bytes():find "\r\n[ \t]")
    assert.same({ "A B", "A B" }, { seen:from_display(),
      seen:name_addr("From").display })
    assert.equal("SIP/2.0/UDP " .. B .. " ;branch=z9hG4bKfold", seen:via().text)
  end)

  -- @rfc 3261 7.1 MUST C-4
  it("takes no method for another that differs by case", function()
    assert.equal(480, status())
    assert.equal(501, status { "options sip:a@b SIP/2.0", CSeq = "1 options" })
    assert.equal(501, status { "invite sip:a@b SIP/2.0", CSeq = "1 invite" })
    assert.equal(400, status { CSeq = "1 options" })
  end)

  -- @rfc 3261 7.1 MUST C-4
  it("reads a version in any case, and writes SIP/2.0", function()
    local res = ask(request { "OPTIONS sip:a@b sIp/2.0",
      Via = "sip/2.0/udp " .. B .. ";branch=z9hG4bKcase" })
    assert.equal(480, res:status())
    assert.equal("SIP/2.0", res:version())
  end)

  -- @rfc 3261 7.5 MUST C-5
  it("ignores empty lines before a request", function()
    assert.equal(480, (ask("\r\n\r\n" .. request())):status())
    local none = ask "\r\n\r\n"
    assert.is_nil(none)
  end)

  -- @rfc 3261 8.1.1 MUST C-6
  it("answers 400 to a request without what it needs, and goes on", function()
    for _, name in ipairs { "From", "To", "Call-ID", "CSeq" } do
      local res = ask(request { [name] = false })
      assert.equal(400, res:status())
      assert.equal("there is no " .. name, res:reason())
    end
    assert.is_nil((ask(request { Via = false }))) -- nobody to answer
    assert.equal(480, status { ["Max-Forwards"] = false }) -- of RFC 2543
    assert.equal(480, status())
  end)

  -- @rfc 3261 8.1.1.5 MUST C-7
  it("takes a CSeq up to 2**32-1, and no other method in it", function()
    assert.equal(480, status { CSeq = "4294967295 OPTIONS" })
    for _, value in ipairs { "4294967296 OPTIONS", "1 INVITE", "-1 OPTIONS" } do
      assert.equal(400, status { CSeq = value })
    end
  end)

  -- @rfc 3261 8.1.1.5 MUST C-7
  it("begins to count at 1", function()
    local peer = net:stranger "192.0.2.20"
    peer.on.request = function(tx)
      tx:respond(200)
    end
    local numbers = {}
    sip.spawn(function()
      for i = 1, 2 do
        assert(ua:request { method = "OPTIONS", uri = "sip:x@192.0.2.20" })
        numbers[i] = peer.last("request"):cseq()
      end
    end)
    net:run(1)
    assert.same({ 1, 1 }, numbers)
  end)

  -- @rfc 3261 21.5.6 MUST C-8
  it("answers 505 to another version, and nothing to an ACK of it", function()
    assert.equal(505, status { "OPTIONS sip:a@b SIP/3.0" })
    assert.equal(505, status { "INVITE sip:a@b SIP/7.0", CSeq = "1 INVITE" })
    assert.is_nil((ask(request { "ACK sip:a@b SIP/7.0", CSeq = "1 ACK" })))
  end)

  -- @rfc 3261 18.3 MUST C-9
  it("refuses a body that is cut short, and leaves out what is behind one", function()
    local body
    ua:on("MESSAGE", function(req)
      body = req.message:body()
      req:reply(200)
    end)
    local function say(length)
      return status({ "MESSAGE sip:a@b SIP/2.0", CSeq = "1 MESSAGE",
        ["Content-Length"] = length, extra = { "Content-Type: text/plain" } }, "hello")
    end
    assert.equal(200, say "5")
    assert.equal("hello", body)
    assert.equal(200, say "3")
    assert.equal("hel", body)
    assert.equal(400, say "6")
    assert.equal(200, say(false))
    assert.equal("hello", body)
  end)

  -- @rfc 3261 20.10 MUST C-13
  it("reads parameters behind a bare URI as those of the header", function()
    local seen
    ua:on("MESSAGE", function(req)
      seen = req.message
      req:reply(200)
    end)
    assert.equal(200, status { "MESSAGE sip:a@b SIP/2.0", CSeq = "1 MESSAGE",
      From = "sip:a@b;transport=tcp;tag=7", extra = { "Contact: sip:c@d;q=0.5" } })
    assert.same({ "sip:a@b", "7", "sip:c@d" },
      { seen:from_uri(), seen:from_tag(), seen:contact_uri() })
    assert.equal(400, status { From = "sip:a@b?x=y;tag=1" })
    assert.equal(400, status { To = "sip:a,b@c" })
    assert.equal(400, status { From = "<sip:a@b>;tag=1;tag=2" })
    assert.equal(400, status { To = "<sip:a@b>, <sip:c@d>" })
  end)

  -- @rfc 3261 19.1.2 MUST C-12
  it("ends no name at an escaped NUL, and undoes no escape twice", function()
    local location = sip.location.memory()
    ua:on("REGISTER", sip.registrar { location = location })
    local function register(user, contacts)
      return (ask(request { "REGISTER sip:a.example SIP/2.0", CSeq = "1 REGISTER",
        To = ("<sip:%s@a.example>"):format(user),
        extra = contacts and { "Contact: " .. contacts } }))
    end
    local res = register("n%00ll", "<sip:%00@" .. B .. ">, <sip:%00%00@" .. B .. ">")
    assert.equal(200, res:status())
    assert.equal("sip:%00@" .. B, res:name_addr("Contact", 1).uri)
    assert.equal("sip:%00%00@" .. B, res:name_addr("Contact", 2).uri)
    assert.equal(2, #register("n%00ll"):values "Contact")
    assert.equal(2, #register("%6e%00%6C%6c"):values "Contact")
    for _, other in ipairs { "n", "n%2500ll", "n%00lL", "n%00" } do
      assert.equal(0, #register(other):values "Contact", other)
    end
  end)

  -- @rfc 3261 25.1 MUST C-14
  it("gives names and texts back byte for byte", function()
    local name = "\"Zo\xc3\xab \\\"\\\\ \xd0\x96, <x>;\" <sip:a@b>;tag=1"
    local seen
    ua:on("MESSAGE", function(req)
      seen = req.message
      req:reply(200, { reason = "\xc3\xa4 \xd0\x96" })
    end)
    local res = ask(request { "MESSAGE sip:a@b SIP/2.0", CSeq = "1 MESSAGE",
      From = name, extra = { "Subject: \xd0\x96 \"\\" } })
    assert.equal(name, res:header "From")
    assert.equal("\xc3\xa4 \xd0\x96", res:reason())
    assert.equal("Zo\xc3\xab \"\\ \xd0\x96, <x>;", seen:from_display())
    assert.equal("\xd0\x96 \"\\", seen:header "Subject")
  end)
end)

describe("a response", function()
  local rig

  after_each(function()
    rig:clean()
  end)

  -- @rfc 3261 18.3 MUST C-9
  -- @rfc 3261 8.1.1.5 MUST C-7
  it("that is malformed is as if it had not come", function()
    rig = rig_of.new()
    rig:request { method = "OPTIONS" }
    rig:run(0)
    local sent = rig:take()[1].message
    local good = rig_of.response(sent, 200)
    for _, bad in ipairs {
      good:gsub("Content%-Length: 0", "Content-Length: 5"),
      good:gsub("CSeq: 1 ", "CSeq: 4294967296 "), good:gsub("CSeq: 1 ", "CSeq: x "),
      good:gsub("SIP/2.0 200", "SIP/3.0 200"), good:gsub("SIP/2.0 200", "SIP/2.0 2000"),
      good:gsub("Call%-ID: [^\r]*\r\n", ""),
    } do
      if type(bad) == "string" then
        assert.are_not.equal(good, bad)
        rig:say(bad)
      end
    end
    assert.same({}, rig:told())
    rig:say(good:gsub("^SIP", "sip"))
    assert.matches("response 200", rig:told()[1])
  end)
end)

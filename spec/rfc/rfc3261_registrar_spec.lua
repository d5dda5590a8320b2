-- The registrar: RFC 3261 10.3, step by step.  C-179, C-180, C-182 to C-188; and
-- RFC 5630 5.2.

local new_registrar = require("spec.support.registrar").new

local AOR = "sip:alice@example.com"

describe("a registrar", function()
  local reg

  local function open(...)
    reg = new_registrar(...)
  end

  after_each(function()
    reg:clean()
  end)

  describe("looks where the request wants to go (step 1)", function()
    it("C-179 and refuses what is for no domain of its own", function()
      open()
      local res = reg:ask { uri = "sip:example.org", contact = "<sip:a@192.0.2.9>" }
      assert.equal(403, res:status())
      assert.same({}, reg:bound())
    end)

    it("C-179 or gives it to a script, which may forward it", function()
      open { elsewhere = function(req)
        req:reply(480, { reason = "Over There" })
      end }
      assert.equal(480, reg:status { uri = "sip:example.org" })
      assert.equal(200, reg:status { uri = "sip:EXAMPLE.com" })
    end)

    it("C-179 takes any domain where none is named, and its own addresses", function()
      open(nil, { domain = false })
      assert.equal(200, reg:status { uri = "sip:example.org",
        to = "<sip:x@example.net>", contact = "<sip:x@192.0.2.9>" })
      assert.same({ "sip:x@192.0.2.9" }, reg:bound "sip:x@example.net")
      assert.equal(200, reg:status { uri = "sip:192.0.2.1:5060" })
    end)

    it("refuses other schemes, other methods and bodies (8.2)", function()
      open()
      assert.equal(416, reg:status { uri = "tel:+15550100" })
      reg.ua:on("*", reg.sip.registrar())
      local res = reg:ask { method = "MESSAGE", uri = AOR }
      assert.equal("405 REGISTER", res:status() .. " " .. res:header "Allow")
      assert.equal(415, reg:status { body = "x",
        extra = { "Content-Type: text/plain" } })
      assert.equal(200, reg:status { body = "x", extra = { "Content-Type: text/plain",
        "Content-Disposition: x;handling=optional" } })
    end)

    it("answers the same request on another way with 482 (8.2.2.2)", function()
      open()
      local text = reg:request { contact = "<sip:a@192.0.2.9>" }
      reg.peer:send("192.0.2.1", 5060, text)
      reg.peer:send("192.0.2.1", 5060, (text:gsub("z9hG4bK", "z9hG4bKother")))
      reg.sim:advance(0)
      local heard = reg:heard()
      assert.same({ 200, 482 }, { heard[1]:status(), heard[2]:status() })
      assert.same({ "sip:a@192.0.2.9" }, reg:bound())
    end)
  end)

  it("C-180 refuses what it does not support of what is required (step 2)", function()
    open()
    local res = reg:ask { extra = { "Require: path, outbound", "Require: x" },
      contact = "<sip:a@192.0.2.9>" }
    assert.equal(420, res:status())
    assert.equal("outbound, x", res:header "Unsupported")
    assert.same({}, reg:bound())
    assert.equal(200, reg:status { extra = { "Require: Path" } })
  end)

  describe("finds the address-of-record in To (step 5)", function()
    it("C-182 in its canonical form", function()
      open()
      for i, to in ipairs {
        "<sip:alice@example.com>", "<sip:%61l%69ce@EXAMPLE.COM>",
        "\"Alice\" <sip:alice@example.com;user=phone;transport=tcp>;x=y",
        "sip:alice@example.com", "<sip:alice:secret@example.com>",
      } do
        assert.equal(200, reg:status { to = to,
          contact = ("<sip:a%d@192.0.2.9>"):format(i) }, to)
        assert.equal(i, #reg:bound(), to)
      end
      reg:ask { to = "<sip:Alice@example.com>", contact = "<sip:A@192.0.2.9>" }
      assert.equal(5, #reg:bound())
    end)

    it("C-182 and says 404 to one that is none here", function()
      open()
      for _, to in ipairs {
        "<sip:alice@example.org>", "<sip:example.com>", "<tel:+15550100>",
        "<mailto:alice@example.com>", "<sip:@example.com>",
      } do
        local status = reg:status { to = to, contact = "<sip:a@192.0.2.9>" }
        assert.is_true(status == 404 or status == 400, to)
      end
      assert.same({ 0, 0 }, { reg.location:count() })
    end)

    it("RFC 5630 5.2: sips names the same user", function()
      open()
      reg:ask { to = "<sips:alice@example.com>", contact = "<sip:a@192.0.2.9>" }
      assert.equal("200 <sip:a@192.0.2.9>;expires=3600", reg:answer {})
    end)
  end)

  describe("removes all by Contact: * (step 6)", function()
    before_each(function()
      open()
      reg:ask { call_id = "c1", cseq = 5, contact = "<sip:a@192.0.2.9>" }
      reg:ask { call_id = "c2", cseq = 9, contact = "<sip:b@192.0.2.9>" }
    end)

    it("C-183 C-188 whoever had registered them", function()
      assert.equal("200", reg:answer { cseq = 6, contact = "*", expires = 0 })
      assert.same({}, reg:bound())
      assert.equal("200", reg:answer { cseq = 6, contact = "*", expires = 0 })
    end)

    it("C-183 only with Expires: 0", function()
      for _, expires in ipairs { false, 1, "x", "-0", "" } do
        assert.equal(400, reg:status { cseq = 20, contact = "*",
          expires = expires or nil }, tostring(expires))
      end
      assert.equal(2, #reg:bound())
    end)

    it("C-183 only alone", function()
      for _, contact in ipairs {
        "*, <sip:a@192.0.2.9>", "<sip:a@192.0.2.9>, *", "*, *",
      } do
        assert.equal(400, reg:status { cseq = 20, contact = contact, expires = 0 })
      end
      assert.equal(400, reg:status { cseq = 20, contact = { "*", "<sip:x@192.0.2.9>" },
        expires = 0 })
      assert.equal(2, #reg:bound())
    end)

    it("C-183 not by an old request, and then none at all", function()
      assert.equal(500, reg:status { cseq = 5, contact = "*", expires = 0 })
      assert.equal(500, reg:status { cseq = 4, contact = "*", expires = 0 })
      assert.equal(2, #reg:bound())
      assert.equal(200, reg:status { call_id = "c3", cseq = 1, contact = "*",
        expires = 0 })
      assert.equal(0, #reg:bound())
    end)
  end)

  describe("chooses how long a binding lives (step 7)", function()
    it("C-184 by the parameter, then by Expires, then by itself", function()
      open { default = 1800, max = 5000 }
      assert.equal("200 <sip:a@192.0.2.9>;expires=1800"
        .. " <sip:b@192.0.2.9>;expires=120", reg:answer { contact =
        { "<sip:a@192.0.2.9>", "<sip:b@192.0.2.9>;Expires=120" } })
      assert.equal("200 <sip:a@192.0.2.9>;expires=600"
        .. " <sip:b@192.0.2.9>;expires=90", reg:answer { expires = 600, contact =
        { "<sip:a@192.0.2.9>", "<sip:b@192.0.2.9>;expires=90" } })
    end)

    it("C-184 never longer than it wants, nor by what is no number (10.2)", function()
      open { max = 5000 }
      local function chosen(expires, header)
        local res = reg:ask { contact = "<sip:a@192.0.2.9>" .. expires,
          expires = header }
        return res:values("Contact")[1]:match "expires=(%d+)"
      end
      assert.equal("5000", chosen ";expires=5001")
      assert.equal("5000", chosen ";expires=99999999999999999999999")
      assert.equal("3600", chosen ";expires=soon")
      assert.equal("3600", chosen ";expires=-1")
      assert.equal("3600", chosen ";expires")
      assert.equal("3600", chosen(";expires=1e9", 100))
      assert.equal("70", chosen ";expires=000000000000070")
      assert.equal(400, reg:status { expires = "never" }) -- the header is checked
    end)

    it("C-184 423 and Min-Expires to what is too brief", function()
      open { min = 100 }
      for _, seconds in ipairs { 1, 60, 99 } do
        local res = reg:ask { contact = "<sip:a@192.0.2.9>", expires = seconds }
        assert.equal("423 100", res:status() .. " " .. res:header "Min-Expires")
      end
      assert.same({}, reg:bound())
      assert.equal(200, reg:status { contact = "<sip:a@192.0.2.9>", expires = 100 })
      assert.equal("200", reg:answer { contact = "<sip:a@192.0.2.9>", expires = 0 })
    end)

    it("C-184 and an hour is never too brief", function()
      open { min = 3600 }
      assert.equal(423, reg:status { contact = "<sip:a@192.0.2.9>", expires = 3599 })
      assert.equal(200, reg:status { contact = "<sip:a@192.0.2.9>", expires = 3600 })
    end)

    it("C-184 counts down, and is gone at its second", function()
      open()
      reg:ask { contact = "<sip:a@192.0.2.9>", expires = 60 }
      reg.sim:advance(25.5)
      assert.equal("200 <sip:a@192.0.2.9>;expires=34", reg:answer {})
      reg.sim:advance(34.499)
      assert.equal("200 <sip:a@192.0.2.9>;expires=1", reg:answer {})
      reg.sim:advance(0.001)
      assert.equal("200", reg:answer {})
    end)
  end)

  describe("keeps the order of requests (step 7)", function()
    before_each(function()
      open()
      reg:ask { cseq = 5, contact = "<sip:a@192.0.2.9>", expires = 600 }
    end)

    it("C-185 by CSeq, of one Call-ID", function()
      assert.equal(500, reg:status { cseq = 5, contact = "<sip:a@192.0.2.9>" })
      assert.equal(500, reg:status { cseq = 4, contact = "<sip:a@192.0.2.9>",
        expires = 0 })
      assert.equal("200 <sip:a@192.0.2.9>;expires=600", reg:answer { cseq = 1 })
      assert.equal("200 <sip:a@192.0.2.9>;expires=700", reg:answer { cseq = 6,
        contact = "<sip:a@192.0.2.9>", expires = 700 })
      assert.equal("200 <sip:a@192.0.2.9>;expires=800", reg:answer { cseq = 1,
        call_id = "other", contact = "<sip:a@192.0.2.9>", expires = 800 })
      assert.equal("200", reg:answer { cseq = 7, contact = "<sip:a@192.0.2.9>",
        expires = 0 })
    end)

    it("C-185 all or nothing: one that fails undoes the others", function()
      assert.equal(500, reg:status { cseq = 5, contact = "<sip:b@192.0.2.9>, "
        .. "<sip:a@192.0.2.9>;expires=0, <sip:c@192.0.2.9>" })
      assert.equal(400, reg:status { cseq = 6, contact = "<sip:b@192.0.2.9>, "
        .. "<sip:a@192.0.2.9>;expires=0, <sip:c@192.0.2.9>;q=2" })
      assert.equal(423, reg:status { cseq = 7, contact = "<sip:b@192.0.2.9>, "
        .. "<sip:a@192.0.2.9>;expires=0, <sip:c@192.0.2.9>;expires=1" })
      assert.same({ "sip:a@192.0.2.9" }, reg:bound())
      assert.equal("200 <sip:b@192.0.2.9>;expires=3600 <sip:c@192.0.2.9>;expires=3600",
        reg:answer { cseq = 8, contact = "<sip:b@192.0.2.9>, "
        .. "<sip:a@192.0.2.9>;expires=0, <sip:c@192.0.2.9>" })
    end)

    it("C-185 the same Contact twice: the later counts", function()
      assert.equal("200 <sip:a@192.0.2.9>;expires=90", reg:answer { cseq = 6,
        contact = "<sip:a@192.0.2.9>;expires=80, <sip:a@192.0.2.9>;expires=90" })
      assert.equal("200", reg:answer { cseq = 7,
        contact = "<sip:a@192.0.2.9>;expires=80, <sip:a@192.0.2.9>;expires=0" })
    end)
  end)

  it("C-186 finds the binding of a Contact by 19.1.4", function()
    open { contacts = 20 }
    local same = {
      { "<sip:%61lice@host.example;transport=TCP>",
        "<sip:alice@HOST.example;Transport=tcp>" },
      { "<sip:carol@host.example>", "<sip:carol@host.example;newparam=5>" },
      { "<sip:bob@[2001:db8::1]>", "<sip:bob@[2001:DB8:0::1]>" },
    }
    for _, pair in ipairs(same) do
      reg:ask { contact = pair[1] }
      assert.equal(1, #reg:ask({ contact = pair[2] }):values "Contact", pair[1])
      assert.equal("200", reg:answer { contact = pair[2], expires = 0 })
    end
    local other = {
      { "<sip:ALICE@host.example>", "<sip:alice@host.example>" },
      { "<sip:bob@host.example>", "<sip:bob@host.example:5060>" },
      { "<sip:bob@host.example>", "<sip:bob@host.example;maddr=192.0.2.8>" },
      { "<sip:bob@host.example>", "<sip:bob@host.example?Subject=x>" },
      { "<tel:+15550100>", "<tel:+15550101>" },
    }
    for _, pair in ipairs(other) do
      assert.equal(2, #reg:ask({ contact = pair }):values "Contact", pair[2])
      assert.equal("200", reg:answer { contact = "*", expires = 0 })
    end
  end)

  describe("answers with all bindings of that user (step 8)", function()
    it("C-187 each with what is left, and the date; nobody else's", function()
      open()
      reg:ask { contact = "<sip:a@192.0.2.9>", expires = 600 }
      reg:ask { to = "<sip:bob@example.com>", contact = "<sip:bob@192.0.2.9>" }
      reg.sim:advance(100)
      local res = reg:ask { contact = "<sip:b@192.0.2.9>;q=0.25", expires = 300 }
      assert.same({ "<sip:a@192.0.2.9>;expires=500",
        "<sip:b@192.0.2.9>;q=0.25;expires=300" }, res:values "Contact")
      assert.equal("Thu, 01 Jan 2026 00:01:40 GMT", res:header "Date")
      assert.equal("path", res:header "Supported")
    end)

    it("C-188 a fetch changes nothing", function()
      open()
      assert.equal("200", reg:answer {})
      reg:ask { contact = "<sip:a@192.0.2.9>", expires = 600 }
      assert.equal("200 <sip:a@192.0.2.9>;expires=600", reg:answer { expires = 0 })
      assert.equal("200 <sip:a@192.0.2.9>;expires=600", reg:answer { expires = 0 })
    end)

    it("C-188 keeps q, and refuses what is none", function()
      open()
      for given, kept in pairs { ["0"] = "0", ["1"] = "1", ["1.000"] = "1",
        ["0.5"] = "0.5", ["0.125"] = "0.125", ["0."] = "0", ["0.70"] = "0.7" } do
        assert.equal("200 <sip:a@192.0.2.9>;q=" .. kept .. ";expires=3600",
          reg:answer { contact = "<sip:a@192.0.2.9>;q=" .. given })
      end
      for _, q in ipairs { "1.1", "2", "0.1234", "-1", "x", ".5", "1.001" } do
        assert.equal(400, reg:status { contact = "<sip:a@192.0.2.9>;q=" .. q }, q)
      end
      assert.equal(400, reg:status { contact = "<sip:a@192.0.2.9>;q" })
    end)

    it("keeps the other parameters of a Contact as they were written", function()
      open()
      assert.equal("200 <sip:a@192.0.2.9>;expires=60"
        .. ";+sip.instance=\"<urn:uuid:f81d4fae>\";reg-id=1;audio;x=\"a;\\\"b,c\"",
        reg:answer { contact = "\"A; <sip:no@no>\" <sip:a@192.0.2.9>"
        .. ";+sip.instance=\"<urn:uuid:f81d4fae>\" ; q=\"1\";reg-id=1;expires=60;audio"
        .. ";x=\"a;\\\"b,c\"" }:gsub(";q=1", ""))
      assert.equal("200 <sip:b@192.0.2.9>;expires=60;ob", reg:answer { to =
        "<sip:b@example.com>", contact = "sip:b@192.0.2.9;ob;expires=60" })
    end)

    it("ignores Record-Route, and copies none (10.3)", function()
      open()
      local res = reg:ask { contact = "<sip:a@192.0.2.9>",
        extra = { "Record-Route: <sip:p.example;lr>" } }
      assert.equal(200, res:status())
      assert.is_nil(res:header "Record-Route")
    end)

    it("remembers where the request came from", function()
      open()
      reg:ask { contact = "<sip:a@10.0.0.1>" }
      assert.equal("udp:192.0.2.9:5060", reg.location:lookup(AOR)[1].received)
    end)
  end)

  describe("is not led astray", function()
    it("by a thousand Contacts in one request", function()
      open()
      local list = {}
      for i = 1, 1000 do
        list[i] = ("<sip:a%d@192.0.2.9>"):format(i)
      end
      local res = reg:ask { contact = table.concat(list, ", ") }
      assert.equal("403 Too Many Contacts", res:status() .. " " .. res:reason())
      assert.equal(403, reg:status { contact = table.concat(list, ", "),
        expires = 0 })
      assert.same({ 0, 0 }, { reg.location:count() })
    end)

    it("by one Contact more at a time", function()
      open { contacts = 3 }
      for i = 1, 3 do
        assert.equal(200, reg:status { contact = ("<sip:a%d@192.0.2.9>"):format(i) })
      end
      assert.equal(403, reg:status { contact = "<sip:a4@192.0.2.9>" })
      assert.equal(200, reg:status { contact = "<sip:a1@192.0.2.9>" })
      assert.equal(200, reg:status { contact =
        "<sip:a4@192.0.2.9>, <sip:a1@192.0.2.9>;expires=0" })
      assert.same({ "sip:a2@192.0.2.9", "sip:a3@192.0.2.9", "sip:a4@192.0.2.9" },
        reg:bound())
    end)

    it("and takes refreshes where there are more than it would let in", function()
      open { contacts = 2 }
      reg.ua:on("REGISTER", reg.sip.registrar { contacts = 3 })
      reg:ask { contact = "<sip:a1@192.0.2.9>, <sip:a2@192.0.2.9>, <sip:a3@192.0.2.9>" }
      reg.ua:on("REGISTER", reg.sip.registrar { contacts = 2 })
      assert.equal(200, reg:status { contact = "<sip:a1@192.0.2.9>" })
      assert.equal(403, reg:status { contact = "<sip:a4@192.0.2.9>" })
      assert.equal(3, #reg:bound())
    end)

    it("by more bindings than there is room for", function()
      local sim_location
      open(nil, nil)
      sim_location = reg.sip.location.memory { bindings = 2 }
      reg.ua.location = sim_location
      for i = 1, 2 do
        assert.equal(200, reg:status { to = ("<sip:u%d@example.com>"):format(i),
          contact = "<sip:u@192.0.2.9>", expires = 60 })
      end
      local res = reg:ask { contact = "<sip:u@192.0.2.9>" }
      assert.equal("503 60", res:status() .. " " .. res:header "Retry-After")
      reg.sim:advance(60)
      assert.equal(200, reg:status { contact = "<sip:u@192.0.2.9>" })
    end)

    it("by a Contact that is the address-of-record itself", function()
      open()
      for _, contact in ipairs { "<sip:alice@example.com>", "<sip:%61lice@EXAMPLE.com>",
        "<sip:alice@example.com;transport=tcp>", "<sip:alice@example.com:5060>" } do
        assert.equal(403, reg:status { contact = contact }, contact)
      end
      assert.same({}, reg:bound())
      -- another user here, or a phone that shares the host's name, is fine
      assert.equal(200, reg:status { contact =
        "<sip:bob@example.com>, <sip:alice@example.com:5070>" })
    end)

    it("by phones at its own address, as long as they have ports of theirs", function()
      open(nil, { domain = false })
      local to = "<sip:alice@192.0.2.1>"
      assert.equal(200, reg:status { uri = "sip:192.0.2.1", to = to,
        contact = "<sip:alice@192.0.2.1:5070>" })
      assert.equal(403, reg:status { uri = "sip:192.0.2.1", to = to,
        contact = "<sip:alice@192.0.2.1>" })
      assert.equal(403, reg:status { uri = "sip:192.0.2.1", to = to,
        contact = "<sip:alice@192.0.2.1:5060>" })
    end)

    it("by Contacts that are none", function()
      open()
      for _, contact in ipairs { "<>", "<sip:>", "nonsense", "<sip:a@>", "<sip:a b@c>",
        "sip:a@192.0.2.9:99999", "<sip:a@192.0.2.9" } do
        assert.equal(400, reg:status { contact = contact }, contact)
      end
      assert.same({ 0, 0 }, { reg.location:count() })
    end)

    it("by garbage of any kind: it has an answer, and no script fails", function()
      open({ contacts = 3, min = 60 }, { limits = { sources = 0 } })
      local seed, seen = 11, {}
      local function chance(range)
        seed = (seed * 1103515245 + 12345) % 2147483648
        return seed // 65536 % range + 1
      end
      local pieces = {
        "\"", "\\", "<", ">", ";", ",", "*", "q=", "expires=", "0", "1.5", "sip:", "@",
        "tel:+1", "a@b", "%41", "%", "[", "::1]", " ", "\t", "\r\n ", "?x=y", "=",
        "\xff", "sips:a@b", "99999999999", "<sip:a@192.0.2.9>", ";q=0.5", ";expires=60",
        "\"a;,<\" <sip:c@d>",
      }
      for _ = 1, 4000 do
        local list = {}
        for i = 1, chance(9) do
          list[i] = pieces[chance(#pieces)]
        end
        local status = reg:status { contact = table.concat(list), extra = {
          chance(4) == 1 and "Path: " .. table.concat(list, "", 1, chance(#list))
          or "X: y", "Supported: path" }, expires = chance(3) == 1 and 0 or nil }
        seen[status] = (seen[status] or 0) + 1
        assert.is_true(#reg:bound() <= 3)
      end
      for status in pairs(seen) do
        assert.truthy(status == 200 or status == 400 or status == 403 or status == 423,
          status)
      end
      assert.is_true(seen[200] > 100 and seen[400] > 100, "both happen")
    end)

    it("by Contacts of other schemes: kept, and never forwarded to (10.2.1)", function()
      open()
      assert.equal("200 <tel:+15550100>;expires=60 <mailto:a@example.com>;expires=60",
        reg:answer { contact = "<tel:+15550100>, <mailto:a@example.com>",
          expires = 60 })
      assert.same({}, reg.location:lookup(AOR))
    end)

    it("by what is larger than anybody needs", function()
      open()
      assert.equal(513, reg:status { contact = "<sip:a@192.0.2.9;x=" .. ("y"):rep(1000)
        .. ">;z=" .. ("z"):rep(3100) })
      assert.same({}, reg:bound())
    end)

    it("RFC 5630 5.2: by sips on a way that is not", function()
      open()
      assert.equal(400, reg:status { contact = "<sips:a@192.0.2.9>" })
      assert.equal(400, reg:status { uri = "sips:example.com", contact =
        "<sips:a@192.0.2.9>", extra = { "Supported: path",
        "Path: <sips:p.example;lr>, <sip:q.example;lr>" } })
      assert.equal(200, reg:status { uri = "sips:example.com", contact =
        "<sips:a@192.0.2.9>" })
    end)
  end)

  it("says which of its options make no sense", function()
    open()
    for text, options in pairs {
      ["sip.registrar: min is 3601: more than an hour"] = { min = 3601 },
      ["sip.registrar: min is 90, more than max, 80"] = { min = 90, max = 80 },
      ["sip.registrar: default is 8000, not from 60 to 7200"] = { default = 8000 },
      ['sip.registrar: unknown option "expires"'] = { expires = 3 },
      ['sip.registrar: option "contacts" is 0, not a whole number'] = { contacts = 0 },
    } do
      local ok, e = pcall(reg.sip.registrar, options)
      assert.is_false(ok)
      assert.truthy(e:find(text, 1, true), e)
    end
    assert.is_function(reg.sip.registrar { max = 600 }) -- and its default follows
  end)

  it("says what is missing at its first request without a location", function()
    open()
    reg.ua.location = nil
    assert.equal(500, reg:status {})
    assert.matches("sip.registrar: there is no location", table.remove(reg.sim.errors))
  end)
end)

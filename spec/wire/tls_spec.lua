-- TLS on loopback.  C-38 (server and client), C-39 (whose certificate it is), C-238
-- (half handshakes).

local certificates = require "spec.support.certificates"
local wire = require "spec.support.wire"

describe("TLS", function()
  local made, good, w, port

  setup(function()
    made = certificates.new()
    good = made:issue { san = "DNS:a.example,IP:127.0.0.1" }
  end)

  teardown(function()
    made:remove()
  end)

  before_each(function()
    w = wire.new()
    assert(w.net:tls { ca = made.ca, pairs = { good } })
    port = select(2, assert(w.net:listen("TLS", "127.0.0.1", 0)))
  end)

  after_each(function()
    w:close()
  end)

  -- Both ends of a new connection, named as the client calls the server.
  local function connect(to, name)
    local ours = assert(w.net:open("TLS", "127.0.0.1", to or port, nil, name))
    local here = w:expect { kind = "opened", id = ours }
    return ours, w:expect { kind = "opened" }, here
  end

  -- A server of its own in the same program, asked by name; what the client hears.
  local function ask(config, name, client)
    local other <close> = setmetatable(wire.new(), { __index = getmetatable(w).__index,
      __close = function(self) self:close() end })
    assert(other.net:tls(config))
    local at = select(2, assert(other.net:listen("TLS", "127.0.0.1", 0)))
    assert(w.net:tls(client or { ca = made.ca }))
    local ours = assert(w.net:open("TLS", "127.0.0.1", at, nil, name))
    local deadline = w.net:now() + 60
    while w.net:now() < deadline do
      w:poll(0.01)
      other:poll(0)
      for i, event in ipairs(w.events) do
        if event.id == ours and event.kind == "closed" then
          other:poll(0)
          table.remove(w.events, i)
          return nil, event.why, other.events, at
        elseif event.id == ours and event.kind == "opened" then
          return event, nil, other.events, at
        end
      end
    end
    error "nothing came"
  end

  local function plain(path)
    return (path:gsub("%p", "%%%0"))
  end

  -- @rfc 3261 26.2.1 MUST
  it("carries bytes both ways, also those sent before it was open (C-38)", function()
    local ours = assert(w.net:open("TLS", "127.0.0.1", port, nil, "a.example"))
    assert.is_true(w.net:send(ours, "early ", 1))
    assert.is_true(w.net:send(ours, "bird", 2))
    w:expect { kind = "opened", id = ours }
    local theirs = w:expect({ kind = "opened" }).id
    assert.equal("early bird", w:expect_bytes(theirs, 10))
    assert.is_true(w.net:send(theirs, "worm", 3))
    assert.equal("worm", w:expect_bytes(ours, 4))
  end)

  it("tells who the server is, and nobody of who has shown nothing", function()
    local _, there, here = connect(nil, "a.example")
    assert.equal("a.example\n127.0.0.1\n", here.names)
    assert.is_nil(there.names)
  end)

  it("carries what is larger than every buffer, and says when it has gone", function()
    local ours, there = connect()
    local parts = {}
    for i = 1, 16 do
      parts[i] = string.char(96 + i):rep(60000)
      assert.is_true(w.net:send(ours, parts[i], i))
    end
    local all = table.concat(parts)
    assert.equal(all, w:expect_bytes(there.id, #all))
  end)

  it("bounds what waits to go out", function()
    local ours = connect()
    local part, count = ("x"):rep(100000), 0
    while w.net:send(ours, part, count + 1) do
      count = count + 1
      assert.is_true(count < 200)
    end
    assert.same({ nil, "limit" }, { w.net:send(ours, part, 0) })
  end)

  it("closes in order: what was sent arrives, both sides hear it once", function()
    local ours, there = connect()
    assert.is_true(w.net:send(ours, "goodbye", 2))
    w.net:shut(ours)
    assert.equal("goodbye", w:expect_bytes(there.id, 7))
    assert.is_nil(w:expect({ kind = "closed", id = there.id }).err)
    assert.is_nil(w:expect({ kind = "closed", id = ours }).err)
    assert.same({}, w.events)
  end)

  it("sends what is held also when it was closed while it opened", function()
    local ours = assert(w.net:open("TLS", "127.0.0.1", port))
    assert.is_true(w.net:send(ours, "hello and goodbye", 1))
    w.net:shut(ours)
    w:expect { kind = "opened", id = ours }
    local theirs = w:expect({ kind = "opened" }).id
    assert.equal("hello and goodbye", w:expect_bytes(theirs, 17))
    assert.is_nil(w:expect({ kind = "closed", id = ours }).err)
  end)

  it("says that it was refused, once", function()
    local listener, closed_port = assert(w.net:listen("TLS", "127.0.0.1", 0))
    w.net:unlisten(listener)
    local ours = assert(w.net:open("TLS", "127.0.0.1", closed_port))
    assert.is_true(w.net:send(ours, "never", 5))
    assert.equal(5, w:expect({ kind = "failed", id = ours }).token)
    assert.equal("connection refused by 127.0.0.1:" .. closed_port,
      w:expect({ kind = "closed", id = ours }).why)
  end)

  describe("believes", function()
    -- @rfc 5922 7.1 MUST
    it("a SIP URI in the certificate, and no DNS name beside it (C-39)", function()
      local both = made:issue { san = "URI:sip:b.example,DNS:c.example" }
      assert.equal("b.example\n", assert(ask({ pairs = { both } }, "b.example")).names)
      local opened, why, _, at = ask({ pairs = { both } }, "c.example")
      assert.is_nil(opened)
      assert.equal(("the certificate of c.example (127.0.0.1:%d) is for b.example")
        :format(at), why)
    end)

    -- @rfc 5922 7.1 MUST NOT
    it("no SIP URI of a user, and none of another scheme (C-39)", function()
      local user = made:issue { san = "URI:sip:bob@b.example,URI:sips:c.example" }
      for _, name in ipairs { "b.example", "c.example" } do
        local opened, why = ask({ pairs = { user } }, name)
        assert.is_nil(opened)
        assert.matches("is for no SIP domain$", why)
      end
    end)

    -- @rfc 5922 7.1 MAY
    it("the common name only without alternatives (C-39)", function()
      local old = made:issue { name = "old.example" }
      assert.is_truthy(ask({ pairs = { old } }, "OLD.example"))
      local new = made:issue { name = "old.example", san = "DNS:new.example" }
      local opened, why = ask({ pairs = { new } }, "old.example")
      assert.is_nil(opened)
      assert.matches("is for new.example$", why)
    end)

    -- @rfc 5922 7.2 MUST NOT
    it("no wildcards, no suffixes (C-39)", function()
      local wild = made:issue { san = "DNS:*.d.example,DNS:e.example" }
      for _, name in ipairs { "x.d.example", "x.e.example", "example" } do
        local opened, why = ask({ pairs = { wild } }, name)
        assert.is_nil(opened)
        assert.matches("is for e.example$", why)
      end
    end)

    it("an address, when that is what was called", function()
      assert.is_truthy(ask({ pairs = { good } }))
      local named = made:issue { san = "DNS:f.example" }
      local opened, why, _, at = ask({ pairs = { named } })
      assert.is_nil(opened)
      assert.equal(("the certificate of 127.0.0.1:%d is for f.example"):format(at), why)
    end)

    it("anybody, when it is told so", function()
      local named = made:issue { san = "DNS:f.example" }
      local opened = assert(ask({ pairs = { named } }, "g.example", { verify = false }))
      assert.is_nil(opened.names)
    end)
  end)

  describe("says in a sentence that", function()
    local function refused(config, name, client)
      local opened, why, theirs, at = ask(config, name, client)
      assert.is_nil(opened)
      return why, theirs, at
    end

    it("a certificate has expired", function()
      local old = made:issue { san = "DNS:a.example", till = "20210401" }
      assert.matches("cert: .*: expired on 2021%-04%-01$",
        select(3, w.net:tls { pairs = { old } }))
    end)

    it("a certificate is not valid yet", function()
      local new = made:issue { san = "DNS:a.example", from = "20480401" }
      assert.matches("cert: .*: is not valid before 2048%-04%-01$",
        select(3, w.net:tls { pairs = { new } }))
    end)

    it("an authority has expired, and whose certificate it stands for", function()
      local ca = made:old_authority("old", "20210401")
      local pair = made:issue { san = "DNS:a.example", by = "old" }
      local why, _, at = refused({ pairs = { pair } }, "a.example", { ca = ca })
      assert.equal(("the certificate of an authority that stands for a.example "
        .. "(127.0.0.1:%d) expired on 2021-04-01"):format(at), why)
    end)

    it("it was signed by nobody we trust", function()
      made:authority "stranger"
      local foreign = made:issue { san = "DNS:a.example", by = "stranger" }
      local why, theirs, at = refused({ pairs = { foreign } }, "a.example")
      assert.equal(("the certificate of a.example (127.0.0.1:%d) is signed by "
        .. "/CN=stranger, who is not among those of tls.ca"):format(at), why)
      assert.matches("^127%.0%.0%.1:%d+ does not trust whoever signed our certificate "
        .. plain(foreign.cert) .. "$", theirs[1].why)
    end)

    it("it was signed by itself", function()
      local own = { cert = made:authority "self", key = made.folder .. "/self.key" }
      assert.matches("is signed by nobody but itself, and is not among those of "
        .. "tls.ca$", (refused({ pairs = { own } }, "self")))
    end)

    it("a file is missing, is something else, or is another's key", function()
      local function why(pair, ca)
        local ok, _, text = w.net:tls { ca = ca, pairs = { pair } }
        assert.is_nil(ok)
        return text
      end
      assert.equal("cert: /none.pem: no such file or directory",
        why { cert = "/none.pem", key = good.key })
      assert.equal("key: /none.key: no such file or directory",
        why { cert = good.cert, key = "/none.key" })
      assert.equal("cert: " .. made.folder .. ": it is a folder, not a file",
        why { cert = made.folder, key = good.key })
      assert.equal("key: " .. made.folder .. ": it is a folder, not a file",
        why { cert = good.cert, key = made.folder })
      local text = made:file("text", "hello\n")
      assert.equal("cert: " .. text .. ": no certificate in PEM form is in it",
        why { cert = text, key = good.key })
      assert.equal("key: " .. text .. ": no key in PEM form is in it",
        why { cert = good.cert, key = text })
      local other = made:issue { san = "DNS:a.example" }
      assert.equal("key: " .. other.key .. ": the key does not belong to the "
        .. "certificate " .. good.cert, why { cert = good.cert, key = other.key })
      made:openssl("ec", "-in", good.key, "-aes256", "-passout", "pass:x", "-out",
        "locked.key")
      assert.equal("key: " .. made.folder .. "/locked.key: it is encrypted, and nobody "
        .. "can be asked for its passphrase",
        why { cert = good.cert, key = made.folder .. "/locked.key" })
      assert.is_true(w.net:tls { clients = "optional", pairs = { good } })
      local ok, _, said = w.net:tls { ca = text, clients = "optional",
        pairs = { good } }
      assert.is_nil(ok)
      assert.equal("ca: " .. text .. ": no certificate in PEM form is in it", said)
    end)

    it("there is no certificate to listen with", function()
      assert(w.net:tls {})
      local ok, _, why = w.net:listen("TLS", "127.0.0.1", 0)
      assert.is_nil(ok)
      assert.equal('TLS needs a certificate: tls = { cert = "...", key = "..." }', why)
    end)

    local function hears(bytes)
      local stranger = assert(w.net:open("TCP", "127.0.0.1", port))
      assert(w.net:send(stranger, bytes, 1))
      local notice = w:expect { kind = "notice" }
      w:expect { kind = "closed", id = stranger }
      return notice.why, notice.from
    end

    it("a peer speaks plain SIP, HTTP or nonsense to the TLS port", function()
      local why, from = hears "OPTIONS sip:a.example SIP/2.0\r\n\r\n"
      assert.equal(from .. " speaks plain SIP to our TLS port", why)
      why, from = hears "GET / HTTP/1.1\r\n\r\n"
      assert.equal(from .. " speaks HTTP to our TLS port", why)
      why, from = hears "hello"
      assert.equal(from .. " does not speak TLS to our TLS port", why)
      why = hears "\x16\x03\x01\x00\x05hello"
      assert.is_string(why)
    end)

    it("a server speaks plain SIP on what should be its TLS port", function()
      local tcp = select(2, assert(w.net:listen("TCP", "127.0.0.1", 0)))
      local ours = assert(w.net:open("TLS", "127.0.0.1", tcp, nil, "a.example"))
      local theirs = w:expect { kind = "opened" }
      assert(w.net:send(theirs.id, "SIP/2.0 400 Bad Request\r\n\r\n", 1))
      assert.equal(("a.example (127.0.0.1:%d) speaks plain SIP, and no TLS")
        :format(tcp),
        w:expect({ kind = "closed", id = ours }).why)
    end)

    it("a server closes instead of answering", function()
      local tcp = select(2, assert(w.net:listen("TCP", "127.0.0.1", 0)))
      local ours = assert(w.net:open("TLS", "127.0.0.1", tcp, nil, "a.example"))
      assert(w.net:send(ours, "OPTIONS", 7))
      w.net:shut(w:expect({ kind = "opened" }).id)
      local why = ("a.example (127.0.0.1:%d) closed the connection during the TLS "
        .. "handshake"):format(tcp)
      assert.equal(why, w:expect({ kind = "closed", id = ours }).why)
      assert.equal(why, w:expect({ kind = "failed", id = ours }).why)
    end)
  end)

  describe("asks whoever connects for a certificate, and", function()
    local client

    setup(function()
      client = made:issue { san = "URI:sip:client.example" }
    end)

    -- @rfc 5922 7.4 MUST
    it("knows who it is", function()
      assert(w.net:tls { ca = made.ca, clients = "required", pairs = { good } })
      local _, _, theirs = ask({ ca = made.ca, clients = "required", pairs = { good } },
        "a.example", { ca = made.ca, pairs = { client } })
      assert.equal("client.example\n", theirs[1].names)
    end)

    it("refuses who has none, when it must have one", function()
      local other = wire.new()
      assert(other.net:tls { ca = made.ca, clients = "required", pairs = { good } })
      local at = select(2, assert(other.net:listen("TLS", "127.0.0.1", 0)))
      assert(w.net:tls { ca = made.ca })
      local ours = assert(w.net:open("TLS", "127.0.0.1", at))
      local closed, notice
      while not closed or not notice do
        w:poll(0.01)
        other:poll(0.01)
        for _, event in ipairs(w.events) do
          closed = closed or event.kind == "closed" and event.id == ours and event
        end
        notice = notice or other.events[1]
      end
      assert.equal(("127.0.0.1:%d wants a certificate of ours"):format(at), closed.why)
      assert.equal("notice", notice.kind)
      assert.matches("^127%.0%.0%.1:%d+ has shown no certificate$", notice.why)
      other:close()
    end)

    it("lets who has none in, when it need not", function()
      local opened, _, theirs = ask({ ca = made.ca, clients = "optional",
        pairs = { good } }, "a.example")
      assert.is_truthy(opened)
      assert.is_nil(theirs[1] and theirs[1].names)
    end)
  end)

  it("shows each domain its certificate", function()
    local b, c = made:issue { san = "DNS:b.example" },
      made:issue { san = "DNS:c.example" }
    b.domain, c.domain = "b.example", "c.example"
    local config = { pairs = { good, b, c } }
    for _, name in ipairs { "a.example", "b.example", "C.Example" } do
      assert.matches(name:lower(), assert(ask(config, name)).names, 1, true)
    end
    local _, why = ask(config, "d.example")
    assert.matches("is for a.example, 127.0.0.1$", why)
  end)

  it("reads certificates anew when they have changed, or says why it cannot", function()
    local pair = made:issue { san = "DNS:h.example", as = "renewed" }
    assert(w.net:tls { ca = made.ca, pairs = { pair } })
    port = select(2, assert(w.net:listen("TLS", "127.0.0.1", 0)))
    local _, _, here = connect(port, "h.example")
    assert.equal("h.example\n", here.names)
    made:issue { san = "DNS:h.example,DNS:i.example", as = "renewed" }
    _, _, here = connect(port, "h.example")
    assert.equal("h.example\ni.example\n", here.names)
    made:file("renewed.key", "nonsense")
    _, _, here = connect(port, "h.example") -- with what was read before
    assert.equal("h.example\ni.example\n", here.names)
    assert.equal("key: " .. pair.key .. ": no key in PEM form is in it",
      w:expect({ kind = "notice" }).why)
    connect(port, "h.example")
    w:poll(0)
    assert.same({}, w.events) -- it is said once
  end)

  describe("bounds handshakes", function()
    local function bounded(limits)
      w:close()
      w = wire.new(limits)
      assert(w.net:tls { ca = made.ca, pairs = { good } })
      port = select(2, assert(w.net:listen("TLS", "127.0.0.1", 0)))
    end

    it("in time, for who is called and for who calls", function()
      bounded { tls_handshake_ms = 50 }
      local silent = assert(w.net:open("TCP", "127.0.0.1", port))
      assert.matches("^127%.0%.0%.1:%d+ says nothing to a TLS handshake$",
        w:expect({ kind = "notice" }).why)
      w:expect { kind = "closed", id = silent }
      local tcp = select(2, assert(w.net:listen("TCP", "127.0.0.1", 0)))
      local ours = assert(w.net:open("TLS", "127.0.0.1", tcp, nil, "a.example"))
      assert.equal(("a.example (127.0.0.1:%d) says nothing to a TLS handshake")
        :format(tcp), w:expect({ kind = "closed", id = ours }).why)
    end)

    it("in number: the oldest one goes, and who is quick gets in (C-238)", function()
      bounded { tls_handshakes = 100 }
      local open = {}
      for i = 1, 1000 do
        open[i] = assert(w.net:open("TCP", "127.0.0.1", port))
        assert(w.net:send(open[i], "\x16\x03\x01", i))
        if i % 50 == 0 then
          w:expect { kind = "opened", id = open[i] }
          w:poll(0)
        end
      end
      assert.matches("^too many TLS handshakes at once, that with 127%.0%.0%.1:%d+ is "
        .. "the oldest$", w:expect({ kind = "notice" }).why)
      w.events = {}
      local ours, there = connect(port, "a.example")
      assert(w.net:send(ours, "still here", 1))
      assert.equal("still here", w:expect_bytes(there.id, 10))
      assert.is_true(w.net:count() < 1200)
    end)
  end)

  it("frees everything when connections are reset during the handshake", function()
    for _ = 1, 20 do
      local half = assert(w.net:open("TLS", "127.0.0.1", port, nil, "a.example"))
      w:poll(0)
      w.net:shut(half)
    end
    w:poll(0.05)
    connect(port, "a.example")
  end) -- after_each counts every byte, and a sanitizer what is OpenSSL's
end)

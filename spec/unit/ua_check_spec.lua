-- What an endpoint finds wrong with itself: one sentence for each, which says what to
-- do.

local check = require "sip.ua.check"

describe("a check", function()
  local NOW, DAY = 1800000000, 86400
  local facts

  before_each(function()
    facts = {
      listeners = {}, advertise = {}, domains = nil, now = NOW,
      addresses = {
        { interface = "lo", address = "127.0.0.1", internal = true },
        { interface = "lo", address = "::1", internal = true },
        { interface = "eth0", address = "10.0.0.5", internal = false },
        { interface = "eth0", address = "fe80::1", internal = false },
      },
    }
  end)

  local function listen(text, advertise)
    local transport, host, port = text:match "^(%a+):%[?([%x:.]-)%]?:(%d+)$"
    table.insert(facts.listeners, { transport = transport, host = host,
      port = tonumber(port), text = text, advertise = advertise })
  end

  local function found()
    local list = {}
    for i, finding in ipairs(check.judge(facts)) do
      list[i] = tostring(finding)
    end
    return list
  end

  local function also(address)
    table.insert(facts.addresses, { interface = "eth1", address = address,
      internal = false })
  end

  it("has nothing to say of a public address", function()
    listen "udp:203.0.113.9:5060"
    assert.same({}, found())
  end)

  describe("of addresses says that", function()
    it("nobody elsewhere reaches what is told", function()
      listen "udp:0.0.0.0:5060"
      assert.same({ "note: udp:0.0.0.0:5060 tells others 10.0.0.5, which only its own "
        .. "network reaches: for peers elsewhere say what it is called there by "
        .. "advertise",
      }, found())
      facts.advertise.sip = "198.51.100.7"
      assert.same({}, found())
      also "203.0.113.9"
      facts.advertise.sip = nil
      assert.same({}, found())
    end)

    it("only this machine reaches it", function()
      listen "udp:127.0.0.1:5060"
      assert.same({ "note: udp:127.0.0.1:5060 is reached from this machine alone" },
        found())
    end)

    it("a private one is told where there is a public one", function()
      also "203.0.113.9"
      listen("udp:0.0.0.0:5060", { sip = "10.0.0.5" })
      listen("tcp:203.0.113.9:5060", { media = "192.168.1.1" })
      assert.same({
        "warning: udp:0.0.0.0:5060 tells others 10.0.0.5, which only its own network "
          .. "reaches, though it is at 203.0.113.9: advertise that, or nothing",
        "warning: tcp:203.0.113.9:5060 tells others 192.168.1.1, which only its own "
          .. "network reaches, though it is at 203.0.113.9: advertise that, or nothing",
      }, found())
    end)

    it("another family is told", function()
      listen("udp:0.0.0.0:5060", { sip = "[2001:db8::1]" })
      assert.same({ "warning: udp:0.0.0.0:5060 is IPv4 and tells others 2001:db8::1, "
        .. "which is IPv6: advertise an address of its own family" }, found())
    end)

    it("a wildcard is told", function()
      listen("udp:0.0.0.0:5060", { sip = "0.0.0.0" })
      assert.same({ "error: udp:0.0.0.0:5060 tells others 0.0.0.0 as its address, "
        .. "which is "
        .. "no address to be reached at: advertise the one that they see" }, found())
    end)

    it("IPv4 is left out, or IPv6 where there is nothing else", function()
      listen "udp:[::]:5060"
      assert.same({ "warning: udp:[::]:5060 is IPv6 alone, and nothing listens for "
        .. "IPv4, "
        .. 'which this machine has (10.0.0.5): listen at "udp:0.0.0.0:5060" too' },
        found())
      facts.addresses = { { interface = "eth0", address = "2001:db8::5" } }
      facts.listeners = {}
      listen "udp:0.0.0.0:5060"
      assert.same({ "warning: nothing listens for IPv6, and this machine has nothing "
        .. "else "
        .. '(2001:db8::5): listen at "udp:[::]:5060"' }, found())
      listen "udp:[::]:5060"
      assert.same({}, found())
    end)
  end)

  describe("of names says that", function()
    before_each(function()
      also "203.0.113.9"
      listen("udp:0.0.0.0:5060", { sip = "Gate.example" })
    end)

    it("one has no address", function()
      facts.names = { ["gate.example"] = {} }
      assert.same({ "warning: udp:0.0.0.0:5060 tells others gate.example, a name that "
        .. "has "
        .. "no address: enter it in the DNS, or advertise the address" }, found())
    end)

    it("no name server answers", function()
      facts.names = { ["gate.example"] = false }
      assert.same({ "warning: no name server has answered for gate.example, which "
        .. "udp:0.0.0.0:5060 tells others: see /etc/resolv.conf, or sip.name_servers" },
        found())
    end)

    it("one leads to a private address", function()
      facts.names = { ["gate.example"] = { "10.0.0.5", "2001:db8::1" } }
      assert.same({ "warning: udp:0.0.0.0:5060 tells others 10.0.0.5, which only its "
        .. "own "
        .. "network reaches, though it is at 203.0.113.9: advertise that, or nothing" },
        found())
      facts.names = { ["gate.example"] = { "203.0.113.9" } }
      assert.same({}, found())
    end)
  end)

  describe("of certificates says that", function()
    local pair

    before_each(function()
      pair = { cert = "a.pem", key = "a.key", mode = 384, -- 0600
        file = { from = NOW - DAY, till = NOW + 90 * DAY, names = "a.example\n",
          self_signed = false } }
      facts.tls = { pairs = { pair }, trusts = true, file = "/etc/cert.pem",
        folder = "/etc/certs", verify = true, listens = true }
      listen "tls:203.0.113.9:5061"
    end)

    it("nothing is wrong", function()
      assert.same({}, found())
      facts.domains = { ["a.example"] = true, ["203.0.113.9"] = true }
      assert.same({}, found())
    end)

    it("one expires soon, has expired, or is not valid yet", function()
      pair.file.till = NOW + 12 * DAY + 5
      assert.same({ "warning: cert: a.pem: expires on 27 Jan 2027, in 12 days: renew "
        .. "it; "
        .. "it is read again when the file has changed" }, found())
      pair.file.till = NOW - 1
      assert.same({ "error: cert: a.pem: expired on 15 Jan 2027: renew it" }, found())
      pair.file.from, pair.file.till = NOW + DAY, NOW + 90 * DAY
      assert.same({ "error: cert: a.pem: is not valid before 16 Jan 2027: see to the "
        .. "clock, or wait" }, found())
    end)

    it("one is not for our domain", function()
      facts.domains = { ["b.example"] = true, ["c.example"] = true }
      assert.same({
        "warning: cert: a.pem: is for a.example, and not for the domain b.example: who "
          .. "calls that by TLS hangs up (RFC 5922)",
        "warning: cert: a.pem: is for a.example, and not for the domain c.example: who "
          .. "calls that by TLS hangs up (RFC 5922)",
      }, found())
      pair.domain, pair.file.names = "d.example", ""
      assert.same({ "warning: cert: a.pem: is for no SIP domain, and not for the "
        .. "domain "
        .. "d.example: who calls that by TLS hangs up (RFC 5922)" }, found())
    end)

    it("one is signed by itself", function()
      pair.file.self_signed = true
      assert.same({ "warning: cert: a.pem: is signed by nobody but itself: who is to "
        .. "connect must have it among those it trusts" }, found())
    end)

    it("others may read the key", function()
      pair.mode = 420 -- 0644
      assert.same({ "warning: key: a.key: others than its owner may read or change it "
        .. "(mode 0644): chmod 600 a.key" }, found())
    end)

    it("nobody is trusted, or everybody", function()
      facts.tls.trusts = false
      assert.same({ "warning: tls: nobody is trusted, neither in /etc/cert.pem nor in "
        .. "/etc/certs: no server can be verified; install the certificates of "
        .. "authorities (ca-certificates), or name those of yours by "
        .. "tls = { ca = ... }" }, found())
      facts.tls.verify = false
      assert.same({ "note: tls: verify = false: whoever answers is taken for who was "
        .. "called" }, found())
    end)
  end)

  it("says that few files may be open", function()
    facts.files = 1024
    assert.same({ "warning: only 1024 files may be open at once: a call is two, and "
      .. "half of them are for connections; allow more by ulimit -n or LimitNOFILE=",
    }, found())
    facts.files = 65536
    assert.same({}, found())
  end)

  it("says that the clock has never been set", function()
    facts.now = 86400
    assert.same({ "warning: the clock of this machine says 02 Jan 1970: certificates, "
      .. "nonces and expiry are judged by it; set it" }, found())
  end)

  it("says it once", function()
    also "203.0.113.9"
    facts.advertise.sip = "10.0.0.5"
    listen "udp:0.0.0.0:5060"
    listen "udp:0.0.0.0:5060"
    assert.equal(1, #found())
  end)
end)

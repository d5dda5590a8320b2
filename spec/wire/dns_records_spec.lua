-- SRV and NAPTR, asked of a name server that is a socket of this spec, which is slow,
-- silent, short of words, or lies. RFC 1035, 2308, 2782, 3403. C-42, C-44.

local dns = require "spec.support.dns"
local wire = require "spec.support.wire"

local SRV = { priority = 10, weight = 20, port = 5070, target = "sip.example" }
local NAPTR = { order = 1, preference = 2, flags = "s", service = "SIP+D2U",
  target = "_sip._udp.example" }

local function with(record, fields)
  local copy = {}
  for _, from in ipairs { record, fields } do
    for key, value in pairs(from) do
      copy[key] = value
    end
  end
  return copy
end

describe("a lookup of servers", function()
  local w, udp, tcp, port

  before_each(function()
    w = wire.new()
    repeat
      udp, port = assert(w.net:listen("UDP", "127.0.0.1", 0))
      tcp = w.net:listen("TCP", "127.0.0.1", port)
      if not tcp then
        w.net:unlisten(udp)
      end
    until tcp
    assert.is_true(w.net:servers("127.0.0.1:" .. port))
  end)

  after_each(function()
    w:close()
  end)

  local function asked()
    local query = w:expect { kind = "bytes", id = udp }
    local host, at = query.from:match "^(.*):(%d+)$"
    return query.bytes, function(bytes)
      assert.is_true(w.net:send(udp, bytes, 0, host, tonumber(at)))
    end
  end

  -- Ask, answer once, and give what is told.
  local function lookup(type, answers, options)
    assert.is_true(w.net:lookup("_sip._udp.example", type, 1))
    local query, send = asked()
    send(dns.reply(query, answers, options))
    return w:expect { kind = "records" }
  end

  it("gives SRV records as they stand", function()
    local event = lookup("SRV", { with(SRV, { type = "SRV", ttl = 90 }),
      { type = "SRV", priority = 65535, port = 0, target = "" } })
    assert.is_nil(event.err)
    assert.same({ with(SRV, { ttl = 90 }), { priority = 65535, weight = 0, port = 0,
      target = "", ttl = 60 } }, event.records)
  end)

  it("gives NAPTR records, but for those with a regular expression", function()
    local event = lookup("NAPTR", { with(NAPTR, { type = "NAPTR" }),
      with(NAPTR, { type = "NAPTR", regexp = "!^.*$!sip:x@y!" }),
      with(NAPTR, { type = "NAPTR", service = ("x"):rep(40), order = 7 }) })
    assert.same({ with(NAPTR, { ttl = 60 }),
      with(NAPTR, { ttl = 60, order = 7, service = ("x"):rep(31) }) }, event.records)
  end)

  it("asks by TCP when the answer does not fit (RFC 1035 4.2.1)", function()
    local many = {}
    for i = 1, 40 do
      many[i] = with(SRV, { type = "SRV", target = ("s%02d.example"):format(i) })
    end
    assert.is_true(w.net:lookup("_sip._udp.example", "SRV", 1))
    local query, send = asked()
    send(dns.reply(query, {}, { cut = true }))
    local conn = w:expect({ kind = "opened" }).id
    local again = string.unpack(">s2", w:expect_bytes(conn, #query + 2))
    assert.same({ select(2, dns.read(query)) }, { select(2, dns.read(again)) })
    assert.is_true(w.net:send(conn, string.pack(">s2", dns.reply(again, many)), 0))
    local event = w:expect { kind = "records" }
    assert.equal(32, #event.records) -- and no more (limit of one answer)
    assert.equal("s32.example", event.records[32].target)
  end)

  it("does not believe another id, nor another question", function()
    assert.is_true(w.net:lookup("_sip._udp.example", "SRV", 1))
    local query, send = asked()
    local lie = { with(SRV, { type = "SRV", target = "evil.example" }) }
    local id = string.unpack(">I2", query)
    send(dns.reply(query, lie, { id = string.pack(">I2", id ~ 1) }))
    send(dns.reply(query, lie,
      { question = dns.name "_sip._udp.evil" .. string.pack(">I2I2", 33, 1) }))
    send(dns.reply(query, { with(SRV, { type = "SRV" }) }))
    local event = w:expect { kind = "records" }
    assert.equal("sip.example", event.records[1].target)
    assert.equal(1, #event.records)
  end)

  it("takes only what is about the name", function()
    local event = lookup("SRV", { with(SRV, { type = "SRV", name = "_sip._udp.evil" }),
      { type = "A", host = "192.0.2.66" }, with(SRV, { type = "SRV",
        name = "_SIP._udp.Example" }) })
    assert.same({ with(SRV, { ttl = 60 }) }, event.records)
  end)

  it("follows aliases, in any order, for the least of their times", function()
    local event = lookup("SRV", { with(SRV, { type = "SRV", name = "c.example" }),
      { type = "CNAME", name = "b.example", target = "c.example", ttl = 7 },
      { type = "CNAME", target = "b.example" } })
    assert.same({ with(SRV, { ttl = 7 }) }, event.records)
  end)

  it("has none when aliases go in a circle", function()
    local event = lookup("SRV", { { type = "CNAME", target = "b.example" },
      { type = "CNAME", name = "b.example", target = "_sip._udp.example" },
      with(SRV, { type = "SRV", name = "elsewhere.example" }) })
    assert.is_nil(event.err)
    assert.same({}, event.records)
  end)

  it("says for how long there are none (RFC 2308 5)", function()
    for _, case in ipairs { { 3, 200, 50, 50 }, { 0, 30, 900, 30 } } do
      local rcode, ttl, least, wanted = table.unpack(case)
      local event = lookup("SRV", {}, { rcode = rcode,
        soa = { type = "SOA", name = "example", ttl = ttl, least = least } })
      assert.is_nil(event.err)
      assert.same({ 0, wanted }, { #event.records, event.ttl })
    end
    assert.equal(0, lookup("NAPTR", {}, { rcode = 3 }).ttl)
  end)

  it("is no worse for records that are broken", function()
    for _, raw in ipairs { "", "\0", "\0\1\0\1\19\196", "\0\1\0\1\19\196\64bad",
      "\0\1\0\1\19\196\192\255", "\0\1\0\1\19\196\1a\0rest",
      "\0\1\0\1\19\196\63short" } do
      local event = lookup("SRV", { with(SRV, { type = "SRV" }),
        { type = "SRV", raw = raw } })
      assert.same({ with(SRV, { ttl = 60 }) }, event.records, ("%q"):format(raw))
    end
  end)

  it("is asked again when it is lost, and believes the late answer once", function()
    assert.is_true(w.net:lookup("_sip._udp.example", "SRV", 1))
    local first = asked() -- dropped
    local query, send = asked()
    assert.same({ select(2, dns.read(first)) }, { select(2, dns.read(query)) })
    send(dns.reply(query, { with(SRV, { type = "SRV" }) }))
    send(dns.reply(query, { with(SRV, { type = "SRV" }) }))
    assert.equal(1, #w:expect({ kind = "records" }).records)
  end)

  it("fails when the server does, or does not want to", function()
    for _, rcode in ipairs { 2, 5 } do -- SERVFAIL, REFUSED
      assert.is_true(w.net:lookup("_sip._udp.example", "SRV", rcode))
      local event
      repeat -- c-ares asks as often as it has tries
        local query, send = asked()
        send(dns.reply(query, {}, { rcode = rcode }))
        w:poll(0.05)
        for _, seen in ipairs(w.events) do
          event = seen.kind == "records" and seen or event
        end
      until event
      assert.equal("wire", event.err)
      w.events = {}
    end
  end)

  it("without memory says so, and is answered the next time", function()
    lookup("SRV", { with(SRV, { type = "SRV" }) }) -- what is made once is there
    w.net:fail_at(1)
    assert.same({ nil, "no_memory" }, { w.net:lookup("_sip._udp.example", "SRV", 7) })
    local n, seen = 0, {}
    repeat -- some of these are the answer's
      n = n + 1
      assert.is_true(w.net:lookup("_sip._udp.example", "SRV", n))
      local query, send = asked()
      local reply = dns.reply(query, { with(SRV, { type = "SRV" }) })
      w.net:fail_at(n)
      if not pcall(send, reply) then -- one of ours
        send(reply)
      end
      local event = w:expect { kind = "records", token = n }
      w.net:fail_at(0)
      seen[event.err or "fine"] = true
      assert.equal(event.err and 0 or 1, #event.records)
    until n == 6
    assert.same({ fine = true, no_memory = true }, seen)
  end)

  it("never asks for those of localhost, nor of a name in /etc/hosts", function()
    assert.is_true(w.net:lookup("_sip._udp.localhost", "SRV", 1))
    assert.is_true(w.net:lookup("localhost", "NAPTR", 2))
    assert.same({}, w:expect({ kind = "records", token = 1 }).records)
    assert.same({}, w:expect({ kind = "records", token = 2 }).records)
    for line in io.lines "/etc/hosts" do
      local name = line:match "^%d+%.[%d.]+%s+([%w.-]+)"
      if name then
        assert.is_true(w.net:lookup("_sip._tcp." .. name, "SRV", 3))
        assert.same({}, w:expect({ kind = "records", token = 3 }).records)
      end
    end
    assert.same({}, w.events)
  end)
end)

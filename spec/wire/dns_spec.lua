-- Names, asked of a name server that is a socket of this spec.

local dns = require "spec.support.dns"
local namespace = require "spec.support.namespace"
local wire = require "spec.support.wire"

describe("a lookup", function()
  local w, server, port

  before_each(function()
    w = wire.new()
    server, port = assert(w.net:listen("UDP", "127.0.0.1", 0))
    assert.is_true(w.net:servers("127.0.0.1:" .. port))
  end)

  after_each(function()
    w:close()
  end)

  -- The next question that comes, answered.
  local function serve(hosts, options)
    local query = w:expect { kind = "bytes", id = server }
    local host, at = query.from:match "^(.*):(%d+)$"
    assert.is_true(w.net:send(server, dns.answer(query.bytes, hosts, options), 0, host,
      tonumber(at)))
    local _, name, qtype = dns.read(query.bytes)
    return name, qtype
  end

  it("gives all addresses in the server's order, with their time to live", function()
    assert.is_true(w.net:lookup("pbx.example", "A", 77))
    assert.same({ "pbx.example", "A" }, { serve({ "192.0.2.9", "192.0.2.1" },
      { ttl = 33 }) })
    local event = w:expect { kind = "records" }
    assert.equal(77, event.token)
    assert.is_nil(event.err)
    assert.same({ { host = "192.0.2.9", ttl = 33 }, { host = "192.0.2.1", ttl = 33 } },
      event.records)
  end)

  it("asks for IPv6 when told to", function()
    assert.is_true(w.net:lookup("pbx.example", "AAAA", 1))
    assert.same({ "pbx.example", "AAAA" }, { serve { "2001:db8::5" } })
    assert.same({ { host = "2001:db8::5", ttl = 60 } },
      w:expect({ kind = "records" }).records)
  end)

  it("of a name that is not there is an answer without addresses", function()
    assert.is_true(w.net:lookup("nobody.example.", "A", 1))
    serve({}, { rcode = 3 })
    local event = w:expect { kind = "records" }
    assert.is_nil(event.err)
    assert.same({}, event.records)
    assert.equal("the name has no such address", event.why)
  end)

  it("asks again when nothing comes", function()
    assert.is_true(w.net:lookup("slow.example", "A", 1))
    w:expect { kind = "bytes", id = server } -- lost
    serve { "192.0.2.1" }
    assert.equal("192.0.2.1", w:expect({ kind = "records" }).records[1].host)
  end)

  it("says when no server is there", function()
    w.net:unlisten(server)
    assert.is_true(w.net:lookup("pbx.example", "A", 5))
    local event = w:expect { kind = "records" }
    assert.same({ 5, "wire" }, { event.token, event.err })
    assert.equal("Could not contact DNS servers", event.why)
  end)

  namespace.it("that ends on the way into a wait is told then, not after it", function()
    assert.equal("1\twire\n", namespace.run [[
      ip link set lo up
      lua5.4 spec/support/lost_network.lua]])
  end)

  it("never asks for localhost, and answers later", function()
    assert.is_true(w.net:lookup("LocalHost", "A", 1))
    assert.is_true(w.net:lookup("deep.localhost.", "AAAA", 2))
    assert.equal("127.0.0.1", w:expect({ kind = "records", token = 1 }).records[1].host)
    assert.equal("::1", w:expect({ kind = "records", token = 2 }).records[1].host)
  end)

  it("looks into /etc/hosts before it asks", function()
    local address, name
    for line in io.lines "/etc/hosts" do
      local host, first = line:match "^(%d+%.[%d.]+)%s+([%w.-]+)"
      if host and not first:find "localhost" then
        address, name = host, first
      end
    end
    if not name then
      return pending "/etc/hosts has only localhost"
    end
    assert.is_true(w.net:lookup(name, "A", 1))
    assert.equal(address, w:expect({ kind = "records" }).records[1].host)
    assert.same({}, w.events) -- the server has not been asked
  end)

  it("refuses what cannot be a name", function()
    for _, name in ipairs { "", ("x"):rep(255), "a\0b", "a\r\nb" } do
      assert.same({ nil, "invalid" }, { w.net:lookup(name, "A", 1) })
    end
  end)

  it("of a name with an impossible label is answered as well", function()
    assert.is_true(w.net:lookup(("x"):rep(64) .. ".example", "A", 9))
    assert.equal("wire", w:expect({ kind = "records", token = 9 }).err)
  end)

  it("answers each of many, whatever the order", function()
    for i = 1, 40 do
      assert.is_true(w.net:lookup(("h%d.example"):format(i), "A", i))
    end
    for _ = 1, 40 do
      local query = w:expect { kind = "bytes", id = server }
      local host, at = query.from:match "^(.*):(%d+)$"
      local n = select(2, dns.read(query.bytes)):match "h(%d+)"
      assert.is_true(w.net:send(server, dns.answer(query.bytes, { "192.0.2." .. n }), 0,
        host, tonumber(at)))
    end
    for i = 1, 40 do
      assert.equal("192.0.2." .. i,
        w:expect({ kind = "records", token = i }).records[1].host)
    end
  end)

  it("does not believe an answer that is none", function()
    assert.is_true(w.net:lookup("pbx.example", "A", 1))
    local query = w:expect { kind = "bytes", id = server }
    local host, at = query.from:match "^(.*):(%d+)$"
    assert.is_true(w.net:send(server, query.bytes:sub(1, 2) .. "rubbish", 0, host,
      tonumber(at)))
    assert.is_true(w.net:send(server, "", 0, host, tonumber(at)))
    assert.is_true(w.net:send(server, dns.answer(query.bytes, { "192.0.2.4" }), 0, host,
      tonumber(at)))
    assert.equal("192.0.2.4", w:expect({ kind = "records" }).records[1].host)
  end)

  it("refuses a list of servers that is none", function()
    assert.same({ nil, "invalid" }, { w.net:servers "not an address" })
  end)

  it("that is out when everything ends is forgotten", function()
    assert.is_true(w.net:lookup("pbx.example", "A", 1))
    w:expect { kind = "bytes", id = server }
  end)
end)

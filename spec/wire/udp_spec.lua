-- Datagrams on loopback: addresses, batches, refusals.  C-36, and the addresses that
-- C-23 and C-27 need.

local wire = require "spec.support.wire"

local it6 = wire.has_ipv6() and it or function(name)
  pending(name .. ": this machine has no IPv6")
end

describe("a datagram socket", function()
  local w

  before_each(function()
    w = wire.new()
  end)

  after_each(function()
    w:close()
  end)

  it("says which port it got", function()
    local id, port = w.net:listen("UDP", "127.0.0.1", 0)
    assert.is_true(id > 0 and port > 0)
    assert.equal(1, w.net:count())
  end)

  it("carries bytes with the addresses of both ends", function()
    local a, a_port = w.net:listen("UDP", "127.0.0.1", 0)
    local b, b_port = w.net:listen("UDP", "127.0.0.2", 0)
    assert.is_true(w.net:send(a, "hello\0there", 1, "127.0.0.2", b_port))
    local event = w:expect { kind = "bytes" }
    assert.equal(b, event.id)
    assert.equal("hello\0there", event.bytes)
    assert.equal("127.0.0.1:" .. a_port, event.from)
    assert.equal("127.0.0.2:" .. b_port, event.at)
  end)

  it("on a wildcard knows the address asked, and answers from there", function()
    local any, any_port = w.net:listen("UDP", "0.0.0.0", 0)
    local peer, peer_port = w.net:listen("UDP", "127.0.0.1", 0)
    assert.is_true(w.net:send(peer, "ping", 1, "127.0.0.7", any_port))
    local asked = w:expect { kind = "bytes", id = any }
    assert.equal("127.0.0.7:" .. any_port, asked.at)
    assert.is_true(w.net:send(any, "pong", 2, "127.0.0.1", peer_port, "127.0.0.7"))
    assert.equal("127.0.0.7:" .. any_port, w:expect({ kind = "bytes", id = peer }).from)
    assert.is_true(w.net:send(any, "pong", 3, "127.0.0.1", peer_port))
    assert.equal("127.0.0.1:" .. any_port, w:expect({ kind = "bytes", id = peer }).from)
  end)

  it6("does the same with IPv6, and not for IPv4", function()
    local any, port = w.net:listen("UDP", "::", 0)
    local peer, peer_port = w.net:listen("UDP", "::1", 0)
    assert.is_true(w.net:send(peer, "ping", 1, "::1", port))
    local asked = w:expect { kind = "bytes", id = any }
    assert.equal("[::1]:" .. port, asked.at)
    assert.equal("[::1]:" .. peer_port, asked.from)
    assert.is_true(w.net:send(any, "pong", 2, "::1", peer_port, "::1"))
    assert.equal("[::1]:" .. port, w:expect({ kind = "bytes", id = peer }).from)
    assert.same({ nil, "invalid" }, { w.net:send(any, "x", 3, "127.0.0.1", peer_port) })
    -- The wildcard of IPv6 does not take the IPv4 port.
    assert.is_truthy(w.net:listen("UDP", "0.0.0.0", port))
  end)

  -- @rfc 3261 18.4 MUST
  it("hears from ICMP that nobody is there, and who it was (C-36)", function()
    local closed, closed_port = w.net:listen("UDP", "127.0.0.3", 0)
    w.net:unlisten(closed)
    local a, a_port = w.net:listen("UDP", "127.0.0.1", 0)
    assert.is_true(w.net:send(a, "anyone?", 7, "127.0.0.3", closed_port))
    local event = w:expect { kind = "failed" }
    assert.equal(a, event.id)
    assert.equal(0, event.token)
    assert.equal("127.0.0.3:" .. closed_port, event.from)
    assert.equal("127.0.0.1:" .. a_port, event.at)
    assert.equal("wire", event.err)
    assert.equal("connection refused by 127.0.0.3:" .. closed_port, event.why)
  end)

  it6("hears the same over IPv6", function()
    local closed, closed_port = w.net:listen("UDP", "::1", 0)
    w.net:unlisten(closed)
    local a = w.net:listen("UDP", "::1", 0)
    assert.is_true(w.net:send(a, "anyone?", 7, "::1", closed_port))
    assert.equal("[::1]:" .. closed_port, w:expect({ kind = "failed" }).from)
  end)

  it("goes on sending to others after a refusal, without loss", function()
    local closed, closed_port = w.net:listen("UDP", "127.0.0.3", 0)
    w.net:unlisten(closed)
    local a = w.net:listen("UDP", "127.0.0.1", 0)
    local b, b_port = w.net:listen("UDP", "127.0.0.2", 0)
    -- The last one of each batch is refused, which the first of the next one hears.
    assert.is_true(w.net:send(a, "kept 0", 0, "127.0.0.2", b_port))
    for i = 1, 60 do
      assert.is_true(w.net:send(a, "lost", i, "127.0.0.3", closed_port))
      assert.is_true(w.net:send(a, "kept " .. i, i, "127.0.0.2", b_port))
    end
    for i = 0, 60 do
      assert.equal("kept " .. i, w:expect({ kind = "bytes", id = b }).bytes)
    end
    for _, event in ipairs(w.events) do
      assert.equal("127.0.0.3:" .. closed_port, event.from)
    end
  end)

  it("keeps the order over several batches, none lost", function()
    local a = w.net:listen("UDP", "127.0.0.1", 0)
    local b, b_port = w.net:listen("UDP", "127.0.0.1", 0)
    for i = 1, 500 do
      assert.is_true(w.net:send(a, tostring(i), i, "127.0.0.1", b_port))
    end
    for i = 1, 500 do
      assert.equal(tostring(i), w:expect({ kind = "bytes", id = b }).bytes)
    end
    assert.same({}, w.events)
  end)

  it("carries the largest datagram, and says which one was too large", function()
    local a, a_port = w.net:listen("UDP", "127.0.0.1", 0)
    local bytes = ("x"):rep(65507)
    assert.is_true(w.net:send(a, bytes, 1, "127.0.0.1", a_port))
    assert.is_true(w.net:send(a, bytes .. "y", 2, "127.0.0.1", a_port))
    assert.is_true(w.net:send(a, "after", 3, "127.0.0.1", a_port))
    local failed = w:expect { kind = "failed" }
    assert.equal(2, failed.token)
    assert.equal("too large for one datagram to 127.0.0.1:" .. a_port, failed.why)
    assert.equal(bytes, w:expect({ kind = "bytes" }).bytes)
    assert.equal("after", w:expect({ kind = "bytes" }).bytes)
    assert.same({ nil, "limit" },
      { w.net:send(a, bytes .. ("z"):rep(30), 4, "127.0.0.1", a_port) })
  end)

  it("gives an empty datagram as one without bytes", function()
    local a, a_port = w.net:listen("UDP", "127.0.0.1", 0)
    assert.is_true(w.net:send(a, "", 1, "127.0.0.1", a_port))
    assert.equal("", w:expect({ kind = "bytes" }).bytes)
  end)

  it("bounds what waits for it", function()
    w:close()
    w = wire.new { datagram_queue_bytes = 100 }
    local a, a_port = w.net:listen("UDP", "127.0.0.1", 0)
    assert.is_true(w.net:send(a, ("x"):rep(60), 1, "127.0.0.1", a_port))
    assert.same({ nil, "limit" },
      { w.net:send(a, ("x"):rep(60), 2, "127.0.0.1", a_port) })
    w:expect { kind = "bytes" }
    assert.is_true(w.net:send(a, ("x"):rep(60), 3, "127.0.0.1", a_port))
  end)

  it("says why it cannot listen", function()
    local _, port = w.net:listen("UDP", "127.0.0.1", 0)
    assert.same({ nil, "wire", ("127.0.0.1:%d is in use already"):format(port) },
      { w.net:listen("UDP", "127.0.0.1", port) })
    assert.same({ nil, "wire", "192.0.2.1:0 is not an address of this machine" },
      { w.net:listen("UDP", "192.0.2.1", 0) })
  end)

  it("is gone when it has been closed", function()
    local a, a_port = w.net:listen("UDP", "127.0.0.1", 0)
    w.net:unlisten(a)
    assert.equal(0, w.net:count())
    assert.same({ nil, "gone" }, { w.net:send(a, "x", 1, "127.0.0.1", a_port) })
    w.net:unlisten(a) -- once more: nothing happens
    assert.is_truthy(w.net:listen("UDP", "127.0.0.1", a_port))
  end)

  it("survives that memory is short at any allocation", function()
    local n, sent = 0, false
    repeat
      n = n + 1
      w:close()
      w = wire.new()
      w.net:fail_at(n)
      local a, a_port = w.net:listen("UDP", "127.0.0.1", 0)
      if a then
        sent = w.net:send(a, "through", 1, "127.0.0.1", a_port)
        if sent then
          assert.equal("through", w:expect({ kind = "bytes" }).bytes)
        end
      end
    until sent
    assert.is_true(n > 3)
  end)
end)

describe("the route", function()
  it("is the address that the kernel would use", function()
    local w = wire.new()
    assert.equal("127.0.0.1", w.net:route "127.0.0.9")
    if wire.has_ipv6() then
      assert.equal("::1", w.net:route "::1")
    end
    w:close()
  end)
end)

-- Connections on loopback.  C-36 (reset and refused), C-238 (many idle ones, half a
-- message, resets).

local namespace = require "spec.support.namespace"
local wire = require "spec.support.wire"

local it6 = wire.has_ipv6() and it or function(name)
  pending(name .. ": this machine has no IPv6")
end

describe("a connection", function()
  local w, port

  before_each(function()
    w = wire.new()
    port = select(2, assert(w.net:listen("TCP", "127.0.0.1", 0)))
  end)

  after_each(function()
    w:close()
  end)

  it("opens with the addresses of both ends", function()
    local ours = assert(w.net:open("TCP", "127.0.0.1", port))
    local here = w:expect { kind = "opened", id = ours }
    local there = w:expect { kind = "opened" }
    assert.equal("127.0.0.1:" .. port, here.from)
    assert.equal("127.0.0.1:" .. port, there.at)
    assert.equal(here.at, there.from)
    assert.equal(3, w.net:count())
  end)

  it("comes from the address that was asked for", function()
    local ours = assert(w.net:open("TCP", "127.0.0.1", port, "127.0.0.9"))
    assert.matches("^127%.0%.0%.9:%d+$", w:expect({ kind = "opened", id = ours }).at)
    assert.matches("^127%.0%.0%.9:%d+$", w:expect({ kind = "opened" }).from)
  end)

  it6("works over IPv6", function()
    local _, port6 = assert(w.net:listen("TCP", "::1", 0))
    local ours, theirs = w:connect(port6, "::1")
    assert.is_true(w.net:send(ours, "ping", 1))
    assert.equal("ping", w:expect_bytes(theirs, 4))
  end)

  it("that was reset before it is accepted was never there", function()
    for _ = 1, 3 do
      assert.is_true(w.net:reset(port))
    end
    local ours = assert(w.net:open("TCP", "127.0.0.1", port))
    local here = w:expect { kind = "opened", id = ours }
    assert.equal(here.at, w:expect({ kind = "opened" }).from)
    w:poll(0)
    assert.same({}, w.events)
    assert.equal(3, w.net:count())
  end)

  it("carries bytes both ways, also those sent before it was open", function()
    local ours = assert(w.net:open("TCP", "127.0.0.1", port))
    assert.is_true(w.net:send(ours, "early ", 1))
    assert.is_true(w.net:send(ours, "bird", 2))
    w:expect { kind = "opened", id = ours }
    local theirs = w:expect({ kind = "opened" }).id
    assert.equal("early bird", w:expect_bytes(theirs, 10))
    assert.is_true(w.net:send(theirs, "worm", 3))
    assert.equal("worm", w:expect_bytes(ours, 4))
  end)

  it("gives half a message as it came, and the rest later", function()
    local ours, theirs = w:connect(port)
    assert.is_true(w.net:send(ours, "OPTIONS sip:a SIP", 1))
    assert.equal("OPTIONS sip:a SIP", w:expect({ kind = "bytes", id = theirs }).bytes)
    assert.is_true(w.net:send(ours, "/2.0\r\n\r\n", 2))
    assert.equal("/2.0\r\n\r\n", w:expect({ kind = "bytes", id = theirs }).bytes)
  end)

  it("carries what is larger than every buffer, and says when it has gone", function()
    local ours, theirs = w:connect(port)
    local parts = {}
    for i = 1, 16 do
      parts[i] = string.char(96 + i):rep(60000)
      assert.is_true(w.net:send(ours, parts[i], i))
    end
    local all = table.concat(parts)
    assert.equal(all, w:expect_bytes(theirs, #all))
    if w.net:send(ours, ("z"):rep(1000000), 17) then
      w:expect_bytes(theirs, 1000000)
    end
  end)

  it("tells when its queue has drained, and bounds it until then", function()
    w:close()
    w = wire.new { stream_queue_bytes = 8000000 }
    port = select(2, assert(w.net:listen("TCP", "127.0.0.1", 0)))
    local ours, theirs = w:connect(port)
    local part, count = ("x"):rep(1000000), 0
    while w.net:send(ours, part, count + 1) do
      count = count + 1
      assert.is_true(count < 200)
    end
    assert.same({ nil, "limit" }, { w.net:send(ours, part, 0) })
    assert.equal(count * #part, #w:expect_bytes(theirs, count * #part))
    w:expect { kind = "drained", id = ours }
    assert.is_true(w.net:send(ours, "more", 1))
  end)

  -- @rfc 3261 18.4 MUST C-36
  namespace.it("that nobody answers is given up while it opens (C-36)", function()
    local limits = { stream_open_ms = 300 }
    local said = namespace.run([[
      ip link add hole type veth peer name deep
      ip link set deep up
      ip addr add 10.64.3.1/24 dev hole
      ip link set hole up arp off
      lua5.4 spec/support/black_hole.lua "$1"]], tostring(limits.stream_open_ms))
    local why = "no answer from 10.64.3.2:5060"
    assert.equal(why .. "\t" .. why .. "\ttrue\n", said)
  end)

  -- @rfc 3261 18.4 MUST C-36
  it("whose peer acknowledges nothing is given up (C-36)", function()
    local far = wire.new { stream_unheard_ms = 200 }
    local near = assert(far.net:open("TCP", "127.0.0.1", port))
    w:poll(1)
    far:expect { kind = "opened", id = near }
    w:expect { kind = "opened" } -- and from here on nobody reads there
    local bytes = ("x"):rep(100000)
    while far.net:send(near, bytes, 1) do
      far:poll(0)
    end
    local closed = far:expect { kind = "closed", id = near }
    assert.equal("no answer from 127.0.0.1:" .. port, closed.why)
    far:close()
  end)

  it("says that it was refused, once (C-36)", function()
    local listener, closed_port = assert(w.net:listen("TCP", "127.0.0.1", 0))
    w.net:unlisten(listener)
    local ours = assert(w.net:open("TCP", "127.0.0.1", closed_port))
    assert.is_true(w.net:send(ours, "never", 5))
    local failed = w:expect { kind = "failed", id = ours }
    local closed = w:expect { kind = "closed", id = ours }
    assert.equal(5, failed.token)
    assert.equal("connection refused by 127.0.0.1:" .. closed_port, failed.why)
    assert.equal("connection refused by 127.0.0.1:" .. closed_port, closed.why)
    assert.equal("wire", closed.err)
    w:poll(0)
    assert.same({}, w.events)
    assert.same({ nil, "gone" }, { w.net:send(ours, "x", 6) })
    assert.equal(1, w.net:count())
  end)

  it("says that it has no way to go, as an event", function()
    local ours = assert(w.net:open("TCP", "127.0.0.1", port, "192.0.2.1"))
    local closed = w:expect { kind = "closed", id = ours }
    assert.equal("wire", closed.err)
    assert.is_string(closed.why)
  end)

  it("closes in order: what was sent arrives, both sides hear it once", function()
    local ours, theirs = w:connect(port)
    assert.is_true(w.net:send(theirs, "unread", 1))
    assert.is_true(w.net:send(ours, "goodbye", 2))
    w.net:shut(ours)
    w.net:shut(ours) -- once more: nothing happens
    assert.equal("goodbye", w:expect_bytes(theirs, 7))
    assert.is_nil(w:expect({ kind = "closed", id = theirs }).err)
    assert.is_nil(w:expect({ kind = "closed", id = ours }).err)
    assert.same({ nil, "gone" }, { w.net:send(ours, "x", 3) })
    w:poll(0)
    for _, event in ipairs(w.events) do
      assert.equal("bytes", event.kind)
    end
    assert.equal(1, w.net:count())
  end)

  it("sends what is queued before it closes", function()
    local ours, theirs = w:connect(port)
    local bytes = ("q"):rep(900000)
    assert.is_true(w.net:send(ours, bytes, 1))
    w.net:shut(ours)
    assert.equal(bytes, w:expect_bytes(theirs, #bytes))
    assert.is_nil(w:expect({ kind = "closed", id = ours }).err)
  end)

  it("sends what is queued also when it was closed while it opened", function()
    local ours = assert(w.net:open("TCP", "127.0.0.1", port))
    assert.is_true(w.net:send(ours, "hello and goodbye", 1))
    w.net:shut(ours)
    local theirs = w:expect({ kind = "opened" }).id
    assert.equal("hello and goodbye", w:expect_bytes(theirs, 17))
    assert.is_nil(w:expect({ kind = "closed", id = ours }).err)
  end)

  it("may be closed before it opens", function()
    local ours = assert(w.net:open("TCP", "127.0.0.1", port))
    w.net:shut(ours)
    assert.is_nil(w:expect({ kind = "closed", id = ours }).err)
  end)

  it("says that it was reset (C-238)", function()
    local other = wire.new()
    local ours = assert(other.net:open("TCP", "127.0.0.1", port))
    other:expect { kind = "opened", id = ours }
    local theirs = w:expect({ kind = "opened" })
    assert.is_true(w.net:send(theirs.id, "unread when it closes", 1))
    w:poll(0)
    other:close() -- at once, with bytes unread: the kernel resets
    local closed = w:expect { kind = "closed", id = theirs.id }
    assert.equal("connection reset by " .. theirs.from, closed.why)
  end)

  it("200 of them live side by side, each with its own bytes (C-238)", function()
    local ids, theirs = {}, {}
    for i = 1, 200 do
      ids[i] = assert(w.net:open("TCP", "127.0.0.1", port))
      assert.is_true(w.net:send(ids[i], ("%04d"):format(i), i))
    end
    for i = 1, 200 do
      w:expect { kind = "opened", id = ids[i] }
    end
    for _ = 1, 200 do
      local id = w:expect({ kind = "opened" }).id
      theirs[tonumber(w:expect_bytes(id, 4))] = id
    end
    assert.equal(200, #theirs)
    assert.equal(401, w.net:count())
    for i = 1, 200 do
      assert.is_true(w.net:send(theirs[i], ("%04d"):format(-i % 1000), i))
    end
    for i = 1, 200 do
      assert.equal(("%04d"):format(-i % 1000), w:expect_bytes(ids[i], 4))
      w.net:shut(ids[i])
    end
    for i = 1, 200 do
      w:expect { kind = "closed", id = ids[i] }
      w:expect { kind = "closed", id = theirs[i] }
    end
    assert.equal(1, w.net:count())
  end)

  it("over the bound is closed at once, and the next one is taken again", function()
    w:close()
    w = wire.new { connections = 3 }
    port = select(2, assert(w.net:listen("TCP", "127.0.0.1", 0)))
    local clients, theirs = wire.new { connections = 9 }, {}
    for _ = 1, 9 do
      assert(clients.net:open("TCP", "127.0.0.1", port))
    end
    assert.same({ nil, "limit" }, { clients.net:open("TCP", "127.0.0.1", port) })
    for i = 1, 3 do
      theirs[i] = w:expect({ kind = "opened" }).id
    end
    local closed = 0
    while closed < 6 do
      w:poll(0)
      clients:poll(0.01)
      for i = #clients.events, 1, -1 do
        closed = closed + (clients.events[i].kind == "closed" and 1 or 0)
        table.remove(clients.events, i)
      end
    end
    assert.equal(4, w.net:count())
    w.net:shut(theirs[1])
    w:poll(0)
    clients:expect { kind = "closed" }
    w:expect { kind = "closed", id = theirs[1] }
    assert(clients.net:open("TCP", "127.0.0.1", port))
    w:expect { kind = "opened" }
    clients:close()
  end)

  it("says why it cannot listen", function()
    assert.same({ nil, "wire", ("127.0.0.1:%d is in use already"):format(port) },
      { w.net:listen("TCP", "127.0.0.1", port) })
  end)

  it("ends without a word when its wire does", function()
    w:connect(port)
    assert.is_truthy(w.net:open("TCP", "127.0.0.1", port))
  end)

  it("survives that memory is short at any allocation", function()
    local n, through = 0, false
    repeat
      n = n + 1
      w:close()
      w = wire.new()
      w.net:fail_at(n)
      local listener, at = w.net:listen("TCP", "127.0.0.1", 0)
      local ours = listener and w.net:open("TCP", "127.0.0.1", at)
      if ours and w.net:send(ours, "x", 1) then
        repeat
          w:poll(5)
          local event = table.remove(w.events)
          through = through or (event and event.kind == "bytes")
        until not event or through or event.kind == "closed"
      end
    until through
    assert.is_true(n > 4)
  end)
end)

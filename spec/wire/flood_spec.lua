-- Strangers on real sockets: too many connections of one source, half handshakes, slow
-- senders, floods. C-238. The rules themselves: spec/sim/flood*_spec.lua.

local certificates = require "spec.support.certificates"
local core = require "sip.core"
local messages = require "spec.support.messages"
local wire = require "spec.support.wire"

-- How a client begins: a record of 512 bytes with a hello in it.
local HELLO = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

describe("a listener for TLS", function()
  local made, w, port

  setup(function()
    made = certificates.new()
  end)

  teardown(function()
    made:remove()
  end)

  local function open(limits)
    w = wire.new(limits)
    assert(w.net:tls { ca = made.ca, pairs = { made:issue { san = "IP:127.0.0.1" } } })
    port = select(2, assert(w.net:listen("TLS", "127.0.0.1", 0)))
  end

  after_each(function()
    w:close()
  end)

  it("gives each source its share of half handshakes: its own oldest go", function()
    open { source_half_open = 5, tls_handshakes = 100 }
    local silent = {}
    for i = 1, 20 do
      silent[i] = assert(w.net:open("TCP", "127.0.0.1", port))
      w:expect { kind = "opened", id = silent[i] }
    end
    -- somebody else's are none of his
    local other = assert(w.net:open("TCP", "127.0.0.1", port, "127.0.0.9"))
    w:expect { kind = "opened", id = other }
    for i = 1, 15 do
      assert.matches("^127%.0%.0%.1:%d+$", w:expect({ kind = "refused" }).from)
      w:expect { kind = "closed", id = silent[i] }
    end
    -- and who is quick gets in
    local ours = assert(w.net:open("TLS", "127.0.0.1", port, nil, "127.0.0.1"))
    w:expect { kind = "opened", id = ours }
    w:expect { kind = "opened" }
    assert(w.net:send(other, HELLO, 1))
    w:poll(0)
    for _, event in ipairs(w.events) do
      assert.not_equal(other, event.id)
      assert.not_equal("notice", event.kind)
    end
  end)

  it("has time for a handshake as a whole, and not for each byte of it", function()
    open { tls_handshake_ms = 500 }
    local began = w.net:now()
    local slow = assert(w.net:open("TCP", "127.0.0.1", port))
    w:expect { kind = "opened", id = slow }
    local sent, closed = 0, nil
    while not closed do
      if w.net:now() - began >= sent * 0.005 then
        sent = sent + 1
        w.net:send(slow, sent <= #HELLO and HELLO:sub(sent, sent) or "\0", sent)
      end
      w:poll(0.005)
      for i = #w.events, 1, -1 do
        local event = table.remove(w.events, i)
        closed = closed or event.kind == "closed" and event
      end
    end
    assert.is_true(sent > 3)
    assert.is_true(math.floor((w.net:now() - began) * 1000 + 0.5) >= 500)
  end)

  it("says when it refuses somebody because there are too many of all", function()
    w = wire.new { connections = 2 }
    port = select(2, assert(w.net:listen("TCP", "127.0.0.1", 0)))
    local clients = wire.new()
    for _ = 1, 3 do
      assert(clients.net:open("TCP", "127.0.0.1", port))
    end
    w:expect { kind = "opened" }
    w:expect { kind = "opened" }
    assert.is_nil(w:expect({ kind = "refused" }).from)
    clients:close()
  end)
end)

describe("a stack on the loop", function()
  local loop, stack, client, events

  -- 127.0.0.1 is nobody special to a stack: that it is left alone is sip.new's choice.
  local function open(limits, more)
    loop = core.loop()
    loop:set_dispatch(function() end)
    events = {}
    local options = {
      limits = limits,
      dispatch = function(kind, object, _, ...)
        events[#events + 1] = { kind = kind, text = ... }
        if kind == "request" then
          object:respond(200)
        end
      end,
    }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    stack = loop:stack(options)
    local at = {}
    for _, transport in ipairs { "udp", "tcp" } do
      at[transport] = assert(stack:listen { transport = transport, host = "127.0.0.1",
        port = 0 })
    end
    client = wire.new()
    return at
  end

  after_each(function()
    loop:close()
    client:close()
  end)

  -- Both turn until it is so.
  local function until_so(done)
    local ends = loop:now() + 60
    while not done() do
      assert(loop:now() < ends, "it never is")
      loop:step(0.005)
      client:poll(0)
    end
  end

  local function seen(kind)
    local count = 0
    for _, event in ipairs(client.events) do
      count = count + (event.kind == kind and 1 or 0)
    end
    return count
  end

  local function connect(port)
    return assert(client.net:open("TCP", "127.0.0.1", port))
  end

  local function options(number, more)
    local change = { CSeq = number .. " OPTIONS",
      Via = ("SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKw%d;rport"):format(number) }
    for key, value in pairs(more or {}) do
      change[key] = value
    end
    return messages.request(change)
  end

  it("closes what is more than so many connections of a source", function()
    local port = open { source_connections = 3 }.tcp
    for _ = 1, 10 do
      connect(port)
    end
    until_so(function() return seen "closed" == 7 end)
    assert.same({ 3, 7 }, { stack:stats().connections, stack:stats().over_connections })
  end)

  it("closes who connects and says nothing, and who sends byte after byte", function()
    local port = open { stream_first_ms = 500, stream_head_ms = 500 }.tcp
    local _, slow = connect(port), connect(port)
    local whole, sent = options(1), 0
    until_so(function()
      if sent < #whole - 1 then
        sent = sent + 1
        client.net:send(slow, whole:sub(sent, sent), sent)
      end
      return seen "closed" == 2
    end)
    assert.is_true(sent > 3)
    assert.same({ 1, 1 }, { stack:stats().silent, stack:stats().slow })
  end)

  it("closes who never ends a line, and who sends lines alone (C-238)", function()
    local port = open { header_bytes = 4096, source_messages = 50 }.tcp
    for _, bytes in ipairs { "OPTIONS " .. ("x"):rep(100000),
      "OPTIONS sip:a SIP/2.0\r\nX: " .. ("y"):rep(100000),
      "OPTIONS sip:a SIP/2.0\r\n" .. ("X: y\r\n"):rep(20000),
      ("\r\n\r\n"):rep(25000) } do
      assert(client.net:send(connect(port), bytes, 1))
    end
    until_so(function()
      return seen "closed" == 4 and stack:stats().connections == 0
    end)
    assert.is_true(stack:stats().over_messages > 0)
  end)

  it("reads so much of a flood, and answers whoever else is there", function()
    local port = open { source_messages = 25 }.udp
    local flood = assert(client.net:listen("UDP", "127.0.0.1", 0))
    local other = assert(client.net:listen("UDP", "127.0.0.9", 0))
    for i = 1, 400 do
      client.net:send(flood, options(i), i, "127.0.0.1", port)
    end
    until_so(function()
      local stats = stack:stats()
      return stats.received + stats.over_messages == 400
    end)
    assert.is_true(stack:stats().over_messages > 200)
    client.net:send(other, options(1000), 1, "127.0.0.1", port)
    until_so(function()
      for _, event in ipairs(client.events) do
        if event.kind == "bytes" and event.id == other then
          return true
        end
      end
    end)
  end)
end)

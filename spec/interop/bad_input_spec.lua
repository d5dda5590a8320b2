-- What the network and its users do wrong, against a luasip that runs: it says so, goes
-- on, and answers the next OPTIONS. RFC 4475 and RFC 5118 over real UDP and TCP.

local messages = require "spec.support.messages"
local strangers = require "spec.support.strangers"
local wire = require "spec.support.wire"

local PORT, SIPP = 14400, 14410

local function at(transport)
  return transport .. ":127.0.0.1:" .. PORT
end

-- The messages of a folder, by name: the exact ones where they are, else our own.
local function torture()
  local exact = os.getenv "SIP_TORTURE_DIR"
  local command = exact and exact ~= ""
    and ("ls '%s'/rfc4475/*.dat '%s'/rfc5118-crlf/*.dat"):format(exact, exact)
    or "ls spec/data/torture/*.sip"
  local list = {}
  local pipe <close> = assert(io.popen(command))
  for path in pipe:lines() do
    list[#list + 1] = { name = path:match "([^/]+)%.%w+$",
      bytes = assert(messages.read(path)) }
  end
  assert(#list > 40, "where are they?")
  return list
end

describe("a luasip that runs", function()
  local callee, client, count

  lazy_setup(function()
    callee = strangers.luasip("callee.lua", { at "udp", at "tcp" })
    callee:says "ready"
    count = 0
  end)

  lazy_teardown(function()
    callee:kill "INT"
    assert.equal(0, (callee:wait()))
    strangers.end_all()
  end)

  before_each(function()
    client = wire.new()
  end)

  after_each(function()
    client:close()
  end)

  local function options(transport)
    count = count + 1
    return table.concat({
      "OPTIONS sip:answer@127.0.0.1:" .. PORT .. " SIP/2.0",
      ("Via: SIP/2.0/%s 127.0.0.1:14499;rport;branch=z9hG4bKbad%d"):format(transport,
        count),
      "Max-Forwards: 70", "From: <sip:a@127.0.0.1>;tag=1", "To: <sip:b@127.0.0.1>",
      "Call-ID: bad" .. count, "CSeq: 1 OPTIONS", "Content-Length: 0", "", "",
    }, "\r\n"), "bad" .. count
  end

  -- The next OPTIONS is answered: on a connection of its own, so that whatever was
  -- done to others does not count.
  local function is_well(transport)
    local id
    if transport == "UDP" then
      id = assert(client.net:listen("UDP", "127.0.0.1", 0))
      client.net:send(id, (options "UDP"), 1, "127.0.0.1", PORT)
    else
      id = assert(client.net:open("TCP", "127.0.0.1", PORT))
      client:expect { kind = "opened", id = id }
      client.net:send(id, (options "TCP"), 1)
    end
    local answer = client:expect({ kind = "bytes", id = id }).bytes
    assert.matches("^SIP/2.0 200 ", answer)
  end

  for _, message in ipairs(torture()) do
    it("is well after " .. message.name .. " over UDP and TCP", function()
      local udp = assert(client.net:listen("UDP", "127.0.0.1", 0))
      client.net:send(udp, message.bytes, 1, "127.0.0.1", PORT)
      is_well "UDP"
      local tcp = assert(client.net:open("TCP", "127.0.0.1", PORT))
      client:expect { kind = "opened", id = tcp }
      client.net:send(tcp, message.bytes, 1)
      is_well "TCP"
    end)
  end

  it("is well after garbage", function()
    local udp = assert(client.net:listen("UDP", "127.0.0.1", 0))
    for length = 0, 300, 7 do
      local bytes = {}
      for i = 1, length do
        bytes[i] = string.char(i * 131 % 256)
      end
      client.net:send(udp, table.concat(bytes), 1, "127.0.0.1", PORT)
    end
    is_well "UDP"
  end)

  it("closes a connection that sends garbage", function()
    local tcp = assert(client.net:open("TCP", "127.0.0.1", PORT))
    client:expect { kind = "opened", id = tcp }
    client.net:send(tcp, ("\0\1\2garbage\r\n"):rep(20) .. "\r\n", 1)
    client:expect { kind = "closed", id = tcp }
    is_well "TCP"
  end)

  -- The script has set stream_head_ms to one second.
  it("closes a connection that sends half a message and is silent", function()
    local tcp = assert(client.net:open("TCP", "127.0.0.1", PORT))
    client:expect { kind = "opened", id = tcp }
    local before = client.net:now()
    client.net:send(tcp, (options "TCP"):sub(1, 100), 1)
    client:expect { kind = "closed", id = tcp }
    local took = client.net:now() - before
    assert.is_true(took > 0.9 and took < 2, "after " .. took)
  end)

  it("does not let a second one have its port, and says so", function()
    local second = strangers.luasip("callee.lua", { at "udp" })
    local status, said = second:wait()
    assert.are_not.equal(0, status)
    assert.matches("sip%.new: cannot listen at udp:127%.0%.0%.1:14400: ", said)
    assert.matches("in use", said)
    is_well "UDP"
  end)

  it("hangs up what it has when it is interrupted", function()
    for i, transport in ipairs { "udp", "tcp" } do
      local port = PORT + 10 + i
      local mortal = strangers.luasip("callee.lua", {
        ("%s:127.0.0.1:%d"):format(transport, port),
      })
      mortal:says "ready"
      local sipp = strangers.sipp("uac_is_hung_up", {
        port = SIPP + 10, to = port, user = "answer", tcp = transport == "tcp",
      })
      mortal:says "answered"
      mortal:kill "INT"
      local status, said = mortal:wait()
      assert.equal(0, status)
      assert.matches("ended answer .*stopped", said)
      strangers.succeeds(sipp)
    end
  end)

  it("ends when it is interrupted, though its peer is dead", function()
    local mortal = strangers.luasip("callee.lua", { "udp:127.0.0.1:14420" })
    mortal:says "ready"
    local sipp = strangers.sipp("uac_is_hung_up", {
      port = SIPP + 20, to = 14420, user = "answer",
    })
    mortal:says "answered"
    sipp:kill "KILL"
    sipp:wait()
    mortal:kill "INT"
    local status, said = mortal:wait(25) -- its BYE would wait for 32 s
    assert.equal(0, status)
    assert.matches("stopped", said)
  end)

  it("is told that nobody is there", function()
    for _, transport in ipairs { "udp", "tcp" } do
      local caller = strangers.luasip("caller.lua", {
        transport .. ":127.0.0.1:14430",
        "sip:x@127.0.0.1:14431;transport=" .. transport, "timeout=3",
      })
      local status, said = caller:wait()
      assert.equal(0, status, said)
      assert.matches("^failed unreachable .*refused", said)
    end
  end)
end)

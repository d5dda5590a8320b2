-- RTCP: RFC 3550 6.1-6.6, A.2, A.3, A.7. C-144.

local rtcp = require("sip.test").rtcp

local SR, RR, SDES, BYE = 200, 201, 202, 203

local sender = { ntp = 0x0123456789abcdef, timestamp = 0xfffffffe, packets = 5,
  octets = 800 }

local function block(lost)
  return { ssrc = 0xdeadbeef, fraction_lost = 64, lost = lost, seq = 0x10005,
    jitter = 7, last_sr = 0x456789ab, delay = 65536 }
end

describe("an RTCP packet", function()
  it("is a report, the CNAME, and a BYE (6.1), and reads as it was written", function()
    local bytes = rtcp.write { ssrc = 0xfedcba98, sender = sender,
      blocks = { block(3), block(-2) }, cname = "a@b", bye = true, reason = "done" }
    assert.equal(0, #bytes % 4)
    assert.same({
      { type = SR, ssrc = 0xfedcba98, sender = sender, block(3), block(-2) },
      { type = SDES, ssrc = 0xfedcba98, "4275878552 a@b" },
      { type = BYE, ssrc = 0xfedcba98, 0xfedcba98 },
    }, rtcp.parse(bytes))
  end)

  it("has its octets where they belong (6.4.2, 6.5)", function()
    assert.equal("\x81\xc9\0\7" .. "\0\0\0\1"
      .. "\xde\xad\xbe\xef" .. "\x40\xff\xff\xff" .. "\0\1\0\5" .. "\0\0\0\7"
      .. "\x45\x67\x89\xab" .. "\0\1\0\0"
      .. "\x81\xca\0\3" .. "\0\0\0\1" .. "\1\4name\0\0",
      rtcp.write { ssrc = 1, blocks = { block(-1) }, cname = "name" })
  end)

  it("ends the CNAME with a zero, whatever its length", function()
    for len = 0, 255 do
      local cname = ("x"):rep(len)
      local bytes = rtcp.write { ssrc = 1, cname = cname, bye = true,
        reason = cname }
      local parts = assert(rtcp.parse(bytes))
      assert.equal("1 " .. cname, parts[2][1])
      assert.equal(3, #parts)
    end
  end)

  it("keeps what is lost within 24 bits", function()
    for lost, written in pairs { [8388607] = 8388607, [8388608] = 8388607,
      [-8388608] = -8388608, [-8388609] = -8388608 } do
      local parts = rtcp.parse(rtcp.write { ssrc = 1, blocks = { block(lost) } })
      assert.equal(written, parts[1][1].lost)
    end
  end)

  it("is refused when it does not fit", function()
    local blocks = {}
    for i = 1, 32 do
      blocks[i] = block(i)
    end
    assert.same({ nil, "limit" }, { rtcp.write { ssrc = 1, blocks = blocks } })
    assert.same({ nil, "limit" }, { rtcp.write { ssrc = 1, cname = ("x"):rep(256) } })
  end)

  local rr = "\x80\xc9\0\1\0\0\0\1"

  for bytes, why in pairs {
    [""] = "shorter than a report",
    ["\x80\xc9\0\0"] = "shorter than a report",
    ["\x80\xca\0\1\0\0\0\1"] = "a compound packet that begins with no report",
    ["\x40\xc9\0\1\0\0\0\1"] = "not version 2",
    ["\x80\xc9\0\2\0\0\0\1"] = "a length beyond the packet",
    [rr .. "\x80\xca\0"] = "bytes after the last packet",
    ["\xa0\xc9\0\2\0\0\0\1\0\0\0\4" .. rr] = "padding before the last packet",
    ["\xa0\xc9\0\2\0\0\0\1\0\0\0\0"] = "padding of no such length",
    ["\xa0\xc9\0\2\0\0\0\1\0\0\0\3"] = "padding of no such length",
    ["\xa0\xc9\0\2\0\0\0\1\0\0\0\12"] = "padding of no such length",
  } do
    it(("%q is refused: %s"):format(bytes, why), function()
      assert.same({ nil, why }, { rtcp.parse(bytes) })
    end)
  end

  it("may end in padding, and have parts of unknown types", function()
    assert.same({ { type = RR, ssrc = 1 }, { type = 207, ssrc = 9 },
      { type = BYE, ssrc = 5, 5 } },
      rtcp.parse(rr .. "\x80\xcf\0\1\0\0\0\9" .. "\xa1\xcb\0\2\0\0\0\5\0\0\0\4"))
  end)

  it("that says more than it has gives what it has", function()
    assert.same({ { type = RR, ssrc = 1 }, { type = SDES, ssrc = 1 },
      { type = BYE, ssrc = 7, 7 } },
      rtcp.parse("\x9f\xc9\0\1\0\0\0\1" .. "\x81\xca\0\2\0\0\0\1\1\9ab"
        .. "\x82\xcb\0\1\0\0\0\7"))
    -- Two chunks, the first without a CNAME.
    assert.same({ { type = RR, ssrc = 1 }, { type = SDES, ssrc = 1, "1 ", "2 b" } },
      rtcp.parse(rr .. "\x82\xca\0\5\0\0\0\1\2\1n\0"
        .. "\0\0\0\2\1\1b\0" .. "\0\0\0\0"))
  end)
end)

describe("a report about a source (A.3)", function()
  it("counts what was lost since the last one, and in all", function()
    local first, second = rtcp.block(9, { 65534, 65535, 1, 2 }, 0, 0, 1000000,
      { 3, 4, 7, 8 })
    assert.same({ ssrc = 9, fraction_lost = 256 // 5, lost = 1, seq = 0x10002,
      jitter = 0, last_sr = 0, delay = 0 }, first)
    assert.same({ 256 * 2 // 6, 3, 0x10008 },
      { second.fraction_lost, second.lost, second.seq })
  end)

  it("says nothing is lost when copies came", function()
    local first, second = rtcp.block(9, { 1, 2, 2, 2 }, 0, 0, 0, { 2, 3 })
    assert.same({ 0, -2 }, { first.fraction_lost, first.lost })
    assert.same({ 0, -3 }, { second.fraction_lost, second.lost })
  end)

  it("says how long ago the last sender report came", function()
    local first = rtcp.block(9, { 1 }, 0x12345678, 1000000, 2500000, {})
    assert.same({ 0x12345678, 98304 }, { first.last_sr, first.delay })
  end)
end)

describe("the time of RTCP", function()
  it("is counted since 1900 (4)", function()
    assert.equal(2208988800 << 32, rtcp.ntp(0))
    assert.equal((2208988800 + 1700000000 << 32) | 1 << 31, rtcp.ntp(1700000000500000))
  end)

  it("tells the way there and back (6.4.1, figure 2)", function()
    -- The example of the RFC: A 0xb710:8000, DLSR 0x0005:4000, LSR 0xb705:2000.
    assert.equal(6125000, rtcp.round_trip(0xb7052000, 0x00054000, 0xb7108000 << 16))
    assert.is_nil(rtcp.round_trip(0, 0, 0xb7108000 << 16))
    assert.is_nil(rtcp.round_trip(0xb7108000, 1, 0xb7108000 << 16))
  end)

  it("between reports is chance around five seconds (6.3.1)", function()
    assert.equal(2500000, rtcp.interval(0, {}))
    assert.equal(5000000, rtcp.interval(0.5, {}))
    assert.equal(6250000, rtcp.interval(0.75, {}))
    assert.equal(2500000, rtcp.interval(0.5, { initial = 1 }))
    assert.equal(1250000, rtcp.interval(0, { initial = 1 }))
  end)

  it("grows with the members, a quarter of them senders (6.2)", function()
    -- 1000 octets per second for RTCP, 100 octets a packet.
    assert.equal(10000000, rtcp.interval(0.5, { members = 100, senders = 50 }))
    assert.equal(8000000, rtcp.interval(0.5, { members = 100, senders = 20 }))
    assert.equal(16000000, rtcp.interval(0.5, { members = 140, senders = 20,
      quiet = 1 }))
    -- 1020 octets and their headers, as the average of many comes to be.
    assert.near(104800000, rtcp.interval(0.5, { members = 100, senders = 50,
      saw = 1020 }), 1000)
  end)
end)

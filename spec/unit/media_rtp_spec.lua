-- RTP packets and sources: RFC 3550 5.1, 8.2, A.1, A.3, A.8. C-143, C-145.

local rtp = require("sip.test").rtp

local function packet(fields)
  return string.pack(">BBI2I4I4", fields.first or 0x80, fields.second or 0,
    fields.seq or 1, fields.timestamp or 2, fields.ssrc or 3) .. (fields.rest or "")
end

describe("an RTP packet", function()
  it("is written as it is read (5.1)", function()
    local fields = { seq = 65535, payload_type = 101, marker = true,
      timestamp = 0xfffffffe, ssrc = 0xdeadbeef }
    local bytes = rtp.header(fields)
    assert.equal("\x80\xe5\xff\xff\xff\xff\xff\xfe\xde\xad\xbe\xef", bytes)
    fields.csrc, fields.payload = {}, "audio"
    assert.same(fields, rtp.parse(bytes .. "audio"))
    fields.marker, fields.payload_type = false, 0
    assert.same(fields, rtp.parse(rtp.header(fields) .. "audio"))
  end)

  it("may have sources, an extension and padding", function()
    local all = rtp.parse(packet { first = 0xb2, second = 8,
      rest = "\0\0\0\1\xff\xff\xff\xff" .. "\xbe\xde\0\1\x10\xaa\0\0"
        .. "pay" .. "\0\0\3" })
    assert.same({ 1, 0xffffffff }, all.csrc)
    assert.equal(0xbede, all.extension_profile)
    assert.equal("\x10\xaa\0\0", all.extension)
    assert.equal("pay", all.payload)
    local empty = rtp.parse(packet { first = 0x90, rest = "\0\0\0\0" })
    assert.equal("", empty.extension)
    assert.equal("", empty.payload)
    assert.equal("", rtp.parse(packet { first = 0xa0, rest = "\0\0\3" }).payload)
  end)

  for why, bytes in pairs {
    ["shorter than a header"] = packet({}):sub(1, 11),
    ["not version 2"] = packet { first = 0x40 },
    ["a payload type that is RTCP"] = packet { second = 200 },
    ["a CSRC list longer than the packet"] = packet { first = 0x81, rest = "\0\0\0" },
    ["an extension longer than the packet"] =
      packet { first = 0x90, rest = "\0\0\0\1abc" },
    ["padding longer than the packet, or none"] =
      packet { first = 0xa0, rest = "\0\0\4" },
  } do
    it("is refused: " .. why, function()
      assert.same({ nil, why }, { rtp.parse(bytes) })
    end)
  end

  it("is refused with padding of nothing or without room for it", function()
    local why = "padding longer than the packet, or none"
    assert.same({ nil, why }, { rtp.parse(packet { first = 0xa0, rest = "ab\0" }) })
    assert.same({ nil, why }, { rtp.parse(packet { first = 0xa0 }) })
    assert.same({ nil, "an extension longer than the packet" },
      { rtp.parse(packet { first = 0x90, rest = "\0\0\0" }) })
  end)

  it("is told from RTCP by its type (RFC 5761 4)", function()
    for second, control in pairs { [0] = false, [8] = false, [191] = false,
      [192] = true, [200] = true, [223] = true, [224] = false, [255] = false } do
      assert.equal(control, rtp.is_control(packet { second = second }))
    end
  end)
end)

describe("an RTP source", function()
  local function feed(source, ...)
    local out = {}
    for i, seq in ipairs { ... } do
      out[i] = source:check(seq & 0xffff)
    end
    return table.concat(out, " ")
  end

  it("is valid after two packets in sequence (A.1)", function()
    local source = rtp.source(1, 10, 2)
    assert.equal("probation probation take take", feed(source, 10, 12, 13, 14))
    assert.same({ 14, 2, 0 }, { source:stats(), select(2, source:stats()),
      (select(3, source:stats())) })
    assert.equal("take", feed(rtp.source(1, 10, 1), 10))
    assert.equal("probation probation probation probation take",
      feed(rtp.source(1, 1, 3), 1, 2, 9, 10, 11))
  end)

  it("counts what is lost, over the wrap (A.3)", function()
    local source = rtp.source(1, 65530, 1)
    feed(source, 65530, 65531, 65534, 65535, 2, 1, 3)
    local seq, received, lost = source:stats()
    assert.same({ 65536 + 3, 7, 3 }, { seq, received, lost })
    feed(source, 3, 3, 3, 3)
    assert.equal(-1, (select(3, source:stats())))
  end)

  it("takes old packets and copies, up to a hundred behind", function()
    local source = rtp.source(1, 1000, 1)
    assert.equal("take take take take", feed(source, 1000, 1000, 999, 901))
    assert.equal("jump", feed(source, 899))
  end)

  it("takes a jump when the next packet follows it", function()
    local source = rtp.source(1, 1000, 1)
    assert.equal("take take", feed(source, 1000, 1000 + 2999))
    assert.equal("jump jump take", feed(source, 9999, 20000, 4000))
    assert.equal("jump restart take", feed(source, 30000, 30001, 30002))
    assert.same({ 30002, 2, 0 }, { source:stats(), select(2, source:stats()),
      (select(3, source:stats())) })
  end)

  it("has the jitter of its arrivals (A.8)", function()
    local source = rtp.source(1, 1, 1)
    local function jitter()
      return (select(4, source:stats()))
    end
    for i = 0, 10 do
      source:arrive(0xffffff00 + 160 * i & 0xffffffff, 5000 + 160 * i)
    end
    assert.equal(0, jitter())
    source:arrive(0xffffff00 + 160 * 11 & 0xffffffff, 5000 + 160 * 11 + 160)
    assert.equal(10, jitter()) -- 160/16
    for i = 0, 999 do
      source:arrive(160 * i, 160 * i + i % 2 * 80)
    end
    assert.equal(80, jitter()) -- each 80 off the one before
  end)
end)

describe("our own SSRC in a packet of another (8.2)", function()
  local conflicts

  before_each(function()
    conflicts = rtp.conflicts()
  end)

  it("is a collision once and a loop from then on", function()
    assert.equal("none", conflicts:check(1, 2, "192.0.2.1", 4000, false, 0))
    assert.equal("new", conflicts:check(1, 1, "192.0.2.1", 4000, false, 0))
    assert.equal("loop", conflicts:check(5, 5, "192.0.2.1", 4000, false, 49999999))
    assert.equal("loop", conflicts:check(5, 5, "192.0.2.1", 4000, false, 99999998))
    assert.equal("new", conflicts:check(5, 5, "192.0.2.1", 4000, false, 149999998))
  end)

  it("is told apart by address, port and kind of packet", function()
    assert.equal("new", conflicts:check(1, 1, "192.0.2.1", 4000, false, 0))
    assert.equal("new", conflicts:check(1, 1, "192.0.2.1", 4001, true, 0))
    assert.equal("new", conflicts:check(1, 1, "192.0.2.2", 4000, false, 0))
    assert.equal("loop", conflicts:check(1, 1, "192.0.2.1", 4001, true, 0))
  end)

  it("is remembered of four, the quietest forgotten first", function()
    for i = 1, 5 do
      assert.equal("new", conflicts:check(1, 1, "192.0.2.1", i, false, i))
    end
    assert.equal("loop", conflicts:check(1, 1, "192.0.2.1", 2, false, 6))
    assert.equal("new", conflicts:check(1, 1, "192.0.2.1", 1, false, 7))
    assert.equal("loop", conflicts:check(1, 1, "192.0.2.1", 5, false, 8))
    assert.equal("new", conflicts:check(1, 1, "192.0.2.1", 3, false, 9))
  end)
end)

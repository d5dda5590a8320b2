-- DTMF as telephone events: RFC 4733 2.3, 2.5. C-147, C-148.

local rtp = require("sip.test").rtp

local STEP = 160

-- All packets of `steps` intervals from `timestamp` on, each as one word:
-- digit, M or E, timestamp after the first, duration.
local function send(tx, steps, first)
  local out = {}
  for i = 0, steps - 1 do
    local timestamp = first + i * STEP & 0xffffffff
    for _, packet in ipairs(tx:step(timestamp)) do
      assert.equal(10, packet.volume)
      out[#out + 1] = packet.digit .. (packet.marker and "M" or "")
        .. (packet.finish and "E" or "") .. (packet.timestamp - first & 0xffffffff)
        .. "+" .. packet.duration
    end
  end
  return table.concat(out, " ")
end

describe("a digit that is sent", function()
  it("keeps its timestamp, grows, and ends three times (2.5.1)", function()
    local tx = rtp.dtmf_tx(STEP)
    assert.equal("ok", tx:press("5", 800))
    assert.is_true(tx:busy())
    assert.equal("5M0+160 50+320 50+480 50+640 5E0+800 5E0+800 5E0+800",
      send(tx, 20, 0xffffff00))
    assert.is_false(tx:busy())
  end)

  it("may be shorter than an interval, or no whole number of them", function()
    local tx = rtp.dtmf_tx(STEP)
    tx:press("1", 1)
    assert.equal("1ME0+1 1E0+1 1E0+1", send(tx, 10, 0))
    tx:press("2", 400)
    assert.equal("2M0+160 20+320 2E0+400 2E0+400 2E0+400", send(tx, 10, 10000))
  end)

  it("leaves 40 ms or more before the next", function()
    local tx = rtp.dtmf_tx(STEP)
    tx:press("*", 160)
    tx:press("#", 160, 800)
    tx:press("D", 160)
    assert.equal("*ME0+160 *E0+160 *E0+160"
      .. " #ME480+160 #E480+160 #E480+160"
      .. " DME1440+160 DE1440+160 DE1440+160", send(tx, 20, 0))
  end)

  it("longer than a packet can say goes on in segments (2.5.1.3)", function()
    local tx = rtp.dtmf_tx(STEP)
    tx:press("7", 66000)
    local packets = {}
    for word in send(tx, 500, 0):gmatch "%S+" do
      packets[#packets + 1] = word
    end
    assert.equal("7M0+160", packets[1])
    assert.equal("70+65440", packets[409])
    assert.same({ "70+65535", "765535+65", "70+65535", "765535+225", "70+65535",
      "765535+385", "7E65535+465", "7E65535+465", "7E65535+465" },
      { table.unpack(packets, 410) })
  end)

  it("may be held", function()
    local tx = rtp.dtmf_tx(STEP)
    tx:press("A", nil)
    assert.equal("AM0+160 A0+320", send(tx, 2, 0))
    tx:release()
    assert.equal("AE4294966976+320 AE4294966976+320 AE4294966976+320", send(tx, 9, 320))
    assert.is_false(tx:release())
  end)

  -- @rfc 4733 2.5.1.3 MUST
  it("lasts as long as it is told when it is released, and so does the next", function()
    local tx = rtp.dtmf_tx(STEP)
    tx:press("A", nil)
    tx:press("B", nil)
    assert.is_true(tx:release(400)) -- before a packet of it has gone
    assert.is_true(tx:release(480))
    assert.is_false(tx:release(480))
    local said = send(tx, 20, 0)
    assert.matches("^AM0%+160 A0%+320 AE[%d]+%+400 ", said)
    assert.matches("BE%d+%+480 BE%d+%+480 BE%d+%+480$", said)
  end)

  it("is refused when the peer does not take it, or too many wait", function()
    local tx = rtp.dtmf_tx(STEP, rtp.dtmf_events "0-9")
    assert.equal("invalid", tx:press("#", 160))
    assert.equal("invalid", tx:press("1", 0))
    for _ = 1, 64 do
      assert.equal("ok", tx:press("1", 160))
    end
    assert.equal("limit", tx:press("1", 160))
    send(tx, 1, 0)
    tx:clear()
    assert.equal("1E4294967136+160 1E4294967136+160", send(tx, 9, 160))
  end)
end)

describe("a list of events (2.4.1)", function()
  for text, set in pairs {
    [""] = 0xffff, ["0-15"] = 0xffff, ["0-9"] = 0x3ff, ["0-11,66,70"] = 0xfff,
    ["1,3,15"] = 0x800a, ["0-255"] = 0xffff, ["5-3"] = 0, ["x,2"] = 4, ["1-"] = 0,
    [",,4,"] = 16, ["0-9, 11"] = 0xbff, ["256"] = 0, ["-"] = 0,
  } do
    it(("of %q"):format(text), function()
      assert.equal(set, rtp.dtmf_events(text))
    end)
  end
end)

describe("a digit that is received", function()
  local rx, now, reports

  before_each(function()
    rx, now, reports = rtp.dtmf_rx(), 0, {}
  end)

  local function add(...)
    for i = 1, select("#", ...) do
      reports[#reports + 1] = (select(i, ...))
    end
  end

  local function feed(event, flags, timestamp, duration)
    now = now + 20000
    add(rx:feed(now, timestamp & 0xffffffff, flags:find "M" ~= nil,
      string.pack(">BBI2", event, flags:find "E" and 0x8a or 0x0a, duration)))
  end

  it("counts once, with its whole duration (2.5.2)", function()
    feed(5, "M", 1000, 160)
    feed(5, "", 1000, 320)
    feed(5, "E", 1000, 400)
    feed(5, "E", 1000, 400)
    feed(5, "E", 1000, 400)
    assert.same({ "begin 5 160", "end 5 400" }, reports)
  end)

  it("may have lost its first packets, or all but one", function()
    feed(11, "", 1000, 480)
    feed(11, "E", 1000, 640)
    feed(12, "E", 4000, 800)
    feed(12, "E", 4000, 800)
    assert.same({ "begin # 480", "end # 640", "begin A 800", "end A 800" }, reports)
  end)

  it("ends with the next, when its own end was lost", function()
    feed(1, "M", 1000, 160)
    feed(1, "", 1000, 320)
    feed(1, "M", 3000, 160)
    feed(2, "ME", 4000, 160)
    assert.same({ "begin 1 160", "end 1 320", "begin 1 160", "end 1 160",
      "begin 2 160", "end 2 160" }, reports)
  end)

  it("ends after 150 ms of nothing, and does not begin again", function()
    feed(1, "M", 1000, 160)
    add(rx:advance(now + 149999))
    assert.same({ "begin 1 160" }, reports)
    add(rx:advance(now + 150000))
    add(rx:advance(now + 150000))
    feed(1, "", 1000, 2000)
    feed(1, "E", 1000, 2160)
    assert.same({ "begin 1 160", "end 1 160" }, reports)
  end)

  it("is not confused by packets out of order", function()
    feed(1, "M", 1000, 160)
    feed(1, "", 1000, 480)
    feed(1, "", 1000, 320)
    feed(1, "E", 1000, 640)
    feed(2, "M", 3000, 160)
    feed(1, "E", 1000, 640)
    feed(2, "E", 3000, 320)
    feed(2, "M", 3000, 160)
    assert.same({ "begin 1 160", "end 1 640", "begin 2 160", "end 2 320" }, reports)
  end)

  it("may last for segments (2.5.2.3)", function()
    feed(9, "M", 0xffff0000, 160)
    feed(9, "", 0xffff0000, 65535)
    feed(9, "", 0xffff0000 + 65535, 100)
    feed(9, "", 0xffff0000, 65535) -- a copy of the end of the first segment
    feed(9, "", 0xffff0000 + 65535, 65535)
    feed(9, "", 0xffff0000 + 2 * 65535, 200)
    feed(9, "E", 0xffff0000 + 2 * 65535, 300)
    feed(9, "E", 0xffff0000 + 2 * 65535, 300)
    assert.same({ "begin 9 160", "end 9 " .. 2 * 65535 + 300 }, reports)
  end)

  it("is another after one that ended, even if it touches it", function()
    feed(9, "ME", 1000, 65535)
    feed(9, "M", 1000 + 65535, 160)
    assert.same({ "begin 9 65535", "end 9 65535", "begin 9 160" }, reports)
    feed(9, "E", 1000 + 65535, 65535)
    feed(9, "", 1000 + 2 * 65535, 320) -- its first packet was lost
    assert.same({ "end 9 65535", "begin 9 320" }, { table.unpack(reports, 4) })
  end)

  it("is heard again when a source begins anew", function()
    feed(3, "ME", 5000000, 160)
    feed(4, "ME", 4000000, 160) -- far back: other timestamps
    assert.same({ "begin 3 160", "end 3 160", "begin 4 160", "end 4 160" }, reports)
    feed(5, "M", 3999000, 160) -- a little: an old packet
    assert.equal(4, #reports)
    add(rx:reset())
    feed(5, "M", 3999000, 160)
    add(rx:reset())
    assert.same({ "begin 5 160", "end 5 160" }, { table.unpack(reports, 5) })
  end)

  it("is ignored when it is none, was not offered, or says nothing", function()
    rx = rtp.dtmf_rx(rtp.dtmf_events "0-9")
    feed(10, "ME", 1000, 160)
    feed(16, "ME", 2000, 160)
    feed(200, "ME", 3000, 160)
    feed(1, "M", 4000, 0)
    add(rx:feed(now, 5000, true, "\1\x8a\0"))
    assert.same({}, reports)
  end)

  it("is what was sent, whatever is lost of it", function()
    -- Each digit has ten packets; any one of them suffices.
    for kept = 1, 7 do
      local tx = rtp.dtmf_tx(STEP)
      rx, reports = rtp.dtmf_rx(), {}
      for digit in ("1234567890*#ABCD"):gmatch "." do
        tx:press(digit, 800)
      end
      local nth, last = 0, nil
      for i = 0, 200 do
        now = now + 20000
        for _, packet in ipairs(tx:step(i * STEP)) do
          nth = packet.timestamp == last and nth + 1 or 1
          last = packet.timestamp
          if nth == kept then
            add(rx:feed(now, packet.timestamp, packet.marker, packet.payload))
          end
        end
        add(rx:advance(now))
      end
      local digits = {}
      for _, report in ipairs(reports) do
        digits[#digits + 1] = report:match "^end (.)"
      end
      assert.equal("1234567890*#ABCD", table.concat(digits))
    end
  end)
end)

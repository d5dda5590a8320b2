-- Two media sessions in virtual time: what is said is heard, exactly when.
-- C-143, C-144, C-146, C-147, C-148.

local core = require "sip.core"
local power = require("spec.support.pcm").power
local new_world = require "spec.support.media_world"

describe("a pair of media sessions", function()
  local world, one, two, a, b

  local function begin(remote, opts)
    world = new_world(opts or { hosts = 2 })
    one, two = table.unpack(world.hosts)
    a, b = world:pair(remote)
  end

  local function digits_on(host)
    local text = ""
    for _, event in ipairs(host:told "digit") do
      text = text .. event[3]
    end
    return text
  end

  after_each(function()
    world:finish()
  end)

  it("plays a file to its end, to the beat, and the other side hears it", function()
    begin()
    local prompt = world.tone("440", 1.5)
    one:write("menu.wav", world.wav(prompt))
    assert(b:record { path = "heard.wav", max = 3 })
    local id = assert(a:play { "menu.wav" })
    local played = world:await(one, "played")
    assert.same({ id, "finished" }, { played[3], played[4] })
    -- The disk takes its milliseconds: audio begins with the second beat.
    assert.equal(1.52, played.at)
    local recorded = world:await(two, "recorded")
    assert.equal("max", recorded[4])
    assert.equal(3.0, recorded[6])
    local peak, at = core.pcm_correlate(two:heard "heard.wav", prompt)
    assert.is_true(peak > 0.999)
    assert.equal(640, at)
  end)

  it("sends 160 octets every 20 ms, silence too, from anywhere (C-143)", function()
    begin()
    world:advance(1)
    local sent = one:packets()
    assert.equal(51, #sent)
    for i, packet in ipairs(sent) do
      assert.equal(0, packet.payload_type)
      assert.equal(("\xff"):rep(160), packet.payload)
      assert.equal((i - 1) / 50, packet.at)
      assert.equal((sent[1].seq + i - 1) & 0xffff, packet.seq)
      assert.equal((sent[1].timestamp + (i - 1) * 160) & 0xffffffff, packet.timestamp)
      assert.equal(i == 1, packet.marker)
      assert.equal(sent[1].ssrc, packet.ssrc)
    end
    local other = two:packets()[1]
    assert.are_not.equal(sent[1].seq, other.seq)
    assert.are_not.equal(sent[1].timestamp, other.timestamp)
    assert.are_not.equal(sent[1].ssrc, other.ssrc)
  end)

  it("has not drifted by a sample after ten minutes", function()
    begin()
    world:advance(600)
    local sent = one:packets()
    assert.equal(30001, #sent)
    assert.equal(600, sent[#sent].at)
    assert.equal((sent[1].timestamp + 30000 * 160) & 0xffffffff,
      sent[#sent].timestamp)
    assert.is_true(b:stats().delay <= 0.04)
    assert.equal(0, b:stats().concealed)
  end)

  it("catches up when it was late, and leaves out what is too old", function()
    begin()
    world:advance(0.1)
    one.stopped = true
    world:advance(0.1)
    one.stopped = false
    world:advance(0)
    assert.equal(11, #one:packets())
    one.stopped = true
    world:advance(1)
    one.stopped = false
    world:advance(0)
    local sent = one:packets()
    assert.equal(12, #sent)
    assert.equal((sent[1].timestamp + 60 * 160) & 0xffffffff, sent[12].timestamp)
    assert.equal((sent[1].seq + 11) & 0xffff, sent[12].seq)
    assert.is_true(sent[12].marker)
  end)

  it("speaks PCMA with the type and length that were agreed on (C-146)", function()
    begin { codec = "PCMA", payload_type = 97, ptime = 30 }
    local prompt = world.tone("600", 0.6)
    one:write("menu.wav", world.wav(prompt))
    assert(b:record { path = "heard.wav", max = 1 })
    assert(a:play { "menu.wav" })
    world:await(two, "recorded")
    local sent = one:packets()
    assert.equal(97, sent[1].payload_type)
    for i, packet in ipairs(sent) do
      assert.equal(240, #packet.payload)
      assert.equal((sent[1].timestamp + (i - 1) * 240) & 0xffffffff, packet.timestamp)
    end
    assert.is_true(core.pcm_correlate(two:heard "heard.wav", prompt) > 0.999)
  end)

  it("sends packets of 10 ms twice a beat", function()
    begin { ptime = 10 }
    world:advance(0.98)
    assert.equal(100, #one:packets())
    assert.equal(80, #one:packets()[100].payload)
    assert.equal(0, b:stats().lost)
  end)

  it("reads the static types whatever was agreed on, and comfort noise", function()
    begin()
    local sent = one:packets()
    assert.equal(0, #sent)
    assert(a:set_remote { host = two.ip, port = b:port(), codec = "PCMA" })
    assert(b:record { path = "heard.wav", max = 1 })
    local prompt = world.tone("500", 0.5)
    one:write("menu.wav", world.wav(prompt))
    assert(a:play { "menu.wav" })
    world:await(two, "recorded")
    assert.is_true(core.pcm_correlate(two:heard "heard.wav", prompt) > 0.999)
    assert.equal(0, b:stats().unknown_payload)
  end)

  describe("on hold", function()
    it("does not speak when it only receives, and begins with a mark", function()
      begin()
      world:advance(0.1)
      local before = #one:packets()
      local held = { host = two.ip, port = b:port(), direction = "recvonly" }
      assert(a:set_remote(held))
      world:advance(1)
      assert.equal(before, #one:packets())
      held.direction = "sendrecv"
      assert(a:set_remote(held))
      world:advance(0.02)
      local sent = one:packets()
      assert.equal(before + 1, #sent)
      assert.is_true(sent[#sent].marker)
      assert.equal((sent[1].timestamp + (#sent - 1 + 50) * 160) & 0xffffffff,
        sent[#sent].timestamp)
    end)

    it("does not listen when it only sends", function()
      begin()
      assert(b:set_remote { host = one.ip, port = a:port(), direction = "sendonly" })
      assert(b:record { path = "heard.wav", max = 0.5 })
      assert(a:play { "tone:440" })
      world:await(two, "recorded")
      assert.equal(0, b:stats().received)
      assert.equal(24, b:stats().unwanted)
      assert.is_nil(core.pcm_correlate(two:heard "heard.wav", two:heard "heard.wav"))
    end)
  end)

  describe("digits", function()
    it("are heard once, with their length (C-147, C-148)", function()
      begin()
      assert(a:press("12#", { duration = 0.1, gap = 0.06 }))
      world:advance(1)
      local told = two:told "digit"
      assert.equal("12#", digits_on(two))
      for _, event in ipairs(told) do
        assert.equal(0.1, event[4])
        assert.equal(b, event.session)
      end
      assert.equal(3, b:stats().digits)
      assert.equal(3, a:stats().pressed)
    end)

    it("have one timestamp, a mark, a growing length, three ends (C-147)", function()
      begin()
      assert(a:press("5", { duration = 0.1 }))
      world:advance(0.5)
      local events = {}
      for _, packet in ipairs(one:packets()) do
        if packet.payload_type == 101 then
          events[#events + 1] = packet
        end
      end
      assert.equal(7, #events)
      for i, packet in ipairs(events) do
        local event, flags, duration = (">BBI2"):unpack(packet.payload)
        assert.equal(5, event)
        assert.equal(events[1].timestamp, packet.timestamp)
        assert.equal(i == 1, packet.marker)
        assert.equal(math.min(i * 160, 800), duration)
        assert.equal(i >= 5, flags & 0x80 ~= 0)
      end
    end)

    it("are heard once when most of their packets are lost (C-148)", function()
      begin()
      local count = 0
      world.filter = function(packet)
        if #packet.bytes == 16 then
          count = count + 1
          return count % 7 ~= 2 and count % 7 ~= 6 and "drop" or nil
        end
      end
      assert(a:press "1*2")
      world:advance(2)
      assert.equal("1*2", digits_on(two))
    end)

    it("end by themselves when every last packet of them is lost (C-148)", function()
      begin()
      world.filter = function(packet)
        if #packet.bytes == 16 and packet.bytes:byte(14) >= 0x80 then
          return "drop"
        end
      end
      assert(a:press "7")
      world:advance(2)
      assert.equal("7", digits_on(two))
    end)

    it("wait for a peer that is typed to before it is connected", function()
      world = new_world { hosts = 2 }
      one, two = table.unpack(world.hosts)
      a = assert(one.media:session { host = one.ip })
      b = assert(two.media:session { host = two.ip })
      assert(a:press "42")
      world:advance(0.1)
      assert(b:set_remote { host = one.ip, port = a:port(), dtmf_payload_type = 96 })
      assert(a:set_remote { host = two.ip, port = b:port(), dtmf_payload_type = 96 })
      world:advance(1)
      assert.equal("42", digits_on(two))
    end)

    it("are tones for a peer without telephone-event", function()
      begin { dtmf_payload_type = nil }
      assert(a:set_remote { host = two.ip, port = b:port() })
      assert(b:record { path = "heard.wav", max = 0.5 })
      assert(a:press("8", { duration = 0.2 }))
      world:await(two, "recorded")
      local tone = world.tone("dtmf:8", 0.08)
      assert.is_true(core.pcm_correlate(two:heard "heard.wav", tone) > 0.99)
      assert.equal("", digits_on(two))
    end)

    it("beyond what can wait are counted, not kept", function()
      begin()
      two.blocked = true -- a script that does not return
      for _ = 1, 4 do
        assert(a:press("0123456789", { duration = 0.04, gap = 0.04 }))
      end
      world:advance(10)
      two.blocked = false
      world:advance(0.1)
      assert.equal(40, #digits_on(two))
      assert.equal(0, b:stats().digits_lost)
    end)
  end)

  describe("over RTCP (C-144)", function()
    local function part_of(report, kind)
      for _, part in ipairs(report) do
        if part.type == kind then
          return part
        end
      end
    end

    it("reports what it sent and heard, with a name, on the port above", function()
      begin()
      world:advance(30)
      local reports = one:reports()
      assert.is_true(#reports >= 4 and #reports <= 12)
      local last = reports[#reports]
      assert.equal("192.0.2.2:" .. b:port() + 1, last.to)
      local sr, sdes = part_of(last, 200), part_of(last, 202)
      assert.truthy(sr and sr.sender and sdes)
      local sent = one:packets()
      local before = 0
      for _, packet in ipairs(sent) do
        before = before + (packet.at <= last.at and 1 or 0)
      end
      assert.equal(before, sr.sender.packets)
      assert.equal(before * 160, sr.sender.octets)
      assert.equal(sent[1].ssrc, sr.ssrc)
      assert.equal(two:packets()[1].ssrc, sr[1].ssrc)
      assert.equal(0, sr[1].lost)
      assert.is_true(math.abs(a:stats().rtt - 0.02) < 0.0001)
    end)

    it("at intervals that differ (6.2)", function()
      begin()
      world:advance(60)
      local seen, reports = {}, one:reports()
      for i = 2, #reports do
        local interval = reports[i].at - reports[i - 1].at
        -- Half to one and a half of five seconds (6.3.1), at the next beat.
        assert.is_true(interval >= 2.5 and interval <= 7.52)
        seen[interval] = true
      end
      assert.truthy(next(seen, next(seen)))
    end)

    it("a receiver that does not send says so", function()
      begin()
      assert(b:set_remote { host = one.ip, port = a:port(), direction = "recvonly" })
      world:advance(30)
      local reports = two:reports()
      assert.is_nil(part_of(reports[#reports], 200))
      local rr = part_of(reports[#reports], 201)
      assert.equal(one:packets()[1].ssrc, rr[1].ssrc)
    end)

    it("tells the other side of its losses", function()
      begin()
      local count = 0
      world.filter = function(packet, from)
        count = count + 1
        if from == one and not packet.rtcp and count % 10 == 0 then
          return "drop"
        end
      end
      world:advance(30)
      assert.is_true(b:stats().lost > 50)
      assert.is_true(a:stats().remote_lost > 50)
      assert.equal(0, a:stats().lost)
    end)

    it("says goodbye when it closes", function()
      begin()
      world:advance(0.1)
      a:close()
      world:await(one, "media_closed")
      local reports = one:reports()
      assert.truthy(part_of(reports[#reports], 203))
    end)
  end)
end)

describe("a bridge of two media sessions", function()
  local world, left, middle, right, l, m1, m2, r

  before_each(function()
    world = new_world { hosts = 3 }
    left, middle, right = table.unpack(world.hosts)
    l = assert(left.media:session { host = left.ip })
    m1 = assert(middle.media:session { host = middle.ip })
    m2 = assert(middle.media:session { host = middle.ip })
    r = assert(right.media:session { host = right.ip })
    local function join(one, from, two, to, codec)
      assert(one:set_remote {
        host = to.ip, port = two:port(), codec = codec, dtmf_payload_type = 101,
      })
      assert(two:set_remote {
        host = from.ip, port = one:port(), codec = codec, dtmf_payload_type = 101,
      })
    end
    join(l, left, m1, middle, "PCMU")
    join(m2, middle, r, right, "PCMA")
    assert(m1:bridge(m2))
  end)

  after_each(function()
    world:finish()
  end)

  it("lets each hear the other, whatever codecs they speak", function()
    assert(l:record { path = "l.wav", max = 1.5 })
    assert(r:record { path = "r.wav", max = 1.5 })
    assert(l:play { "tone:440" })
    assert(r:play { "tone:620" })
    world:await(left, "recorded")
    world:await(right, "recorded")
    local low, high = world.tone("440", 1), world.tone("620", 1)
    assert.is_true(core.pcm_correlate(right:heard "r.wav", low) > 0.99)
    assert.is_true(core.pcm_correlate(left:heard "l.wav", high) > 0.99)
    assert.is_true(math.abs(core.pcm_correlate(right:heard "r.wav", high)) < 0.2)
  end)

  it("carries digits on as digits, and tells them", function()
    assert(l:press("19", { duration = 0.14 }))
    world:advance(1)
    local heard = {}
    for i, event in ipairs(right:told "digit") do
      heard[i] = event[3] .. " " .. event[4]
    end
    assert.same({ "1 0.14", "9 0.14" }, heard)
    assert.equal(2, #middle:told "digit")
  end)

  -- As they do to a thread that others kept from the processor.
  it("carries digits on whole that come late and all at once", function()
    local till = world.now + 800000
    function world.filter(packet, from)
      if from == left and packet.bytes:byte(2) & 0x7f == 101 then
        return math.max(0, (till - world.now) // 1000)
      end
    end
    assert(l:press("19", { duration = 0.14 }))
    world:advance(2)
    local heard = {}
    for i, event in ipairs(right:told "digit") do
      heard[i] = event[3] .. " " .. event[4]
    end
    assert.same({ "1 0.14", "9 0.14" }, heard)
  end)

  it("ends a digit that is held when it ends", function()
    assert(l:press("5", { duration = 2 }))
    world:advance(0.5)
    assert(m1:unbridge())
    world:advance(0.5)
    local told = right:told "digit"
    assert.equal(1, #told)
    assert.is_true(told[1][4] > 0.3 and told[1][4] < 0.6)
  end)

  it("to itself is an echo, of digits too, until it leaves", function()
    assert(m1:bridge(m1))
    assert(l:record { path = "l.wav", max = 1 })
    assert(l:play { "tone:440" })
    world:await(left, "recorded")
    local tone = world.tone("440", 0.5)
    assert.is_true(core.pcm_correlate(left:heard "l.wav", tone) > 0.99)
    assert(l:press "5")
    world:advance(0.5)
    assert.equal("5", left:told("digit")[1][3])
    assert.same({}, right:told "digit")
    assert(m1:unbridge())
    world:advance(0.1)
    assert(l:record { path = "m.wav", max = 0.5 })
    world:await(left, "recorded")
    assert.is_true(power(left:heard "m.wav") < 100)
  end)

  it("ends with one of them, and the other hears silence", function()
    assert(l:play { "tone:440" })
    world:advance(0.5)
    m1:close()
    world:advance(0.5)
    assert(r:record { path = "r.wav", max = 0.5 })
    world:await(right, "recorded")
    assert.is_true(power(right:heard "r.wav") < 100)
  end)

  it("is left when one is bridged with a third", function()
    local third = assert(middle.media:session { host = middle.ip })
    assert(third:bridge(m1))
    assert(l:play { "tone:440" })
    assert(r:record { path = "r.wav", max = 0.5 })
    world:await(right, "recorded")
    assert.is_true(power(right:heard "r.wav") < 100)
  end)
end)

-- Who is the peer of a media session, and what is done with everybody else's packets.
-- C-143, C-145, C-149.

local rtp = require("sip.test").rtp
local rtcp = require("sip.test").rtcp
local new_world = require "spec.support.media_world"

describe("the peer of a media session", function()
  local world, host, session

  before_each(function()
    world = new_world()
    host = world.hosts[1]
    session = assert(host.media:session { host = host.ip })
    assert(session:set_remote {
      host = "198.51.100.1", port = 4000, dtmf_payload_type = 101,
    })
    world:advance(0)
  end)

  after_each(function()
    world:finish()
  end)

  local function raw(from, port, bytes, control)
    host.engine:input(world.now, session:port(), control or false, from, port, bytes)
  end

  -- So many packets of a stream, one each beat, from here.
  local function stream(fields)
    local s = { seq = 1, timestamp = 160, ssrc = 7, payload_type = 0, marker = 0 }
    for key, value in pairs(fields or {}) do
      s[key] = value
    end
    return function(from, port, count)
      for _ = 1, count or 1 do
        raw(from, port, rtp.header(s) .. ("\x20"):rep(160))
        s.seq = (s.seq + 1) & 0xffff
        s.timestamp = (s.timestamp + 160) & 0xffffffff
        world:advance(0.02)
      end
    end
  end

  local function target()
    world:advance(0.02)
    local sent = host:packets()
    return sent[#sent].to
  end

  it("is sent to where the SDP says until something comes", function()
    assert.equal("198.51.100.1:4000", target())
  end)

  it("is taken at its first packet from the address of the SDP", function()
    stream()("198.51.100.1", 4000, 1)
    assert.equal(1, session:stats().received)
    assert.equal("198.51.100.1:4000", target())
  end)

  it("is answered where it comes from, behind a NAT (C-149)", function()
    stream()("203.0.113.9", 62000, 2)
    assert.equal("203.0.113.9:62000", target())
    assert.equal(1, session:stats().received)
  end)

  it("is no single packet from elsewhere", function()
    stream()("203.0.113.9", 62000, 1)
    assert.equal("198.51.100.1:4000", target())
    assert.equal(0, session:stats().received)
  end)

  it("is not replaced by a stranger who sprays packets", function()
    local peer, stranger = stream(), stream { ssrc = 666, seq = 9000 }
    peer("203.0.113.9", 62000, 3)
    for _ = 1, 50 do
      stranger("192.0.2.66", 1000)
      peer("203.0.113.9", 62000)
    end
    assert.equal("203.0.113.9:62000", target())
    assert.equal(50, session:stats().strangers)
    assert.equal(52, session:stats().received)
  end)

  it("gives way to one who comes from the address of the SDP", function()
    stream { ssrc = 666 }("192.0.2.66", 1000, 3)
    assert.equal("192.0.2.66:1000", target())
    stream()("198.51.100.1", 4000, 1)
    assert.equal("198.51.100.1:4000", target())
    assert.equal(1, session:stats().source_changes)
  end)

  it("may go on from another address with its own SSRC and sequence", function()
    local peer = stream()
    peer("203.0.113.9", 62000, 5)
    peer("203.0.113.9", 62999, 1)
    assert.equal("203.0.113.9:62999", target())
  end)

  it("is not one who has only guessed the SSRC", function()
    stream()("203.0.113.9", 62000, 5)
    stream { seq = 30000 }("192.0.2.66", 1000, 5)
    assert.equal("203.0.113.9:62000", target())
    assert.equal(5, session:stats().strangers)
  end)

  it("may start again with another SSRC from its own address", function()
    stream()("203.0.113.9", 62000, 5)
    stream { ssrc = 8, seq = 500 }("203.0.113.9", 62000, 4)
    assert.equal(1, session:stats().source_changes)
    assert.equal(7, session:stats().received)
  end)

  it("is followed by anybody after two seconds of silence", function()
    stream()("203.0.113.9", 62000, 5)
    world:advance(1.9)
    stream { ssrc = 8 }("203.0.113.10", 100, 2)
    assert.equal("203.0.113.9:62000", target())
    world:advance(0.1)
    stream { ssrc = 8 }("203.0.113.10", 100, 2)
    assert.equal("203.0.113.10:100", target())
  end)

  it("is followed by anybody once it has said BYE", function()
    stream()("203.0.113.9", 62000, 5)
    raw("203.0.113.9", 62001, rtcp.write { ssrc = 7, cname = "x", bye = true }, true)
    stream { ssrc = 8 }("203.0.113.10", 100, 2)
    assert.equal("203.0.113.10:100", target())
  end)

  it("is looked for again when another address is agreed on", function()
    stream()("203.0.113.9", 62000, 5)
    assert(session:set_remote { host = "198.51.100.1", port = 4000 })
    assert.equal("203.0.113.9:62000", target())
    assert(session:set_remote { host = "198.51.100.2", port = 4000 })
    assert.equal("198.51.100.2:4000", target())
  end)

  it("that is silent costs nothing but a stream of silence", function()
    world:advance(30)
    assert.equal(0, session:stats().received)
    assert.equal(1501, #host:packets())
  end)

  it("with our own SSRC makes us say BYE and take another (C-145)", function()
    local ours = host:packets()[1].ssrc
    stream { ssrc = ours }("203.0.113.9", 62000, 2)
    local sent = host:packets()
    assert.are_not.equal(ours, sent[#sent].ssrc)
    assert.equal(1, session:stats().collisions)
    local bye = host:reports()[1]
    assert.equal(203, bye[#bye].type)
    assert.equal(ours, bye[1].ssrc)
  end)

  it("that sends our packets back changes our SSRC but once (C-145)", function()
    for _ = 1, 20 do
      local sent = host.sent[#host.sent]
      raw("203.0.113.9", 62000, sent.bytes)
      world:advance(0.02)
    end
    local ssrcs = {}
    for _, packet in ipairs(host:packets()) do
      ssrcs[packet.ssrc] = true
    end
    local first = next(ssrcs)
    local second = next(ssrcs, first)
    assert.truthy(second)
    assert.is_nil(next(ssrcs, second))
    assert.equal(20, session:stats().collisions)
    assert.equal(0, session:stats().received)
  end)

  it("that sends our packets back, and is who we speak to, is heard (C-145)", function()
    for _ = 1, 20 do
      local sent = host.sent[#host.sent]
      raw("198.51.100.1", 4000, sent.bytes)
      world:advance(0.02)
    end
    local ssrcs, count = {}, 0
    for _, packet in ipairs(host:packets()) do
      count = count + (ssrcs[packet.ssrc] and 0 or 1)
      ssrcs[packet.ssrc] = true
    end
    assert.equal(2, count)
    assert.equal(19, session:stats().received)
  end)

  it("that sends garbage is counted, nothing more", function()
    for len = 0, 40 do
      raw("198.51.100.1", 4000, ("\x7f"):rep(len))
      raw("198.51.100.1", 4001, ("\x7f"):rep(len), true)
      world:advance(0.02)
    end
    assert.equal(82, session:stats().garbage)
    assert.equal(0, session:stats().received)
  end)

  it("that sends what nobody agreed on is counted, and not latched on to", function()
    stream { payload_type = 96 }("203.0.113.9", 62000, 5)
    assert.equal(5, session:stats().unknown_payload)
    assert.equal("198.51.100.1:4000", target())
  end)

  it("may send comfort noise", function()
    stream { payload_type = 13 }("198.51.100.1", 4000, 5)
    assert.equal(5, session:stats().received)
  end)

  it("that floods is heard no more than a beat allows", function()
    local flood = rtp.header {
      seq = 1, timestamp = 160, ssrc = 7, payload_type = 0, marker = 0,
    } .. ("\x20"):rep(160)
    for _ = 1, 10000 do
      raw("198.51.100.1", 4000, flood)
    end
    world:advance(0.02)
    assert.equal(64, session:stats().received)
    assert.equal(10000 - 64, session:stats().flood)
  end)

  it("may send packets of 200 ms and none longer", function()
    local header = { seq = 1, timestamp = 160, ssrc = 7, payload_type = 0, marker = 0 }
    raw("198.51.100.1", 4000, rtp.header(header) .. ("\x20"):rep(1600))
    header.seq = 2
    raw("198.51.100.1", 4000, rtp.header(header) .. ("\x20"):rep(1601))
    world:advance(0.02)
    assert.equal(1, session:stats().garbage)
  end)

  it("is asked about its reports only by itself", function()
    stream()("203.0.113.9", 62000, 3)
    local report = rtcp.write { ssrc = 7, cname = "x" }
    raw("192.0.2.66", 1001, report, true)
    assert.equal(0, session:stats().rtcp_received)
    raw("203.0.113.9", 63001, report, true)
    world:advance(10)
    assert.equal(1, session:stats().rtcp_received)
    local reports = host:reports()
    assert.equal("203.0.113.9:63001", reports[#reports].to)
  end)

  it("may be told of its reports at another port (RFC 3605)", function()
    assert(session:set_remote { host = "198.51.100.1", port = 4000, rtcp_port = 5555 })
    world:advance(10)
    local reports = host:reports()
    assert.equal("198.51.100.1:5555", reports[#reports].to)
  end)
end)

-- Offer and answer for audio: RFC 3264, RFC 6337.  C-106 (the places where a
-- description stands), C-131..134, C-138, C-139.

local core = require "sip.core"
local offer = require "sip.ua.offer"
local offers = require "spec.support.offers"

local lines, remote, audio = offers.lines, offers.remote, offers.audio
local new, direction, m_line = offers.new, offers.direction, offers.m_line

describe("an offer (C-131)", function()
  -- @rfc 3264 5 MUST C-131
  it("says everything we can, in our order, and is valid", function()
    local text = new():offer()
    assert.equal(lines("v=0", "o=- 11 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1",
      "t=0 0", "m=audio 4000 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000",
      "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15",
      "a=ptime:20", "a=sendrecv"), text)
    assert.truthy(core.sdp_parse(text))
  end)

  it("follows its options", function()
    local text = new {
      address = "2001:db8::1", codecs = { "PCMA" }, dtmf = false, ptime = 30,
      user = "pbx", session_name = "call", direction = "recvonly",
      comfort_noise = true,
    }:offer()
    assert.equal(lines("v=0", "o=pbx 11 1 IN IP6 2001:db8::1", "s=call",
      "c=IN IP6 2001:db8::1", "t=0 0", "m=audio 4000 RTP/AVP 8 13",
      "a=rtpmap:8 PCMA/8000", "a=rtpmap:13 CN/8000", "a=ptime:30", "a=recvonly"), text)
  end)

  it("gives dynamic numbers to codecs without a static one", function()
    local wide = { name = "L16", clock = 16000, channels = 1 }
    local stereo = {
      name = "opus", clock = 48000, channels = 2, fmtp = "useinbandfec=1",
    }
    local text = new { codecs = { wide, stereo, "PCMU" } }:offer()
    assert.equal("m=audio 4000 RTP/AVP 96 97 0 101 98 99", m_line(text))
    assert.truthy(text:find("a=rtpmap:97 opus/48000/2\r\na=fmtp:97 useinbandfec=1", 1,
      true))
    assert.truthy(text:find("a=rtpmap:101 telephone-event/16000", 1, true))
    assert.truthy(text:find("a=rtpmap:98 telephone-event/48000", 1, true))
    assert.truthy(text:find("a=rtpmap:99 telephone-event/8000", 1, true))
  end)

  -- @rfc 3264 4 MUST
  it("is one at a time, and agrees nothing by itself (4)", function()
    local session = new()
    session:offer()
    assert.equal("offered", session.state)
    assert.is_nil(session.negotiated)
    assert.has_error(function() session:offer() end)
    assert.has_error(function() session:answer(audio()) end)
  end)

  it("wants to know its options", function()
    assert.has_error(function() new { codecs = { "G729" } } end)
    assert.has_error(function() new { codecs = {} } end)
    assert.has_error(function() new():set { speed = 3 } end)
    assert.has_error(function() offer.new { address = "192.0.2.1", port = 1 } end)
  end)
end)

describe("an answer", function()
  -- @rfc 3264 6.1 MUST C-134
  it("takes the first codec of the offer that is known, and its numbers (C-134)",
    function()
      local session = new()
      local text = assert(session:answer(audio()))
      assert.equal(lines("v=0", "o=- 11 1 IN IP4 192.0.2.1", "s=-",
        "c=IN IP4 192.0.2.1", "t=0 0", "m=audio 4000 RTP/AVP 8 97",
        "a=rtpmap:8 PCMA/8000", "a=rtpmap:97 telephone-event/8000", "a=fmtp:97 0-15",
        "a=ptime:20", "a=sendrecv"), text)
      assert.same({
        remote = {
          host = "192.0.2.9", port = 6000, rtcp_host = "192.0.2.9", rtcp_port = 6001,
        },
        codec = "PCMA", payload_type = 8, receive_payload_type = 8,
        dtmf_payload_type = 97, receive_dtmf_payload_type = 97, comfort_noise = false,
        receive = { [8] = "PCMA", [97] = "telephone-event" }, ptime = 20,
        direction = "sendrecv", held = false,
      }, session.negotiated)
    end)

  it("knows static numbers without a=rtpmap (6.1)", function()
    local session = new()
    assert(session:answer(remote "m=audio 6000 RTP/AVP 18 0"))
    assert.equal("PCMU", session.negotiated.codec)
    assert.is_nil(session.negotiated.dtmf_payload_type)
  end)

  it("names a codec by what a=rtpmap says, not by its number", function()
    local session = new()
    local text = session:answer(remote("m=audio 6000 RTP/AVP 110 0",
      "a=rtpmap:110 pcma/8000/1", "a=rtpmap:0 PCMU/8000"))
    assert.equal("m=audio 4000 RTP/AVP 110", m_line(text))
    assert.truthy(text:find("a=rtpmap:110 PCMA/8000", 1, true))
    assert.equal(110, session.negotiated.payload_type)
  end)

  -- @rfc 3264 6 MUST
  it("says t= as the offer did (6)", function()
    local text = new():answer((audio():gsub("t=0 0", "t=3034423619 3042462419")))
    assert.truthy(text:find("\r\nt=3034423619 3042462419\r\n", 1, true))
  end)

  -- @rfc 3264 6 MUST C-132
  it("has as many m= lines as the offer, in order, of the same type (C-132)", function()
    local session = new()
    local text = session:answer(remote("m=video 7000 RTP/AVP 31 34",
      "m=audio 0 RTP/AVP 0", offers.AUDIO[1], "m=application 9 UDP/BFCP *",
      "m=audio 6010 RTP/AVP 0"))
    local found = core.sdp_parse(text).media
    assert.equal(5, #found)
    assert.same({ "video", "audio", "audio", "application", "audio" },
      { found[1].type, found[2].type, found[3].type, found[4].type, found[5].type })
    assert.same({ 0, 0, 4000, 0, 0 },
      { found[1].port, found[2].port, found[3].port, found[4].port, found[5].port })
    assert.equal("m=video 0 RTP/AVP 31", m_line(text, 1))
    assert.equal("m=application 0 UDP/BFCP *", m_line(text, 4))
    assert.equal(6000, session.negotiated.remote.port)
  end)

  it("to an offer without media has none, and there is no audio (6)", function()
    local session = new()
    local text = assert(session:answer(remote()))
    assert.equal(0, select(2, m_line(text)))
    assert.is_nil(session.negotiated.remote)
    assert.equal("inactive", session.negotiated.direction)
  end)

  -- @rfc 3264 8.2 MUST
  it("to zeroed lines has zeroed lines (8.2)", function()
    local session = new()
    local text = assert(session:answer(remote "m=audio 0 RTP/AVP 0"))
    assert.equal("m=audio 0 RTP/AVP 0", m_line(text))
    assert.is_nil(session.negotiated.remote)
  end)

  -- @rfc 3264 6 MUST C-139
  -- @rfc 3261 13.3.1.3 SHOULD
  it("is not there when no stream can be used, and says why (C-109, C-139)", function()
    local function refused(code, text, ...)
      local session = new()
      local answer, e = session:answer(remote(...))
      assert.is_nil(answer)
      assert.equal("not_acceptable", e.name)
      assert.equal(('%d 192.0.2.1 "%s"'):format(code, text), e.warning)
      assert.is_nil(session.negotiated)
      assert.equal("stable", session.state)
    end
    refused(304, "Media type not available", "m=video 6000 RTP/AVP 31")
    refused(302, "Incompatible transport protocol", "m=audio 6000 RTP/SAVP 0")
    refused(300, "Incompatible network protocol", "m=audio 6000 RTP/AVP 0",
      "c=ATM NSAP 47.0091")
    refused(301, "Incompatible network address formats", "m=audio 6000 RTP/AVP 0",
      "c=IN IP6 2001:db8::9")
    refused(301, "Incompatible network address formats", "m=audio 6000 RTP/AVP 0",
      "c=IN IP4 phone.example.com")
    refused(301, "Incompatible network address formats", "m=audio 6000 RTP/AVP 0",
      "c=IN IP4 2001:db8::9")
    refused(330, "Multicast not available", "m=audio 6000 RTP/AVP 0",
      "c=IN IP4 233.252.0.1/127")
    refused(330, "Multicast not available", "m=audio 6000 RTP/AVP 0",
      "c=IN IP4 239.1.2.3")
    local _, e = new { address = "2001:db8::1" }:answer(remote(
      "m=audio 6000 RTP/AVP 0", "c=IN IP6 FF15::101"))
    assert.equal('330 [2001:db8::1] "Multicast not available"', e.warning)
    refused(305, "Incompatible media format", "m=audio 6000 RTP/AVP 18 3 96")
    refused(305, "Incompatible media format", "m=audio 6000 RTP/AVP 101",
      "a=rtpmap:101 telephone-event/8000")
    refused(305, "Incompatible media format", "m=video 7000 RTP/AVP 31",
      "m=audio 6000 RTP/AVP 18")
  end)

  it("names an IPv6 agent in brackets in its warning", function()
    local _, e = new { address = "2001:db8::1" }:answer(audio())
    assert.equal('301 [2001:db8::1] "Incompatible network address formats"', e.warning)
  end)

  -- @rfc 8866 5 MUST C-138
  it("is not there for what is no description (C-138)", function()
    local session = new()
    local answer, e = session:answer "v=0\r\nnonsense\r\n"
    assert.is_nil(answer)
    assert.equal("malformed", e.name)
    assert.equal("SDP byte 6: line is not a letter and =", e.message)
    assert.equal(400, e.status)
    assert(session:answer(audio())) -- as if nothing had happened
  end)

  it("does not speak of multiplexed RTCP, ICE or keys", function()
    local text = new():answer(audio("a=rtcp-mux", "a=ice-ufrag:abcd",
      "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "a=rtcp:6000"))
    assert.is_nil(text:find "mux")
    assert.is_nil(text:find "ice")
    assert.is_nil(text:find "crypto")
  end)

  it("takes comfort noise when we want it and it is 13", function()
    local noisy = remote("m=audio 6000 RTP/AVP 0 13")
    local session = new { comfort_noise = true }
    assert.equal("m=audio 4000 RTP/AVP 0 13", m_line(session:answer(noisy)))
    assert.is_true(session.negotiated.comfort_noise)
    session = new()
    assert.equal("m=audio 4000 RTP/AVP 0", m_line(session:answer(noisy)))
    assert.is_false(session.negotiated.comfort_noise)
    session = new { comfort_noise = true }
    session:answer(remote("m=audio 6000 RTP/AVP 0 98", "a=rtpmap:98 CN/8000"))
    assert.is_false(session.negotiated.comfort_noise)
  end)

  it("takes the named events of its codec's clock alone", function()
    local session = new()
    local text = session:answer(remote("m=audio 6000 RTP/AVP 0 126 110",
      "a=rtpmap:126 telephone-event/48000", "a=rtpmap:110 telephone-event/8000"))
    assert.equal("m=audio 4000 RTP/AVP 0 110", m_line(text))
    session = new { dtmf = false }
    assert.equal("m=audio 4000 RTP/AVP 8", m_line(session:answer(audio())))
    assert.is_nil(session.negotiated.dtmf_payload_type)
  end)
end)

describe("directions (C-133):", function()
  local table_of_answers = {
    -- what is offered, what we want, what we answer
    { "sendrecv", "sendrecv", "sendrecv" }, { "sendrecv", "sendonly", "sendonly" },
    { "sendrecv", "recvonly", "recvonly" }, { "sendrecv", "inactive", "inactive" },
    { "sendonly", "sendrecv", "recvonly" }, { "sendonly", "sendonly", "inactive" },
    { "sendonly", "recvonly", "recvonly" }, { "sendonly", "inactive", "inactive" },
    { "recvonly", "sendrecv", "sendonly" }, { "recvonly", "sendonly", "sendonly" },
    { "recvonly", "recvonly", "inactive" }, { "recvonly", "inactive", "inactive" },
    { "inactive", "sendrecv", "inactive" }, { "inactive", "sendonly", "inactive" },
    { "inactive", "recvonly", "inactive" }, { "inactive", "inactive", "inactive" },
  }

  -- @rfc 3264 6.1 MUST C-133
  it("the answer is what both sides want, of all sixteen", function()
    for _, row in ipairs(table_of_answers) do
      local session = new { direction = row[2] }
      local text = session:answer(audio("a=" .. row[1]))
      assert.equal(row[3], direction(text))
      assert.equal(row[3], session.negotiated.direction)
    end
  end)

  it("the same from the other end, when they answer us", function()
    local mirror = { sendonly = "recvonly", recvonly = "sendonly" }
    for _, row in ipairs(table_of_answers) do
      local session, peer = new { direction = row[1] }, new { direction = row[2] }
      local negotiated = session:accept(peer:answer(session:offer()))
      assert.equal(mirror[row[3]] or row[3], negotiated.direction)
    end
  end)

  it("of the session hold for a stream that has none of its own", function()
    local text = remote("a=sendonly", "m=audio 6000 RTP/AVP 0")
    assert.equal("recvonly", direction(new():answer(text)))
    text = remote("a=sendonly", "m=audio 6000 RTP/AVP 0", "a=sendrecv")
    assert.equal("sendrecv", direction(new():answer(text)))
  end)

  it("an answer that wants more than was offered gets no more", function()
    local session = new { direction = "sendonly" }
    session:offer()
    assert.equal("sendonly", session:accept(audio "a=sendrecv").direction)
  end)
end)

describe("the answer to our offer", function()
  local session

  before_each(function()
    session = new()
    session:offer()
  end)

  -- @rfc 3264 6.1 MUST C-134
  it("tells where and how to send: with their numbers (C-134)", function()
    local negotiated = assert(session:accept(remote("m=audio 6000 RTP/AVP 120 99",
      "a=rtpmap:120 PCMA/8000", "a=rtpmap:99 telephone-event/8000", "a=ptime:40")))
    assert.equal(negotiated, session.negotiated)
    assert.equal("stable", session.state)
    assert.same({
      remote = {
        host = "192.0.2.9", port = 6000, rtcp_host = "192.0.2.9", rtcp_port = 6001,
      },
      codec = "PCMA", payload_type = 120, receive_payload_type = 8,
      dtmf_payload_type = 99, receive_dtmf_payload_type = 101, comfort_noise = false,
      receive = { [8] = "PCMA", [101] = "telephone-event" }, ptime = 40,
      direction = "sendrecv", held = false,
    }, negotiated)
  end)

  it("says all that a media session has to be told", function()
    session:accept(audio "a=sendonly")
    assert.same({
      host = "192.0.2.9", port = 6000, rtcp_host = "192.0.2.9", rtcp_port = 6001,
      codec = "PCMA", payload_type = 8, receive_payload_type = 8,
      dtmf_payload_type = 97, receive_dtmf_payload_type = 101, ptime = 20,
      direction = "recvonly",
    }, offer.media(session.negotiated))
    session:answer(remote "m=audio 0 RTP/AVP 0")
    assert.is_nil(offer.media(session.negotiated))
  end)

  -- @rfc 3264 7 MUST
  it("may name several codecs: the first is used, all may come (7)", function()
    local negotiated = session:accept(audio())
    assert.equal("PCMA", negotiated.codec)
    assert.same({ [0] = "PCMU", [8] = "PCMA", [101] = "telephone-event" },
      negotiated.receive)
  end)

  it("takes the address of the stream before that of the session", function()
    local negotiated = session:accept(remote("m=audio 6000 RTP/AVP 0",
      "c=IN IP4 192.0.2.77"))
    assert.equal("192.0.2.77", negotiated.remote.host)
    assert.equal("192.0.2.77", negotiated.remote.rtcp_host)
  end)

  it("says where reports go, when not one port higher (RFC 3605)", function()
    local function rtcp(line)
      local remote_stream = session:preview(audio(line)).remote
      return remote_stream.rtcp_host .. ":" .. remote_stream.rtcp_port
    end
    assert.equal("192.0.2.9:6001", rtcp "a=sendrecv")
    assert.equal("192.0.2.9:7009", rtcp "a=rtcp:7009")
    assert.equal("192.0.2.8:7009", rtcp "a=rtcp:7009 IN IP4 192.0.2.8")
    assert.equal("192.0.2.9:7009", rtcp "a=rtcp:7009 IN IP4 phone.example.com")
    assert.equal("192.0.2.9:6001", rtcp "a=rtcp:0")
    assert.equal("192.0.2.9:6001", rtcp "a=rtcp")
    assert.equal("192.0.2.9:6001", rtcp "a=rtcp:70000 IN IP4 192.0.2.8")
  end)

  it("says how long a packet may be, within reason", function()
    local function ptime(...)
      return session:preview(audio(...)).ptime
    end
    assert.equal(20, ptime())
    assert.equal(30, ptime "a=ptime:30")
    assert.equal(30, ptime "a=ptime: 35 ")
    assert.equal(10, ptime "a=ptime:5")
    assert.equal(20, ptime "a=ptime:0")
    assert.equal(20, ptime "a=ptime:x")
    assert.equal(120, ptime "a=ptime:2000")
    assert.equal(40, ptime("a=ptime:60", "a=maxptime:40"))
    assert.equal(10, ptime "a=maxptime:10")
  end)

  it("previewed changes nothing, and forks may differ", function()
    assert.equal("PCMA", session:preview(audio()).codec)
    assert.equal("offered", session.state)
    assert.is_nil(session.negotiated)
    assert.equal("PCMU", session:accept(remote "m=audio 6100 RTP/AVP 0").codec)
  end)

  it("that cannot be used is an error, and the offer is over", function()
    local function refused(name, message, text)
      local one = new()
      one:offer()
      local negotiated, e = one:accept(text)
      assert.is_nil(negotiated)
      assert.equal(name, e.name)
      assert.equal(message, e.message)
      assert.equal("stable", one.state)
      assert.is_nil(one.negotiated)
    end
    refused("malformed", "SDP byte 1: description is empty", "")
    refused("not_acceptable", "the answer has no line for our audio", remote())
    refused("not_acceptable", "the other side rejected audio",
      remote "m=audio 0 RTP/AVP 0")
    refused("not_acceptable", "the answer names no codec of the offer",
      remote "m=audio 6000 RTP/AVP 18 101")
    refused("not_acceptable",
      "the answer cannot be used: incompatible transport protocol",
      remote "m=audio 6000 RTP/SAVP 0")
    refused("not_acceptable", "the answer cannot be used: media type not available",
      remote "m=video 6000 RTP/AVP 0")
  end)
end)

describe("a description that is cut or changed anywhere (C-138)", function()
  local text = audio("a=ptime:20", "a=rtcp:6001 IN IP4 192.0.2.9", "a=sendonly",
    "m=video 0 RTP/AVP 31", "c=IN IP6 ff02::1/3")

  local function each_variant(try)
    for i = 1, #text do
      try(text:sub(1, i))
      for _, byte in ipairs { "\0", "\n", " ", "/", ":", "9", "0", "\255" } do
        try(text:sub(1, i - 1) .. byte .. text:sub(i + 1))
      end
    end
  end

  it("is answered line for line, or refused", function()
    each_variant(function(variant)
      local answer, e = new():answer(variant)
      if answer then
        local theirs = core.sdp_parse(variant)
        assert.equal(#theirs.media, #core.sdp_parse(answer).media)
      else
        assert.truthy(e.name == "malformed" or e.name == "not_acceptable")
      end
    end)
  end)

  it("is taken as an answer, or refused", function()
    each_variant(function(variant)
      local session = new()
      session:offer()
      local negotiated, e = session:accept(variant)
      assert.truthy(negotiated and core.sdp_address(negotiated.remote.host)
        and core.sdp_address(negotiated.remote.rtcp_host)
        or e.name == "malformed" or e.name == "not_acceptable")
    end)
  end)
end)

describe("in whichever message it stands (C-106):", function()
  -- @rfc 3261 13.2.1 MUST C-106
  it("offer in the INVITE, answer in the 2xx; or offer in the 2xx, answer in the ACK",
    function()
      for _, caller_offers in ipairs { true, false } do
        local caller = new()
        local callee = new { address = "192.0.2.2", port = 5000, id = "22" }
        local first, second = callee, caller
        if caller_offers then
          first, second = caller, callee
        end
        assert(first:accept(assert(second:answer(first:offer()))))
        assert.equal(5000, caller.negotiated.remote.port)
        assert.equal(4000, callee.negotiated.remote.port)
        assert.equal("PCMU", caller.negotiated.codec)
        assert.equal("PCMU", callee.negotiated.codec)
      end
    end)

  it("what is known of a peer comes out the same at both ends, whatever they can",
    function()
      local sets = { { "PCMU" }, { "PCMA" }, { "PCMU", "PCMA" }, { "PCMA", "PCMU" } }
      for _, ours in ipairs(sets) do
        for _, theirs in ipairs(sets) do
          local a, b = new { codecs = ours }, new { codecs = theirs }
          local text, e = b:answer(a:offer())
          if text then
            local negotiated = a:accept(text)
            assert.equal(negotiated.codec, b.negotiated.codec)
            assert.equal(negotiated.payload_type, b.negotiated.receive_payload_type)
            assert.equal(negotiated.receive_payload_type, b.negotiated.payload_type)
          else
            assert.equal("not_acceptable", e.name)
            assert.are_not.equal(ours[1], theirs[1])
          end
        end
      end
    end)
end)

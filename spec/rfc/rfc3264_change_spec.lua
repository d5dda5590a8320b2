-- Sessions that are held and changed: RFC 3264 8, RFC 6337 5.  C-113 (the session
-- part), C-135, C-136.

local offers = require "spec.support.offers"

local remote, audio, new = offers.remote, offers.audio, offers.new
local version, direction, m_line = offers.version, offers.direction, offers.m_line

describe("hold (C-136)", function()
  -- @rfc 3264 8.4 MUST C-136
  it("is sendonly, and is taken back by sendrecv", function()
    local session, peer = new(), new { address = "192.0.2.2", id = "22" }
    assert.is_false(session:accept(peer:answer(session:offer())).held)
    session:set { direction = "sendonly" }
    local held = session:offer()
    assert.equal("sendonly", direction(held))
    local answer = peer:answer(held)
    assert.equal("recvonly", direction(answer))
    assert.is_true(peer.negotiated.held)
    assert.equal("recvonly", peer.negotiated.direction)
    assert.equal("sendonly", session:accept(answer).direction)
    assert.is_false(session.negotiated.held)
    session:set { direction = "sendrecv" }
    session:accept(peer:answer(session:offer()))
    assert.equal("sendrecv", session.negotiated.direction)
    assert.is_false(peer.negotiated.held)
  end)

  it("of both sides ends one after the other (6337 5.3)", function()
    local session, peer = new(), new { address = "192.0.2.2", id = "22" }
    session:accept(peer:answer(session:offer()))
    session:set { direction = "sendonly" }
    session:accept(peer:answer(session:offer()))
    peer:set { direction = "sendonly" }
    peer:accept(session:answer(peer:offer()))
    assert.equal("inactive", session.negotiated.direction)
    session:set { direction = "sendrecv" }
    local text = peer:answer(session:offer())
    assert.equal("sendonly", direction(text))
    assert.equal("recvonly", session:accept(text).direction)
    peer:set { direction = "sendrecv" }
    peer:accept(session:answer(peer:offer()))
    assert.equal("sendrecv", session.negotiated.direction)
  end)

  -- @rfc 3264 8.4 MUST C-136
  it("of an RFC 2543 peer is c=0.0.0.0: answered by its direction, sent nothing (8.4)",
    function()
      local session = new()
      session:answer(audio())
      local nowhere = audio():gsub("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0")
      local text = session:answer(nowhere)
      assert.equal("sendrecv", direction(text)) -- 6337 5.4
      assert.is_true(session.negotiated.held)
      assert.equal("recvonly", session.negotiated.direction)
      session:answer(audio())
      assert.is_false(session.negotiated.held)
      assert.equal("sendrecv", session.negotiated.direction)
    end)

  it("in an answer is known too", function()
    local session = new()
    session:offer()
    local negotiated = session:accept(audio "a=inactive")
    assert.is_true(negotiated.held)
    assert.equal("inactive", negotiated.direction)
  end)

  it("does not stick: we offer what we want, not what we had to answer (6337 5.3)",
    function()
      local session = new()
      session:answer(audio "a=sendonly")
      assert.equal("sendrecv", direction(session:reoffer()))
    end)
end)

describe("a session that changes (C-135):", function()
  local session, peer

  before_each(function()
    session = new()
    peer = new { address = "192.0.2.2", id = "22" }
    session:accept(peer:answer(session:offer()))
  end)

  -- @rfc 3264 8 MUST C-135
  it("the version rises by one when something did, and only then", function()
    local first = session.local_sdp
    assert.equal(first, session:offer())
    session:accept(peer:answer(first))
    session:set { port = 4002 }
    local second = session:offer()
    assert.equal(version(first) + 1, version(second))
    assert.equal("m=audio 4002 RTP/AVP 0 8 101", m_line(second))
    local expected = first:gsub("o=%- 11 1", "o=- 11 2"):gsub("4000", "4002")
    assert.equal(expected, second)
  end)

  it("o= stays but for its version, though the address changes (6337 5.2.5)", function()
    session:set { address = "192.0.2.111" }
    local text = session:offer()
    assert.truthy(text:find("o=- 11 2 IN IP4 192.0.2.1\r\n", 1, true))
    assert.truthy(text:find("c=IN IP4 192.0.2.111\r\n", 1, true))
  end)

  -- @rfc 3264 8 MUST C-135
  it("an offer with an unchanged version is answered all the same (8)", function()
    local again = peer:answer(session:reoffer())
    assert.equal(peer.local_sdp, again)
    assert.equal(1, version(again))
    session:accept(again)
  end)

  it("a refresh repeats what was agreed, byte for byte", function()
    local text = session:reoffer()
    assert.equal(session.local_sdp, text)
    assert.equal(1, version(text))
    assert.equal("offered", session.state)
    session:accept(peer:answer(text))
    session:set { direction = "sendonly" }
    assert.equal(2, version(session:reoffer())) -- not when we want something else
  end)

  -- @rfc 3261 14.2 MUST C-113
  it("a rejected re-INVITE leaves it as it was (C-113)", function()
    local before, text = session.negotiated, session.local_sdp
    session:set { direction = "sendonly", port = 4010 }
    local wanted = session:offer()
    assert.equal(2, version(wanted))
    assert.equal(before, session.negotiated)
    session:rollback()
    assert.equal("stable", session.state)
    assert.equal(before, session.negotiated)
    local later = session:offer() -- what was wanted is not wanted any more
    assert.equal("sendrecv", direction(later))
    assert.equal(3, version(later)) -- and no version says two things
    assert.equal(text, (later:gsub("o=%- 11 3", "o=- 11 1")))
  end)

  it("a refresh after a rejected re-INVITE does not say what was rejected", function()
    session:set { port = 4010 }
    session:offer()
    session:rollback()
    local text = session:reoffer()
    assert.equal("m=audio 4000 RTP/AVP 0 8 101", m_line(text))
    assert.equal(3, version(text))
  end)

  it("an answer that never got through is taken back", function()
    local before = session.negotiated
    session:answer((audio():gsub("6000", "6660")))
    assert.equal(6660, session.negotiated.remote.port)
    session:rollback()
    assert.equal(before, session.negotiated)
  end)

  it("a rollback of nothing is nothing", function()
    local before = session.negotiated
    session:rollback()
    assert.equal(before, session.negotiated)
    local fresh = new()
    fresh:offer()
    fresh:rollback()
    assert.is_nil(fresh.negotiated)
    assert.equal(1, version(fresh:offer()))
  end)

  it("an offer that cannot be answered leaves it as it was (C-113)", function()
    local before, text = peer.negotiated, peer.local_sdp
    assert.is_nil(peer:answer(remote "m=audio 6000 RTP/AVP 18"))
    assert.is_nil(peer:answer "nonsense")
    assert.equal(before, peer.negotiated)
    assert.equal(text, peer.local_sdp)
  end)

  -- @rfc 3264 8 MUST C-135
  it("streams are never removed, by nobody (8)", function()
    local answerer = new()
    answerer:answer(remote("m=video 7000 RTP/AVP 31", offers.AUDIO[1],
      "m=text 7002 RTP/AVP 98"))
    local text = answerer:offer()
    assert.equal("m=video 0 RTP/AVP 31", m_line(text, 1))
    assert.equal("m=audio 4000 RTP/AVP 0 8 101", m_line(text, 2))
    assert.equal("m=text 0 RTP/AVP 98", m_line(text, 3))
    assert.equal(3, select(2, m_line(text)))
    answerer:rollback()
    local none, e = answerer:answer(audio())
    assert.is_nil(none)
    assert.equal('399 192.0.2.1 "Media lines were removed"', e.warning)
  end)

  it("streams may be added, and ours stays ours (8.1)", function()
    local text = peer:answer(remote("m=audio 6000 RTP/AVP 0", "m=audio 6002 RTP/AVP 0"))
    assert.equal("m=audio 4000 RTP/AVP 0", m_line(text, 1))
    assert.equal("m=audio 0 RTP/AVP 0", m_line(text, 2))
    assert.equal(6000, peer.negotiated.remote.port)
  end)

  it("a zeroed slot may be used again (8.1, 8.2)", function()
    local text = peer:answer(remote "m=audio 0 RTP/AVP 0")
    assert.equal("m=audio 0 RTP/AVP 0", m_line(text))
    assert.is_nil(peer.negotiated.remote)
    text = peer:offer()
    assert.equal("m=audio 4000 RTP/AVP 0 8 101", m_line(text))
    assert.equal(1, select(2, m_line(text)))
    peer:accept(audio())
    assert.equal(6000, peer.negotiated.remote.port)
  end)

  it("our stream may move to another line", function()
    local text = peer:answer(remote("m=audio 0 RTP/AVP 0", "m=audio 6002 RTP/AVP 0"))
    assert.equal("m=audio 4000 RTP/AVP 0", m_line(text, 2))
    assert.equal("m=audio 4000 RTP/AVP 0 8 101", m_line(peer:offer(), 2))
  end)

  -- @rfc 3264 8.3.2 MUST
  it("a number keeps its meaning for the whole session (8.3.2)", function()
    local answerer = new()
    answerer:answer(audio()) -- events are 97 here
    assert.equal("m=audio 4000 RTP/AVP 0 8 97", m_line(answerer:offer()))
    answerer:rollback()
    -- 97 comes to mean something else there: ours stay what they are.
    local text = answerer:answer(remote("m=audio 6000 RTP/AVP 0 97 98",
      "a=rtpmap:97 L16/8000", "a=rtpmap:98 telephone-event/8000"))
    assert.equal("m=audio 4000 RTP/AVP 0 98", m_line(text))
    -- And a number that they have used is not given to a codec of ours.
    local other = new()
    other:answer(remote("m=audio 6000 RTP/AVP 0 101", "a=rtpmap:101 speex/8000"))
    assert.equal("m=audio 4000 RTP/AVP 0 8 96", m_line(other:offer()))
  end)

  it("numbers run out without harm", function()
    local list, maps = {}, {}
    for number = 35, 127 do
      if number < 64 or number > 95 then
        list[#list + 1] = tostring(number)
        maps[#maps + 1] = ("a=rtpmap:%d x%d/8000"):format(number, number)
      end
    end
    local answerer = new()
    assert(answerer:answer(remote("m=audio 6000 RTP/AVP 0 " .. table.concat(list, " "),
      table.unpack(maps))))
    assert.equal("m=audio 4000 RTP/AVP 0 8", m_line(answerer:offer()))
  end)

  it("after an offerless re-INVITE everything is offered again (6337 5.2.5)", function()
    assert.equal("m=audio 4000 RTP/AVP 0 101", m_line(peer.local_sdp))
    assert.equal("m=audio 4000 RTP/AVP 0 8 101", m_line(peer:offer()))
    assert.equal(2, version(peer.local_sdp))
  end)
end)

-- The verbs with sound, and offers and answers in their places: RFC 3261 13.2.1,
-- RFC 3264 8, RFC 6337. C-106, C-113, C-136, C-147, C-149.

local core = require "sip.core"
local net_of = require "spec.support.net"
local simulated = require "spec.support.simulated"

local virtual = simulated(it, "IPv6")
local A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"

describe("a call with sound", function()
  local net, alice, bob, sip_a, sip_b

  before_each(function()
    net = net_of.new { delay = 0.01 }
    alice, sip_a = net:endpoint(A)
    bob, sip_b = net:endpoint(B)
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  -- Samples of a file at a host.
  local function samples(sip, path)
    return assert(core.wav_samples(assert(sip.runtime.driver:read_file(path))))
  end

  local function seconds(text)
    return #text / 2 / 8000
  end

  -- Call bob and do something with the call, then hang up.
  local function call_bob(script, options)
    sip_a.spawn(function()
      local peer = assert(alice:dial("sip:bob@" .. B, options))
      script(peer)
      peer:hangup()
    end)
  end

  it("plays, waits for the end, and is heard (rule 6)", function()
    local at
    bob:on_call(function(call)
      call:answer()
      local start = sip_b.now()
      assert(call:play { "tone:1000/500*1", "tone:400/500*1" })
      at = sip_b.now() - start
    end)
    local recording
    call_bob(function(peer)
      recording = peer:record("heard.wav", { max = 5 })
      peer:wait()
    end)
    net:run(10)
    assert.is_true(at >= 1 and at < 1.1, tostring(at))
    local heard = samples(sip_a, "heard.wav")
    assert.is_true(seconds(heard) >= 0.9 and seconds(heard) < 1.3, seconds(heard))
    assert.is_nil(recording.message)
  end)

  it("a file that is none is an error that says so", function()
    local e
    sip_b.runtime.driver:write_file("text.wav", "this is no audio")
    bob:on_call(function(call)
      call:answer()
      local _
      _, e = call:play "text.wav"
      _, e = e, select(2, call:play "missing.wav")
      e = { _, e }
    end)
    call_bob(function(peer)
      peer:wait()
    end)
    net:run(5)
    assert.equal("rejected", e[1].name)
    assert.is_truthy(tostring(e[1]):find("text.wav", 1, true))
    assert.is_truthy(tostring(e[2]):find("missing.wav", 1, true))
  end)

  it("understands digits, typed ahead or not, once each (rule 6, C-147)", function()
    local got = {}
    bob:on_call(function(call)
      call:answer()
      sip_b.sleep(3)
      got[1] = call:gather { digits = 4, timeout = 2 }
      got[2] = call:gather { play = "tone:440/60000*1", timeout = 5 }
      local _
      _, got[3] = call:gather { play = "tone:440/100*1", timeout = 1, tries = 2 }
    end)
    call_bob(function(peer)
      assert(peer:press "1234")
      sip_a.sleep(4)
      assert(peer:press "99#")
      peer:wait()
    end)
    net:run(30)
    assert.same({ "1234", "99" }, { got[1], got[2] })
    assert.equal("no_input", got[3].name)
  end)

  it("records until silence, a terminator or the longest time", function()
    local got = {}
    bob:on_call(function(call)
      call:answer()
      got[1] = assert(call:record("a.wav", { max = 1 }))
      got[2] = assert(call:record("b.wav", { silence = 1, max = 20 }))
      got[3] = assert(call:record("c.wav", { max = 20 }))
    end)
    call_bob(function(peer)
      peer:play "tone:440/2500*1"
      sip_a.sleep(3)
      peer:press "#"
      peer:wait()
    end)
    net:run(40)
    assert.same({ "max", "silence", "stopped" },
      { got[1].why, got[2].why, got[3].why })
    assert.is_true(got[1].duration >= 0.98 and got[1].duration <= 1.02)
    assert.equal(got[1].duration, seconds(samples(sip_b, "a.wav")))
  end)

  it("a disk that is full ends the recording and not the call", function()
    local e, state
    sip_b.runtime.driver:disk { free = 4000 }
    bob:on_call(function(call)
      call:answer()
      local _
      _, e = call:record("a.wav", { max = 5 })
      state = call.state
    end)
    call_bob(function(peer)
      peer:wait()
    end)
    net:run(20)
    assert.equal("rejected", e.name)
    assert.is_truthy(tostring(e):find("a.wav", 1, true))
    assert.equal("answered", state)
  end)

  it("is bridged with another until one side leaves (rule 5)", function()
    local carol, sip_c = net:endpoint(C)
    local left, digit
    carol:on_call(function(call)
      call:ring()
      sip_c.sleep(1)
      call:answer()
      call:play "tone:1000/1000*1"
      digit = call:digit(5)
    end)
    bob:on_call(function(call)
      call:answer()
      local peer = assert(call:dial("sip:carol@" .. C))
      left = { call:bridge(peer), call.state }
    end)
    call_bob(function(peer)
      assert(peer:record("heard.wav", { max = 3 }))
      peer:press "7"
      peer:wait()
    end)
    net:run(20)
    assert.equal("7", digit)
    assert.same({ true, "answered" }, left)
    local tone = {}
    for i = 0, 3999 do
      tone[#tone + 1] = string.pack("<i2", math.floor(8000 * math.sin(i * math.pi / 4)))
    end
    assert.is_true(core.pcm_correlate(samples(sip_a, "heard.wav"),
      table.concat(tone)) > 0.9)
  end)

  it("an offerless INVITE gets an offer, answered in the ACK (C-106)", function()
    local stranger = net:stranger "192.0.2.9"
    local state = {}
    bob:on_call(function(call)
      call:answer()
      state[1] = call.state
      call:wait()
    end)
    stranger.request(B, { method = "INVITE" })
    net:run(0.1)
    local res = stranger.last "response"
    assert.is_truthy(res:body():find("m=audio %d+ RTP/AVP 0 8 101"))
    stranger.request(B, { method = "ACK", to = res:header "To", send = true,
      body = net_of.SDP })
    net:run(0.2)
    assert.same({ "answered" }, state)
    stranger.request(B, { method = "INVITE", cseq = 2, to = res:header "To" })
    net:run(0.3)
    local again = stranger.last "response"
    assert.equal(200, again:status())
    assert.is_truthy(again:body():find("m=audio %d+ RTP/AVP 0 8 101"))
    stranger.request(B, { method = "INVITE", cseq = 3, to = res:header "To" })
    net:run(0.35)
    assert.equal(491, (stranger.last "response"):status()) -- RFC 5407 3.1.5
    stranger.request(B, { method = "ACK", cseq = 2, to = res:header "To", send = true,
      body = net_of.SDP })
    net:run(0.5)
    stranger.request(B, { method = "BYE", cseq = 4, to = res:header "To" })
    net:run(1)
  end)

  it("without an answer in that ACK is ended", function()
    local stranger = net:stranger "192.0.2.9"
    local why
    bob:on_call(function(call)
      call:finally(function()
        why = call.why
      end)
      call:answer()
    end)
    stranger.request(B, { method = "INVITE" })
    net:run(0.1)
    local res = stranger.last "response"
    stranger.request(B, { method = "ACK", to = res:header "To", send = true })
    net:run(1)
    assert.equal("not_acceptable", why.name)
    assert.equal("BYE", (stranger.last "request"):method())
  end)

  it("is held and resumed by re-INVITEs (C-113, C-136)", function()
    local stranger = net:stranger "192.0.2.9"
    bob:on_call(function(call)
      call:answer()
      call:play { "tone:440/60000*1" }
    end)
    stranger.request(B, { method = "INVITE", body = net_of.SDP })
    net:run(0.1)
    local to = (stranger.last "response"):header "To"
    stranger.request(B, { method = "ACK", to = to, send = true })
    net:run(0.2)
    local function reinvite(cseq, body)
      stranger.request(B, { method = "INVITE", cseq = cseq, to = to, body = body })
      net:run(net.world:now() + 0.1)
      local res = stranger.last "response"
      stranger.request(B, { method = "ACK", cseq = cseq, to = to, send = true })
      net:run(net.world:now() + 0.1)
      return res
    end
    local held = reinvite(2, (net_of.SDP:gsub("1 1 IN", "1 2 IN")
      :gsub("a=rtpmap", "a=sendonly\r\na=rtpmap")))
    assert.is_truthy(held:body():find "a=recvonly")
    local resumed = reinvite(3, (net_of.SDP:gsub("1 1 IN", "1 3 IN")))
    assert.is_nil(resumed:body():find "a=recvonly")
    local refused = reinvite(4, (net_of.SDP:gsub("RTP/AVP 0", "RTP/AVP 96")
      :gsub("a=rtpmap:0 PCMU/8000", "a=rtpmap:96 opus/48000/2")))
    assert.equal(488, refused:status())
    assert.is_truthy(refused:header "Warning")
    stranger.request(B, { method = "BYE", cseq = 5, to = to })
    net:run(5)
  end)

  it("an INVITE without a codec of ours is 488 with a Warning (C-109)", function()
    local stranger = net:stranger "192.0.2.9"
    local e
    bob:on_call(function(call)
      local _
      _, e = call:answer()
    end)
    stranger.request(B, { method = "INVITE",
      body = net_of.SDP:gsub("RTP/AVP 0", "RTP/AVP 96")
        :gsub("a=rtpmap:0 PCMU/8000", "a=rtpmap:96 opus/48000/2") })
    net:run(1)
    local res = stranger.last "response"
    assert.equal(488, res:status())
    assert.is_truthy(res:header("Warning"):find "^30%d 192%.0%.2%.2")
    assert.equal("not_acceptable", e.name)
  end)

  it("early audio of a leg reaches an unanswered caller (rule 5)", function()
    local carol, sip_c = net:endpoint(C)
    carol:on_call(function(call)
      call:progress()
      call:play "tone:1000/2000*1"
      call:answer()
      call:wait()
    end)
    bob:on_call(function(call)
      local peer = assert(call:dial("sip:carol@" .. C))
      call:bridge(peer)
    end)
    call_bob(function(peer)
      peer:record("x.wav", { max = 1 })
    end)
    net:run(10)
    local statuses = {}
    for _, line in ipairs(net:flow(B)) do
      statuses[#statuses + 1] = line:match "%d%d%d INVITE$"
    end
    assert.same({ "183 INVITE", "200 INVITE" }, statuses)
    assert.is_not_nil(sip_c)
  end)

  it("an answered caller hears ringback until the answer (rule 5)", function()
    local carol, sip_c = net:endpoint(C)
    carol:on_call(function(call)
      call:ring()
      sip_c.sleep(2)
      call:reject(486)
    end)
    bob:on_call(function(call)
      call:answer()
      call:dial("sip:carol@" .. C)
      sip_b.sleep(2)
    end)
    call_bob(function(peer)
      peer:record("heard.wav", { max = 4 })
    end)
    net:run(10)
    local heard = samples(sip_a, "heard.wav")
    local function loud(from, to)
      local most = 0
      for i = from * 8000, to * 8000 - 1 do
        most = math.max(most, math.abs((string.unpack("<i2", heard, i * 2 + 1))))
      end
      return most > 500
    end
    assert.is_true(loud(0.5, 1.5))
    assert.is_false(loud(2.5, 3.5))
  end)

  for ringback, why in pairs {
    ["nothing.wav"] = "nothing.wav: no such file or directory",
    ["tone:of the forest"] = "play: tone:of the forest: no such tone",
  } do
    it("a ringback that cannot be heard is told of once, and the call goes on: "
      .. ringback, function()
      local lines, peer, e = {}, nil, nil
      local function log(level, text, fields)
        lines[#lines + 1] = { level, text, fields.call ~= nil, fields.why }
      end
      local quiet, sip_q = net:endpoint("192.0.2.4", { log = log })
      local carol, sip_c = net:endpoint(C)
      carol:on_call(function(call)
        for _ = 1, 3 do
          call:ring()
          sip_c.sleep(1)
        end
        call:answer()
        call:wait()
      end)
      quiet:on_call(function(call)
        call:answer()
        peer, e = call:dial("sip:carol@" .. C, { ringback = ringback })
        sip_q.sleep(1)
      end)
      sip_a.spawn(function()
        assert(alice:dial("sip:quiet@192.0.2.4")):wait()
      end)
      net:run(10)
      assert.is_not_nil(peer, e)
      assert.equal(1, #lines)
      assert.same({ "warn", "ringback cannot be played", true, why }, lines[1])
    end)
  end

  it("ringback = true is the usual one", function()
    local carol, sip_c = net:endpoint(C)
    carol:on_call(function(call)
      call:ring()
      sip_c.sleep(1)
      call:reject()
    end)
    local e
    bob:on_call(function(call)
      call:answer()
      e = select(2, call:dial("sip:carol@" .. C, { ringback = true }))
    end)
    call_bob(function(peer)
      peer:wait()
    end)
    net:run(10)
    assert.equal("busy", e.name)
  end)

  it("a digit in the very turn in which the prompt ends is not lost", function()
    local got
    bob:on_call(function(call)
      call:answer()
      call:spawn(function()
        sip_b.sleep(1)
        call.sound:event("played", (next(call.sound.players)), "finished")
        call:digit_heard("5", "info")
      end)
      got = call:gather { play = "tone:440/60000*1", digits = 1, timeout = 2 }
    end)
    call_bob(function(peer)
      peer:wait()
    end)
    net:run(10)
    assert.equal("5", got)
  end)

  it("is bridged with who came last, also when who came first leaves", function()
    local carol, sip_c = net:endpoint(C)
    carol:on_call(function(call)
      call:answer()
      call:play { "tone:1000/1000*1", background = true }
      sip_c.sleep(call.uri.user == "first" and 2 or 4)
    end)
    local seen, ended = {}, {}
    bob:on_call(function(call)
      call:answer()
      local first = assert(call:dial("sip:first@" .. C))
      local second = assert(call:dial("sip:second@" .. C))
      call:spawn(function()
        assert(call:bridge(first))
        ended[#ended + 1] = "first"
        seen[#seen + 1] = call.sound.joined == second.sound
      end)
      sip_b.sleep(1)
      call:spawn(function()
        assert(call:bridge(second))
        ended[#ended + 1] = "second"
        seen[#seen + 1] = call.sound.joined == nil
      end)
      sip_b.sleep(0.5)
      seen[#seen + 1] = first.sound.joined == nil and second.sound.joined == call.sound
      sip_b.sleep(5)
    end)
    call_bob(function(peer)
      peer:wait()
    end)
    net:run(20)
    assert.same({ "first", "second" }, ended)
    assert.same({ true, true, true }, seen)
  end)

  it("an unanswered caller is told of a 183 without a description (rule 5)", function()
    local carol, sip_c = net:endpoint(C)
    carol:on_call(function(call)
      for _, status in ipairs { 183, 180, 183 } do
        call:ring { status = status }
        sip_c.sleep(1)
      end
      call:reject()
    end)
    bob:on_call(function(call)
      call:dial("sip:carol@" .. C)
      call:reject(486)
    end)
    sip_a.spawn(function()
      alice:dial("sip:bob@" .. B)
    end)
    net:run(20)
    local told = {}
    for _, line in ipairs(net:flow(B)) do
      told[#told + 1] = line:match "(%d%d%d) INVITE$"
    end
    assert.same({ "183", "180", "486" }, told)
  end)

  for verb, args in pairs {
    digit = { 60 },
    gather = { { timeout = 60 } },
    ["gather with a digit"] = { { timeout = 60 } },
    press = { ("1"):rep(60), { duration = 0.5 } },
    wait = { 60 },
    play = { { "tone:us", loop = true } },
    record = { "leg.wav" },
  } do
    it("a leg that has ended ends " .. verb .. " on it at once (rule 1)", function()
      local carol, sip_c = net:endpoint(C)
      carol:on_call(function(call)
        call:answer()
        sip_c.sleep(1)
        if verb == "gather with a digit" then
          call:press "1"
        end
        sip_c.sleep(2)
      end)
      local results, lasted, left
      bob:on_call(function(call)
        call:answer()
        local peer = assert(call:dial("sip:carol@" .. C))
        local began = sip_b.now()
        peer:finally(function()
          left = sip_b.now()
        end)
        results = table.pack(peer[verb:match "%a+"](peer, table.unpack(args)))
        lasted = sip_b.now() - left
        assert.is_true(left - began > 2)
      end)
      call_bob(function(peer)
        peer:wait()
      end)
      net:run(100)
      assert.is_true(lasted >= 0 and lasted < 0.05, tostring(lasted))
      if verb == "record" then
        assert.equal("closed", results[1].why)
      elseif verb ~= "wait" then
        assert.same({ nil, "ended" }, { results[1], results[2].name })
      end
    end)
  end

  it("one recording follows another that was broken off", function()
    local first, second
    bob:on_call(function(call)
      call:answer()
      first = select(2, sip_b.timeout(1, call.record, call, "one.wav"))
      second = call:record("two.wav", { max = 1 })
    end)
    call_bob(function(peer)
      peer:wait()
    end)
    net:run(10)
    assert.equal("timeout", first.name)
    assert.equal("max", second.why)
    assert.is_true(seconds(samples(sip_b, "one.wav")) > 0.5)
  end)

  virtual("runs over IPv6 as over IPv4 (C-15)", function()
    local six = {}
    for i = 1, 2 do
      local at = ("[2001:db8::%d]:5060"):format(i)
      six[i] = net:endpoint("2001:db8::" .. i, {
        listen = { "udp:" .. at, "tcp:" .. at },
      })
    end
    local sip_six = net:sip "2001:db8::1"
    local got = {}
    six[2]:on_call(function(call)
      call:answer()
      got[#got + 1] = call:gather { digits = 2, timeout = 3 } or "nothing"
    end)
    sip_six.spawn(function()
      for _, way in ipairs { "", ";transport=tcp" } do
        local peer = assert(six[1]:dial("sip:x@[2001:db8::2]" .. way))
        assert.is_truthy(peer.response:body():find("c=IN IP6 2001:db8::2\r\n", 1, true))
        peer:press "42"
        peer:wait()
      end
    end)
    net:run(20)
    assert.same({ "42", "42" }, got)
  end)
end)

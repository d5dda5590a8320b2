-- Requests inside a dialog and their races: RFC 3261 12.2.2, 14.2, 15.1; RFC 5407 3.
-- C-96..98, C-100, C-102, C-110, C-112, C-113, C-118..120.

local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, B, S = "192.0.2.1", "192.0.2.2", "192.0.2.9"
local HOLD = SDP:gsub("a=rtpmap", "a=sendonly\r\na=rtpmap")

describe("inside a dialog", function()
  local net, bob, sip, stranger, call, answers

  -- The stranger calls bob; `script` is what bob does with the call.
  local function start(script, options)
    net = net_of.new(options)
    bob, sip = net:endpoint(B)
    stranger = net:stranger(S)
    answers = 0
    bob:on_call(function(one)
      call = one
      script(one)
    end)
  end

  local function invite(fields)
    fields = fields or {}
    fields.method, fields.body = "INVITE", fields.body or SDP
    stranger.request(B, fields)
  end

  -- A request of the stranger in its dialog with bob.
  local function inside(method, cseq, fields)
    fields = fields or {}
    fields.method, fields.cseq = method, cseq
    fields.to = fields.to or stranger.dialog
    return stranger.request(B, fields)
  end

  local function acknowledge(cseq, fields)
    fields = fields or {}
    fields.send = true
    inside("ACK", cseq or 1, fields)
  end

  -- bob has answered, and the stranger has acknowledged.
  local function established(script)
    start(script or function(one)
      one:answer { sdp = function()
        answers = answers + 1
        return SDP
      end }
      one:wait()
    end)
    invite()
    net:run(0.1)
    stranger.dialog = (stranger.last "response"):header "To"
    acknowledge()
    net:run(0.2)
    assert.equal("answered", call.state)
  end

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  it("a request whose number falls back is answered 500 (C-98)", function()
    established()
    inside("OPTIONS", 100)
    net:run(0.3)
    assert.equal(200, (stranger.last "response"):status())
    inside("OPTIONS", 99)
    net:run(0.4)
    assert.equal(500, (stranger.last "response"):status())
    assert.equal("answered", call.state)
    inside("BYE", 101)
    net:run(0.5)
    assert.equal(200, (stranger.last "response"):status())
    assert.equal("ended", call.state)
  end)

  it("a re-INVITE moves the target and asks the script anew (C-97)", function()
    established()
    stranger.request(B, {
      method = "INVITE", cseq = 2, to = stranger.dialog, body = HOLD,
    })
    net:run(0.3)
    local res = stranger.last "response"
    assert.equal(200, res:status())
    assert.equal("<sip:192.0.2.2:5060>", res:header "Contact")
    assert.equal(2, answers)
    acknowledge(2)
    stranger.stack:request {
      method = "INVITE", uri = "sip:x@" .. B, transport = "udp", host = B,
      port = 5060, body = SDP, headers = {
        "From", "<sip:stranger@192.0.2.9>;tag=s1", "To", stranger.dialog,
        "Call-ID", "stranger-call", "CSeq", "3 INVITE",
        "Contact", "<sip:moved@192.0.2.9>", "Content-Type", "application/sdp",
      },
    }
    net:run(0.4)
    acknowledge(3)
    net:run(0.5)
    sip.spawn(function()
      call:hangup()
    end)
    net:run(0.6)
    local bye = stranger.last "request"
    assert.equal("BYE", bye:method())
    assert.equal("sip:moved@192.0.2.9", bye:uri())
  end)

  it("a re-INVITE that is refused changes nothing (C-102, C-113)", function()
    local willing = true
    established(function(one)
      one:answer { sdp = function()
        return willing and SDP
      end }
      one:wait()
    end)
    willing = false
    stranger.stack:request {
      method = "INVITE", uri = "sip:x@" .. B, transport = "udp", host = B,
      port = 5060, body = HOLD, headers = {
        "From", "<sip:stranger@192.0.2.9>;tag=s1", "To", stranger.dialog,
        "Call-ID", "stranger-call", "CSeq", "3 INVITE",
        "Contact", "<sip:moved@192.0.2.9>", "Content-Type", "application/sdp",
      },
    }
    net:run(0.4)
    local res = stranger.last "response"
    assert.equal(488, res:status())
    assert.is_truthy(res:header("Warning"):find("^305 192%.0%.2%.2"))
    assert.equal("answered", call.state)
    call:hangup()
    net:run(0.6)
    assert.equal("sip:192.0.2.9", (stranger.last "request"):uri())
  end)

  it("a second INVITE before the first is answered gets 500 (C-112)", function()
    start(function(one)
      one:ring()
      sip.sleep(2)
      one:reject(486)
    end)
    invite()
    net:run(0.1)
    stranger.dialog = (stranger.last "response"):header "To"
    inside("INVITE", 2, { body = SDP })
    net:run(0.2)
    local res = stranger.last "response"
    assert.equal(500, res:status())
    local seconds = tonumber(res:header "Retry-After")
    assert.is_true(seconds >= 0 and seconds <= 10)
    net:run(3)
    assert.equal(486, (stranger.last "response"):status())
  end)

  it("an INVITE against ours that is unanswered gets 491 (C-112)", function()
    net = net_of.new()
    local alice
    alice, sip = net:endpoint(A)
    stranger = net:stranger(S)
    stranger.on.request = function(tx, req)
      tx:respond(180, { tag = "x", headers = { "Contact", "<sip:192.0.2.9>" } })
      stranger.request(A, {
        method = "INVITE", call_id = req:call_id(), from = req:header "To" .. ";tag=x",
        to = req:header "From", body = SDP,
      })
    end
    sip.spawn(function()
      alice:dial("sip:x@" .. S, { sdp = SDP, timeout = 2 })
    end)
    net:run(1)
    assert.same({ 491 }, stranger.statuses())
  end)

  it("BYE before the answer ends the INVITE with 487 (C-118)", function()
    local why
    start(function(one)
      one:finally(function()
        why = { sip.now(), one.state }
      end)
      one:ring()
      sip.sleep(10)
    end)
    invite()
    net:run(0.5)
    stranger.dialog = (stranger.last "response"):header "To"
    inside("BYE", 2)
    net:run(1)
    assert.same({ 180, 200, 487 }, stranger.statuses())
    assert.same({ 0.5, "ended" }, why)
  end)

  it("BYE while the ACK is lost ends the answer's repetition (C-119; 5407 3.1.6)",
    function()
      start(function(one)
        one:answer { sdp = SDP }
        one:wait()
      end)
      invite()
      net:run(1)
      stranger.dialog = (stranger.last "response"):header "To"
      inside("BYE", 2)
      net:run(1.2)
      local before = #net:flow(B)
      acknowledge(1)
      net:run(40)
      assert.equal(before, #net:flow(B))
      assert.equal("ended", call.state)
    end)

  pending("C-110, C-111: re-INVITEs of ours wait for the verb that sends them")

  it("a re-INVITE before the ACK to an answer is answered (5407 3.1.4)", function()
    start(function(one)
      one:answer { sdp = function()
        return SDP
      end }
      one:wait()
    end)
    invite()
    net:run(0.2)
    stranger.dialog = (stranger.last "response"):header "To"
    inside("INVITE", 2, { body = HOLD })
    net:run(0.3)
    assert.equal(200, (stranger.last "response"):status())
    acknowledge(2)
    acknowledge(1)
    net:run(1)
    assert.equal("answered", call.state)
    assert.is_nil(call.reinvite)
  end)

  it("a re-INVITE that crosses our BYE is answered 481 (5407 3.2.2)", function()
    established()
    net.world:link { delay = 0.1 }
    call:hangup()
    inside("INVITE", 2, { body = HOLD })
    net:run(1)
    assert.equal(481, (stranger.last "response"):status())
  end)

  it("an ACK that comes late to a call hung up is followed by the BYE "
    .. "(C-100; 5407 3.2.4)", function()
    start(function(one)
      one:spawn(function()
        sip.sleep(0.1)
        one:hangup()
      end)
      one:answer { sdp = SDP }
    end)
    invite()
    net:run(5)
    assert.equal("ended", call.state)
    assert.is_nil((stranger.last "request"))
    stranger.dialog = (stranger.last "response"):header "To"
    acknowledge()
    net:run(5.5)
    assert.equal("BYE", (stranger.last "request"):method())
  end)

  it("a re-INVITE whose ACK never comes ends the call by BYE (13.3.1.4)", function()
    established()
    inside("INVITE", 2, { body = HOLD })
    net:run(33)
    assert.equal("BYE", (stranger.last "request"):method())
    assert.equal("ended", call.state)
    assert.equal("no_answer", call.why.name)
  end)

  it("INFO is a digit, a bad one 400, another kind 415", function()
    established()
    inside("INFO", 2, {
      body = "Signal=5\r\nDuration=160\r\n", content_type = "application/dtmf-relay",
    })
    inside("INFO", 3, { body = "#", content_type = "application/dtmf" })
    inside("INFO", 4, { body = "x", content_type = "application/dtmf" })
    inside("INFO", 5, { body = "<x/>", content_type = "application/xml" })
    local got = {}
    sip.spawn(function()
      got[1], got[2] = call:digit(1), call:digit(1)
      local _
      _, got[3] = call:digit(1)
    end)
    net:run(4)
    assert.same({ "5", "#" }, { got[1], got[2] })
    assert.equal("no_input", got[3].name)
    local statuses = stranger.statuses()
    table.sort(statuses)
    assert.same({ 200, 200, 200, 400, 415 }, statuses)
  end)

  it("requests of ours carry the next number; 481 ends the call (C-96)", function()
    established()
    local got = {}
    stranger.on.request = function(tx, req)
      got[#got + 1] = req:header "CSeq"
      tx:respond(req:method() == "MESSAGE" and 202
        or req:method() == "INFO" and 481 or 200)
    end
    local first, second
    sip.spawn(function()
      first = call:send { method = "MESSAGE", body = "hello",
        content_type = "text/plain" }
      second = { call:send { method = "INFO" } }
    end)
    net:run(1)
    assert.equal(202, first:status())
    assert.equal(481, second[2].status)
    assert.same({ "1 MESSAGE", "2 INFO", "3 BYE" }, got)
    assert.equal("ended", call.state)
    assert.equal("rejected", call.why.name)
  end)
end)

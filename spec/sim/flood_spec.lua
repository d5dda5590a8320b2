-- The open Internet, in virtual time: floods, scanners, and answers that somebody else
-- would get. RFC 3261 26.1.5, 26.3.2.4. C-23, C-24, C-238.

local rig_of = require "spec.support.rig"

local count, request, response = rig_of.count, rig_of.request, rig_of.response

describe("a source", function()
  local rig

  local function open(options)
    rig = rig_of.new(options)
    rig.on.request = function(tx)
      tx:respond(404)
    end
  end

  after_each(function()
    rig:clean()
  end)

  -- So many requests, each new, in no time.
  local function flood(method, times, fields)
    for i = 1, times do
      rig.number = (rig.number or 0) + 1
      local all = { method = method, branch = "z9hG4bKf" .. rig.number }
      for key, value in pairs(fields or {}) do
        all[key] = value
      end
      rig.peer:send(rig_of.OURS, 5060, request(all))
      if i % 100 == 0 then
        rig:run(rig.world:now())
      end
    end
    rig:run(rig.world:now())
  end

  for method, rule in pairs { INVITE = "invites", REGISTER = "registers",
    OPTIONS = "others", MESSAGE = "others" } do
    it("that floods with " .. method .. " is refused, and then not answered", function()
      open { limits = { ["source_" .. rule] = 10, source_refusals = 2 } }
      flood(method, 100)
      local heard = rig:heard()
      assert.equal(40, count(heard, "^0.000 404 " .. method))
      assert.equal(8, count(heard, "^0.000 503 " .. method))
      assert.same({ 60, 52 }, rig:counted("over_" .. rule, "over_refusals"))
      assert.matches("^192%.0%.2%.1: more than 10 .* a second.*: refused with 503 "
        .. "%(1 so far%)$", rig:notices()[1])
      assert.equal(1, #rig:notices())
      if method == "INVITE" then
        rig:take()
      end
    end)
  end

  it("is told when it may come again", function()
    open { limits = { source_invites = 1 } }
    flood("INVITE", 5)
    local refusal = rig:take()[1].message -- before anybody was asked
    assert.equal(503, refusal:status())
    assert.equal("5", refusal:header "Retry-After")
    rig:run(1)
    rig.events = {}
    flood("INVITE", 1)
    assert.equal("1.000 request INVITE", rig:told()[1])
  end)

  it("that floods with anything is dropped unread", function()
    open { limits = { source_messages = 10 } }
    flood("OPTIONS", 100)
    assert.equal(40, count(rig:heard(), "404 OPTIONS"))
    assert.same({ 40, 60 }, rig:counted("received", "over_messages"))
    assert.same({ "192.0.2.1: more than 10 messages a second: dropped (1 so far)" },
      rig:notices())
  end)

  it("is heard of in the log once a minute for each rule", function()
    open { limits = { source_messages = 10, source_invites = 1 } }
    local all = {}
    for second = 0, 130 do
      rig:run(second)
      flood("INVITE", 60)
      table.move(rig:notices(), 1, 9, #all + 1, all)
      rig.events = {}
    end
    assert.equal(6, #all)
    assert.same(3, count(all, "INVITEs"))
    assert.same(3, count(all, "messages a second"))
    assert.matches("%(%d%d%d%d so far%)$", all[6])
  end)

  it("may end its calls, and go on in them, while it is over everything", function()
    open { limits = { source_invites = 1, source_others = 1 } }
    flood("INVITE", 20)
    flood("OPTIONS", 20)
    rig:take()
    rig.events = {}
    rig:say(request { method = "BYE", to_tag = "ours", branch = "z9hG4bKbye" })
    assert.equal("0.000 request BYE", rig:told()[1])
    -- and its CANCEL finds the INVITE that was taken
    rig.on.request = nil
    rig:run(10)
    rig:say(request { method = "INVITE", branch = "z9hG4bKlate", number = 7 })
    local tx = rig:last "request"
    flood("INVITE", 20)
    rig:say(request { method = "CANCEL", branch = "z9hG4bKlate", number = 7 })
    assert.is_truthy(rig:last "cancel")
    tx:respond(487)
    rig.on.request = function(late)
      late:respond(404)
    end
    for _, event in ipairs(rig.events) do
      if event.kind == "request" and event.object ~= tx then
        event.object:respond(404)
      end
    end
  end)

  it("repeats what was lost as often as the RFC has it, at no cost", function()
    open { limits = { source_messages = 1 } }
    flood("OPTIONS", 3)
    for _ = 1, 11 do
      rig:say(request { method = "OPTIONS", branch = "z9hG4bKf1" })
    end
    assert.equal(14, count(rig:heard(), "404 OPTIONS"))
    assert.same({ 0 }, rig:counted("over_messages"))
    -- more than that is a flood like any other
    for _ = 1, 30 do
      rig:say(request { method = "OPTIONS", branch = "z9hG4bKf1" })
    end
    assert.is_true(rig:counted("over_messages")[1] >= 20)
  end)

  it("that answers us is not counted: however much we ask of it", function()
    open { limits = { source_messages = 1 } }
    for i = 1, 50 do
      rig:request { method = "OPTIONS", call_id = "c" .. i }
      rig:run(0)
      rig:say(response(rig:take()[1].message, 200))
    end
    assert.equal(50, count(rig:told(), "response 200"))
    assert.same({ 0 }, rig:counted("over_messages"))
  end)

  it("whose responses are to nobody is", function()
    open { limits = { source_messages = 1 } }
    for i = 1, 9 do
      rig:say(response(request { branch = "z9hG4bKnone" .. i }, 200))
    end
    assert.same({ 4, 5 }, rig:counted("stray", "over_messages"))
    assert.same({}, rig:heard())
  end)

  it("may be exempt: no rule is for it", function()
    open { limits = { source_messages = 1, source_invites = 1 },
      exempt = { "\xc0\0\2\1", 32 } }
    flood("OPTIONS", 300)
    assert.equal(300, count(rig:heard(), "404"))
    assert.same({ 0, 0 }, rig:counted("over_messages", "sources"))
  end)

  it("is not exempt for its neighbour", function()
    open { limits = { source_messages = 1 }, exempt = { "\xc0\0\2\2", 32,
      "\x20\1\x0d\xb8" .. ("\0"):rep(12), 32 } }
    flood("OPTIONS", 300)
    assert.equal(4, count(rig:heard(), "404"))
  end)

  it("that writes nonsense is told so, but not often", function()
    open { limits = { source_malformed = 1, source_messages = 100 } }
    for i = 1, 20 do
      rig:say(request { cseq = "nonsense", branch = "z9hG4bK" .. i })
    end
    assert.equal(4, #rig:take())
    assert.same({ 20, 16 }, rig:counted("malformed", "over_malformed"))
    assert.same({
      "192.0.2.1: more than 1 malformed messages a second: dropped (1 so far)",
    }, rig:notices())
    rig:say(request { branch = "z9hG4bKgood" })
    assert.equal(1, count(rig:heard(), "404"))
  end)
end)

describe("a scanner", function()
  local rig

  after_each(function()
    rig:clean()
  end)

  local function open(options)
    options.scanners = options.scanners or "friendly-scanner\nsipvicious\n"
    rig = rig_of.new(options)
    rig.on.request = function(tx)
      tx:respond(404)
    end
  end

  local function say(agent, number, fields)
    local all = { branch = "z9hG4bKs" .. number, number = number,
      extra = agent and { "User-Agent: " .. agent } or nil }
    for key, value in pairs(fields or {}) do
      all[key] = value
    end
    rig:say(request(all))
  end

  it("is not answered, whatever the letters", function()
    open {}
    say("friendly-scanner", 1)
    say("Friendly-Scanner", 2)
    say("x (sipvicious/0.2.8)", 3)
    say("SIPVICIOUS", 4, { method = "REGISTER" })
    assert.same({}, rig:heard())
    assert.same({ 4 }, rig:counted("scanners"))
    assert.same({
      "192.0.2.1: the User-Agent of a scanner: dropped (1 so far)",
    }, rig:notices())
    for i, agent in ipairs { "friendly-scanne", "friendly scanner", "sipviciou", "" } do
      say(agent, 10 + i)
    end
    say(nil, 20)
    assert.equal(5, count(rig:heard(), "404"))
  end)

  it("is let go on in a transaction that is there", function()
    open {}
    rig.on.request = nil
    say("Phone", 1, { method = "INVITE" })
    local tx = rig:last "request"
    say("friendly-scanner", 1, { method = "CANCEL" })
    tx:respond(487)
    say("friendly-scanner", 1, { method = "ACK", to_tag = tx:tag() })
    assert.equal("confirmed", tx:state())
    assert.same({ 0 }, rig:counted("scanners"))
  end)

  it("is cut off on a stream", function()
    open { stream = true }
    local id = rig.stream:connect(rig_of.OURS, 5060)
    rig:run(0)
    rig.stream:write(id, request { transport = "TCP",
      extra = { "User-Agent: friendly-scanner" } } .. request { transport = "TCP",
      branch = "z9hG4bK2" })
    rig:run(0)
    assert.same({}, rig:heard(rig.stream))
    assert.same({ "0.000 notice 192.0.2.1: the User-Agent of a scanner: closed "
      .. "(1 so far)", "0.000 closed tcp" }, rig:told())
  end)
end)

describe("an answer that was not asked for", function()
  local rig, txs

  before_each(function()
    txs = {}
  end)

  after_each(function()
    rig:clean()
  end)

  local function open(limits)
    rig = rig_of.new { limits = limits }
    rig.on.request = function(tx)
      txs[#txs + 1] = tx
    end
  end

  local function invite(i, fields)
    local all = { method = "INVITE", branch = "z9hG4bKi" .. i, number = i }
    for key, value in pairs(fields or {}) do
      all[key] = value
    end
    rig:say(request(all))
    return txs[#txs]
  end

  -- Whoever sends in another's name has it sent to him: this much, and no more.
  -- @rfc 3261 26.3.2.4 SHOULD
  it("is repeated so often to one address, whoever it was meant for", function()
    open { source_repeats = 2 }
    local victim = rig.far:raw { host = "192.0.2.9", port = 5060 }
    for i = 1, 40 do
      invite(i, { via_more = ";maddr=192.0.2.9" }):respond(200, { until_ack = true })
    end
    rig:run(31)
    local heard = rig:take(victim)
    -- 40 INVITEs have 40 answers, which would be repeated nine times by now; of that
    -- eight at once, and two a second.
    assert.same({ 40 + 62, 9 * 40 - 62 }, { #heard, rig.stack:stats().over_repeats })
    assert.equal(1, #rig:notices())
    assert.matches("^192%.0%.2%.9: more than 2 repeated responses a second: not "
      .. "repeated", rig:notices()[1])
    for _, tx in ipairs(txs) do
      tx:acked()
    end
  end)

  it("is repeated to whoever needs it: calls do not reach the bound", function()
    open()
    for i = 1, 20 do
      invite(i):respond(486)
    end
    rig:run(0)
    rig:take()
    rig:run(32)
    assert.equal(200, #rig:take()) -- ten repetitions each (17.2.1)
    assert.equal(0, rig.stack:stats().over_repeats)
  end)

  -- @rfc 3261 26.3.2.4 SHOULD
  it("is not repeated when it only asks who it is", function()
    open()
    for i, status in ipairs { 401, 407 } do
      invite(i):respond(status)
      rig:run(20 * i)
      assert.same({ ("%.3f %d INVITE"):format(20 * (i - 1), status) }, rig:heard())
      invite(i) -- lost: the client asks again, and is asked again
      assert.same({ ("%.3f %d INVITE"):format(20 * i, status) }, rig:heard())
    end
  end)

  -- A client in Proceeding repeats nothing (17.1.1.2): it would wait in vain.
  it("is repeated nevertheless after a provisional", function()
    open()
    local tx = invite(1)
    rig:run(0.3)
    tx:respond(407)
    rig:run(2)
    assert.same({ "0.200 100 INVITE", "0.300 407 INVITE", "0.800 407 INVITE",
      "1.800 407 INVITE" }, rig:heard())
  end)
end)

describe("a response in another's name", function()
  local rig

  before_each(function()
    rig = rig_of.new()
    rig.far:raw { host = "192.0.2.9", port = 5060 }
  end)

  after_each(function()
    rig:clean()
  end)

  local function ask(method)
    rig:request { method = method or "INVITE" }
    rig:run(0)
    return rig:take()[1].message
  end

  -- @rfc 3261 18.1.2 MUST C-23 C-24
  it("does nothing unless it has all that only the request has", function()
    local invite = ask()
    local via = invite:header "Via"
    local guess = via:gsub("(z9hG4bK%w+)%w", "%1!")
    for _, forged in ipairs {
      { via = { guess } }, { via = { (via:gsub("z9hG4bK%w+", "z9hG4bK")) } },
      { via = { (via:gsub(";branch=%S+", "")) } },
      { via = { (via:gsub("192%.0%.2%.2", "192.0.2.1")) } },
      { via = { (via:gsub("5060", "5061")) } },
      { via = { via, via } },
      { via = { via, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx" } },
      { cseq = "1 BYE" }, { cseq = "1 CANCEL" }, { cseq = "1 invite" },
    } do
      for _, status in ipairs { 100, 180, 200, 302, 486, 603 } do
        rig:say(response(invite, status, forged))
      end
    end
    assert.same({}, rig:told())
    assert.same({ 60 }, rig:counted("stray"))
    rig:run(0.5) -- not even the repetitions have stopped
    assert.same({ "0.500 INVITE" }, rig:heard())
    rig:say(response(invite, 486))
    assert.same({ "0.500 response 486" }, rig:told())
  end)

  -- 18.1.2 matches by the branch, which nobody can guess: servers with several
  -- addresses may answer from another one than they were asked at.
  it("is none when it comes from another address with the right branch", function()
    local options = ask "OPTIONS"
    rig.far:raw { host = "192.0.2.9", port = 5070 }
      :send(rig_of.OURS, 5060, response(options, 200))
    rig:run(0)
    assert.same({ "0.000 response 200" }, rig:told())
  end)

  -- What is acknowledged and ended goes where its Contact says (RFC 6026 7.2).
  -- @rfc 3261 18.1.2 MUST C-23
  it("is no answer to what is over, unless that was ours", function()
    local invite = ask()
    local via = invite:header "Via"
    rig:run(40)
    rig:told()
    for from, to in pairs { ["192%.0%.2%.2"] = "192.0.2.3", ["5060"] = "5070",
      ["z9hG4bK%w+"] = "z9hG4bKmadeup", ["(z9hG4bK%w+)%w"] = "%1!" } do
      rig:say(response(invite, 200, { via = { (via:gsub(from, to)) } }))
    end
    assert.same({}, rig:told())
    rig:say(response(invite, 200))
    assert.same({ "40.000 stray 200" }, rig:told())
  end)

  it("is sent on by nobody, when nothing was passed on", function()
    for i = 1, 20 do
      rig:say(response(request { branch = ("z9hG4bK%013d"):format(i) }, 200, { via = {
        ("SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK%013d"):format(i),
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx",
      } }))
    end
    assert.same({}, rig:heard())
    assert.same({ 20, 0 }, rig:counted("stray", "sent"))
  end)
end)

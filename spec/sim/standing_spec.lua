-- Many quiet addresses together, in virtual time: who has proved himself is handled at
-- once, the others wait in a line. RFC 3261 26.3.2.4, 17.1.1.2. C-24, C-238.

local core = require "sip.core"
local new_sim = require "sip.sim"
local rig_of = require "spec.support.rig"
local simulated = require "spec.support.simulated"

local request, response = rig_of.request, rig_of.response

local PORTION = 32 -- strangers that one turn handles

local virtual = simulated(describe, "made-up addresses")

virtual("a stranger among many", function()
  local rig, order, number_of

  local function open(options)
    rig = rig_of.new(options)
    order, number_of = {}, 0
    rig.on.request = function(tx, message)
      order[#order + 1] = tx:source() .. " " .. message:call_id()
      tx:respond(404)
    end
  end

  after_each(function()
    rig:clean()
  end)

  -- A request that has just come from there.
  local function from(ip, number, fields)
    local all = { branch = "z9hG4bK" .. ip .. number, call_id = "c" .. number }
    for key, value in pairs(fields or {}) do
      all[key] = value
    end
    rig.far:datagram(ip, 5060, rig_of.OURS, 5060, request(all))
  end

  -- So many sources send, each so many; all of these are new.
  local function crowd(sources, times)
    for number = number_of + 1, number_of + (times or 1) do
      number_of = number
      for i = 1, sources do
        from(("198.51.%d.%d"):format(i // 256, i % 256), number)
      end
    end
  end

  local function settle()
    rig:run(rig.world:now())
  end

  -- Which one it was that was handled.
  local function place_of(what)
    for i, one in ipairs(order) do
      if one == what then
        return i
      end
    end
  end

  -- Is it handled at once, while others wait?
  local function stands(ip)
    order = {}
    crowd(60)
    from(ip, 900 + number_of)
    settle()
    assert.equal(61, #order)
    return place_of(("%s c%d"):format(ip, 900 + number_of)) == PORTION + 1
  end

  local function stats(name)
    return rig.stack:stats()[name]
  end

  -- @rfc 3261 26.3.2.4 SHOULD C-238
  it("delays nobody who has proved himself", function()
    open()
    rig.stack:good_login "192.0.2.1"
    crowd(200, 20)
    from("192.0.2.1", 1)
    settle()
    assert.equal(PORTION + 1, place_of "192.0.2.1 c1")
    assert.equal(4001, #order)
    assert.same({ 0, 0 }, { stats "waiting", stats "over_strangers" })
  end)

  it("has his turn after one round", function()
    open()
    crowd(200, 20)
    from("192.0.2.1", 1)
    settle()
    assert.is_true(place_of "192.0.2.1 c1" <= PORTION + 200 + 1)
    assert.equal(4001, #order)
  end)

  it("is handled at once, and in the order of all, when they are few", function()
    open()
    local wanted = {}
    for i = 1, PORTION do
      from("198.51.0." .. i % 7, i)
      wanted[i] = "198.51.0." .. i % 7 .. " c" .. i
    end
    rig.stack:good_login "192.0.2.1"
    from("192.0.2.1", 1)
    wanted[PORTION + 1] = "192.0.2.1 c1"
    settle()
    assert.same(wanted, order)
  end)

  it("hears the answers in the order in which he has asked", function()
    open()
    crowd(10, 30)
    settle()
    local last = {}
    for _, one in ipairs(order) do
      local ip, number = one:match "^(%S+) c(%d+)$"
      assert.equal((last[ip] or 0) + 1, tonumber(number))
      last[ip] = tonumber(number)
    end
    assert.equal(300, #order)
  end)

  it("is heard when others have filled the line", function()
    open { limits = { strangers = 100 } }
    crowd(2, 500)
    for i = 1, 90 do
      from("203.0.113." .. i, 1)
    end
    settle()
    for i = 1, 90 do
      assert.is_truthy(place_of("203.0.113." .. i .. " c1"))
    end
    assert.equal(PORTION + 100, #order)
    assert.equal(1090 - PORTION - 100, stats "over_strangers")
    local worst = rig.stack:offenders()[1]
    assert.equal("strangers", worst.rule)
    assert.matches("^198%.51%.0%.", worst.address)
  end)

  it("is the latest of those that have one each, when these are too many", function()
    open { limits = { strangers = 10 } }
    crowd(100)
    settle()
    assert.equal(PORTION + 10, #order)
    assert.equal("198.51.0.91 c1", order[PORTION + 1])
    assert.equal("198.51.0.100 c1", order[PORTION + 10])
    assert.equal(100 - PORTION - 10, stats "over_strangers")
  end)

  it("is one of so many bytes", function()
    open { limits = { strangers_bytes = 4096 } }
    crowd(100)
    settle()
    assert.is_true(#order < PORTION + 4096 // #request())
    assert.is_true(#order > PORTION + 4096 // (#request() + 200))
  end)

  it("waits for nobody when there is no line", function()
    open { limits = { strangers = 0 } }
    crowd(200, 20)
    from("192.0.2.1", 1)
    settle()
    assert.equal(4001, place_of "192.0.2.1 c1")
    assert.equal("198.51.0.34 c1", order[34])
  end)

  it("is under no rule when there are none, and waits for nobody then", function()
    open { limits = { sources = 0 } }
    crowd(200, 2)
    settle()
    assert.equal("198.51.0.200 c2", order[400])
  end)

  it("may be exempt", function()
    open { exempt = { "\xc0\0\2\1", 32 } }
    assert.is_true(stands "192.0.2.1")
    assert.is_false(stands "192.0.2.3")
  end)

  -- A message that overtakes another of its dialog is refused. @rfc 3261 12.2.2
  it("is not overtaken by himself when he proves himself", function()
    open()
    rig.on.request = function(tx, message)
      local what = tx:source() .. " " .. message:call_id()
      order[#order + 1] = what
      tx:respond(404)
      if what == "192.0.2.1 c1" then
        rig.stack:good_login "192.0.2.1"
        from("192.0.2.1", 4)
      end
    end
    crowd(60)
    for i = 1, 3 do
      from("192.0.2.1", i)
    end
    crowd(60)
    settle()
    local first = place_of "192.0.2.1 c1"
    assert.is_true(first > PORTION)
    local own = {}
    for _, one in ipairs(order) do
      own[#own + 1] = one:match "^192%.0%.2%.1 (c%d)$"
    end
    assert.same({ "c1", "c2", "c3", "c4" }, own)
    assert.equal(124, #order)
    assert.same({ 0, 0 }, { stats "waiting", stats "over_strangers" })
  end)

  it("uses up what his source may while he waits", function()
    open { limits = { source_messages = 10 } }
    for i = 1, 100 do
      from("192.0.2.1", i)
    end
    settle()
    assert.same({ 40, 60, 0 }, { #order, stats "over_messages",
      stats "over_strangers" })
  end)

  it("that has been dropped is told of once a minute for all of them, and noted",
    function()
      open { limits = { strangers = 10 }, watch = true }
      crowd(100, 20)
      settle()
      rig:run(59)
      crowd(100, 1)
      settle()
      rig:run(61)
      crowd(100, 1)
      settle()
      local notices, notes = {}, 0
      for _, event in ipairs(rig.events) do
        if event.kind == "notice" then
          notices[#notices + 1] = ("%d %s"):format(event.at, event[1])
        elseif event.kind == "dropped" then
          notes = notes + 1
          assert.equal("more strangers send than can be answered: dropped", event[1])
        end
      end
      assert.equal(2, #notices)
      assert.equal("0 more strangers send than can be answered: dropped (1 so far)",
        notices[1])
      assert.matches("^61 more strangers send .* dropped %(%d+ so far%)$", notices[2])
      assert.equal(60, notes) -- twenty a second
    end)

  it("may wait when the stack is closed", function()
    open()
    rig.on.request = function()
      rig.on.request = nil
      assert.is_true(stats "waiting" > 100)
      rig.stack:close()
    end
    crowd(200, 2)
    settle()
    rig.clean = function(self)
      self.world:close()
    end
  end)

  describe("has proved himself", function()
    before_each(function()
      open()
    end)

    local function invited()
      local tx
      rig.on.request = function(one, message)
        order[#order + 1] = one:source() .. " " .. message:call_id()
        if message:method() == "INVITE" then
          tx = one
        else
          one:respond(404)
        end
      end
      return function()
        return tx
      end
    end

    -- A call from this address, answered; the ACK as it comes.
    local function call(ip, fields)
      local tx_of = invited()
      local all = { method = "INVITE", sent_by = ip }
      for key, value in pairs(fields or {}) do
        all[key] = value
      end
      from(ip, 1, all)
      settle()
      local tx = tx_of()
      tx:respond(200, { until_ack = true, tag = "ours" })
      return tx
    end

    local function ack(ip)
      from(ip, 1, { method = "ACK", branch = "z9hG4bKack" .. ip, to_tag = "ours" })
      settle()
      return select(2, rig:last "ack")
    end

    it("by a password", function()
      assert.is_false(stands "192.0.2.3")
      rig.stack:good_login "192.0.2.3"
      assert.is_true(stands "192.0.2.3")
      assert.is_false(stands "192.0.2.4")
    end)

    it("by a response to a request of ours, which only he has seen", function()
      rig:request { method = "OPTIONS" }
      settle()
      local asked = rig:take()[1].message
      rig:say(response(asked, 180))
      assert.is_true(stands "192.0.2.1")
    end)

    it("not by a response in another's name, with the right branch", function()
      rig:request { method = "OPTIONS" }
      settle()
      local asked = rig:take()[1].message
      rig.far:datagram("192.0.2.7", 5060, rig_of.OURS, 5060, response(asked, 180))
      settle()
      assert.equal("response", rig.events[1].kind)
      assert.is_false(stands "192.0.2.7")
      assert.is_false(stands "192.0.2.1")
    end)

    it("not by a response that looks right", function()
      rig:request { method = "OPTIONS" }
      settle()
      local via = rig:take()[1].message:header "Via"
      local asked = request {}
      for _, forged in ipairs { (via:gsub("(z9hG4bK%w+)%w", "%1!")),
        (via:gsub("z9hG4bK%w+", "z9hG4bKmadeup")) } do
        rig:say(response(asked, 200, { via = { forged } }))
      end
      assert.equal(2, stats "stray")
      assert.is_false(stands "192.0.2.1")
    end)

    it("by the ACK to a call that was answered", function()
      local tx = call "192.0.2.3"
      assert.is_false(stands "192.0.2.3")
      tx:acked(ack "192.0.2.3")
      assert.is_true(stands "192.0.2.3")
    end)

    it("not by one from where the answer did not go", function()
      local tx = call "192.0.2.3"
      tx:acked(ack "192.0.2.4")
      assert.is_false(stands "192.0.2.4")
      assert.is_false(stands "192.0.2.3")
    end)

    it("not by one in the name of who has not got the answer", function()
      -- whoever sends this is at the maddr
      local tx = call("192.0.2.3", { via_more = ";maddr=192.0.2.9" })
      assert.equal("192.0.2.9", tx:reply_host())
      tx:acked(ack "192.0.2.3")
      assert.is_false(stands "192.0.2.3")
    end)

    it("not without one", function()
      call("192.0.2.3"):acked()
      assert.is_false(stands "192.0.2.3")
    end)
  end)

  it("does not push out who has proved himself", function()
    open { limits = { sources = 100 } }
    rig.stack:good_login "192.0.2.1"
    for _ = 1, 5 do
      crowd(200, 2)
      settle()
      rig:run(rig.world:now() + 1)
    end
    assert.equal(100, stats "sources")
    assert.is_true(stands "192.0.2.1")
  end)
end)

virtual("a phone with a password", function()
  local SERVER = "192.0.2.100"
  local sim, host, ua, raws

  before_each(function()
    sim = new_sim { seed = 3, delay = 0.01 }
    host = sim:host(SERVER)
    raws = {}
  end)

  after_each(function()
    for _, one in ipairs(raws) do
      one:close()
    end
    sim:assert_clean()
    sim:close()
  end)

  local function raw(ip)
    raws[#raws + 1] = sim:host(ip).driver:raw { host = ip, port = 5060 }
    return raws[#raws]
  end

  local function serve(limits)
    ua = host.sip.new { listen = "udp:" .. SERVER, domain = "biloxi.com",
      users = { bob = "zanzibar" }, log = function() end, limits = limits }
    ua:on("*", function(req)
      if not req:trusted() then
        return req:challenge()
      end
      req:reply(200)
    end)
  end

  -- Two hundred others send, and how many of them have been heard when he is.
  local function before_him(socket, bytes)
    local crowd = sim:host("198.51.100.1").driver
    local seen, found = 0, nil
    ua:on("*", function(req)
      if req.source.host == "192.0.2.20" then
        found = seen
      end
      seen = seen + 1
      req:reply(404)
    end)
    for number = 1, 5 do
      for i = 1, 200 do
        crowd:datagram("198.51.100." .. i, 5060, SERVER, 5060, rig_of.request {
          branch = "z9hG4bKc" .. number * 1000 + i, uri = "sip:x@biloxi.com" })
      end
    end
    assert(socket:send(SERVER, 5060, bytes))
    sim:advance(1)
    assert.equal(1001, seen)
    return found
  end

  local function question(more)
    local all = { uri = "sip:x@biloxi.com", sent_by = "192.0.2.20",
      branch = "z9hG4bKafter" }
    for key, value in pairs(more or {}) do
      all[key] = value
    end
    return rig_of.request(all)
  end

  it("is answered before those who have none", function()
    serve()
    local phone = sim:phone { host = "192.0.2.20", aor = "sip:bob@biloxi.com",
      password = "zanzibar", registrar = false }
    local res = sim:wait(phone.host, phone.ua.request, phone.ua, { method = "MESSAGE",
      uri = "sip:bob@biloxi.com", auth = { user = "bob", password = "zanzibar" } })
    assert.equal(200, res:status())
    local other = phone.host.driver:raw { host = "192.0.2.20", port = 5070 }
    raws[1] = other
    assert.equal(PORTION, before_him(other, question { via_more = ";rport" }))
  end)

  -- With it he could fail in its name, or prove himself there with a password of his.
  -- @rfc 3261 26.3.2.4 SHOULD C-238
  it("is asked where it is, and nobody else hears the nonce", function()
    serve()
    local other = raw "192.0.2.20"
    sim:host "192.0.2.30" -- where nobody listens
    sim:host("198.51.100.1").driver:datagram("192.0.2.30", 5060, SERVER, 5060,
      question { via_more = ";rport" })
    sim:advance(1)
    assert.same({}, other:take())
    assert.equal(1, ua:stats().sent)
  end)

  it("is answered among the others before it has used it", function()
    serve()
    assert.is_true(before_him(raw "192.0.2.20", question()) > PORTION)
  end)
end)

virtual("an acknowledged call", function()
  local SERVER, CALLER, OTHER = "192.0.2.100", "192.0.2.20", "192.0.2.30"
  local SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\n"
    .. "t=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
  local sim, crowd, caller, order, asked

  before_each(function()
    sim = new_sim { seed = 3, delay = 0.01 }
    crowd = sim:host("198.51.100.1").driver
    caller = sim:host(CALLER).driver:raw { host = CALLER, port = 5060 }
    order, asked = {}, 0
  end)

  after_each(function()
    caller:close()
    sim:advance(200)
    sim:assert_clean()
    sim:close()
  end)

  local function serve(on_call)
    local host = sim:host(SERVER)
    local ua = host.sip.new { listen = "udp:" .. SERVER, log = function() end }
    ua:on("OPTIONS", function(req)
      order[#order + 1] = req.source.host
      req:reply(404)
    end)
    ua:on_call(function(call)
      if on_call then
        on_call(host.sip, call)
      end
      call:answer { sdp = SDP }
      call:wait()
    end)
  end

  -- Whoever it comes from, it may be in the name of another.
  local function from(ip, method, fields)
    local number = fields.number or 1
    local all = { method = method, uri = "sip:x@" .. SERVER, sent_by = ip,
      via_more = ";rport", branch = "z9hG4bK" .. method .. ip .. number,
      contact = ("<sip:x@%s>"):format(CALLER) }
    if method == "INVITE" then
      all.body, all.extra = SDP, { "Content-Type: application/sdp" }
    end
    for key, value in pairs(fields) do
      all[key] = value
    end
    crowd:datagram(ip, 5060, SERVER, 5060, rig_of.request(all))
    sim:advance(0.1)
  end

  -- The caller's own socket has heard this.
  local function heard(pattern)
    for _, event in ipairs(caller:take()) do
      if event.what == "bytes" and event.bytes:find(pattern) then
        return assert(core.parse(event.bytes))
      end
    end
    error("nothing like " .. pattern)
  end

  -- Is a question from there handled before those of others that wait?
  local function stands(ip)
    order, asked = {}, asked + 1
    for i = 1, 60 do
      crowd:datagram("198.51.100." .. i, 5060, SERVER, 5060, rig_of.request {
        branch = ("z9hG4bKof%d.%d"):format(i, asked) })
    end
    from(ip, "OPTIONS", { number = asked })
    assert.equal(61, #order)
    return order[PORTION + 1] == ip
  end

  it("proves its caller", function()
    serve()
    from(CALLER, "INVITE", {})
    assert.is_false(stands(CALLER))
    from(CALLER, "ACK", { to_tag = heard("^SIP/2.0 200"):to_tag() })
    assert.is_true(stands(CALLER))
  end)

  -- @rfc 3261 26.3.2.4 SHOULD C-238
  it("proves nobody in whose name it is changed: its tag is known before", function()
    serve()
    from(CALLER, "INVITE", {})
    local tag = heard("^SIP/2.0 200"):to_tag()
    from(CALLER, "ACK", { to_tag = tag })
    from(OTHER, "INVITE", { to_tag = tag, number = 2 })
    from(OTHER, "ACK", { to_tag = tag, number = 2 })
    assert.is_false(stands(OTHER))
  end)

  -- @rfc 3261 26.3.2.4 SHOULD C-238
  it("proves nobody when its tag has gone to the Contact as well", function()
    serve(function(sip, call)
      sip.spawn(function()
        sip.sleep(0.01)
        call:send { method = "INFO", body = "1", content_type = "text/plain" }
      end)
    end)
    from(OTHER, "INVITE", {})
    from(OTHER, "ACK", { to_tag = heard("^INFO"):from_tag() })
    assert.is_false(stands(OTHER))
  end)

  -- @rfc 3261 9.2 SHOULD C-115
  -- @rfc 3261 26.3.2.4 SHOULD C-238
  it("proves nobody when a CANCEL from elsewhere has heard its tag", function()
    serve()
    from(OTHER, "INVITE", {})
    from(CALLER, "CANCEL", { sent_by = OTHER, branch = "z9hG4bKINVITE" .. OTHER .. 1 })
    from(OTHER, "ACK", { to_tag = heard("^SIP/2.0 200 .*CSeq: 1 CANCEL"):to_tag() })
    assert.is_false(stands(OTHER))
  end)

  -- @rfc 3263 5 MUST C-46
  -- @rfc 3261 26.3.2.4 SHOULD C-238
  it("proves nobody when its answer has come to what the Via names", function()
    serve()
    sim:host(OTHER) -- where nobody listens
    from(OTHER, "INVITE", { sent_by = CALLER })
    from(OTHER, "ACK", { to_tag = heard("^SIP/2.0 200"):to_tag() })
    assert.is_false(stands(OTHER))
  end)
end)

-- RFC 3261 16 at its edges: scripts that end too early, answers that cannot go back,
-- targets that are no Request-URI, an endpoint that closes meanwhile.

local forwarding = require "spec.support.forwarding"
local net_of = require "spec.support.net"
local routing = require "sip.ua.routing"

local PROXY = forwarding.PROXY
local ONE, TWO, THREE = forwarding.ONE, forwarding.TWO, forwarding.THREE
local NOBODY, SLOW = forwarding.NOBODY, "192.0.2.24"
local at = forwarding.at

describe("a proxy", function()
  local f, proxy, net

  before_each(function()
    f = forwarding.new()
    proxy, net = f.proxy, f.net
  end)

  after_each(function()
    f:finish()
  end)

  local function sleep(seconds)
    net:sip(PROXY).sleep(seconds)
  end

  -- A server that is too slow even for a 100.
  local function slow(...)
    f.servers[SLOW] = net:stranger(SLOW, nil, { trying = 60 })
    f:answers(SLOW, ...)
  end

  describe("whose script ends first", function()
    it("lets nothing wait that asked for `fallback`", function()
      f:forward_to(at(NOBODY), { fallback = true })
      f:send { method = "MESSAGE" } -- fails when the script has had its time
      f:run(200)
      assert.same({}, f:statuses())
    end)

    it("sends back what a coroutine of its own has forwarded", function()
      proxy:on("*", function(req)
        net:sip(PROXY).spawn(function()
          req:forward(at(ONE), { fallback = true })
        end)
        sleep(1)
      end)
      f:answers(ONE, 5, 486)
      f:send()
      f:run(20)
      assert.same({ 486 }, f:statuses())
    end)

    it("keeps no transaction of what nobody waits for any more", function()
      proxy:on("*", function()
        sleep(1000)
      end)
      f:send { method = "MESSAGE" }
      f:run(34)
      assert.equal(0, proxy.stack:stats().transactions)
    end)
  end)

  it("C-196, RFC 4320 4.2: does not forward a repeated request again when it has "
    .. "given up early", function()
    local times = 0
    proxy:on("*", function(req)
      times = times + 1
      req:forward(at(NOBODY), { timeout = 3 })
    end)
    f:send { method = "MESSAGE" }
    f:run(100)
    assert.equal(1, times)
    assert.same({}, f:statuses())
  end)

  describe("with more than goes back", function()
    it("C-212: sends challenges without end as far as they go", function()
      f:forward_to { at(ONE), at(TWO) }
      local list = {}
      for i = 1, 70 do
        list[#list + 1] = "WWW-Authenticate"
        list[#list + 1] = ('Digest realm="%d"'):format(i)
      end
      f:answers(ONE, 0, { 401, headers = list })
      f:answers(TWO, 0.1, { 401, headers = list })
      f:send()
      f:run(20)
      assert.same({ 401 }, f:statuses())
      assert.equal(102, #f:last_response():values "WWW-Authenticate")
    end)

    it("sends one challenge when there is no room for all", function()
      f:forward_to { at(ONE), at(TWO), at(THREE) }
      local long = {}
      for i = 1, 6 do
        long[2 * i - 1], long[2 * i] = "Proxy-Authenticate",
          ('Digest realm="%s"'):format(("x"):rep(4900))
      end
      for _, ip in ipairs { ONE, TWO, THREE } do
        f:answers(ip, 0, { 407, headers = long })
      end
      f:send()
      f:run(20)
      assert.same({ 407 }, f:statuses())
      assert.equal(6, #f:last_response():values "Proxy-Authenticate")
    end)

    it("lets no script edit without end", function()
      local complaint
      f:forward_to(at(ONE), nil, function(req)
        complaint = select(2, pcall(function()
          for _ = 1, 70 do
            req:add("X-Long", "1")
          end
        end))
      end)
      f:answers(ONE, 0, 200)
      f:send { method = "MESSAGE" }
      f:run(1)
      assert.truthy(tostring(complaint):find "no more than 50 edits")
      assert.equal(50, #f:requests(ONE)[1]:values "X-Long")
      assert.same({ 200 }, f:statuses())
    end)
  end)

  describe("16.7, after a script has gone on", function()
    it("does not answer a call of ours with a 2xx of an earlier target", function()
      slow(8, { 200, tag = "slow" })
      local call
      proxy:on("*", function(req)
        req:forward(at(SLOW), { timeout = 5, fallback = true })
        call = req:call()
        call:ring()
        sleep(10)
        call:answer { sdp = net_of.SDP }
        call:wait()
      end)
      f:send { body = net_of.SDP }
      f:run(9)
      f.servers[SLOW].fork(f:requests(SLOW, "INVITE")[1], 200, "slow") -- once more
      f:run(14)
      assert.equal("ringing", call.state)
      assert.same({ 180 }, f:statuses())
      f:run(15.1)
      assert.same({ 180, 200 }, f:statuses())
      assert.is_not.equal("slow", f:last_response():to_tag())
    end)

    it("C-220: forwards a 2xx of an earlier target after one of a later", function()
      slow(8, { 200, tag = "slow" })
      proxy:on("*", function(req)
        req:forward(at(SLOW), { timeout = 5, fallback = true })
        req:forward(at(ONE))
      end)
      f:answers(ONE, 1, { 200, tag = "one" })
      f:send()
      f:run(9)
      assert.same({ 200, 200 }, f:statuses())
      assert.equal("slow", f:last_response():to_tag())
    end)
  end)

  it("C-203, 16.5: nobody to forward to is 480", function()
    f:forward_to({})
    f:send { method = "MESSAGE" }
    f:run(1)
    assert.same({ 480 }, f:statuses())
    assert.equal(480, f.outcome[2].status)
    f:forward_to({}, { fallback = true }, function(req)
      assert.equal("new", req.state)
    end)
    f:send { method = "MESSAGE", cseq = 2 }
    f:run(2)
    assert.equal(480, f.outcome[2].status)
    assert.equal(405, f:last_response():status()) -- the script has left it alone
  end)

  it("C-218: says no 100 of its own without a transaction", function()
    net:stranger(SLOW, nil, { trying = 60 }) -- which says none either
    f:forward_to(nil, { stateless = true })
    f:send { uri = at(SLOW) }
    f:run(3)
    local count = 0
    for _, record in ipairs(net.trace:list()) do
      if record.kind == "message" and record.from:find(PROXY, 1, true) then
        assert.equal("INVITE", record.text:match "^%S+")
        count = count + 1
      end
    end
    assert.is_true(count >= 3) -- each of the client's repetitions
  end)

  it("C-207: each copy has a branch of its own", function()
    f:forward_to { at(ONE), at(TWO) }
    f:answers(ONE, 0, 404)
    f:answers(TWO, 0, 404)
    f:send()
    f:run(1)
    f:send { cseq = 2 }
    f:run(2)
    local seen = {}
    for _, ip in ipairs { ONE, TWO } do
      for _, got in ipairs(f:requests(ip, "INVITE")) do
        local branch = got:via(1).branch
        assert.equal("z9hG4bK", branch:sub(1, 7))
        assert.is_nil(seen[branch])
        seen[branch] = true
      end
    end
    assert.equal(4, #f:requests(ONE, "INVITE") + #f:requests(TWO, "INVITE"))
  end)

  it("C-204, 16.6 step 2: a Request-URI has neither headers nor a method", function()
    f:forward_to(at(ONE) .. ";method=BYE;x=1?Replaces=1&Route=%3Csip:evil%3E")
    f:answers(ONE, 0, 200)
    f:send { method = "MESSAGE" }
    f:run(1)
    local got = f:requests(ONE)[1]
    assert.equal(at(ONE) .. ";x=1", got:uri())
    assert.is_nil(got:header "Replaces")
    assert.is_nil(got:header "Route")
  end)

  it("16.6 step 7: sips is for TLS alone, whatever a Route says", function()
    f:forward_to("sips:bob@" .. ONE, { via = "sip:" .. TWO })
    f:answers(TWO, 0, 200)
    f:send { method = "MESSAGE" }
    f:run(1)
    assert.same({}, f:requests(TWO))
    assert.same({ 500 }, f:statuses())
  end)

  it("C-205: names no port 0 where nobody listens for streams", function()
    local by_udp = net:endpoint("192.0.2.11", { listen = "udp:192.0.2.11:5060" })
    by_udp:on("*", function(req)
      req:record_route()
      req:forward "sip:bob@192.0.2.31;transport=tcp"
    end)
    local ua = net:endpoint "192.0.2.31"
    ua:on_call(function(leg)
      leg:answer { sdp = net_of.SDP }
      leg:wait()
    end)
    f.client.request("192.0.2.11", { method = "INVITE", body = net_of.SDP })
    f:run(1)
    local res = f:last_response()
    local routes = res:values "Record-Route"
    assert.equal(1, #routes)
    assert.truthy(routes[1]:find "^<sip:192.0.2.11:5060;lr;")
    f.client.request("192.0.2.11", { method = "BYE", uri = res:contact_uri(), cseq = 2,
      to = res:header "To", headers = { "Route", routes[1] } })
    f:run(40)
    assert.equal(200, f:last_response():status())
  end)

  describe("16.7 step 4:", function()
    it("the targets of a 3xx have their order, and what is none stays out", function()
      f:forward_to(at(ONE), { redirects = 5 })
      f:answers(ONE, 0, { 302, headers = { "Contact",
        ("<%s>;q=0.2, <mailto:bob@example.org>, <%s>;q=0.7"):format(at(TWO),
          at(THREE)) } })
      f:answers(TWO, 1, 486)
      f:answers(THREE, 1, 480)
      f:send()
      f:run(0.5)
      assert.same({ 0, 1 }, { #f:requests(TWO), #f:requests(THREE) })
      f:run(5)
      assert.same({ 1, 1 }, { #f:requests(TWO, "INVITE"),
        #f:requests(THREE, "INVITE") })
      assert.same({ 302 }, f:statuses())
      assert.same({ "<mailto:bob@example.org>" }, f:last_response():values "Contact")
    end)

    it("a q that is none is none", function()
      f:forward_to(at(ONE), { redirects = 5 })
      f:answers(ONE, 0, { 302, headers = { "Contact",
        ("<%s>;q=0.9, <%s>;q=0x0"):format(at(TWO), at(THREE)) } })
      f:answers(TWO, 1, 486)
      f:answers(THREE, 1, 480)
      f:send()
      f:run(0.5)
      assert.same({ 0, 1 }, { #f:requests(TWO), #f:requests(THREE) })
      f:run(5)
    end)

    it("a 3xx all of whose targets have been tried is no answer", function()
      f:forward_to(at(ONE), { redirects = 5 })
      f:answers(ONE, 0, { 302, headers = { "Contact",
        ("<%s>, <%s>"):format(at(TWO), at(ONE)) } })
      f:answers(TWO, 1, 486)
      f:send()
      f:run(5)
      assert.same({ 486 }, f:statuses())
    end)

    it("those of its targets that may not be tried go back", function()
      f:forward_to(at(ONE), { redirects = 1 })
      f:answers(ONE, 0, { 302, headers = { "Contact",
        ("<%s>;q=0.2, <%s>;q=0.7"):format(at(TWO), at(THREE)) } })
      f:answers(THREE, 1, 486)
      f:send()
      f:run(5)
      assert.same({ 302 }, f:statuses())
      assert.same({ ("<%s>;q=0.2"):format(at(TWO)) },
        f:last_response():values "Contact")
    end)

    it("a 3xx to where nobody can send goes back", function()
      f:forward_to(at(ONE), { redirects = 5 })
      f:answers(ONE, 0, { 302, headers = { "Contact", "<mailto:bob@example.org>" } })
      f:send()
      f:run(5)
      assert.same({ 302 }, f:statuses())
    end)
  end)

  -- @rfc 3261 16.5 MUST
  it("no target has its turn twice, however it is written", function()
    f:forward_to({ at(ONE), "SIP:bob@192.0.2.21", "sip:b%6fb@192.0.2.21" },
      { order = "sequential" })
    f:answers(ONE, 0, 486)
    f:send()
    f:run(5)
    assert.equal(1, #f:requests(ONE, "INVITE"))
    assert.same({ 486 }, f:statuses())
  end)

  -- @rfc 5393 4.2.1 MUST C-207
  it("C-199, C-207: each line of Route tells a spiral from a loop", function()
    local texts = {}
    proxy:on("*", function(req)
      texts[#texts + 1] = routing.loop_text(req.message)
      req:reply(200)
    end)
    for cseq, ip in ipairs { ONE, TWO, TWO } do
      f:send { method = "MESSAGE", cseq = cseq,
        headers = { "Route", "<sip:192.0.2.10;lr>", "Route", "<sip:" .. ip .. ";lr>" } }
    end
    f:run(1)
    assert.equal(3, #texts)
    assert.not_equal(texts[1], texts[2])
    assert.equal(texts[2], texts[3])
  end)

  it("C-200: what the breadth leaves no room for waits for who says nothing", function()
    f:forward_to({ at(NOBODY), at(ONE) }, { timeout = 3, order = "sequential" })
    f:answers(ONE, 0, 200)
    f:send { headers = { "Max-Breadth", "1" } }
    f:run(30)
    assert.same({}, f:requests(ONE))
    f:run(40)
    assert.same({ 200 }, f:statuses())
  end)

  describe("16.10,", function()
    -- A CANCEL after so many seconds.
    local function cancelled_at(instant)
      local tx = f:send { body = net_of.SDP }
      f:run(instant)
      tx:cancel()
      f:run(instant + 20)
    end

    it("C-217: before its script has run", function()
      local ran = false
      f:forward_to(at(ONE), nil, function()
        ran = true
        sleep(5)
        ran = "too long"
      end)
      cancelled_at(0.3)
      assert.equal(true, ran)
      assert.same({ 487 }, f:statuses())
      assert.same({}, f:requests(ONE))
    end)

    it("C-217: while a password is looked for", function()
      proxy = net:endpoint("192.0.2.12", { domain = "other.example",
        users = function()
          net:sip("192.0.2.12").sleep(5)
          return "secret"
        end })
      proxy:on("*", function(req)
        if req:trusted() then
          return req:forward(at(ONE))
        end
        return req:challenge()
      end)
      local uri = "sip:2002@other.example"
      f.client.request("192.0.2.12", { method = "INVITE", uri = uri })
      f:run(1)
      assert.same({ 407 }, f:statuses())
      local asked = f:last_response():header "Proxy-Authenticate"
      local tx = f.client.request("192.0.2.12", { method = "INVITE", uri = uri,
        cseq = 2, headers = { "Proxy-Authorization", ('Digest username="2001", '
          .. 'realm="other.example", %s, uri="%s", qop=auth, nc=00000001, cnonce="c", '
          .. 'algorithm=SHA-256, response="%s"'):format(asked:match 'nonce="[^"]*"',
            uri, ("0"):rep(64)) } })
      f:run(2)
      tx:cancel()
      f:run(20)
      assert.same({ 407, 487 }, f:statuses())
      assert.equal(0, proxy.pending)
      proxy = f.proxy
    end)

    it("C-217: between two turns of a script", function()
      local e
      proxy:on("*", function(req)
        req:forward(at(ONE), { fallback = true })
        sleep(5)
        e = "not reached"
      end)
      f:answers(ONE, 0, 486)
      cancelled_at(1)
      assert.is_nil(e)
      assert.same({ 487 }, f:statuses())
    end)

    it("C-217: in the second turn, with the first not yet over", function()
      slow(8, 200)
      f:gives_up(ONE)
      local names = {}
      proxy:on("*", function(req)
        for _, target in ipairs { at(SLOW), at(ONE), at(TWO) } do
          local _, e = req:forward(target, { timeout = 3, fallback = true })
          names[#names + 1] = e.name
        end
      end)
      f:answers(ONE, 0, 180)
      cancelled_at(4)
      assert.same({ "no_answer", "cancelled", "cancelled" }, names)
      assert.same({ 180, 487 }, f:statuses())
      assert.same({}, f:requests(TWO))
    end)

    it("C-217: of a call that was made of it after all", function()
      local call
      proxy:on("*", function(req)
        req:forward(at(ONE), { fallback = true })
        call = req:call()
        call:ring()
        call:wait()
      end)
      f:answers(ONE, 0, 486)
      cancelled_at(1)
      assert.same({ 180, 487 }, f:statuses())
      assert.equal("ended", call.state)
    end)

    it("a 2xx that crosses it goes back", function()
      f:forward_to(at(ONE))
      f:answers(ONE, 0, 180, 1.005, 200)
      cancelled_at(1)
      assert.same({ 180, 200 }, f:statuses())
    end)

    it("without any handler, and without an INVITE, it gets 481", function()
      local plain = net:endpoint "192.0.2.13"
      f.client.bytes("192.0.2.13", table.concat({ "CANCEL sip:x@192.0.2.13 SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnothing", "From: <sip:a@x>;tag=1",
        "To: <sip:x@192.0.2.13>", "Call-ID: nothing", "CSeq: 1 CANCEL",
        "Content-Length: 0", "", "" }, "\r\n"))
      f:run(40)
      assert.same({ "0.010 192.0.2.13 481 CANCEL" }, net:flow "192.0.2.13")
      assert.equal(0, plain.stack:stats().transactions)
    end)
  end)

  describe("that closes", function()
    for _, order in ipairs { "parallel", "sequential" } do
      it("cancels what rings and tells who waits: " .. order, function()
        f:forward_to({ at(ONE), at(NOBODY), at(TWO) },
          { order = order, timeout = 20, fallback = true })
        f:answers(ONE, 0.1, 180)
        f:gives_up(ONE)
        f:send()
        f:run(1)
        proxy:refuse_all()
        f:run(4)
        assert.same({ 180 }, f:statuses())
        proxy:shut()
        f:run(10)
        assert.same({ 180, 503 }, f:statuses())
        assert.equal(1, #f:requests(ONE, "CANCEL"))
      end)
    end

    it("tells whoever waits for a script", function()
      proxy:on("*", function()
        sleep(30)
      end)
      f:send { method = "MESSAGE" }
      f:run(1)
      proxy:shut()
      f:run(10)
      assert.same({ 503 }, f:statuses())
    end)

    it("relays what comes inside a dialog until then", function()
      f:forward_to(at(ONE), nil, function(req)
        req:record_route()
      end)
      f:answers(ONE, 0, 200)
      f:send()
      f:run(1)
      local res = f:last_response()
      f:answers(TWO, 0, 180)
      proxy:refuse_all()
      f.client.request(PROXY, { method = "BYE", uri = at(ONE), cseq = 2,
        to = res:header "To", headers = { "Route", res:header "Record-Route" } })
      f:run(2)
      assert.equal(1, #f:requests(ONE, "BYE"))
      assert.same({ 200, 200 }, f:statuses())
      f:send { cseq = 3 }
      f:run(3)
      assert.same({ 200, 200, 503 }, f:statuses())
    end)
  end)
end)

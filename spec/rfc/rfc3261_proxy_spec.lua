-- RFC 3261 16: the stateful proxy, as `req:forward` is one; with RFC 5393, RFC 5658 and
-- RFC 6026. Between a client and three servers that do as they are told, in virtual
-- time.

local core = require "sip.core"
local forwarding = require "spec.support.forwarding"

local at, AOR = forwarding.at, forwarding.AOR
local PROXY, CLIENT = forwarding.PROXY, forwarding.CLIENT
local ONE, TWO, THREE = forwarding.ONE, forwarding.TWO, forwarding.THREE

describe("a proxy", function()
  local rig, net, proxy, client, servers

  before_each(function()
    rig = forwarding.new()
    net, proxy, client, servers = rig.net, rig.proxy, rig.client, rig.servers
  end)

  after_each(function()
    rig:finish()
  end)

  local forward_to, send, run, answers, gives_up,
    requests, statuses, last_response = forwarding.verbs(function()
      return rig
    end, "forward_to", "send", "run", "answers", "gives_up",
      "requests", "statuses", "last_response")

  describe("16.6", function()
    it("C-204, C-207, C-208: forwards a copy with its own Via, one hop less", function()
      forward_to(at(ONE))
      answers(ONE, 0, 200)
      send { method = "MESSAGE", body = "hi", content_type = "text/plain", headers = {
        "X-Unknown", "a  b", "Subject", "one", "X-unknown", "c" } }
      run(1)
      local got = requests(ONE)[1]
      assert.equal(at(ONE), got:uri())
      assert.equal(69, got:max_forwards())
      assert.equal("hi", got:body())
      local first, second = got:via(1), got:via(2)
      assert.equal(PROXY, first.host)
      assert.equal("z9hG4bK", first.branch:sub(1, 7))
      assert.equal(CLIENT, second.host)
      assert.equal(CLIENT, second.received)
      local names = {}
      for name, value in got:fields() do
        if name:lower():find "^x%-" or name == "Subject" then
          names[#names + 1] = name .. "=" .. value
        end
      end
      assert.same({ "X-Unknown=a  b", "Subject=one", "X-unknown=c" }, names)
      assert.same({ 200 }, statuses())
      assert.is_nil(last_response():via(2))
      assert.equal(200, rig.outcome[1]:status())
    end)

    it("C-204: edits are in every copy, and the message stays as it is", function()
      local seen
      forward_to({ at(ONE), at(TWO) }, nil, function(req)
        req:set("X-Routed-By", "luasip")
        req:add("X-More", "1")
        req:add("X-More", "2")
        req:remove "Subject"
        seen = req.message:header "Subject"
      end)
      answers(ONE, 0, 404)
      answers(TWO, 0, 200)
      send { method = "MESSAGE", headers = { "Subject", "old" } }
      run(1)
      for _, ip in ipairs { ONE, TWO } do
        local got = requests(ip)[1]
        assert.equal("luasip", got:header "X-Routed-By")
        assert.same({ "1", "2" }, got:values "X-More")
        assert.is_nil(got:header "Subject")
      end
      assert.equal("old", seen)
    end)

    it("C-198: adds Max-Forwards 70 when there is none, refuses 0", function()
      forward_to(at(ONE))
      answers(ONE, 0, 200)
      client.bytes(PROXY, table.concat({ "MESSAGE " .. AOR .. " SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnomf", "From: <sip:a@x>;tag=1",
        "To: <" .. AOR .. ">", "Call-ID: no-mf", "CSeq: 1 MESSAGE",
        "Content-Length: 0", "", "" }, "\r\n"))
      run(1)
      assert.equal(70, requests(ONE)[1]:max_forwards())
      send { method = "OPTIONS", headers = { "Max-Forwards", "0" } }
      run(2)
      assert.equal(483, statuses()[#statuses()])
      assert.equal(483, rig.outcome[2].status)
      assert.equal(1, #requests(ONE))
    end)

    it("C-206: a strict router gets the Request-URI as the last Route", function()
      forward_to(at(ONE))
      answers(TWO, 0, 200)
      send { method = "MESSAGE", headers = {
        "Route", "<sip:192.0.2.10;lr>, <sip:192.0.2.22>, <sip:192.0.2.23;lr>" } }
      run(1)
      local got = requests(TWO)[1]
      assert.equal("sip:192.0.2.22", got:uri())
      assert.same({ "<sip:192.0.2.23;lr>", "<" .. at(ONE) .. ">" }, got:values "Route")
    end)

    it("goes by the next route, and by `via` first", function()
      forward_to(AOR, { via = "sip:" .. THREE })
      answers(THREE, 0, 200)
      send { method = "MESSAGE", headers = { "Route", "<sip:192.0.2.22;lr>" } }
      run(1)
      assert.same({ "<sip:192.0.2.23;lr>", "<sip:192.0.2.22;lr>" },
        requests(THREE)[1]:values "Route")
      assert.equal(AOR, requests(THREE)[1]:uri())
    end)

    it("puts the path to a target in front of the route (RFC 3327)", function()
      forward_to { uri = at(ONE), path = { "<sip:192.0.2.22;lr>" } }
      answers(TWO, 0, 200)
      send { method = "MESSAGE" }
      run(1)
      assert.same({ "<sip:192.0.2.22;lr>" }, requests(TWO)[1]:values "Route")
      assert.equal(at(ONE), requests(TWO)[1]:uri())
    end)

    it("C-197: a target that nobody can send to is 416", function()
      forward_to "mailto:bob@example.org"
      send { method = "MESSAGE" }
      run(1)
      assert.same({ 416 }, statuses())
    end)

    it("C-197: a Request-URI of a scheme that is not known is 416, with a Route too",
      function()
        forward_to()
        answers(TWO, 0, 200)
        for i, uri in ipairs { "gopher:bob", "tel:+49301234", "GOPHER:bob" } do
          send { method = "MESSAGE", uri = uri, cseq = i,
            headers = { "Route", "<sip:192.0.2.22;lr>" } }
          run(i)
        end
        assert.same({ 416, 200, 416 }, statuses())
        assert.equal("tel:+49301234", requests(TWO)[1]:uri())
      end)

    it("C-201: an unknown Proxy-Require is 420", function()
      forward_to(at(ONE))
      send { method = "MESSAGE", headers = { "Proxy-Require", "flying, swimming" } }
      run(1)
      assert.same({ 420 }, statuses())
      assert.equal("flying, swimming", last_response():header "Unsupported")
      assert.equal(0, #requests(ONE))
    end)
  end)

  describe("16.3, RFC 5393", function()
    it("C-199: knows a loop from a spiral", function()
      local times = 0
      proxy:on("*", function(req)
        times = times + 1
        if req.uri == AOR then
          req:forward("sip:carol@" .. PROXY) -- a spiral: another target of ours
        else
          req:forward(req.uri)              -- a loop: nothing has changed
        end
      end)
      send { method = "MESSAGE" }
      run(5)
      assert.equal(3, times)
      assert.same({ 482 }, statuses())
    end)

    it("C-200: splits the breadth over parallel branches", function()
      forward_to { at(ONE), at(TWO), at(THREE) }
      for _, ip in ipairs { ONE, TWO, THREE } do
        answers(ip, 0, 404)
      end
      send { method = "MESSAGE" }
      run(1)
      for _, ip in ipairs { ONE, TWO, THREE } do
        assert.equal("20", requests(ip)[1]:header "Max-Breadth")
      end
    end)

    it("C-200: what the breadth does not allow at once comes later", function()
      forward_to { at(ONE), at(TWO), at(THREE) }
      answers(ONE, 1, 404)
      answers(TWO, 2, 404)
      answers(THREE, 0, 404)
      send { method = "MESSAGE", headers = { "Max-Breadth", "2" } }
      run(1.5)
      assert.equal(0, #requests(THREE))
      run(5)
      assert.equal("2", requests(THREE)[1]:header "Max-Breadth")
      assert.equal("1", requests(ONE)[1]:header "Max-Breadth")
      assert.same({ 404 }, statuses())
    end)

    it("C-200: no breadth at all is 440", function()
      forward_to(at(ONE))
      send { method = "MESSAGE", headers = { "Max-Breadth", "0" } }
      run(1)
      assert.same({ 440 }, statuses())
      assert.equal(0, #requests(ONE))
    end)
  end)

  describe("16.4", function()
    it("C-202: takes its own top Route away, and an maddr of its own", function()
      local uri
      forward_to(at(ONE), nil, function(req)
        uri = req.uri
      end)
      answers(ONE, 0, 200)
      send { method = "MESSAGE", headers = { "Route", "<sip:example.org;lr>" } }
      run(1)
      assert.is_nil(requests(ONE)[1]:header "Route")
      send { method = "MESSAGE", cseq = 2,
        uri = "sip:bob@example.net;user=phone;maddr=192.0.2.10" }
      run(2)
      assert.equal("sip:bob@example.net;user=phone", uri)
    end)

    it("is not fooled by a mark that somebody made up", function()
      forward_to(at(ONE))
      client.request(PROXY, { method = "BYE", uri = at(ONE),
        to = "<" .. AOR .. ">;tag=x",
        headers = { "Route", "<sip:192.0.2.10;lr;mark=abcdefghijklm>" } })
      run(1)
      assert.same({ 481 }, statuses())
      assert.equal(0, #requests(ONE))
    end)
  end)

  describe("16.7", function()
    it("C-196: forwards a repeated request once", function()
      forward_to(at(ONE))
      answers(ONE, 3, 200)
      send { method = "MESSAGE" }
      run(10)
      assert.equal(1, #requests(ONE))
      assert.same({ 200 }, statuses())
    end)

    it("C-209: forwards provisional answers but no 100", function()
      forward_to(at(ONE))
      answers(ONE, 0, 100, 0.1, 180, 0.2, 183, 0.3, 486)
      send()
      run(5)
      assert.same({ 180, 183, 486 }, statuses())
      assert.equal(486, rig.outcome[2].status)
      assert.equal(486, rig.outcome[2].response:status())
    end)

    it("C-210, C-214: a 2xx goes at once, and cancels what rings", function()
      forward_to { at(ONE), at(TWO) }
      answers(ONE, 0.1, 180)
      gives_up(ONE, 1)
      answers(TWO, 0.1, 180, 1, 200)
      send()
      run(1.5)
      assert.same({ 180, 180, 200 }, statuses())
      assert.equal(1, #requests(ONE, "CANCEL"))
      assert.equal(0, #requests(TWO, "CANCEL"))
      run(40)
      assert.same({ 180, 180, 200 }, statuses())
    end)

    it("C-220: forwards each 2xx, and no 1xx after one", function()
      forward_to { at(ONE), at(TWO) }
      answers(ONE, 0.1, 180, 1, { 200, tag = "one" })
      answers(TWO, 0.1, 180, 1.005, { 200, tag = "two" })
      send()
      run(3)
      assert.same({ 180, 180, 200, 200 }, statuses())
      run(3.5)
      servers[ONE].fork(requests(ONE, "INVITE")[1], 200, "third")
      servers[ONE].fork(requests(ONE, "INVITE")[1], 183, "fourth")
      servers[ONE].fork(requests(ONE, "INVITE")[1], 486, "fifth")
      run(5)
      local tags = {}
      for _, event in ipairs(client.got) do
        if event.kind == "response" and event.message:status() >= 183 then
          tags[#tags + 1] = event.message:to_tag()
        end
      end
      assert.same({ "one", "two", "third" }, tags)
    end)

    it("C-210, C-211: a 6xx cancels all, and goes when they have ended", function()
      forward_to { at(ONE), at(TWO) }
      answers(ONE, 0.1, 180)
      answers(TWO, 1, 603)
      gives_up(ONE, 0.5)
      send()
      run(1.2)
      assert.same({ 180 }, statuses())
      run(3)
      assert.same({ 180, 603 }, statuses())
    end)

    local best = {
      { "the lowest class", { 302, 404, 500 }, 302 },
      { "6xx before all", { 302, 600, 401 }, 600 },
      { "401 and its kin inside 4xx", { 404, 407, 486 }, 407 },
      { "415", { 480, 415, 404 }, 415 },
      { "420", { 486, 420, 404 }, 420 },
      { "484", { 486, 484, 404 }, 484 },
      { "what somebody said before a timeout", { 408, 486, 404 }, 486 },
      { "500 for 503", { 503, 503, 503 }, 500 },
      { "5xx before 503", { 503, 504, 503 }, 504 },
    }
    for _, case in ipairs(best) do
      it("C-211: chooses " .. case[1], function()
        forward_to { at(ONE), at(TWO), at(THREE) }
        for i, ip in ipairs { ONE, TWO, THREE } do
          answers(ip, i / 10, case[2][i])
        end
        send()
        run(5)
        assert.same({ case[3] }, statuses())
      end)
    end

    it("C-212: aggregates the challenges of all", function()
      forward_to { at(ONE), at(TWO), at(THREE) }
      answers(ONE, 0.1, { 401, headers = { "WWW-Authenticate", 'Digest realm="one"' } })
      answers(TWO, 0.2, { 407,
        headers = { "Proxy-Authenticate", 'Digest realm="two"' } })
      answers(THREE, 0.3, { 401, headers = { "WWW-Authenticate", 'Digest realm="three"',
        "WWW-Authenticate", 'Digest realm="three", algorithm=SHA-256' } })
      send()
      run(5)
      local res = last_response()
      assert.equal(401, res:status())
      assert.same({ 'Digest realm="one"', 'Digest realm="three"',
        'Digest realm="three", algorithm=SHA-256' }, res:values "WWW-Authenticate")
      assert.same({ 'Digest realm="two"' }, res:values "Proxy-Authenticate")
    end)

    it("16.7 step 4: follows a 3xx when it is told to", function()
      forward_to(at(ONE), { redirects = 2 })
      answers(ONE, 0, { 302, headers = { "Contact",
        ("<%s>;q=0.2, <%s>;q=0.7, <%s>"):format(at(TWO), at(THREE), at(ONE)) } })
      answers(THREE, 0, 486)
      answers(TWO, 0, 200)
      send()
      run(5)
      assert.equal(1, #requests(ONE, "INVITE"))
      assert.same({ 200 }, statuses())
    end)
  end)

  describe("16.6, 16.5", function()
    it("C-203: tries targets in the order of q, equals at once", function()
      forward_to { { uri = at(ONE), q = 0.1 }, { uri = at(TWO), q = 0.8 },
        { uri = at(THREE), q = 0.8 } }
      answers(TWO, 1, 404)
      answers(THREE, 2, 404)
      answers(ONE, 0, 200)
      send()
      run(1.5)
      assert.equal(0, #requests(ONE))
      run(5)
      assert.same({ 200 }, statuses())
    end)

    it("one after the other, each for so long", function()
      forward_to({ at(ONE), at(TWO) }, { order = "sequential", timeout = 10 })
      answers(ONE, 0.1, 180)
      gives_up(ONE)
      answers(TWO, 0, 200)
      send()
      run(9.9)
      assert.equal(0, #requests(TWO))
      run(11)
      assert.equal(1, #requests(ONE, "CANCEL"))
      assert.same({ 180, 200 }, statuses())
    end)

    it("a late 2xx of a target whose time was over still counts", function()
      forward_to({ at(ONE), at(TWO) }, { order = "sequential", timeout = 10 })
      answers(ONE, 0.1, 180, 10.1, 200)
      answers(TWO, 0.02, 180)
      gives_up(TWO)
      send()
      run(60)
      assert.same({ 180, 180, 200 }, statuses())
    end)

    it("answers 408 when the time of all is over", function()
      forward_to(at(ONE), { timeout = 5 })
      answers(ONE, 0.1, 180)
      gives_up(ONE)
      send()
      run(10)
      assert.same({ 180, 408 }, statuses())
    end)

    it("who has not said a word in his time is not waited for, and may yet answer",
      function()
        local SLOW = "192.0.2.24"
        servers[SLOW] = net:stranger(SLOW, nil, { trying = 60 })
        proxy:on("*", function(req)
          req:forward(at(SLOW), { timeout = 5, fallback = true })
          rig.outcome = net.world:now()
          req:forward(at(ONE))
        end)
        answers(SLOW, 8, 200)
        answers(ONE, 0.1, 180)
        gives_up(ONE)
        send()
        run(20)
        assert.equal("5.010", ("%.3f"):format(rig.outcome))
        assert.same({ 180, 200 }, statuses())
        assert.equal(1, #requests(ONE, "CANCEL"))
      end)

    it("with `fallback` a failure comes back to the script", function()
      proxy:on("*", function(req)
        local res, e = req:forward(at(ONE), { fallback = true })
        assert.is_nil(res)
        assert.equal("busy", e.name)
        assert.equal("new", req.state)
        rig.outcome = req:forward(at(TWO))
      end)
      answers(ONE, 0, 486)
      answers(TWO, 0, 200)
      send()
      run(5)
      assert.same({ 200 }, statuses())
      assert.equal(200, rig.outcome:status())
    end)
  end)

  describe("16.8, 16.9, 16.10", function()
    it("C-208, C-215: timer C cancels a branch that only rings", function()
      forward_to(at(ONE))
      answers(ONE, 0.1, 180, 170, 183)
      gives_up(ONE)
      send()
      run(350)
      assert.equal(0, #requests(ONE, "CANCEL"))
      run(352)
      assert.equal(1, #requests(ONE, "CANCEL"))
      assert.same({ 180, 183, 408 }, statuses())
    end)

    it("C-215: timer C without a word of the branch is a 408", function()
      rig:finish()
      rig = forwarding.new { domain = "example.org", timer_c = 10 }
      local SLOW = "192.0.2.24"
      rig.servers[SLOW] = rig.net:stranger(SLOW, nil, { trying = 60 })
      forward_to(at(SLOW))
      answers(SLOW, 12, 180)
      gives_up(SLOW)
      send()
      run(10)
      assert.same({}, statuses())
      run(10.1)
      assert.same({ 408 }, statuses())
      assert.same({}, requests(SLOW, "CANCEL"))
      run(13)
      assert.equal(1, #requests(SLOW, "CANCEL"))
      assert.same({ 408 }, statuses())
    end)

    it("C-216: an error of the wire is a 503, and goes back as 500", function()
      forward_to "sip:bob@198.51.100.99;transport=tcp"
      send()
      run(60)
      assert.same({ 500 }, statuses())
    end)

    it("a server that says nothing is 408", function()
      forward_to "sip:bob@198.51.100.99"
      send()
      run(40)
      assert.same({ 408 }, statuses())
    end)

    it("RFC 4320 4.2: no 408 to what is no INVITE", function()
      forward_to "sip:bob@198.51.100.99"
      send { method = "MESSAGE" }
      run(80)
      assert.same({}, statuses())
    end)

    it("C-217: a CANCEL is answered at once and sent to all that ring", function()
      forward_to { at(ONE), at(TWO) }
      answers(ONE, 0.1, 180)
      answers(TWO, 0.1, 180)
      for _, ip in ipairs { ONE, TWO } do
        gives_up(ip, 1)
      end
      local tx = send()
      run(1)
      tx:cancel()
      run(1.5)
      assert.equal(1, #requests(ONE, "CANCEL"))
      assert.equal(1, #requests(TWO, "CANCEL"))
      assert.same({ 180, 180 }, statuses())
      run(5)
      assert.same({ 180, 180, 487 }, statuses())
      assert.equal("cancelled", rig.outcome[2].name)
    end)

    it("C-217: a CANCEL before any branch has answered waits for its 1xx", function()
      local SLOW = "192.0.2.24"
      servers[SLOW] = net:stranger(SLOW, nil, { trying = 60 })
      forward_to(at(SLOW))
      answers(SLOW, 2, 180)
      gives_up(SLOW)
      send()
      run(0.1)
      client.bytes(PROXY, core.write_cancel(core.parse(net.trace:list()[1].text)))
      run(1.9)
      assert.same({}, requests(SLOW, "CANCEL"))
      run(5)
      assert.equal(1, #requests(SLOW, "CANCEL"))
      assert.equal(487, statuses()[#statuses()])
    end)
  end)

  describe("16.11", function()
    it("C-218: stateless: the branch is a function of the request", function()
      proxy:on("*", function(req)
        req:forward(req.uri, { stateless = true })
      end)
      answers(ONE, 1.4, 180, 2, 486)
      send { uri = at(ONE) }
      run(0.1)
      client.bytes(PROXY, net.trace:list()[1].text) -- as if it were repeated
      run(0.15)
      local branches = {}
      for _, record in ipairs(net.trace:list()) do
        if record.kind == "message" and record.from:find(PROXY, 1, true) then
          branches[#branches + 1] = core.parse(record.text):branch()
        end
      end
      assert.equal(2, #branches)
      assert.equal(branches[1], branches[2])
      assert.equal(0, proxy.stack:stats().transactions)
      assert.equal(1, #requests(ONE, "INVITE"))
      run(5)
      assert.same({ 180, 486 }, statuses())
      assert.equal("confirmed", servers[ONE].got[1].object:state())
    end)

    it("C-217: a CANCEL without a context is passed on the same way", function()
      proxy:on("*", function(req)
        req:forward(req.uri, { stateless = true })
      end)
      answers(ONE, 0.1, 180)
      gives_up(ONE)
      local tx = send { uri = at(ONE) }
      run(1)
      tx:cancel()
      run(5)
      assert.equal(1, #requests(ONE, "CANCEL"))
      assert.same({ 180, 487 }, statuses())
    end)

    it("RFC 6026 8.2: a response without a transaction goes nowhere", function()
      servers[ONE].bytes(PROXY, table.concat({ "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKmadeup",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx", "From: <sip:a@x>;tag=1",
        "To: <sip:b@x>;tag=2", "Call-ID: stray", "CSeq: 1 INVITE",
        "Content-Length: 0", "", "" }, "\r\n"))
      run(1)
      assert.same({}, net:flow(PROXY))
    end)
  end)
end)

-- Requests of ours and what it takes to get their answer: RFC 3261 8.1, 22; RFC 3263
-- 4.2, 4.3; RFC 7984 4. C-44, C-45, C-47, C-84, C-87, C-91, C-103, C-228, C-232.

local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, B, S = "192.0.2.1", "192.0.2.2", "192.0.2.9"

describe("a request", function()
  local net, alice, sip

  before_each(function()
    net = net_of.new()
    alice, sip = net:endpoint(A)
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  -- Run a script and return what it returned.
  local function run(script)
    return net:script(sip, script)
  end

  local CHALLENGE = 'Digest realm="r", nonce="%s", algorithm=MD5, qop="auth"'

  it("outside a dialog is answered, headers and body as given", function()
    local got
    net:stranger(S, { request = function(tx, req)
      got = req
      tx:respond(202, { headers = { "X-Answer", "yes" } })
    end })
    local res = run(function()
      return alice:request {
        method = "MESSAGE", uri = "sip:bob@" .. S, from = "sip:me@a.example",
        display = 'The "Me"', headers = { ["X-One"] = "1", Subject = "s" },
        body = "hello", content_type = "text/plain",
      }
    end)
    assert.equal(202, res:status())
    assert.equal("yes", res:header "X-Answer")
    assert.equal("MESSAGE", got:method())
    assert.equal("sip:bob@192.0.2.9", got:uri())
    assert.equal('The "Me"', got:from_display())
    assert.equal("sip:me@a.example", got:from_uri())
    assert.equal("1", got:header "X-One")
    assert.equal("text/plain", got:header "Content-Type")
    assert.equal("hello", got:body())
    assert.equal("z9hG4bK", got:branch():sub(1, 7))
  end)

  it("that is refused is nil and an error with its answer", function()
    net:stranger(S, { request = function(tx)
      tx:respond(404, { reason = "Nobody" })
    end })
    local res, e = run(function()
      return alice:request { method = "OPTIONS", uri = "sip:bob@" .. S }
    end)
    assert.is_nil(res)
    assert.equal("not_found", e.name)
    assert.equal("no such user (404 Nobody)", tostring(e))
    assert.equal(404, e.response:status())
  end)

  it("hears no response with a second Via (C-89)", function()
    local stranger
    stranger = net:stranger(S, { request = function(_, req)
      stranger.bytes(A, table.concat({
        "SIP/2.0 200 OK", "Via: " .. req:header "Via",
        "Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKother",
        "From: " .. req:header "From", "To: " .. req:header "To" .. ";tag=x",
        "Call-ID: " .. req:call_id(), "CSeq: " .. req:header "CSeq",
        "Content-Length: 0", "", "" }, "\r\n"))
    end })
    local _, e = run(function()
      return alice:request { method = "OPTIONS", uri = "sip:bob@" .. S }
    end)
    assert.equal("no_answer", e.name)
  end)

  it("stops waiting when told to, under the name of timeout", function()
    net:stranger(S, { request = function() end })
    local at
    local _, e = run(function()
      local res, why = alice:request { method = "OPTIONS", uri = "sip:b@" .. S,
        timeout = 3 }
      at = sip.now()
      return res, why
    end)
    assert.equal("timeout", e.name)
    assert.equal(3, at)
  end)

  it("header injection raises where the script stands", function()
    run(function()
      local ok, text = pcall(alice.request, alice, { method = "OPTIONS",
        uri = "sip:b@" .. S, headers = { X = "1\r\nEvil: 2" } })
      assert.is_false(ok)
      assert.is_truthy(tostring(text):find("X", 1, true))
    end)
    assert.same({}, net:flow())
  end)

  it("that is challenged is sent again with credentials (C-91, C-232)", function()
    local seen, ids = {}, {}
    net:stranger(S, { request = function(tx, req)
      local authorization = req:header "Authorization"
      seen[#seen + 1] = { (req:cseq()), authorization ~= nil, req:branch() }
      ids[req:call_id() .. req:from_tag()] = true
      if not authorization then
        tx:respond(401, { headers = {
          "WWW-Authenticate", CHALLENGE:format "n1" } })
      else
        tx:respond(200, { headers = { "X-Auth", authorization } })
      end
    end })
    local res = run(function()
      return alice:request { method = "OPTIONS", uri = "sip:b@" .. S,
        auth = { user = "u", password = "p" } }
    end)
    assert.equal(200, res:status())
    assert.same({ 1, false }, { seen[1][1], seen[1][2] })
    assert.same({ 2, true }, { seen[2][1], seen[2][2] })
    assert.not_equal(seen[1][3], seen[2][3])
    assert.is_nil(next(ids, next(ids)))
    assert.is_truthy(res:header("X-Auth"):find('username="u"', 1, true))
  end)

  it("a wrong password ends in an error, not in a loop (C-228)", function()
    local count = 0
    net:stranger(S, { request = function(tx)
      count = count + 1
      tx:respond(407, { headers = {
        "Proxy-Authenticate", CHALLENGE:format("n" .. count) } })
    end })
    local _, e = run(function()
      return alice:request { method = "OPTIONS", uri = "sip:b@" .. S,
        auth = { user = "u", password = "wrong" } }
    end)
    assert.equal("refused", e.name)
    assert.equal(407, e.status)
    assert.equal(2, count)
    assert.is_truthy(tostring(e):find('user "u" was rejected', 1, true))
  end)

  it("a challenge without credentials is refused", function()
    net:stranger(S, { request = function(tx)
      tx:respond(401, { headers = { "WWW-Authenticate", CHALLENGE:format "n" } })
    end })
    local _, e = run(function()
      return alice:request { method = "OPTIONS", uri = "sip:b@" .. S }
    end)
    assert.equal("refused", e.name)
  end)

  it("a challenged INVITE: its ACKs, the 2xx's ACK and BYE (C-103, C-232)",
    function()
      local log, invite = {}, nil
      net:stranger(S, { request = function(tx, req)
        log[#log + 1] = ("%s %s"):format(req:header "CSeq",
          req:header "Proxy-Authorization" and "with" or "without")
        if req:method() == "BYE" then
          tx:respond(200)
        elseif not req:header "Proxy-Authorization" then
          tx:respond(407, { tag = "c", headers = {
            "Proxy-Authenticate", CHALLENGE:format "n1" } })
        else
          invite = tx
          tx:respond(200, { tag = "t", body = SDP, until_ack = true,
            headers = { "Contact", "<sip:192.0.2.9>" } })
        end
      end, ack = function(_, req)
        invite:acked()
        log[#log + 1] = ("%s %s"):format(req:header "CSeq",
          req:header "Proxy-Authorization" and "with" or "without")
      end })
      local why = run(function()
        local peer = assert(alice:dial("sip:b@" .. S, { sdp = SDP,
          auth = { user = "u", password = "p" } }))
        sip.sleep(1)
        peer:hangup()
        return peer.why
      end)
      assert.is_nil(why)
      assert.same({ "1 INVITE without", "2 INVITE with", "2 ACK with", "3 BYE with" },
        log)
    end)

  it("to a name tries all its addresses, each with a branch of its own (C-45, C-47)",
    function()
      net.world:name("many.example", "192.0.2.51")
      net.world:name("many.example", S)
      local branches = {}
      net:stranger(S, { request = function(tx, req)
        branches[#branches + 1] = req:branch()
        tx:respond(200)
      end })
      net:stranger("192.0.2.51", { request = function(tx, req)
        branches[#branches + 1] = req:branch()
        tx:respond(503)
      end })
      local res = run(function()
        return alice:request { method = "OPTIONS", uri = "sip:b@many.example" }
      end)
      assert.equal(200, res:status())
      assert.equal(2, #branches)
      assert.not_equal(branches[1], branches[2])
    end)

  it("goes on to the next address when one does not answer (C-45)", function()
    net.world:name("many.example", "192.0.2.51")
    net.world:name("many.example", S)
    net:stranger(S, { request = function(tx)
      tx:respond(200)
    end })
    net.world:link { to = "192.0.2.51", loss = 1 }
    local at
    local res = run(function()
      local answer = alice:request { method = "OPTIONS", uri = "sip:b@many.example" }
      at = sip.now()
      return answer
    end)
    assert.equal(200, res:status())
    assert.equal(32, at)
  end)

  it("to a name that does not exist is unreachable (C-87)", function()
    local _, e = run(function()
      return alice:request { method = "OPTIONS", uri = "sip:b@nowhere.example" }
    end)
    assert.equal("unreachable", e.name)
    local _, why = run(function()
      return alice:dial("sip:b@nowhere.example", { sdp = SDP })
    end)
    assert.equal("unreachable", why.name)
  end)

  it("a call to a name offers what that name's address can reach", function()
    net.world:name("bob.example", B)
    local bob, sip_b = net:endpoint(B)
    bob:on_call(function(call)
      call:answer { sdp = SDP }
      sip_b.sleep(1)
    end)
    local peer = run(function()
      local one = assert(alice:dial("sip:b@bob.example", { sdp = SDP }))
      one:wait()
      return one
    end)
    assert.equal("ended", peer.state)
  end)

  it("goes over TCP when asked to, with a Contact that says so", function()
    local bob, sip_b = net:endpoint(B)
    local contact, via
    bob:on_call(function(call)
      contact = call.request:header "Contact"
      via = call.request:header "Via"
      call:answer { sdp = SDP }
      sip_b.sleep(1)
    end)
    local peer = run(function()
      local one = assert(alice:dial("sip:b@192.0.2.2;transport=tcp", { sdp = SDP }))
      one:wait()
      return one
    end)
    assert.equal("ended", peer.state)
    assert.equal("<sip:192.0.2.1:5060;transport=tcp>", contact)
    assert.is_truthy(via:find("SIP/2.0/TCP", 1, true))
    assert.equal("<sip:192.0.2.2:5060;transport=tcp>",
      peer.response:header "Contact")
  end)

  -- Of one who listens on TCP alone: many a Contact does not name the transport that
  -- it came over.
  it("goes by what we have, when the URI names no transport (RFC 3263 4.1)", function()
    local carol, sip_c = net:endpoint("192.0.2.4", { listen = "tcp:192.0.2.4:5060" })
    local invite
    local stranger = net:stranger(S, { request = function(tx, req)
      if req:method() == "INVITE" then
        invite = tx
        tx:respond(200, { tag = "t", body = SDP, until_ack = true,
          headers = { "Contact", "<sip:" .. S .. ">" } })
      else
        tx:respond(200)
      end
    end, ack = function()
      invite:acked()
    end })
    assert(stranger.stack:listen { transport = "tcp", host = S, port = 5060 })
    net.world:name("open.example", S)
    local peer, named
    sip_c.spawn(function()
      peer = assert(carol:dial("sip:b@" .. S .. ";transport=tcp", { sdp = SDP }))
      peer:hangup()
      named = carol:request { method = "OPTIONS", uri = "sip:open.example" }
    end)
    net:run(net.world:now() + 1)
    assert.equal(200, named:status())
    local got = {}
    for _, event in ipairs(stranger.got) do
      if event.kind == "request" or event.kind == "ack" then
        got[#got + 1] = event.message:method()
        assert.equal("TCP", event.message:via(1).transport)
      end
    end
    assert.same({ "INVITE", "ACK", "BYE", "OPTIONS" }, got)
  end)

  it("to a scheme or transport that is not there is unreachable", function()
    for _, uri in ipairs { "sip:b@192.0.2.9;transport=tls", "sips:b@192.0.2.9",
      "tel:+491234" } do
      local _, e = run(function()
        return alice:request { method = "OPTIONS", uri = uri }
      end)
      assert.equal("unreachable", e.name, uri)
    end
    local _, e = run(function()
      return alice:request { method = "OPTIONS", uri = "no target" }
    end)
    assert.equal("not_found", e.name)
  end)

  it("names what is advertised, where it listens on a wildcard (rule 11)", function()
    local sip_c = net:sip "192.0.2.3"
    local carol = sip_c.new { listen = "udp:0.0.0.0:5060", trace = true,
      advertise = "198.51.100.7" }
    net.endpoints[#net.endpoints + 1] = carol
    local contact
    net:stranger(S, { request = function(tx, req)
      contact = req:header "Contact"
      tx:respond(486)
    end })
    sip_c.spawn(function()
      carol:dial("sip:x@" .. S, { sdp = SDP })
    end)
    net:run(1)
    assert.equal("<sip:198.51.100.7:5060>", contact)
  end)
end)

-- Requests of ours that are refused and tried again with something left out: RFC 3261
-- 8.1.3.5, 19.1.6, 20.33, 21.4.11 to 21.4.15; RFC 5630 3.3. C-91. Virtual time.

local net_of = require "spec.support.net"
local simulated = require "spec.support.simulated"

local SDP = net_of.SDP
local A, S = "192.0.2.1", "192.0.2.9"
local BOB = "sip:bob@" .. S

describe("a refused request", function()
  local net, alice, sip, seen

  before_each(function()
    net = net_of.new()
    alice, sip = net:endpoint(A)
    seen = {}
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function run(script)
    return net:script(sip, script)
  end

  -- A stranger that answers each request by what `judge` says: a status and headers.
  local function stranger(judge)
    net:stranger(S, { request = function(tx, req)
      seen[#seen + 1] = req
      local status, headers = judge(req, #seen)
      tx:respond(status, { headers = headers, tag = "s" .. #seen })
    end })
  end

  local function ask(fields)
    fields.uri = fields.uri or BOB
    return run(function()
      return alice:request(fields)
    end)
  end

  -- What 8.1.3.5 keeps, and what rises.
  local function assert_retried(times)
    assert.equal(times, #seen)
    for i, req in ipairs(seen) do
      assert.equal(i, (req:cseq()))
      assert.equal(seen[1]:call_id(), req:call_id())
      assert.equal(seen[1]:header "From", req:header "From")
      assert.equal(seen[1]:header "To", req:header "To")
      assert.equal(i == 1, req:branch() == seen[1]:branch())
    end
  end

  describe("by a 420", function()
    -- @rfc 3261 8.1.3.5 SHOULD C-91
    it("is sent again without the extensions that are not supported", function()
      stranger(function(req)
        if req:has_token("Require", "foo") then
          return 420, { "Unsupported", "FOO, bar" }
        end
        return 200
      end)
      local headers = { "Require", "foo, 100rel", "Proxy-Require", "bar", "X", "y",
        "Require", "bar" }
      assert.equal(200, ask { method = "OPTIONS", headers = headers,
        body = "b", content_type = "text/plain" }:status())
      assert_retried(2)
      assert.same({ "100rel" }, seen[2]:values "Require")
      assert.is_nil(seen[2]:header "Proxy-Require")
      assert.equal("y", seen[2]:header "X")
      assert.equal("b", seen[2]:body())
      assert.equal(8, #headers) -- the script's own table
    end)

    -- @rfc 3261 8.1.3.5 SHOULD C-91
    it("may be refused again, by the next hop, for another extension", function()
      stranger(function(req)
        if req:header "Proxy-Require" then
          return 420, { "Unsupported", "one" }
        elseif req:header "Require" then
          return 420, { "Unsupported", "two" }
        end
        return 200
      end)
      assert.equal(200, ask { method = "OPTIONS",
        headers = { ["Proxy-Require"] = "one", Require = "two" } }:status())
      assert_retried(3)
    end)

    it("for what nobody required is an error that says so", function()
      stranger(function()
        return 420, { "Unsupported", "timer, path" }
      end)
      local _, e = ask { method = "OPTIONS", headers = { Require = "100rel" } }
      assert_retried(1)
      assert.equal("the request was rejected (420 Bad Extension): "
        .. "nobody required timer, path", tostring(e))
    end)

    it("that always says the same is no loop", function()
      stranger(function()
        return 420, { "Unsupported", "100rel" }
      end)
      local _, e = ask { method = "OPTIONS", headers = { Require = "100rel" } }
      assert_retried(2)
      assert.equal(420, e.status)
    end)

    it("without Unsupported is an error that says so", function()
      stranger(function()
        return 420
      end)
      local _, e = ask { method = "OPTIONS", headers = { Require = "100rel" } }
      assert_retried(1)
      assert.equal("the request was rejected (420 Bad Extension): "
        .. "it does not say which extension", tostring(e))
    end)

    -- @rfc 3261 8.1.3.5 SHOULD C-91
    it("as an INVITE is acknowledged and made again, and the call goes on", function()
      local invite
      net:stranger(S, { request = function(tx, req)
        seen[#seen + 1] = req
        if req:method() == "BYE" then
          tx:respond(200)
        elseif req:header "Require" then
          tx:respond(420, { tag = "x", headers = { "Unsupported", "100rel" } })
        else
          invite = tx
          tx:respond(200, { tag = "t", body = SDP, until_ack = true,
            headers = { "Contact", "<sip:192.0.2.9>" } })
        end
      end, ack = function()
        invite:acked()
      end })
      assert.equal("answered", run(function()
        local peer = assert(alice:dial(BOB, { sdp = SDP,
          headers = { Require = "100rel" } }))
        return peer.state, peer:hangup()
      end))
      assert.same({ "0.000 192.0.2.1 INVITE", "0.000 192.0.2.1 ACK",
        "0.000 192.0.2.1 INVITE", "0.000 192.0.2.1 ACK", "0.000 192.0.2.1 BYE" },
        net:flow(A))
      assert.same({ 1, 2, 3 }, { (seen[1]:cseq()), (seen[2]:cseq()), (seen[3]:cseq()) })
      assert.equal(SDP, seen[2]:body())
      assert.equal(seen[1]:header "Call-ID", seen[2]:header "Call-ID")
    end)

    -- @rfc 3261 8.1.3.5 SHOULD C-91
    it("inside a dialog is sent again there", function()
      local invite
      net:stranger(S, { request = function(tx, req)
        local method = req:method()
        if method == "INVITE" then
          invite = tx
          tx:respond(200, { tag = "t", body = SDP, until_ack = true,
            headers = { "Contact", "<sip:192.0.2.9>" } })
          return
        end
        if method == "INFO" then
          seen[#seen + 1] = req
        end
        if req:header "Require" then
          tx:respond(420, { headers = { "Unsupported", "foo" } })
        else
          tx:respond(200)
        end
      end, ack = function()
        invite:acked()
      end })
      assert.equal(200, run(function()
        local peer = assert(alice:dial(BOB, { sdp = SDP }))
        local res = assert(peer:send { method = "INFO", headers = { Require = "foo" } })
        peer:hangup()
        return res:status()
      end))
      assert.equal(2, #seen)
      assert.same({ 2, 3 }, { (seen[1]:cseq()), (seen[2]:cseq()) })
      assert.equal(seen[1]:to_tag(), seen[2]:to_tag())
    end)
  end)

  describe("by a 413", function()
    -- @rfc 3261 8.1.3.5 SHOULD C-91
    it("is sent again without a body that it can do without", function()
      stranger(function(req)
        return req:body() and #req:body() > 0 and 413 or 200
      end)
      assert.equal(200, ask { method = "OPTIONS", body = ("x"):rep(900),
        content_type = "text/plain", headers = { ["Content-Language"] = "en",
          e = "identity", ["MIME-Version"] = "1.0", Subject = "s" } }:status())
      assert_retried(2)
      for _, name in ipairs { "Content-Type", "Content-Encoding", "Content-Language",
        "MIME-Version" } do
        assert.is_nil(seen[2]:header(name), name)
      end
      assert.equal("s", seen[2]:header "Subject")
    end)

    -- @rfc 3261 8.1.3.5 SHOULD C-91
    it("is sent again without a body that need not be understood", function()
      stranger(function(req)
        return req:header "Content-Disposition" and 413 or 200
      end)
      assert.equal(200, ask { method = "INFO", body = "x",
        headers = { ["Content-Disposition"] = "icon; handling=optional" } }:status())
      assert_retried(2)
    end)

    it("is an error when it is all about its body", function()
      stranger(function()
        return 413
      end)
      local _, e = ask { method = "MESSAGE", body = ("x"):rep(900) }
      assert_retried(1)
      assert.equal("the request was rejected (413 Request Entity Too Large): "
        .. "its body of 900 bytes is too large", tostring(e))
      assert.is_nil(e.retry_after)
    end)

    it("as an INVITE is an error: without an offer it would be another", function()
      stranger(function()
        return 413
      end)
      local _, e = run(function()
        return alice:dial(BOB, { sdp = SDP })
      end)
      assert_retried(1)
      assert.equal(413, e.status)
    end)

    -- @rfc 3261 20.33 MAY C-91
    it("for a while is left to the script, which is told how long", function()
      stranger(function(_, i)
        return i == 1 and 413 or 200, { "Retry-After", "7 (busy);duration=3600" }
      end)
      local again, e = run(function()
        local _, why = alice:request { method = "MESSAGE", uri = BOB, body = "hello" }
        sip.sleep(why.retry_after)
        return alice:request { method = "MESSAGE", uri = BOB, body = "hello" }, why
      end)
      assert.equal(7, e.retry_after)
      assert.equal("the request was rejected (413 Request Entity Too Large): "
        .. "its body of 5 bytes is too large for the next 7 seconds", tostring(e))
      assert.equal(200, again:status())
      assert.equal(2, #seen)
    end)

    it("without a body is an error", function()
      stranger(function()
        return 413
      end)
      local _, e = ask { method = "OPTIONS" }
      assert_retried(1)
      assert.equal("the request was rejected (413 Request Entity Too Large)",
        tostring(e))
    end)
  end)

  describe("by a 415", function()
    -- @rfc 3261 8.1.3.5 SHOULD C-91
    it("is sent again without a body that it can do without", function()
      stranger(function(req)
        return req:header "Content-Type" and 415 or 200, { "Accept", "text/html" }
      end)
      assert.equal(200, ask { method = "OPTIONS", body = "x",
        content_type = "text/plain" }:status())
      assert_retried(2)
    end)

    it("is an error that says what is taken instead", function()
      stranger(function()
        return 415, { "Accept", "text/html", "Accept", "application/*",
          "Accept-Encoding", "gzip", "Accept-Language", "da, en" }
      end)
      local _, e = ask { method = "MESSAGE", body = "x", content_type = "text/plain" }
      assert_retried(1)
      assert.equal("the request was rejected (415 Unsupported Media Type): it takes "
        .. "Accept: text/html, application/*; Accept-Encoding: gzip; "
        .. "Accept-Language: da, en", tostring(e))
    end)
  end)

  describe("by a 416", function()
    local function via_proxy(uri)
      return { method = "OPTIONS", uri = uri, via = "sip:" .. S }
    end

    -- @rfc 3261 8.1.3.5 SHOULD C-91
    -- @rfc 3261 19.1.6 SHOULD C-91
    it("is sent again to a sip URI of the same number", function()
      stranger(function(req)
        return req:uri():find "^tel:" and 416 or 200
      end)
      assert.equal(200,
        ask(via_proxy "tel:+358-555-1234567;Foo=b;POSTD=PP22;isub=1411"):status())
      assert_retried(2)
      assert.equal(
        "sip:+358-555-1234567;isub=1411;postd=pp22;foo=b@192.0.2.9;user=phone",
        seen[2]:uri())
      assert.equal("<sip:192.0.2.9;lr>", seen[2]:header "Route")
    end)

    it("that always says the same is no loop", function()
      stranger(function()
        return 416
      end)
      local _, e = ask(via_proxy "tel:+4930123")
      assert_retried(2)
      assert.equal("the request was rejected (416 Unsupported URI Scheme)", tostring(e))
    end)

    -- @rfc 5630 3.3 MUST C-91
    simulated(it, "certificates")("is never made insecure", function()
      stranger(function()
        return 416
      end)
      assert(net.strangers[1].stack:listen { transport = "tls", host = S, port = 5061 })
      local _, e = ask(via_proxy "sips:bob@example.net")
      assert_retried(1)
      assert.equal("the request was rejected (416 Unsupported URI Scheme): "
        .. "a sips URI is not tried as a sip URI", tostring(e))
    end)
  end)

  it("with credentials keeps them, and what is left out (C-91)", function()
    stranger(function(req)
      if not req:header "Authorization" then
        return 401, { "WWW-Authenticate",
          'Digest realm="r", nonce="n", algorithm=MD5, qop="auth-int"' }
      elseif req:header "Require" then
        return 420, { "Unsupported", "foo" }
      elseif #(req:body() or "") > 0 then
        return 413
      end
      return 200
    end)
    assert.equal(200, ask { method = "OPTIONS", body = "x", content_type = "text/plain",
      headers = { Require = "foo" }, auth = { user = "u", password = "p" } }:status())
    assert_retried(4)
    assert.is_truthy(seen[4]:header("Authorization"):find("nc=00000003", 1, true))
  end)

  it("is not sent again for any other reason", function()
    local answer
    stranger(function()
      return answer, { "Retry-After", "3", "Unsupported", "foo" }
    end)
    for _, status in ipairs { 400, 403, 404, 405, 406, 410, 414, 421, 423, 480, 485,
      488, 493, 500, 501, 505, 513, 600, 604, 606 } do
      seen, answer = {}, status
      local _, e = ask { method = "OPTIONS", headers = { Require = "foo" } }
      assert.equal(status, e.status)
      assert.equal(3, e.retry_after)
      assert_retried(1)
    end
  end)

  -- @rfc 3261 20.33 MAY C-91
  it("is told no time that makes no sense", function()
    local value
    stranger(function()
      return 480, { "Retry-After", value }
    end)
    for _, text in ipairs { "soon", "-1", "99999999999999999999" } do
      value = text
      local _, e = ask { method = "OPTIONS" }
      assert.is_nil(e.retry_after)
    end
  end)
end)

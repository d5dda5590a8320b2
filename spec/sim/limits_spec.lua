-- The bounds of csrc/base/limits.h, set for one endpoint by sip.new: what is at the
-- bound passes, one more gets the answer of doc/limits.md. Those of the kernel's
-- sockets are in spec/wire/limits_spec.lua. C-19.

local core = require "sip.core"
local body_of = require "sip.app.body"
local messages = require "spec.support.messages"
local net_of = require "spec.support.net"
local new_sim = require "sip.sim"
local simulated = require "spec.support.simulated"

local A, B = "192.0.2.1", "192.0.2.9"
local SDP = net_of.SDP

describe("the limit", function()
  local sim, host, far, ua, raw, count

  local function open(limits, more)
    sim = new_sim { seed = 1 }
    host, far = sim:host(A), sim:host(B)
    local options = { listen = { "udp:" .. A, "tcp:" .. A }, limits = limits,
      trace = false } -- what is traced waits among the events
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    ua = host.sip.new(options)
    ua:on_call(function(call)
      call:ring()
      call:wait()
    end)
    count = 0
  end

  after_each(function()
    assert.same({}, sim.errors)
    ua:close()
    sim:advance(100)
    assert.equal(0, host.driver:stats().stacks)
    sim:close()
    raw = nil
  end)

  -- A request of so many bytes in all, when `pad` is given.
  local function request(change, body, pad)
    count = count + 1
    change = change or {}
    change.Via = ("SIP/2.0/UDP %s;branch=z9hG4bKlimit%d"):format(B, count)
    change["Call-ID"] = "limit" .. count
    local text = messages.request(change, body)
    return pad and text .. ("x"):rep(pad - #text) or text
  end

  local function invite(body, content_type)
    return request({ "INVITE sip:bob@192.0.2.1 SIP/2.0", CSeq = "1 INVITE", extra = {
      "Contact: <sip:a@" .. B .. ">", "Content-Type: " .. (content_type
        or "application/sdp") } }, body)
  end

  -- What comes back, in statuses; "closed" too.
  local function heard()
    local list = {}
    for _, event in ipairs(raw:take()) do
      for status in (event.bytes or ""):gmatch "SIP/2%.0 (%d%d%d) " do
        list[#list + 1] = status
      end
      if event.what == "closed" then
        list[#list + 1] = "closed"
      end
    end
    return table.concat(list, " ")
  end

  local function datagram(text)
    raw = raw or far.driver:raw { host = B }
    assert(raw:send(A, 5060, text))
    sim:advance(0)
    return heard()
  end

  local function stream(text)
    raw = far.driver:raw { host = B, transport = "TCP", port = 5060 + count }
    local id = assert(raw:connect(A, 5060))
    sim:advance(0)
    raw:take()
    assert(raw:write(id, text))
    sim:advance(0)
    local said = heard()
    raw:close()
    raw = nil
    return said
  end

  -- @rfc 3261 18.1.1 SHOULD C-19
  it("message_bytes is answered 513, and a stream is closed after it", function()
    open { message_bytes = 1000 }
    local function sized(bytes)
      local bare = #request({ ["Content-Length"] = "999" })
      return request(nil, ("x"):rep(bytes - bare + (bytes - bare < 100 and 1 or 0)))
    end
    local fits, over = sized(1000), sized(1001)
    assert.same({ 1000, 1001 }, { #fits, #over })
    assert.equal("200", datagram(fits))
    assert.equal("513", datagram(over))
    raw:close()
    assert.equal("200", stream(sized(1000)))
    assert.equal("513 closed", stream(sized(1001)))
  end)

  it("header_count is answered 400", function()
    open { header_count = 20 }
    local function lines(n)
      local extra = {}
      for i = 1, n - 7 do
        extra[i] = "X-Own: y"
      end
      return request { extra = extra }
    end
    assert.equal("200", datagram(lines(20)))
    assert.equal("400", datagram(lines(21)))
    raw:close()
    assert.equal("200", stream(lines(20)))
    assert.equal("400", stream(lines(21)))
  end)

  it("header_bytes is answered 400, and a stream is closed after it", function()
    open { header_bytes = 2000 }
    local function head(bytes)
      local bare = #request { extra = { "X: " } }
      return request { extra = { "X: " .. ("y"):rep(bytes - bare) } }
    end
    assert.equal("200", datagram(head(2000)))
    assert.equal("400", datagram(head(2001)))
    raw:close()
    assert.equal("200", stream(head(2000)))
    assert.equal("closed", stream(head(2001)))
  end)

  -- @rfc 3261 21.4.12 MUST C-19
  it("uri_bytes is answered 414", function()
    open { uri_bytes = 100 }
    local function to(bytes)
      return request { ("OPTIONS sip:%s@%s SIP/2.0"):format(("b"):rep(bytes - 5 - #A),
        A) }
    end
    assert.equal("200", datagram(to(100)))
    assert.equal("414", datagram(to(101)))
  end)

  local function sdp(lines, media)
    local text = SDP .. ("m=audio 0 RTP/AVP 0\r\n"):rep(media - 1)
    local _, there = text:gsub("\r\n", "")
    return text .. ("a=x\r\n"):rep(lines - there)
  end

  local function answers(call)
    call:answer()
  end

  it("sdp_lines is answered 488", function()
    open { sdp_lines = 20 }
    ua:on_call(answers)
    assert.equal("488", datagram(invite(sdp(21, 1))))
    assert.matches("^200", datagram(invite(sdp(20, 1))))
  end)

  it("sdp_media is answered 488", function()
    open { sdp_media = 3 }
    ua:on_call(answers)
    assert.equal("488", datagram(invite(sdp(20, 4))))
    assert.matches("^200", datagram(invite(sdp(20, 3))))
  end)

  local function parts(n)
    local list = {}
    for i = 1, n do
      list[i] = { type = "application/sdp", body = SDP }
    end
    return list
  end

  it("body_parts is answered 413", function()
    open { body_parts = 5 }
    assert.equal("180", datagram(invite(body_of.multipart(parts(5)))))
    assert.equal("413", datagram(invite(body_of.multipart(parts(6)))))
  end)

  it("body_depth is answered 413", function()
    open { body_depth = 2 }
    assert.equal("180", datagram(invite(body_of.multipart { { parts = parts(1) } })))
    assert.equal("413", datagram(invite(body_of.multipart { { parts = { { parts =
      parts(1) } } } })))
  end)

  -- @rfc 3261 21.5.4 MAY C-19
  it("transactions is answered 503 with Retry-After", function()
    open { transactions = 2 }
    assert.equal("180", datagram(invite(SDP)))
    assert.equal("180", datagram(invite(SDP)))
    raw:send(A, 5060, invite(SDP))
    sim:advance(0)
    local res = core.parse(raw:take()[1].bytes)
    assert.same({ 503, "5" }, { res:status(), res:header "Retry-After" })
  end)

  it("events is answered 503", function()
    open { events = 2 }
    assert.equal("200 200", stream(request() .. request()))
    assert.equal("503 200 200", stream(request() .. request() .. request()))
  end)

  it("nonces is answered 401, 407 with stale=true: the oldest one goes", function()
    open({ nonces = 1 }, { domain = "a.example", users = { bob = "zanzibar" } })
    ua:on("OPTIONS", function(req)
      if not req:trusted() then
        return req:challenge()
      end
      req:reply(200)
    end)
    local function ask(credentials)
      raw = raw or far.driver:raw { host = B }
      raw:send(A, 5060, request { extra = credentials and {
        "Proxy-Authorization: " .. credentials } })
      sim:advance(0)
      return core.parse(raw:take()[1].bytes)
    end
    local function credentials()
      local challenge = ask()
      assert.equal(407, challenge:status())
      local nonce = challenge:header("Proxy-Authenticate"):match 'nonce="([^"]+)"'
      return function(nc)
        return assert(core.digest_credentials { username = "bob", realm = "a.example",
          password = "zanzibar", nonce = nonce, algorithm = "SHA-256", qop = "auth",
          method = "OPTIONS", uri = "sip:bob@192.0.2.4", cnonce = "c", nc = nc })
      end
    end
    local one = credentials()
    assert.equal(200, ask(one(1)):status())
    assert.equal(200, ask(one(2)):status()) -- it is the only one
    sim:advance(1)
    local two = credentials()
    assert.equal(200, ask(two(1)):status())
    local res = ask(one(3))
    assert.equal(407, res:status())
    assert.matches("stale=true", res:header "Proxy-Authenticate")
  end)

  -- A connection of the far host; what came of it.
  local function connect(port)
    local one = far.driver:raw { host = B, transport = "TCP", port = port }
    local id = assert(one:connect(A, 5060))
    sim:advance(0)
    return one, id
  end

  local function closed(one)
    for _, event in ipairs(one:take()) do
      if event.what == "closed" then
        return event.at
      end
    end
  end

  it("connections is closed at once, and the others stay", function()
    open { connections = 2 }
    local one, id = connect(6001)
    local two, three = connect(6002), connect(6003)
    assert.same({}, { closed(one), closed(two) })
    assert.is_number(closed(three))
    assert(one:write(id, request()))
    sim:advance(0)
    assert.matches("^SIP/2.0 200 ", one:take()[1].bytes)
    one:shut(id)
    sim:advance(0)
    assert.is_nil(closed((connect(6004))))
  end)

  it("stream_idle_ms is closed", function()
    open { stream_idle_ms = 40000, stream_first_ms = 0 }
    local one, id = connect(6001)
    sim:advance(39.999)
    assert.is_nil(closed(one))
    assert(one:write(id, request()))
    sim:advance(39.999)
    assert.is_nil(closed(one))
    sim:advance(0.001)
    assert.is_number(closed(one))
  end)

  -- On real sockets: spec/wire/tcp_spec.lua.
  local virtual = simulated(it, "hosts that are not there")
  virtual("stream_open_ms is given up, and told to who waits for it", function()
    open { stream_open_ms = 3000 }
    local failed
    host.sip.spawn(function()
      failed = select(2, ua:request { method = "OPTIONS",
        uri = "sip:192.0.2.77;transport=tcp" })
    end)
    sim:advance(2.999)
    assert.is_nil(failed)
    sim:advance(0.001)
    assert.matches("timed out: 192.0.2.77:5060", tostring(failed), 1, true)
  end)

  it("stream_head_ms is closed", function()
    open { stream_head_ms = 3000 }
    local one, id = connect(6001)
    local text = request()
    assert(one:write(id, text:sub(1, 50)))
    sim:advance(2.999)
    assert.is_nil(closed(one))
    assert(one:write(id, text:sub(51)))
    sim:advance(0)
    assert.matches("^SIP/2.0 200 ", one:take()[1].bytes)
    assert(one:write(id, text:sub(1, 50)))
    sim:advance(3)
    assert.is_number(closed(one))
  end)

  it("of anything is a whole number that it may be", function()
    open {}
    for limits, want in pairs {
      [{ header_count = 385 }] = "limits: header_count is at most 384",
      [{ body_depth = 17 }] = "limits: body_depth is at most 16",
      [{ message_bytes = 1 << 31 }] = "limits: message_bytes is at most 2147483647",
      [{ events = 0 }] = 'limits: option "events" is 0, not a whole number from 1 on',
      [{ uri_bytes = 1.5 }] = 'limits: option "uri_bytes" is 1.5, not a whole number',
      [{ url_bytes = 1 }] = 'limits: unknown option "url_bytes"',
    } do
      local ok, why = pcall(host.sip.new, { limits = limits })
      assert.is_false(ok)
      assert.is_truthy(why:find(want, 1, true), why)
    end
  end)
end)

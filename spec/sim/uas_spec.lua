-- What an endpoint says to requests: RFC 3261 8.2, 11.2, 12.2.2. C-57, C-69..77,
-- C-80, C-99, C-233.

local net_of = require "spec.support.net"

local SDP = net_of.SDP
local B, S = "192.0.2.2", "192.0.2.9"

describe("an endpoint", function()
  local net, bob, sip, stranger

  local function start(options)
    net = net_of.new()
    bob, sip = net:endpoint(B, options)
    stranger = net:stranger(S)
  end

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  -- The final answer to a request.
  local function ask(fields)
    stranger.request(B, fields)
    net:run(net.world:now() + 1)
    return (stranger.last "response")
  end

  it("answers 501 to what it does not know, 405 to what it does not do (C-70)",
    function()
      start()
      local unknown = ask { method = "JUMP" }
      assert.equal(501, unknown:status())
      assert.is_truthy(unknown:header "Allow")
      for i, method in ipairs { "REGISTER", "SUBSCRIBE", "PUBLISH", "MESSAGE",
        "REFER" } do
        local known = ask { method = method, call_id = "c" .. i }
        assert.equal(405, known:status())
        assert.equal("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO", known:header "Allow")
      end
    end)

  it("answers 416 to schemes it does not serve, 404 to other domains (C-71)",
    function()
      start { domain = "b.example" }
      bob:on_call(function(call)
        call:reject(603)
      end)
      assert.equal(416, ask {
        method = "INVITE", uri = "tel:+4930123", body = SDP, call_id = "1",
      }:status())
      assert.equal(404, ask {
        method = "INVITE", uri = "sip:x@c.example", body = SDP, call_id = "2",
      }:status())
      assert.equal(603, ask {
        method = "INVITE", uri = "sip:x@B.example", body = SDP, call_id = "3",
      }:status())
      assert.equal(603, ask {
        method = "INVITE", uri = "sip:x@192.0.2.2", to = "<sip:y@c.example>",
        body = SDP, call_id = "4",
      }:status())
    end)

  it("answers 482 to a request that comes twice by different ways (C-72)", function()
    start()
    bob:on_call(function(call)
      call:ring()
      sip.sleep(1)
      call:reject(486)
    end)
    stranger.request(B, { method = "INVITE", body = SDP })
    stranger.request(B, { method = "INVITE", body = SDP })
    net:run(0.5)
    assert.same({ 482, 180 }, stranger.statuses())
    net:run(5)
    assert.same({ 482, 180, 486 }, stranger.statuses())
  end)

  it("answers 420 to what is required and not supported (C-73, C-74)", function()
    start()
    local res = ask {
      method = "OPTIONS",
      headers = { "Require", "nothing, 100rel", "Proxy-Require", "foo" },
    }
    assert.equal(420, res:status())
    assert.equal("nothing, 100rel", res:header "Unsupported")
    assert.equal(480, ask {
      method = "OPTIONS", call_id = "2", headers = { "Proxy-Require", "foo" },
    }:status())
  end)

  it("answers 415 to bodies it cannot read, and 406 (C-75)", function()
    start()
    bob:on_call(function(call)
      call:reject(603)
    end)
    local res = ask {
      method = "INVITE", call_id = "1", body = "x", content_type = "text/plain",
    }
    assert.equal(415, res:status())
    assert.equal("application/sdp, multipart/mixed, multipart/alternative",
      res:header "Accept")
    res = ask {
      method = "INVITE", call_id = "2", body = SDP,
      headers = { "Content-Encoding", "gzip" },
    }
    assert.equal(415, res:status())
    assert.equal("identity", res:header "Accept-Encoding")
    assert.equal(603, ask {
      method = "INVITE", call_id = "3", body = "x", content_type = "text/plain",
      headers = { "Content-Disposition", "render;handling=optional" },
    }:status())
    for disposition, status in pairs { ['render; Handling="Optional"'] = 603,
      ["render;handling = OPTIONAL;x"] = 603, ["render;handling=optionally"] = 415,
      ['render;x="handling=optional"'] = 415, ["render;xhandling=optional"] = 415,
      ["render"] = 415, ["render;handling"] = 415 } do
      assert.equal(status, ask {
        method = "INVITE", call_id = disposition:gsub("%W", "."), body = "x",
        content_type = "text/plain", headers = { "Content-Disposition", disposition },
      }:status(), disposition)
    end
    assert.equal(415, ask { -- understood, but not as what it is for (20.11)
      method = "INVITE", call_id = "icon", body = SDP,
      headers = { "Content-Disposition", "icon" },
    }:status())
    assert.equal(406, ask {
      method = "INVITE", call_id = "4", body = SDP,
      headers = { "Accept", "text/plain, application/xml" },
    }:status())
    assert.equal(603, ask {
      method = "INVITE", call_id = "5", body = SDP,
      headers = { "Accept", "text/plain, application/*;q=0.5" },
    }:status())
  end)

  it("uses no extension that was not offered (C-76)", function()
    start()
    bob:on_call(function(call)
      call:ring()
      call:reject(486)
    end)
    local res = ask {
      method = "INVITE", body = SDP, headers = { "Supported", "timer, 100rel" },
    }
    assert.is_nil(res:header "Require")
    assert.is_nil(stranger.got[1].message:header "RSeq")
    assert.is_nil(stranger.got[1].message:header "Require")
  end)

  it("copies From, Call-ID and CSeq, and gives To a tag (C-77)", function()
    start()
    local res = ask {
      method = "OPTIONS", from = '"S" <sip:s@s.example>;tag=77;x=y', cseq = 4711,
    }
    assert.equal('"S" <sip:s@s.example>;tag=77;x=y', res:header "From")
    assert.equal("stranger-call", res:header "Call-ID")
    assert.equal("4711 OPTIONS", res:header "CSeq")
    assert.is_truthy(res:to_tag())
  end)

  it("answers OPTIONS as it would an INVITE, with what it can do (C-80)", function()
    start { max_calls = 1 }
    assert.equal(480, ask { method = "OPTIONS", call_id = "1" }:status())
    bob:on_call(function(call)
      call:ring()
      sip.sleep(10)
    end)
    local res = ask { method = "OPTIONS", call_id = "2" }
    assert.equal(200, res:status())
    assert.equal("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO", res:header "Allow")
    assert.equal("application/sdp, multipart/mixed, multipart/alternative",
      res:header "Accept")
    assert.equal("identity", res:header "Accept-Encoding")
    assert.equal("*", res:header "Accept-Language")
    assert.equal("", res:header "Supported")
    assert.equal(180, ask { method = "INVITE", call_id = "3", body = SDP }:status())
    assert.equal(503, ask { method = "OPTIONS", call_id = "4" }:status())
  end)

  it("says in a Warning of the right code why it cannot accept (C-109)", function()
    start()
    bob:on_call(function(call)
      call:answer()
    end)
    local count = 0
    local function warned(pattern, body)
      count = count + 1
      local res = ask { method = "INVITE", body = body, call_id = "w" .. count }
      assert.equal(488, res:status())
      assert.is_truthy(res:header("Warning"):find(pattern), res:header "Warning")
    end
    warned('^304 192%.0%.2%.2 "Media type', (SDP:gsub("audio", "image")))
    warned("^302 ", (SDP:gsub("RTP/AVP", "RTP/SAVP")))
    warned("^301 ", (SDP:gsub("IP4 192.0.2.9", "IP6 2001:db8::9")))
    warned("^305 ", (SDP:gsub("AVP 0", "AVP 18")))
    warned("^305 .*SDP byte 6", "v=0\r\ngarbage\r\n")
  end)

  -- @rfc 4321 1 SHOULD C-57
  it("answers what is no INVITE at once, whatever its scripts are doing (C-57)",
    function()
      start()
      bob:on_call(function(call)
        call:ring()
        sip.sleep(60)
      end)
      assert.equal(180, ask { method = "INVITE", body = SDP, call_id = "0" }:status())
      local to = stranger.last("response"):header "To"
      local since = #net:flow(B)
      for i, method in ipairs { "OPTIONS", "MESSAGE", "REGISTER", "JUMP", "BYE" } do
        local now = net.world:now()
        stranger.request(B, { method = method, call_id = "c" .. i })
        net:run(now)
        local res = stranger.last "response"
        assert.equal(method, select(2, res:cseq()))
        assert.is_true(res:status() >= 200)
      end
      local now = net.world:now()
      stranger.request(B, { method = "INFO", call_id = "0", cseq = 2, to = to })
      net:run(now)
      assert.equal(200, stranger.last("response"):status())
      for i = since + 1, #net:flow(B) do
        assert.is_nil(net:flow(B)[i]:find " 1%d%d ", net:flow(B)[i])
      end
    end)

  it("answers 481 where there is no dialog (C-99)", function()
    start()
    bob:on_call(function(call)
      call:reject()
    end)
    local to = "<sip:someone@" .. B .. ">;tag=gone"
    for i, method in ipairs { "BYE", "INVITE", "INFO", "OPTIONS", "UPDATE" } do
      assert.equal(481, ask { method = method, to = to, call_id = "c" .. i }:status(),
        method)
    end
    for i, method in ipairs { "BYE", "INFO", "NOTIFY" } do
      assert.equal(481, ask { method = method, call_id = "d" .. i }:status(), method)
    end
    local before = #net:flow(B)
    stranger.request(B, { method = "ACK", to = to, send = true })
    net:run(net.world:now() + 40)
    assert.equal(before, #net:flow(B))
  end)

  it("answers 481 to a CANCEL of nothing (9.2, C-115)", function()
    start()
    stranger.bytes(B, table.concat({ "CANCEL sip:someone@" .. B .. " SIP/2.0",
      "Via: SIP/2.0/UDP " .. stranger.ip .. ";branch=z9hG4bKnothing",
      "From: <sip:a@x>;tag=1", "To: <sip:someone@" .. B .. ">", "Call-ID: nothing",
      "CSeq: 1 CANCEL", "Content-Length: 0", "", "" }, "\r\n"))
    net:run(40)
    assert.same({ "0.000 " .. B .. " 481 CANCEL" }, net:flow(B))
  end)

  it("refuses what is more than max_calls with 503", function()
    start { max_calls = 2 }
    bob:on_call(function(call)
      call:ring()
      sip.sleep(5)
      call:reject()
    end)
    local tags = {}
    for i = 1, 3 do
      tags[i] = ask { method = "INVITE", call_id = "c" .. i, body = SDP }:status()
    end
    assert.same({ 180, 180, 503 }, tags)
    assert.equal("5", (stranger.last "response"):header "Retry-After")
    net:run(8)
    assert.equal(180, ask { method = "INVITE", call_id = "c4", body = SDP }:status())
  end)

  it("takes no Contact at its word", function()
    start()
    bob:on_call(function(call)
      call:answer { sdp = SDP }
    end)
    for i, contact in ipairs { "sip:s@999.1.1.1", "sip:s@192.0.2.9:99999",
      "sip:s@[1::2::3]", "sip:s@192.0.2.9;transport=smoke",
      "sip:s@192.0.2.9;maddr=[x::y]", "sip:s@192.0.2.9:0", "sips:s@192.0.2.9",
      "sip:s@no.such.host" } do
      stranger.stack:request {
        method = "INVITE", uri = "sip:x@" .. B, transport = "udp", host = B,
        port = 5060, headers = { "From", "<sip:s@s.example>;tag=1",
          "To", "<sip:x@192.0.2.2>", "Call-ID", "c" .. i, "CSeq", "1 INVITE",
          "Contact", "<" .. contact .. ">" },
      }
      net:run(net.world:now() + 1)
      local res = stranger.last "response"
      if res:status() == 200 then
        stranger.request(B, { method = "ACK", call_id = "c" .. i, send = true,
          from = "<sip:s@s.example>;tag=1", to = res:header "To" })
      else
        local sips = contact:find "^sips" -- RFC 5630 5.1.2: nobody listens for TLS
        assert.equal(sips and 480 or 400, res:status(), contact)
      end
      net:run(net.world:now() + 40)
      assert.equal(0, bob.calls)
    end
  end)

  it("takes no Record-Route at its word", function()
    start()
    bob:on_call(function(call)
      call:reject(603)
    end)
    local verdicts = {}
    for i, route in ipairs { "<sip:p1.example;lr>", "sip:192.0.2.9;lr", "<>", "<x>",
      "<tel:+1>", "nonsense", "<sip:p1.example;transport=smoke>" } do
      verdicts[i] = ask {
        method = "INVITE", body = SDP, call_id = "r" .. i,
        headers = { "Record-Route", route },
      }:status()
    end
    assert.same({ 603, 603, 400, 400, 400, 400, 400 }, verdicts)
  end)

  it("refuses an INVITE that names no usable Contact", function()
    start()
    bob:on_call(function(call)
      call:reject()
    end)
    stranger.stack:request {
      method = "INVITE", uri = "sip:x@" .. B, transport = "udp", host = B, port = 5060,
      headers = { "From", "<sip:s@s.example>;tag=1", "To", "<sip:x@192.0.2.2>",
        "Call-ID", "c", "CSeq", "1 INVITE", "Contact", "<mailto:s@s.example>" },
    }
    net:run(1)
    assert.same({ 400 }, stranger.statuses())
  end)
end)

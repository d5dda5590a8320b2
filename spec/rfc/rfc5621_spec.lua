-- Bodies of several parts, in requests and responses: RFC 5621, and RFC 3261 8.2.3 and
-- 20.11. C-75.

local net_of = require "spec.support.net"
local body_of = require "sip.app.body"

local SDP = net_of.SDP
local B, S = "192.0.2.2", "192.0.2.9"
local ACCEPT = "application/sdp, multipart/mixed, multipart/alternative"

local sdp = { type = "application/sdp", body = SDP }
local xml = { type = "application/pidf+xml", body = "<presence/>" }

local function optional(part, more)
  local copy = { handling = "optional" }
  for key, value in pairs(part) do
    copy[key] = value
  end
  for key, value in pairs(more or {}) do
    copy[key] = value
  end
  return copy
end

describe("RFC 5621", function()
  local net, bob, sip, stranger, offered

  before_each(function()
    net = net_of.new()
    bob, sip = net:endpoint(B, { limits = { body_parts = 4, body_depth = 2 } })
    stranger = net:stranger(S)
    offered = "nobody called"
    bob:on_call(function(call)
      call:reject(603)
    end)
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  -- Bob answers, and `offered` is what he was offered: false for nothing.
  local function answering()
    bob:on_call(function(call)
      call:answer { sdp = function(offer)
        offered = offer or false
        return SDP
      end }
      call:hangup()
    end)
  end

  -- The final answer to an INVITE (or another request) with these parts.
  local function ask(parts, more)
    local fields = { method = "INVITE" }
    for key, value in pairs(more or {}) do
      fields[key] = value
    end
    if parts then
      fields.body, fields.content_type = body_of.multipart(parts)
    end
    stranger.request(B, fields)
    net:run(net.world:now() + 1)
    return (stranger.last "response")
  end

  local function takes(parts, more)
    answering()
    local res = ask(parts, more)
    assert.equal(200, res:status())
    stranger.request(B, { method = "ACK", send = true, to = res:header "To",
      call_id = more and more.call_id })
    net:run(net.world:now() + 1)
    local _, bye = stranger.last "request"
    bye:respond(200)
    return offered
  end

  local function refuses(status, parts, more)
    local res = ask(parts, more)
    assert.equal(status, res:status())
    return res
  end

  -- @rfc 5621 4.2 MUST C-75
  it("4.2: a description is found among parts, and in parts of parts", function()
    assert.equal(SDP, takes { optional(xml), sdp })
    assert.equal(SDP, takes({ { parts = { optional(xml), sdp } } }, { call_id = "2" }))
    assert.equal(SDP, takes({ optional(xml), { parts = { subtype = "alternative",
      sdp } } }, { call_id = "3" }))
  end)

  -- @rfc 5621 4.2 MUST
  it("4.2: of a subtype that nobody knows too, as of multipart/mixed", function()
    assert.equal(SDP, takes { subtype = "related", optional(xml), sdp })
    assert.equal(SDP, takes({ subtype = "x-new", sdp }, { call_id = "2" }))
    refuses(415, { subtype = "x-new", xml, sdp }, { call_id = "3" })
  end)

  -- @rfc 5621 4.2 MUST
  it("4.2: in an ACK and in a re-INVITE as well", function()
    local call
    bob:on_call(function(one)
      call = one
      one:answer()
      one:wait()
    end)
    stranger.request(B, { method = "INVITE" })
    net:run(0.1)
    local to = (stranger.last "response"):header "To"
    local bytes, kind = body_of.multipart { xml, sdp }
    stranger.request(B, { method = "ACK", send = true, to = to, body = bytes,
      content_type = kind })
    net:run(0.2)
    assert.equal("answered", call.state)
    assert.is_truthy(call:stats())
    bytes, kind = body_of.multipart { optional(xml), sdp }
    stranger.request(B, { method = "INVITE", cseq = 2, to = to, body = bytes,
      content_type = kind })
    net:run(0.3)
    local res = stranger.last "response"
    assert.same({ 200, "application/sdp" }, { res:status(), res:header "Content-Type" })
    assert.matches("m=audio %d+ RTP/AVP 0", res:body())
    stranger.request(B, { method = "ACK", cseq = 2, send = true, to = to })
    stranger.request(B, { method = "BYE", cseq = 3, to = to })
    net:run(0.4)
    assert.equal("ended", call.state)
  end)

  -- @rfc 5621 4.2 MUST
  it("4.2: in a 2xx as well, whatever else is in it", function()
    answering()
    stranger.on.request = function(tx, req)
      if req:method() == "INVITE" then
        local bytes, kind = body_of.multipart { xml, sdp }
        tx:respond(200, { tag = "t", body = bytes, until_ack = true, headers = {
          "Contact", "<sip:" .. S .. ">", "Content-Type", kind } })
      else
        tx:respond(200)
      end
    end
    local peer, e
    net:sip(B).spawn(function()
      peer, e = bob:dial("sip:s@" .. S)
      if peer then
        peer:hangup()
      end
    end)
    net:run(1)
    assert.is_truthy(peer, tostring(e))
  end)

  -- @rfc 5621 6.1 MUST C-75
  -- @rfc 5621 8.3 MUST C-75
  it("6.1: the last alternative that is understood is taken", function()
    local other = { type = "application/sdp", body = SDP,
      disposition = "early-session" }
    assert.equal(SDP, takes { subtype = "alternative", { type = "text/x", body = "x",
      disposition = "session" }, sdp, { type = "application/sdpng", body = "y",
      disposition = "session" } })
    -- How its parts are to be handled does not matter.
    local bytes = table.concat({ "--b", "Content-Type: application/sdp",
      "Content-Disposition: session;handling=optional", "", SDP, "--b",
      "Content-Type: application/x", "Content-Disposition: session;handling=required",
      "", "x", "--b--" }, "\r\n")
    assert.equal(SDP, takes(nil, { body = bytes, call_id = "2",
      content_type = "multipart/alternative;boundary=b" }))
    bytes = table.concat({ "--b", "Content-Type: application/sdp", "", "not this",
      "--b", "Content-Type: multipart/mixed;boundary=i", "", "--i",
      "Content-Type: application/sdp", "", SDP, "--i--", "--b--" }, "\r\n")
    assert.equal(SDP, takes(nil, { body = bytes, call_id = "5",
      content_type = "multipart/alternative;boundary=b" }))
    refuses(415, { subtype = "alternative", { type = "text/x", body = "x" } },
      { call_id = "3" })
    assert.is_false(takes({ { handling = "optional", parts = { subtype = "alternative",
      other } } }, { call_id = "4" }))
  end)

  -- @rfc 5621 8.4 SHOULD C-75
  it("8.4: a part that is not understood and has to be is answered 415", function()
    for i, parts in ipairs {
      { sdp, xml }, { xml }, { { parts = { xml } }, sdp },
      { sdp, { type = "application/sdp", body = SDP, disposition = "early-session" } },
      { sdp, { type = "application/sdp", body = SDP, disposition = "by-reference" } },
      { { type = "application/sdp", body = "AAAA",
        headers = { ["Content-Transfer-Encoding"] = "base64" } } },
    } do
      local res = refuses(415, parts, { call_id = "c" .. i })
      assert.equal(ACCEPT, res:header "Accept")
    end
    refuses(415, nil, { body = SDP, call_id = "x",
      headers = { "Content-Disposition", "early-session" } })
  end)

  -- @rfc 3261 20.11 MUST C-75
  it("8.1: one that is not understood and need not be is ignored", function()
    assert.equal(SDP, takes { optional(xml), sdp, optional(sdp,
      { disposition = "early-session" }) })
    assert.is_false(takes({ optional(xml) }, { call_id = "2" }))
    -- What an optional whole has in it may be required: then none of it is used (8.2).
    assert.equal(SDP, takes({ { handling = "optional", parts = { xml, { type =
      "application/sdp", body = "not this one" } } }, sdp }, { call_id = "3" }))
  end)

  -- @rfc 3261 20.11 MUST C-75
  it("8.1: one that is understood is used, even when it need not be", function()
    assert.equal(SDP, takes(nil, { body = SDP,
      headers = { "Content-Disposition", "session;handling=optional" } }))
    assert.equal(SDP, takes({ optional(sdp) }, { call_id = "2" }))
  end)

  -- @rfc 5621 9.4 MUST
  it("9.4: a part to which nothing refers is not used as if it did", function()
    assert.is_false(takes { optional(sdp, { disposition = "by-reference" }) })
  end)

  it("is answered 400 when it is malformed, and says why", function()
    for i, case in ipairs {
      { "multipart/mixed", "--b\r\n\r\n--b--", "a multipart body has no boundary" },
      { "multipart/mixed;boundary=b", "x", "a multipart body has no delimiter" },
      { "multipart/mixed;boundary=b", "--b\r\n\r\nx",
        "the last part of a body has no end" },
    } do
      local res = refuses(400, nil, { content_type = case[1], body = case[2],
        call_id = "c" .. i })
      assert.equal(case[3], res:reason())
    end
    assert.is_false(takes(nil, { content_type = "multipart/mixed", body = "x",
      headers = { "Content-Disposition", "render;handling=optional" }, call_id = "x" }))
  end)

  it("is answered 413 when it has too many parts, or too deep ones", function()
    assert.equal(SDP, takes { optional(xml), optional(xml), optional(xml), sdp })
    local res = refuses(413, { optional(xml), optional(xml), optional(xml),
      optional(xml), sdp }, { call_id = "2" })
    assert.equal("a body has too many parts", res:reason())
    assert.equal(SDP, takes({ { parts = { sdp } } }, { call_id = "3" }))
    res = refuses(413, { { parts = { { parts = { sdp } } } } }, { call_id = "4" })
    assert.equal("parts in parts, too deep", res:reason())
  end)

  it("lists what it takes in answers to OPTIONS and INFO", function()
    assert.equal(ACCEPT, ask(nil, { method = "OPTIONS" }):header "Accept")
  end)

  it("brings digits in an INFO", function()
    local digit
    bob:on_call(function(call)
      call:answer { sdp = SDP }
      digit = call:gather { digits = 1, timeout = 5 }
    end)
    local res = ask(nil, { body = SDP })
    stranger.request(B, { method = "ACK", send = true, to = res:header "To" })
    local bytes, kind = body_of.multipart { optional(xml), {
      type = "application/dtmf-relay", body = "Signal=7\r\nDuration=160\r\n" } }
    stranger.request(B, { method = "INFO", cseq = 2, to = res:header "To",
      body = bytes, content_type = kind })
    bytes, kind = body_of.multipart { xml }
    stranger.request(B, { method = "INFO", cseq = 3, to = res:header "To",
      body = bytes, content_type = kind })
    net:run(net.world:now() + 1)
    assert.equal("7", digit)
    local statuses = table.concat(stranger.statuses(), " ")
    assert.matches("200", statuses)
    assert.matches("415", statuses)
    local _, bye = stranger.last "request"
    bye:respond(200)
    assert.is_truthy(sip)
  end)
end)

describe("sip.multipart", function()
  -- @rfc 5621 8.2 MUST
  it("says of each part what it is for and whether it may be ignored", function()
    local bytes, kind = body_of.multipart { boundary = "b", sdp, optional(xml, {
      id = "1@a.example", headers = { ["Content-Language"] = "en" } }) }
    assert.equal('multipart/mixed;boundary="b"', kind)
    assert.equal(table.concat({
      "--b", "Content-Type: application/sdp",
      "Content-Disposition: session;handling=required", "", SDP,
      "--b", "Content-Type: application/pidf+xml",
      "Content-Disposition: render;handling=optional", "Content-ID: <1@a.example>",
      "Content-Language: en", "", "<presence/>", "--b--", "" }, "\r\n"), bytes)
  end)

  -- @rfc 5621 8.2 SHOULD
  it("lets each alternative be ignored, and nests what has parts", function()
    local bytes, kind = body_of.multipart { boundary = "o", { parts = {
      boundary = "i", subtype = "alternative", sdp } } }
    assert.equal('multipart/mixed;boundary="o"', kind)
    assert.equal(table.concat({
      "--o", 'Content-Type: multipart/alternative;boundary="i"',
      "Content-Disposition: render;handling=required", "",
      "--i", "Content-Type: application/sdp",
      "Content-Disposition: session;handling=optional", "", SDP, "--i--", "", "--o--",
      "" }, "\r\n"), bytes)
  end)

  -- @rfc 5621 6.2 MUST
  -- @rfc 5621 8.2 MUST
  it("refuses what makes no sense where it was called", function()
    for want, spec in pairs {
      ["multipart: at least one part"] = {},
      ["part 1 is no table"] = { "x" },
      ["part 2: a type and a body"] = { sdp, { type = "a/b" } },
      ["part 1: \"x\" is no media type"] = { { type = "x", body = "" } },
      ["part 1: parts, or a type and a body"] = { { parts = { sdp }, type = "a/b" } },
      ["handling is \"required\" or \"optional\", not \"maybe\""] =
        { optional(sdp, { handling = "maybe" }) },
      ["disposition: \"a b\" is no token"] = { optional(sdp, { disposition = "a b" }) },
      ["goes into <>"] = { optional(sdp, { id = "<a>" }) },
      ["unknown option \"disposal\""] = { optional(sdp, { disposal = "x" }) },
      ["headers: content-type has a field of its own"] =
        { optional(sdp, { headers = { ["content-type"] = "a/b" } }) },
      ["the boundary stands in a part"] = { boundary = "b",
        { type = "a/b", body = "--b" } },
      ["alternatives have one disposition, not \"session\" and \"render\""] =
        { subtype = "alternative", sdp, xml },
      ["two alternatives of the type application/sdp"] =
        { subtype = "alternative", sdp, sdp },
      ["too deep"] = { { parts = { { parts = { { parts = { { parts = { sdp } }
        } } } } } } },
    } do
      local ok, why = pcall(body_of.multipart, spec)
      assert.is_false(ok, want)
      assert.is_truthy(why:find(want, 1, true), why)
      assert.is_truthy(why:find("rfc5621_spec.lua:", 1, true), why)
    end
  end)
end)

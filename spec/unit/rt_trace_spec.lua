-- The recorder, the ladder and the capture.

local pcap = require "sip.rt.pcap"
local trace = require "sip.rt.trace"

local ALICE, BOB, PROXY = "192.0.2.1:5060", "192.0.2.2:5060", "[2001:db8::1]:5060"

local INVITE = table.concat({
  "INVITE sip:bob:secret@h SIP/2.0",
  'Authorization: Digest response="secret"',
  "", "v=0", "",
}, "\r\n")

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function flow()
  local t = trace.new { origin = 10 }
  t:message { at = 10, from = ALICE, to = BOB, text = INVITE, call_id = "1" }
  t:message { at = 10.5, from = ALICE, to = BOB, text = INVITE, call_id = "1" }
  t:message { at = 10.51, from = BOB, to = ALICE, cseq = "1 INVITE", call_id = "1",
    text = "SIP/2.0 180 Ringing\r\n\r\n" }
  t:message { at = 11, from = BOB, to = PROXY, call_id = "2",
    text = "OPTIONS sip:h SIP/2.0\r\n\r\n" }
  t:message { at = 11.25, from = PROXY, to = ALICE, cseq = "7 BYE", call_id = "1",
    text = "SIP/2.0 200 OK\r\n\r\n", retransmission = true }
  t:verb { at = 12, from = BOB, text = "gather 4\ndigits", call_id = "1" }
  t:digit { at = 12.1, from = ALICE, text = "5", call_id = "1" }
  t:note { at = 12.2, from = PROXY, text = "restarted" }
  return t
end

describe("the trace", function()
  it("draws a ladder", function()
    local t = flow()
    t:name(ALICE, "alice")
    assert.equal([[
           alice                  192.0.2.2:5060            [2001:db8::1]:5060
    0.000    |------- INVITE sdp ------->|                           |
    0.500    |--- INVITE sdp (again) --->|                           |
    0.510    |<-- 180 Ringing (INVITE) --|                           |
    1.000    |                           |--------- OPTIONS -------->|
    1.250    |<---------------- 200 OK (BYE) (again) ----------------|
    2.000    |                           | [gather 4 digits]         |
    2.100    | (5)                       |                           |
    2.200    |                           |                           | restarted
]], t:text())
  end)

  it("clips what is long, and shows nothing that a terminal would obey", function()
    local t = trace.new()
    t:message { at = 0, from = ALICE, to = BOB, cseq = "1 INVITE",
      text = "SIP/2.0 400 " .. ("x"):rep(60000) .. "\r\n\r\n" }
    t:message { at = 0, from = ALICE, to = BOB, text = "\27[2J" }
    t:note { at = 0, from = BOB, text = ("y"):rep(60000) }
    local text = t:text()
    assert.matches("400 x+%.%.%.", text)
    assert.matches(" %[2J ", text)
    assert.is_nil(text:find "\27")
    assert.is_true(#text < 2000)
  end)

  it("draws nothing of nothing", function()
    assert.equal("\n", trace.new():text())
    assert.matches("^<svg .*</svg>\n$", trace.new():svg())
  end)

  it("shows one column for addresses of one name, and what stays in it", function()
    local t = trace.new()
    t:name(ALICE, "a")
    t:name(BOB, "a")
    t:message { at = 0, from = ALICE, to = BOB, text = "OPTIONS sip:x SIP/2.0" }
    assert.equal("           a\n    0.000  | to itself: OPTIONS\n", t:text())
  end)

  it("shows one call alone, with what belongs to no call", function()
    local t = flow()
    local text = t:text { call_id = "2" }
    assert.matches("OPTIONS", text)
    assert.matches("restarted", text)
    assert.not_matches("INVITE", text)
    assert.not_matches("gather", text)
  end)

  it("keeps the last records", function()
    local t = trace.new { bound = 2 }
    for i = 1, 5 do
      t:note { at = i, from = "a", text = "n" .. i }
    end
    assert.equal(2, #t)
    assert.equal(3, t.dropped)
    assert.same({ "n4", "n5" }, { t:list()[1].text, t:list()[2].text })
    t:clear()
    assert.equal(0, #t)
  end)

  it("marks as repeated what is the same, in the same direction", function()
    local t = trace.new()
    for _, way in ipairs { { "a", "b" }, { "b", "a" }, { "a", "b" } } do
      t:message { at = 0, from = way[1], to = way[2], text = "X" }
    end
    local marks = {}
    for i, record in ipairs(t:list()) do
      marks[i] = record.retransmission
    end
    assert.same({ false, false, true }, marks)
  end)

  it("never shows credentials", function()
    local t = flow()
    t:verb { at = 13, from = BOB, text = "dial sip:bob:secret@h" }
    for _, out in ipairs { t:text(), t:svg(), t:pcap() } do
      assert.is_nil(out:find("secret", 1, true))
    end
    assert.truthy(t:pcap():find("Authorization: Digest ***", 1, true))
  end)

  it("draws SVG that is well formed", function()
    local t = flow()
    t:note { at = 14, from = BOB, text = 'a < b & "c" \xff' }
    local svg = t:svg()
    assert.truthy(svg:find("a &lt; b &amp; &quot;c&quot; ?", 1, true))
    local open = {}
    for slash, name, rest in svg:gmatch "<(/?)(%a+)([^<>]*)>" do
      if slash == "/" then
        assert.equal(table.remove(open), name)
      elseif rest:sub(-1) ~= "/" then
        open[#open + 1] = name
      end
    end
    assert.same({}, open)
    local _, arrows = svg:gsub('class="arrow', "")
    assert.equal(5, arrows)
  end)

  it("refuses a record that lacks something", function()
    assert.error_matches(function()
      trace.new():message { at = 0, from = "a", text = "X" }
    end, "wants at, from, to and text")
    assert.error_matches(function() trace.new():verb { at = 0, text = "X" } end, "verb")
    assert.error_matches(function() trace.new { size = 5 } end, "size")
  end)
end)

describe("the capture", function()
  -- Bytes computed apart from this code.
  it("makes IPv4 and UDP headers with their checksums", function()
    assert.equal("4500001f000040004011b6cac0000201c0000202"
      .. "13c413c6000bcae0686921",
      hex(pcap.packet("192.0.2.1:5060", "192.0.2.2:5062", "hi!")))
  end)

  it("makes IPv6 headers, also for a mixed pair", function()
    assert.equal("60000000000b1140"
      .. "20010db8000000000000000000000001" .. "00000000000000000000ffffc0000202"
      .. "13c413c6000b5f28686921",
      hex(pcap.packet("[2001:db8::1]:5060", "192.0.2.2:5062", "hi!")))
  end)

  it("reads addresses of every form", function()
    local function read(text)
      local bytes, port = pcap.address(text)
      return hex(bytes) .. " " .. port
    end
    assert.equal("c0000201 5060", read "192.0.2.1:5060")
    assert.equal("c0000201 0", read "192.0.2.1")
    assert.equal("00000000000000000000000000000001 5", read "[::1]:5")
    assert.equal("20010db8000000000000000000000000 0", read "2001:db8::")
    assert.equal("00010002000300040005000600070008 1", read "[1:2:3:4:5:6:7:8]:1")
    assert.equal("00000000000000000000ffffc0000201 1", read "[::ffff:192.0.2.1]:1")
    assert.equal("fe800000000000000000000000000001 1", read "[fe80::1%eth0]:1")
    assert.equal("00000000 5060", read "host.example:5060")
    assert.equal("00000000 0", read "999.1.1.1")
    assert.equal("00000000 0", read "1:2:3")
  end)

  it("has a header and a record for each message", function()
    local t = trace.new()
    t:message { at = 1.5, from = ALICE, to = BOB, text = "hi!" }
    t:verb { at = 2, from = ALICE, text = "play" }
    t:message { at = 2.25, from = ALICE, to = BOB, text = ("x"):rep(70000) }
    local bytes = t:pcap()
    local magic, _, _, _, _, _, link, at = ("<I4I2I2I4I4I4I4"):unpack(bytes)
    assert.same({ 0xa1b2c3d4, 101 }, { magic, link })
    local found = {}
    while at <= #bytes do
      local seconds, micros, kept, whole, start = ("<I4I4I4I4"):unpack(bytes, at)
      found[#found + 1] = { seconds, micros, kept, whole }
      at = start + kept
    end
    assert.same({ { 1, 500000, 31, 31 }, { 2, 250000, 65515, 70028 } }, found)
    assert.equal(#bytes + 1, at)
  end)
end)

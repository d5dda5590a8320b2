-- What is said to messages that no sound element sends, over UDP and over TCP, and that
-- everything is well behind them: RFC 3261 7, 8.1.1, 18.3, 20, 25.1.  C-5 to C-9, C-13,
-- C-15, C-31.

local messages = require "spec.support.messages"
local new_sim = require "sip.sim"

local A, B = "192.0.2.1", "192.0.2.9"

local count = 0

-- A request by `transport`, changed; a row may be bytes of its own.
local function bytes_of(row, transport)
  if type(row.say) == "function" then
    return row.say(transport)
  end
  count = count + 1
  local change = { ["Call-ID"] = "hostile" .. count,
    Via = ("SIP/2.0/%s %s;branch=z9hG4bKh%d"):format(transport, B, count) }
  for key, value in pairs(row.say) do
    change[key] = value
  end
  return messages.request(change, row.body)
end

local function sound(transport)
  return bytes_of({ say = {} }, transport)
end

local M200, M9000 = ("M"):rep(200), ("M"):rep(9000)

-- What is answered over UDP, and over TCP: a status, or nil. `ends`: the connection is
-- closed then; `waits`: for more, and closed for its want; `behind`: the answer to a
-- sound request behind it, if that is not 200.
local rows = {
  { "a Content-Length of more than there is", say = { ["Content-Length"] = "10" },
    udp = 400, waits = true },
  { "a Content-Length of less than there is", say = { ["Content-Length"] = "3" },
    body = "hello", udp = 200, tcp = 200, behind = 400 }, -- "lo" is the next method's
  { "a negative Content-Length", say = { ["Content-Length"] = "-1" }, udp = 400,
    tcp = 400, ends = true },
  { "a Content-Length with a sign", say = { ["Content-Length"] = "+5" },
    body = "hello", udp = 400, tcp = 400, ends = true },
  { "a Content-Length beyond 32 bits", say = { ["Content-Length"] = "4294967296" },
    udp = 400, tcp = 513, ends = true },
  { "a Content-Length beyond 64 bits", say = { ["Content-Length"] = ("9"):rep(40) },
    udp = 400, tcp = 513, ends = true },
  { "an empty Content-Length", say = { ["Content-Length"] = "" }, udp = 400, tcp = 400,
    ends = true },
  { "two Content-Lengths", say = { ["Content-Length"] = "5", extra = { "l: 4" } },
    body = "hello", udp = 400, tcp = 400, ends = true },
  { "two Content-Lengths that agree", say = { ["Content-Length"] = "5",
    extra = { "l: 5" } }, body = "hello", udp = 400, tcp = 400 },
  { "a CSeq of 2**31", say = { CSeq = "2147483648 OPTIONS" }, udp = 200, tcp = 200 },
  { "a CSeq of 2**32", say = { CSeq = "4294967296 OPTIONS" }, udp = 400, tcp = 400 },
  { "a Max-Forwards of 256", say = { ["Max-Forwards"] = "256" }, udp = 400,
    tcp = 400 },
  { "a Max-Forwards of -1", say = { ["Max-Forwards"] = "-1" }, udp = 400, tcp = 400 },
  { "an Expires beyond 32 bits", say = { extra = { "Expires: 4294967296" } },
    udp = 200, tcp = 200 },
  { "an Expires of -1", say = { extra = { "Expires: -1" } }, udp = 400, tcp = 400 },
  { "a Contact of anything to what is no REGISTER", say = { extra = { "Contact: *" } },
    udp = 400, tcp = 400 },
  { "tabs in the request line", say = { "OPTIONS\tsip:bob@a\tSIP/2.0" }, udp = 400,
    tcp = 400 },
  { "a tab before the version", say = { "OPTIONS sip:bob@a\tSIP/2.0" }, udp = 400,
    tcp = 400 },
  { "two blanks in the request line", say = { "OPTIONS  sip:bob@a SIP/2.0" },
    udp = 400, tcp = 400 },
  { "a blank behind the request line", say = { "OPTIONS sip:bob@a SIP/2.0 " },
    udp = 400, tcp = 400 },
  { "a request line without a version", say = { "OPTIONS sip:bob@a" }, udp = 400,
    tcp = 400 },
  { "a request line of one word", say = { "OPTIONS" } },
  { "another protocol of the same look", say = { "OPTIONS sip:bob@a RTSP/1.0" },
    udp = 400, tcp = 400 },
  { "a method of 200 bytes", say = { M200 .. " sip:bob@a SIP/2.0",
    CSeq = "1 " .. M200 }, udp = 501, tcp = 501 },
  { "a method of 9000 bytes", say = { M9000 .. " sip:bob@a SIP/2.0",
    CSeq = "1 " .. M9000 }, udp = 400, tcp = 400 },
  { "a branch of 9000 bytes", say = {
    Via = ("SIP/2.0/UDP %s;branch=z9hG4bK%s"):format(B, M9000) }, udp = 400,
    tcp = 400 },
  { "two branches", say = { Via = ("SIP/2.0/UDP %s;branch=z9hG4bKa;branch=z9hG4bKb")
    :format(B) }, udp = 400, tcp = 400 },
  { "a status of 99", say = { "SIP/2.0 99 Odd" } },
  { "a status of 099", say = { "SIP/2.0 099 Odd" } },
  { "a status of 700", say = { "SIP/2.0 700 Odd" } },
  { "a status of four digits", say = { "SIP/2.0 2000 Odd" } },
  { "a NUL in a name", say = { extra = { "X-\0: y" } }, udp = 400, tcp = 400 },
  { "a NUL in a value", say = { extra = { "X: \0y" } }, udp = 200, tcp = 200 },
  { "8 bits in a name", say = { extra = { "X-\255: y" } }, udp = 400, tcp = 400 },
  { "a name without a colon", say = { extra = { "X" } }, udp = 400, tcp = 400 },
  { "a colon without a name", say = { extra = { ": y" } }, udp = 400, tcp = 400 },
  { "a fold before the colon", say = { extra = { "X\r\n : y" } }, udp = 400,
    tcp = 400 },
  { "a fold behind the start line", say = { "OPTIONS sip:bob@a SIP/2.0\r\n X: x" },
    udp = 400, tcp = 400 },
  { "a LF alone in a value", say = { extra = { "X: a\nY: b" } }, udp = 400, tcp = 400 },
  { "a CR alone in a value", say = { extra = { "X: a\rb" } }, udp = 400, tcp = 400 },
  { "lines that end in LF", say = function(transport)
    return (sound(transport):gsub("\r\n", "\n"))
  end, udp = 400, waits = true },
  { "lines that end in CR", say = function(transport)
    return (sound(transport):gsub("\r\n", "\r"))
  end, waits = true },
  { "a sent-by of an IPv6 address without brackets", say = {
    Via = "SIP/2.0/UDP 2001:db8::9;branch=z9hG4bKv6" }, udp = 400, tcp = 400 },
  { "a port of 0", say = { Via = "SIP/2.0/UDP 192.0.2.9:0;branch=z9hG4bKp" },
    udp = 400, tcp = 400 },
}

describe("over", function()
  local sim, ua, raw

  before_each(function()
    sim = new_sim { seed = 1 }
    local host = sim:host(A)
    ua = host.sip.new { listen = { "udp:" .. A, "tcp:" .. A },
      limits = { stream_head_ms = 2000 } }
    ua:on("OPTIONS", function(req)
      req:reply(200)
    end)
  end)

  after_each(function()
    raw:close()
    ua:close()
    sim:assert_clean()
  end)

  -- "400 closed" of what a peer hears.
  local function heard()
    local said, pending = {}, ""
    for _, event in ipairs(raw:take()) do
      pending = pending .. (event.bytes or "")
      if event.what == "closed" then
        said.closed = true
      end
    end
    for status in pending:gmatch "SIP/2.0 (%d+) " do
      said[#said + 1] = tonumber(status)
    end
    return said
  end

  for _, row in ipairs(rows) do
    -- @rfc 3261 18.3 MUST C-9
    it("UDP: " .. row[1], function()
      raw = sim:host(B).driver:raw { host = B, port = 5060 }
      raw:send(A, 5060, bytes_of(row, "UDP"))
      sim:advance(0)
      assert.same({ row.udp }, heard())
      raw:send(A, 5060, sound "UDP")
      sim:advance(0)
      assert.same({ 200 }, heard())
    end)

    -- @rfc 3261 18.3 MUST C-31
    it("TCP: " .. row[1], function()
      raw = sim:host(B).driver:raw { host = B, transport = "TCP", port = 5070 }
      local id = assert(raw:connect(A, 5060))
      sim:advance(0)
      heard()
      assert(raw:write(id, bytes_of(row, "TCP")))
      sim:advance(0)
      assert.same({ row.tcp, closed = row.ends }, heard())
      if row.ends then
        return
      elseif row.waits then
        sim:advance(2)
        assert.same({ closed = true }, heard())
        return
      end
      assert(raw:write(id, sound "TCP"))
      sim:advance(0)
      assert.same({ row.behind or 200 }, heard())
    end)
  end
end)

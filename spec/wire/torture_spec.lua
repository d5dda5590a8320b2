-- Every message of RFC 4475 and RFC 5118, over UDP, TCP and TLS on real sockets, to an
-- endpoint that is a registrar and takes calls: its answer is the one that the RFC asks
-- for, and the next OPTIONS is answered.  C-17.

local certificates = require "spec.support.certificates"
local core = require "sip.core"
local facade = require "sip"
local torture = require "spec.support.torture"
local wire = require "spec.support.wire"

local assert = require "luassert"

local HERE, THERE = "127.0.0.9", "127.0.0.10" -- ours, the endpoint's

-- Name, what is answered, and over a stream where that is another thing: statuses, and
-- "none" for nothing; "closed" when the connection is closed then. Without a good
-- Content-Length no stream can be framed, and half a message is waited for in vain (RFC
-- 3261 18.3). Only what is a call to nobody's dialog is answered 481.
local RFC4475 = {
  { "wsinv", "481" }, { "intmeth", "501" }, { "esc01", "486" }, { "escnull", "200" },
  { "esc02", "501" }, { "lwsdisp", "200" }, { "longreq", "486" }, { "dblreq", "200" },
  { "semiuri", "200" }, { "transports", "200" }, { "mpart01", "202" },
  { "unreason", "none" }, { "noreason", "none" }, { "badinv01", "400" },
  { "clerr", "400", "closed" }, { "ncl", "400", "400 closed" }, { "scalar02", "400" },
  { "scalarlg", "none" }, { "quotbal", "400" }, { "ltgtruri", "400" },
  { "lwsruri", "400" }, { "lwsstart", "400" }, { "trws", "400" }, { "escruri", "400" },
  { "baddate", "486" }, { "regbadct", "400" }, { "badaspec", "400" },
  { "baddn", "400" }, { "badvers", "505" }, { "mismatch01", "400" },
  { "mismatch02", "400" }, { "bigcode", "none" }, { "badbranch", "200" },
  { "insuf", "400" }, { "unkscm", "416" }, { "novelsc", "416" }, { "unksm2", "400" },
  { "bext01", "420" }, { "invut", "415" }, { "regaut01", "200" }, { "multi01", "400" },
  { "mcl01", "400", "400 closed" }, { "bcast", "none" }, { "zeromf", "200" },
  { "cparam01", "200" }, { "cparam02", "200" }, { "regescrt", "200" },
  { "sdp01", "406" }, { "inv2543", "486", "400 closed" },
}
local RFC5118 = {
  { "ipv6-good", "200" }, { "ipv6-bad", "400" }, { "port-ambiguous", "200" },
  { "port-unambiguous", "200" }, { "via-received-param-with-delim", "481" },
  { "via-received-param-no-delim", "200" }, { "ipv6-in-sdp", "486" },
  { "mult-ip-in-header", "481" }, { "mult-ip-in-sdp", "486" },
  { "ipv4-mapped-ipv6", "486" }, { "ipv6-bug-abnf-3-colons", "200" },
  { "ipv6-correct-abnf-2-colons", "200" },
}

-- Of the exact messages alone: one ends before its empty line, and one has a piece of
-- nothing behind its second request.
local EXACT_STREAM = { baddn = "closed", dblreq = "200 closed" }

-- What the manifest beside the exact messages expects, by name.
local function manifest()
  local folder, rows = os.getenv "SIP_TORTURE_DIR", {}
  if folder and folder ~= "" then
    for line in io.lines(folder .. "/rfc4475/manifest.tsv") do
      local row = {}
      for cell in (line .. "\t"):gmatch "(.-)\t" do
        row[#row + 1] = cell
      end
      rows[row[1]] = row[6]
    end
  end
  return rows
end

-- Whether an outcome is one that the manifest allows.
local function allowed(what, expected)
  local status = what:match "^%d+"
  if not status then
    return expected:find "discard" or expected:find "accept response"
  elseif expected:find(status, 1, true) then
    return true
  end
  return status ~= "400" and status ~= "505" and (expected:find "accept"
    or expected:find "lenient" or expected:find "processed"
    or expected:find "REGISTER handling" or expected:find "non%-4xx%-syntax")
end

describe("torture on the wire", function()
  local made, loop, sip, ua, client, ports, count, types

  lazy_setup(function()
    made = certificates.new()
    local pair = made:issue { san = "URI:sip:b.example,IP:" .. THERE }
    loop = core.loop()
    count = 0
    sip = facade.with { driver = loop, log = function() end }
    ua = sip.new {
      listen = { "udp:" .. THERE .. ":5060", "tcp:" .. THERE .. ":5060",
        "tls:" .. THERE .. ":5061" },
      tls = { ca = made.ca, cert = pair.cert, key = pair.key },
      limits = { stream_head_ms = 150 },
      location = sip.location.memory(),
    }
    ua:on("REGISTER", sip.registrar())
    ua:on("MESSAGE", function(req)
      local content = req.message:content()
      types = { content.type }
      for i, part in ipairs(content.parts) do
        types[i + 1] = part.type
      end
      req:reply(202)
    end)
    ua:on_call(function(call)
      call:reject(486)
    end)
    client = wire.new()
    client.net:tls { ca = made.ca, verify = false }
    ports = {}
  end)

  lazy_teardown(function()
    client:close()
    ua:shut()
    loop:close()
    made:remove()
  end)

  local function turn()
    loop:step(0)
    client:poll(0.001)
  end

  local function until_there(ready)
    local ends = client.net:now() + 60
    repeat
      turn()
      local value = ready()
      if value then
        return value
      end
    until client.net:now() > ends
    error "nothing came"
  end

  local function port(number)
    ports[number] = ports[number] or assert(client.net:listen("UDP", HERE, number))
    return ports[number]
  end

  local function options(transport)
    count = count + 1
    local id = "alive" .. count
    return table.concat({
      "OPTIONS sip:x@" .. THERE .. " SIP/2.0",
      ("Via: SIP/2.0/%s %s;rport;branch=z9hG4bK%s"):format(transport, HERE, id),
      "Max-Forwards: 70", "From: <sip:a@a.example>;tag=1", "To: <sip:b@b.example>",
      "Call-ID: " .. id, "CSeq: 1 OPTIONS", "Content-Length: 0", "", "" }, "\r\n"), id
  end

  -- What was answered so far, as "180 486 closed": to the message, and whether the
  -- OPTIONS behind it was. Answers are known by their Call-ID, or by their branch.
  local function heard(mark, alive)
    local list, well, closed = {}, false, nil
    for _, event in ipairs(client.events) do
      for status, text in (event.kind == "bytes" and event.bytes or ""):gmatch
        "SIP/2%.0 (%d%d%d) (.-)\r\n\r\n" do
        text = text .. "\r\n"
        if text:find("\r\nCall-ID: " .. alive .. "\r\n", 1, true) then
          well = status
        elseif text:find(mark, 1, true) then
          list[#list + 1] = list[#list] ~= status and status or nil -- or it is repeated
        end
      end
      if event.kind == "closed" then
        closed = event.id
        list[#list + 1] = "closed"
      end
    end
    return well, closed, list[1] and table.concat(list, " ") or "none"
  end

  local function open(transport)
    local id = assert(client.net:open(transport, THERE, transport == "TLS" and 5061
      or 5060))
    until_there(function()
      for i, event in ipairs(client.events) do
        if event.kind == "opened" and event.id == id then
          return table.remove(client.events, i)
        end
      end
    end)
    return id
  end

  local function mark_of(bytes)
    bytes = bytes:match "^.-\r\n\r\n" or bytes
    local id = bytes:match "\r\n[Cc][Aa][Ll][Ll]%-[Ii][Dd][ \t]*:%s*([^\r\n]+)"
      or bytes:match "\r\n[Ii]%s*:%s*([^\r\n]+)"
    return id and ": " .. id .. "\r\n" or bytes:match "branch%s*=%s*([^%s;,]+)"
  end

  local VIA = "[Vv]%a*%s*:%s*SIP%s*/%s*2%.0%s*/%s*%w+%s+"
    .. "[^;,\r\n%]]+%]?:%s*(%d+)"

  -- What is answered. The OPTIONS comes right behind the message, so that nothing more
  -- comes to that one; when its stream was closed, on a connection of its own.
  local function outcome(bytes, transport)
    client.events = {}
    local mark, alive, id = mark_of(bytes), options(transport)
    if transport == "UDP" then
      port(tonumber(bytes:match(VIA)) or 5060)
      client.net:send(port(5060), bytes, 1, THERE, 5060)
      client.net:send(port(5060), alive, 1, THERE, 5060)
    else
      local whole = bytes:find("\r\n\r\n", 1, true)
      client.net:send(open(transport), whole and bytes .. alive or bytes, 1)
    end
    local well = until_there(function()
      local answered, gone = heard(mark, id)
      return answered or gone and "closed"
    end)
    client:poll(0)
    if well == "closed" then
      client.net:send(open(transport), alive, 1)
      well = until_there(function()
        return (heard(mark, id))
      end)
    end
    local _, closed, what = heard(mark, id)
    assert.equal("200", well)
    assert.is_true(transport ~= "UDP" or not closed)
    return what, client.events
  end

  -- What was refused is acknowledged (17.1.1.3), or it is sent again while a later
  -- message is on its way that has the same Call-ID.
  local function acknowledge(events)
    for _, event in ipairs(events) do
      local res = event.kind == "bytes" and core.parse(event.bytes)
      if res and res:check() and res:status() >= 300
        and select(2, res:cseq()) == "INVITE" then
        client.net:send(port(5060), table.concat({
          "ACK sip:x@" .. THERE .. " SIP/2.0", "Via: " .. res:values "Via"[1],
          "From: " .. res:header "From", "To: " .. res:header "To",
          "Call-ID: " .. res:header "Call-ID", "CSeq: " .. res:cseq() .. " ACK",
          "Content-Length: 0", "", "" }, "\r\n"), 1, THERE, 5060)
      end
    end
  end

  -- @rfc 4475 3 SHOULD C-17
  -- @rfc 5118 4 SHOULD C-17
  for folder, cases in pairs { rfc4475 = RFC4475, ["rfc5118-crlf"] = RFC5118 } do
    for _, case in ipairs(cases) do
      local name, datagram, stream = table.unpack(case)
      for kind, bytes in pairs(torture.load(folder, name)) do
        local streamed = kind == "exact" and EXACT_STREAM[name] or stream or datagram
        it(("%s (%s) is answered %s, and an OPTIONS after it"):format(name, kind,
          datagram), function()
          local what, answers = outcome(bytes, "UDP")
          assert.equal(datagram, what)
          assert.equal(streamed, (outcome(bytes, "TCP")))
          assert.equal(streamed, (outcome(bytes, "TLS")))
          acknowledge(answers)
        end)
      end
    end
  end

  it("has an answer to each, as the manifest wants it", function()
    assert.same({ 49, 12 }, { #RFC4475, #RFC5118 })
    local expected = manifest()
    for _, case in ipairs(next(expected) and RFC4475 or {}) do
      assert.is_truthy(allowed(case[2], expected[case[1]]), case[1])
    end
  end)

  it("has found the parts of mpart01, which hold NULs", function()
    assert.equal("202", (outcome(torture.load("rfc4475", "mpart01").own, "TCP")))
    assert.same({ "multipart/mixed", "text/plain", "application/octet-stream" }, types)
  end)
end)

-- Session descriptions as text: RFC 8866 5 and 9, RFC 4566 5.  C-138.

local core = require "sip.core"

local function lines(...)
  return table.concat({ ... }, "\r\n") .. "\r\n"
end

local AUDIO = lines(
  "v=0",
  "o=- 3724394400 18446744073709551617 IN IP4 192.0.2.7",
  "s=a talk",
  "c=IN IP4 192.0.2.7",
  "t=0 0",
  "m=audio 49170 RTP/AVP 0 8 101",
  "a=rtpmap:101 telephone-event/8000",
  "a=fmtp:101 0-15",
  "a=sendrecv")

-- One line of every kind, on both levels.
local EVERYTHING = lines(
  "v=0",
  "o=carol 28908764872 28908764873 IN IP6 2001:db8::7",
  "s= ",
  "i=all of it",
  "u=http://www.example.com/?a=b:c",
  "e=carol@example.com (Carol)",
  "e=Dave <dave@example.com>",
  "p=+1 617 555-6011",
  "c=IN IP4 233.252.0.1/127/3",
  "b=AS:128",
  "b=X-odd:0",
  "t=3034423619 3042462419",
  "r=7d 1h 0 25h",
  "r=604800 3600 0 90000",
  "z=3036423619 -1h 3042462419 0",
  "t=0 0",
  "k=prompt",
  "a=recvonly",
  "a=x-unheard-of:with: colons and  blanks ",
  "a=empty:",
  "m=audio 49180/2 RTP/AVP 96",
  "i=the first",
  "c=IN IP6 ff15::103/3",
  "c=IN IP6 ff15::113",
  "b=TIAS:64000",
  "k=clear:secret",
  "a=rtpmap:96 L16/8000",
  "m=video 0 RTP/SAVPF 31 32",
  "m=application 9 UDP/BFCP *")

describe("a session description", function()
  it("is read into a plain table", function()
    assert.same({
      version = 0,
      origin = {
        user = "-", id = "3724394400", version = "18446744073709551617",
        net = "IN", addr_type = "IP4", address = "192.0.2.7",
      },
      name = "a talk",
      connection = { net = "IN", addr_type = "IP4", address = "192.0.2.7" },
      times = { { start = "0", stop = "0" } },
      attributes = {},
      media = {
        {
          type = "audio", port = 49170, proto = "RTP/AVP",
          formats = { "0", "8", "101" },
          attributes = {
            { name = "rtpmap", value = "101 telephone-event/8000" },
            { name = "fmtp", value = "101 0-15" },
            { name = "sendrecv" },
          },
        },
      },
    }, core.sdp_parse(AUDIO))
  end)

  it("keeps every field of every kind of line", function()
    local sdp = assert(core.sdp_parse(EVERYTHING))
    assert.equal(" ", sdp.name)
    assert.equal("all of it", sdp.info)
    assert.equal("http://www.example.com/?a=b:c", sdp.uri)
    assert.same({ "carol@example.com (Carol)", "Dave <dave@example.com>" }, sdp.emails)
    assert.same({ "+1 617 555-6011" }, sdp.phones)
    assert.same({
      net = "IN", addr_type = "IP4", address = "233.252.0.1", ttl = 127, count = 3,
    }, sdp.connection)
    assert.same({ { type = "AS", value = "128" }, { type = "X-odd", value = "0" } },
      sdp.bandwidths)
    assert.same({
      {
        start = "3034423619", stop = "3042462419",
        repeats = { "7d 1h 0 25h", "604800 3600 0 90000" },
        zone = "3036423619 -1h 3042462419 0",
      },
      { start = "0", stop = "0" },
    }, sdp.times)
    assert.equal("prompt", sdp.key)
    assert.same({
      { name = "recvonly" },
      { name = "x-unheard-of", value = "with: colons and  blanks " },
      { name = "empty", value = "" },
    }, sdp.attributes)
    assert.equal(3, #sdp.media)
    local first = sdp.media[1]
    assert.equal(2, first.ports)
    assert.equal("the first", first.info)
    assert.same({ net = "IN", addr_type = "IP6", address = "ff15::103", count = 3 },
      first.connection)
    assert.same({ { net = "IN", addr_type = "IP6", address = "ff15::113" } },
      first.other_connections)
    assert.same({ { type = "TIAS", value = "64000" } }, first.bandwidths)
    assert.equal("clear:secret", first.key)
    assert.same({ "31", "32" }, sdp.media[2].formats)
    assert.same({ "*" }, sdp.media[3].formats)
    assert.equal("UDP/BFCP", sdp.media[3].proto)
  end)

  it("is written as it was read", function()
    assert.equal(AUDIO, core.sdp_write(core.sdp_parse(AUDIO)))
    assert.equal(EVERYTHING, core.sdp_write(core.sdp_parse(EVERYTHING)))
  end)
end)

describe("a sloppy session description is read all the same (C-138):", function()
  local function reads_the_same(text)
    local sdp, refusal = core.sdp_parse(text)
    assert.is_nil(refusal and refusal.why)
    assert.same(core.sdp_parse(AUDIO), sdp)
  end

  it("LF alone", function()
    reads_the_same((AUDIO:gsub("\r\n", "\n")))
  end)

  it("the last line end is missing, in full or in half", function()
    reads_the_same(AUDIO:sub(1, -3))
    reads_the_same(AUDIO:sub(1, -2))
  end)

  it("empty lines at the end", function()
    reads_the_same(AUDIO .. "\r\n\n\r\n")
  end)

  it("blanks at the end of lines and between fields", function()
    reads_the_same((AUDIO:gsub("RTP/AVP 0 8 101", "RTP/AVP  0 8   101 ")))
    reads_the_same((AUDIO:gsub("t=0 0", "t=0  0 ")))
    reads_the_same((AUDIO:gsub("c=IN IP4 192.0.2.7", "%0 ")))
  end)

  it("the optional lines of the session in another order", function()
    reads_the_same((AUDIO:gsub("(c=[^\r]+\r\n)(t=0 0\r\n)", "%2%1")))
  end)

  it("an empty s=, as RFC 3264 10 shows it", function()
    local sdp = assert(core.sdp_parse((AUDIO:gsub("s=a talk", "s="))))
    assert.equal("", sdp.name)
  end)

  it("no media at all", function()
    local sdp = assert(core.sdp_parse(AUDIO:match "^(.-)m="))
    assert.same({}, sdp.media)
  end)

  it("a port of 0 without c=", function()
    local text = lines("v=0", "o=- 1 1 IN IP4 a.example", "s=-", "t=0 0",
      "m=audio 0 RTP/AVP 0")
    assert.equal(0, assert(core.sdp_parse(text)).media[1].port)
  end)
end)

describe("a malformed session description is refused (C-138):", function()
  local function refused(text, why, at_line)
    local sdp, refusal = core.sdp_parse(text)
    assert.is_nil(sdp)
    assert.equal(why, refusal.why)
    assert.equal(400, refusal.status)
    if at_line then
      local at = at_line == "end" and #text + 1 or text:find(at_line, 1, true)
      assert.equal(at, refusal.at)
    end
  end

  -- AUDIO with the line `from` replaced.
  local function with(from, to)
    local at, last = AUDIO:find(from, 1, true)
    return AUDIO:sub(1, at - 1) .. to .. AUDIO:sub(last + 1)
  end

  it("nothing at all", function()
    refused("", "description is empty", "end")
    refused("\r\n\r\n", "description is empty")
  end)

  -- @rfc 8866 5 MUST C-138
  it("one of v=, o=, s=, t= is missing or not in its place", function()
    refused(with("v=0\r\n", ""), "description does not begin with v=", "o=")
    refused(with("s=a talk\r\n", ""), "s= does not follow o=", "c=")
    refused(with("o=- 3724394400 18446744073709551617 IN IP4 192.0.2.7\r\n", ""),
      "o= does not follow v=", "s=")
    refused(with("t=0 0\r\n", ""), "t= is missing", "m=")
    refused("v=0\r\n", "o= is missing", "end")
    refused("v=0\r\no=- 1 1 IN IP4 a\r\n", "s= is missing", "end")
    refused("v=0\no=- 1 1 IN IP4 a\ns=-\n", "t= is missing", "end")
  end)

  it("a second v=, o=, s= or c= of the session", function()
    refused(with("t=0 0", "v=0"), "line is repeated", "v=0\r\nm")
    refused(with("t=0 0", "s=-"), "line is repeated", "s=-")
    refused(with("t=0 0", "c=IN IP4 192.0.2.8"), "line is repeated",
      "c=IN IP4 192.0.2.8")
  end)

  it("a line of the session after the first m=", function()
    refused(AUDIO .. "t=0 0\r\n", "line belongs before the first m=")
    refused(AUDIO .. "s=-\r\n", "line belongs before the first m=")
  end)

  it("another version", function()
    refused(with("v=0", "v=1"), "v= is not 0", "v=")
  end)

  it("an unknown letter, a capital, no letter, no equals sign", function()
    refused(with("t=0 0", "x=0 0"), "unknown type of line", "x=")
    refused(with("t=0 0", "T=0 0"), "unknown type of line", "T=")
    refused(with("t=0 0", "t 0 0"), "line is not a letter and =", "t 0")
    refused(with("t=0 0", "t =0 0"), "line is not a letter and =", "t =")
    refused(with("t=0 0", ""), "line is not a letter and =")
    refused(with("t=0 0", "t"), "line is not a letter and =")
  end)

  it("a bare CR or a NUL", function()
    refused(with("a talk", "a\rtalk"), "line holds a bare CR or a NUL", "s=")
    refused(with("a talk", "a\0talk"), "line holds a bare CR or a NUL", "s=")
    refused(AUDIO .. "\0", "line holds a bare CR or a NUL")
  end)

  it("a malformed o=", function()
    refused(with("o=- ", "o="), "o= wants six fields", "o=")
    refused(with("192.0.2.7\r\ns=", "192.0.2.7 more\r\ns="), "o= wants six fields")
    refused(with("3724394400", "37x"), "o= session id is not a number", "o=")
    refused(with("18446744073709551617", "-1"),
      "o= session version is not a number", "o=")
    refused(with("617 IN", "617 I(N"), "o= network or address type is malformed")
  end)

  it("a malformed c=", function()
    local c = "c=IN IP4 192.0.2.7"
    refused(with(c, "c=IN IP4"), "c= wants three fields", "c=")
    refused(with(c, "c=IN IP4 a b"), "c= wants three fields")
    refused(with(c, "c=IN IP4 /127"), "c= wants three fields")
    refused(with(c, "c=IN IP4 224.2.1.1/"),
      "c= number after the address is malformed")
    refused(with(c, "c=IN IP4 224.2.1.1/256"), "c= TTL is more than 255")
    refused(with(c, "c=IN IP4 224.2.1.1/1/x"), "c= number of addresses is malformed")
    refused(with(c, "c=IN IP6 ff15::1/1/1"), "c= number of addresses is malformed")
    refused(with(c, "c=IN IP6 ff15::1/0"), "c= number of addresses is malformed")
  end)

  it("a malformed m=", function()
    local m = "m=audio 49170 RTP/AVP 0 8 101"
    refused(with(m, "m=audio 65536 RTP/AVP 0"),
      "m= port is not a number up to 65535", "m=")
    refused(with(m, "m=audio x RTP/AVP 0"), "m= port is not a number up to 65535")
    refused(with(m, "m=audio -1 RTP/AVP 0"), "m= port is not a number up to 65535")
    refused(with(m, "m=audio"), "m= port is not a number up to 65535")
    refused(with(m, "m=audio 1/0 RTP/AVP 0"), "m= number of ports is malformed")
    refused(with(m, "m=audio 1/ RTP/AVP 0"), "m= number of ports is malformed")
    refused(with(m, "m=audio 1 RTP/AVP"), "m= names no format")
    refused(with(m, "m=audio 1 RTP//AVP 0"), "m= protocol is malformed")
    refused(with(m, "m=audio 1 RTP/ 0"), "m= protocol is malformed")
    refused(with(m, "m=aud(io 1 RTP/AVP 0"), "m= media type is malformed")
    refused(with(m, "m=audio 1 RTP/AVP 0\t8"), "m= format is malformed")
  end)

  it("media without any c=", function()
    refused(with("c=IN IP4 192.0.2.7\r\n", ""), "media without c=", "m=")
    local second = "m=audio 49172 RTP/AVP 0\r\n"
    refused(with("c=IN IP4 192.0.2.7\r\n", "") .. "c=IN IP4 192.0.2.7\r\n" .. second,
      "media without c=", second)
  end)

  it("other lines that are not what they say", function()
    refused(with("t=0 0", "t=0"), "t= wants two numbers")
    refused(with("t=0 0", "t=0 0 0"), "t= wants two numbers")
    refused(with("t=0 0", "t=now 0"), "t= wants two numbers")
    refused(with("t=0 0", "b=AS"), "b= value is not a number")
    refused(with("t=0 0", "b=:1"), "b= type is malformed")
    refused(with("t=0 0", "r=1 1 0"), "r= without t=")
    refused(with("t=0 0", "z=1 1"), "z= without t=")
    refused(with("t=0 0", "i="), "line has no value")
    refused(with("a=sendrecv", "a="), "a= name is malformed")
    refused(with("a=sendrecv", "a=:x"), "a= name is malformed")
    refused(with("a=sendrecv", "a=send recv"), "a= name is malformed")
  end)

  it("more lines or media than the limits allow", function()
    refused(AUDIO .. ("a=x\r\n"):rep(2048), "too many lines")
    refused(AUDIO .. ("m=audio 0 RTP/AVP 0\r\n"):rep(64), "too many m= lines")
    assert.truthy(core.sdp_parse(AUDIO .. ("m=audio 0 RTP/AVP 0\r\n"):rep(63)))
    local _, refusal = core.sdp_parse(("x"):rep(65536))
    assert.equal(513, refusal.status)
  end)

  it("every truncation and every changed byte is read or refused, never worse",
    function()
      for i = 0, #EVERYTHING do
        local sdp, refusal = core.sdp_parse(EVERYTHING:sub(1, i))
        assert.truthy(sdp or refusal.why)
      end
      for i = 1, #EVERYTHING do
        for _, byte in ipairs { "\0", "\r", "\n", " ", "=", "/", ":", "9", "\255" } do
          local text = EVERYTHING:sub(1, i - 1) .. byte .. EVERYTHING:sub(i + 1)
          local sdp, refusal = core.sdp_parse(text)
          if sdp then -- and what was read is written and read again as the same
            assert.same(sdp, core.sdp_parse(core.sdp_write(sdp)))
          else
            assert.truthy(refusal.at >= 1 and refusal.at <= #text + 1)
          end
        end
      end
    end)
end)

describe("the writer of session descriptions", function()
  local function refuses(why, change)
    local sdp = core.sdp_parse(EVERYTHING)
    change(sdp)
    local ok, message = pcall(core.sdp_write, sdp)
    assert.is_false(ok)
    assert.equal("sdp_write: " .. why, message)
  end

  -- @rfc 8866 5 MUST
  it("refuses CR, LF and NUL in any value", function()
    for _, byte in ipairs { "\r", "\n", "\0" } do
      local bad = "a" .. byte .. "b"
      refuses("s= holds CR, LF or NUL", function(s) s.name = bad end)
      refuses("i= holds CR, LF or NUL", function(s) s.info = bad end)
      refuses("u= holds CR, LF or NUL", function(s) s.uri = bad end)
      refuses("text holds CR, LF or NUL", function(s) s.emails[1] = bad end)
      refuses("text holds CR, LF or NUL", function(s) s.times[1].repeats[1] = bad end)
      refuses("o= user is malformed", function(s) s.origin.user = bad end)
      refuses("c= address is malformed", function(s) s.connection.address = bad end)
      refuses("attribute holds CR, LF or NUL",
        function(s) s.media[1].attributes[1].value = bad end)
      refuses("name of an attribute or bandwidth is malformed",
        function(s) s.media[1].attributes[1].name = bad end)
      refuses("m= type is malformed", function(s) s.media[1].type = bad end)
      refuses("m= proto is malformed", function(s) s.media[1].proto = bad end)
      refuses("formats[1] is malformed", function(s) s.media[1].formats[1] = bad end)
      refuses("b= value is not digits", function(s) s.bandwidths[1].value = bad end)
      refuses("t= start is not digits", function(s) s.times[1].start = bad end)
    end
  end)

  it("refuses what would be read back as something else", function()
    refuses("o= user is malformed", function(s) s.origin.user = "two words" end)
    refuses("o= user is malformed", function(s) s.origin.user = "" end)
    refuses("o= id is not digits", function(s) s.origin.id = "" end)
    refuses("c= address is malformed", function(s) s.connection.address = "a/1" end)
    refuses("c= TTL is malformed", function(s) s.connection.addr_type = "IP6" end)
    refuses("text is empty", function(s) s.info = "" end)
    refuses("m= names no format", function(s) s.media[1].formats = {} end)
    refuses("formats[1] is malformed", function(s) s.media[1].formats = { "0 8" } end)
  end)

  it("says which field is missing or of the wrong type", function()
    refuses("origin is missing", function(s) s.origin = nil end)
    refuses("name is missing", function(s) s.name = nil end)
    refuses("id is not a string", function(s) s.origin.id = 7 end)
    refuses("times is empty", function(s) s.times = {} end)
    refuses("port is out of range", function(s) s.media[1].port = 65536 end)
    refuses("port is out of range", function(s) s.media[1].port = "9" end)
    refuses("port is missing", function(s) s.media[1].port = nil end)
    refuses("media[2] is not a table", function(s) s.media[2] = "audio" end)
    refuses("formats[1] is not a string", function(s) s.media[1].formats = { 0 } end)
    refuses("version is not 0", function(s) s.version = 1 end)
  end)
end)

describe("an address of a description", function()
  it("is of a family and a kind; a name is neither", function()
    for text, expected in pairs {
      ["192.0.2.1"] = { "IP4", "unicast" }, ["0.0.0.0"] = { "IP4", "any" },
      ["223.255.255.255"] = { "IP4", "unicast" },
      ["224.0.0.0"] = { "IP4", "multicast" },
      ["239.255.0.1"] = { "IP4", "multicast" }, ["240.0.0.1"] = { "IP4", "unicast" },
      ["2001:db8::1"] = { "IP6", "unicast" }, ["::"] = { "IP6", "any" },
      ["FF02::1"] = { "IP6", "multicast" }, ["[::1]"] = {}, ["a.example"] = {},
      ["192.0.2.256"] = {}, [""] = {}, ["1.2.3.4\0"] = {},
    } do
      assert.same(expected, { core.sdp_address(text) })
    end
  end)
end)

-- Parsing: the index, the values, and every refusal with its place.

local core = require "sip.core"
local messages = require "spec.support.messages"
local low = require("sip.test").msg

-- The refusal of a text in which "^" marks the place that is expected.
local function refused(marked, options)
  local at = assert(marked:find("^", 1, true), "no mark")
  local message, refusal, malformed =
    core.parse(marked:sub(1, at - 1) .. marked:sub(at + 1), options)
  assert.is_nil(message)
  assert.equal(at, refusal.at)
  return refusal.why, refusal.status, malformed
end

local VIA = "Via: SIP/2.0/UDP h.example;branch=z9hG4bK1\r\n"

describe("a parsed request", function()
  local message

  before_each(function()
    message = assert(core.parse(messages.request({ extra = {
      "Subject: one", "X-Own: a", "x-own: b", "Supported: path,  100rel",
      "k: timer", "Supported:",
    } }, "the body")))
  end)

  it("has its start line", function()
    assert.is_true(message:is_request())
    assert.equal("OPTIONS", message:method())
    assert.equal("sip:bob@192.0.2.4", message:uri())
    assert.equal("SIP/2.0", message:version())
    assert.is_nil(message:status())
    assert.is_nil(message:reason())
  end)

  it("has its headers by name, in order, with their lines", function()
    assert.equal("one", message:header "subject")
    assert.equal("one", message:header "s")
    assert.equal("a", message:header "X-OWN")
    assert.equal("b", message:header("X-Own", 2))
    assert.is_nil(message:header("X-Own", 3))
    assert.is_nil(message:header "X-Ow")
    assert.equal("timer", message:header("Supported", 2))
    assert.equal("", message:header("Supported", 3))
    local names = {}
    for name in message:fields() do
      names[#names + 1] = name
    end
    assert.same({ "Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq",
      "Content-Length", "Subject", "X-Own", "x-own", "Supported", "k",
      "Supported" }, names)
  end)

  it("has the values of lists over all lines", function()
    assert.same({ "path", "100rel", "timer" }, message:values "Supported")
    assert.same({ "a", "b" }, message:values "x-own")
    assert.same({}, message:values "Require")
    assert.is_true(message:has_token("supported", "TIMER"))
    assert.is_false(message:has_token("supported", "time"))
  end)

  it("has its typed headers", function()
    assert.equal("a84b4c76e66710@192.0.2.1", message:call_id())
    assert.same({ 314159, "OPTIONS" }, { message:cseq() })
    assert.equal("1928301774", message:from_tag())
    assert.equal("sip:alice@example.com", message:from_uri())
    assert.equal("Alice", message:from_display())
    assert.equal("sip:bob@example.com", message:to_uri())
    assert.is_nil(message:to_tag())
    assert.is_nil(message:to_display())
    assert.is_nil(message:contact_uri())
    assert.equal("z9hG4bK776asdhds", message:branch())
    assert.equal(70, message:max_forwards())
    assert.is_nil(message:expires())
    local via = message:via()
    assert.equal("UDP", via.transport)
    assert.equal("192.0.2.1", via.host)
    assert.equal(5060, via.port)
    assert.is_true(via.rport)
    assert.is_nil(message:via(2))
  end)

  it("has its body and its bytes", function()
    assert.equal("the body", message:body())
    assert.equal(message:bytes(), assert(core.parse(message:bytes())):bytes())
    assert.is_true(message:check())
  end)
end)

describe("a parsed response", function()
  it("has its status line", function()
    local message = assert(core.parse("SIP/2.0 486 Busy Here\r\n" .. VIA .. "\r\n"))
    assert.is_false(message:is_request())
    assert.equal(486, message:status())
    assert.equal("Busy Here", message:reason())
    assert.is_nil(message:method())
    assert.is_nil(message:uri())
    assert.equal("sip.Message{486 Busy Here}", tostring(message))
  end)

  it("may have an empty phrase, with or without the blank before it", function()
    assert.equal("", assert(core.parse("SIP/2.0 200 \r\n" .. VIA .. "\r\n")):reason())
    assert.equal("", assert(core.parse("SIP/2.0 200\r\n" .. VIA .. "\r\n")):reason())
  end)

  it("is discarded when it is malformed", function()
    for _, marked in ipairs {
      "SIP/2.0 ^99 Low\r\n\r\n", "SIP/2.0 ^700 High\r\n\r\n",
      "SIP/2.0 ^2000 Long\r\n\r\n", "SIP/2.0 ^20 Short\r\n\r\n",
      "SIP/2.0 ^4294967496 Wraps\r\n\r\n", "SIP/2.0 ^abc Word\r\n\r\n",
      "^SIP/x 200 OK\r\n\r\n", "^SIP/2.0\r\n\r\n",
      "SIP/2.0 200 OK\r\n" .. VIA .. "Content-Length: 5\r\n\r\nfour^",
    } do
      local _, status, malformed = refused(marked)
      assert.is_nil(status)
      assert.is_nil(malformed)
    end
  end)
end)

describe("a refusal", function()
  it("says where, why and with what to answer", function()
    for _, case in ipairs {
      { "OPTIONS sip:a@b^ x SIP/2.0\r\n", "a blank too many in the request line" },
      { "OPTIONS sip:a@b^ SIP/2.0 \r\n", "a blank too many in the request line" },
      { "OPTIONS ^ SIP/2.0\r\n", "a blank too many in the request line" },
      { "OPTIONS sip:a@b ^HTTP/1.1\r\n",
        "the request line does not end in a version of SIP" },
      { "^OPTIONS sip:a@b\r\n",
        "the request line is not a method, an URI and a version" },
    } do
      local why, status, malformed = refused(case[1] .. VIA .. "\r\n")
      assert.equal(case[2], why)
      assert.equal(400, status)
      assert.equal("OPTIONS", malformed:method())
    end
    for _, case in ipairs {
      { "^no colon\r\n\r\n", "a header line has no name and colon" },
      { "^: no name\r\n\r\n", "a header line has no name and colon" },
      { "^Not A Token: x\r\n\r\n", "a header line has no name and colon" },
      { "Content-Length: ^-1\r\n\r\n", "Content-Length is not a number" },
      { "Content-Length: ^\r\n\r\n", "Content-Length is not a number" },
      { "l: 1\r\nContent-Length: ^2\r\n\r\nab",
        "two Content-Lengths do not agree" },
      { "Content-Length: 3\r\n\r\nab^", "the body is shorter than Content-Length" },
      { "Subject: a^\n\r\n", "a LF without CR" },
      { "Subject: a^\rb\r\n\r\n", "a CR without LF" },
      { "Subject: a\r\n^", "there is no empty line behind the headers" },
    } do
      local why, status, malformed =
        refused("OPTIONS sip:a@b SIP/2.0\r\n" .. VIA .. case[1])
      assert.equal(case[2], why)
      assert.equal(400, status)
      assert.equal("z9hG4bK1", malformed:branch())
    end
  end)

  it("comes without a message when nobody could be answered", function()
    for _, marked in ipairs {
      "^", "^\0\1\2", "^x\r\n\r\n", "OPTIONS sip:a@b SIP/2.0\r\n^bad\r\n\r\n",
      "^ sip:a@b SIP/2.0\r\n" .. VIA .. "\r\n",
    } do
      local _, status, malformed = refused(marked)
      assert.is_nil(status)
      assert.is_nil(malformed)
    end
  end)

  it("counts the CRLFs that were left out", function()
    local why = refused "\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n^bad\r\n\r\n"
    assert.equal("a header line has no name and colon", why)
  end)
end)

describe("the limits of a message", function()
  local function with_headers(count)
    return "OPTIONS sip:a@b SIP/2.0\r\n" .. VIA .. ("X: y\r\n"):rep(count - 1) .. "\r\n"
  end

  it("are 256 header lines", function()
    assert.is_truthy(core.parse(with_headers(256)))
    local _, refusal, malformed = core.parse(with_headers(257))
    assert.same({ "there are too many header lines", 400 },
      { refusal.why, refusal.status })
    assert.is_truthy(malformed)
  end)

  it("are 32768 bytes of headers", function()
    local head = "OPTIONS sip:a@b SIP/2.0\r\n" .. VIA .. "X: "
    local fits = head .. ("y"):rep(32768 - #head - 4) .. "\r\n\r\n"
    assert.is_truthy(core.parse(fits))
    local _, refusal = core.parse((fits:gsub("X: y", "X: yy")))
    assert.same({ "the headers are too long", 400 }, { refusal.why, refusal.status })
  end)

  -- @rfc 3261 18.1.1 SHOULD C-19
  it("are 65535 bytes in all", function()
    local head = "OPTIONS sip:a@b SIP/2.0\r\n" .. VIA .. "\r\n"
    assert.is_truthy(core.parse(head .. ("y"):rep(65535 - #head)))
    local _, refusal = core.parse(head .. ("y"):rep(65536 - #head))
    assert.same({ "the message is too long", 513 }, { refusal.why, refusal.status })
  end)

  it("are 8192 bytes of Request-URI", function()
    local function with(len)
      return "OPTIONS sip:" .. ("a"):rep(len - 4) .. " SIP/2.0\r\n" .. VIA .. "\r\n"
    end
    assert.is_truthy(core.parse(with(8192)))
    local _, refusal = core.parse(with(8193))
    assert.same({ "the Request-URI is too long", 414 }, { refusal.why, refusal.status })
  end)
end)

describe("the memory of a message", function()
  it("is one allocation, and its failure is an error", function()
    for _, bytes in ipairs(messages.bench()) do
      assert.same({ "ok", 1, 0 }, { low.parse_failing(bytes, 0) })
      assert.same({ "no_memory", 1, 0 }, { low.parse_failing(bytes, 1) })
    end
  end)

  it("is counted while a box holds it, and let go of on request", function()
    collectgarbage()
    local before = core.held()
    local message <close> = assert(core.parse(messages.request()))
    assert.is_true(core.held() > before)
    assert.is_true(message:kept())
    message:release()
    assert.equal(before, core.held())
    assert.is_false(message:kept())
    assert.same({ nil, "gone" }, { message:method() })
    assert.same({ nil, "gone" }, { message:header "To" })
    assert.equal("sip.Message{gone}", tostring(message))
    assert.has_error(function()
      core.write_cancel(message)
    end)
    for _ in message:fields() do
      error "a gone message has fields"
    end
  end)

  -- In a process of its own, where nothing else makes the heap large or small, so
  -- the collector does the same each time.
  it("is collected without being asked for", function()
    local lua = 0
    while arg[lua - 1] do
      lua = lua - 1
    end
    local pipe <close> = assert(io.popen(("'%s' spec/support/held.lua %s %d"):format(
      arg[lua], "spec/bench/messages/4_invite_proxied.sip", 20000)))
    local output = pipe:read "a"
    local parsed, first, second = output:match "^(%d+)%s+(%d+)%s+(%d+)%s*$"
    assert.is_truthy(parsed, output)
    assert.is_true(tonumber(parsed) > 40e6)
    assert.is_true(tonumber(first) > 0 and tonumber(first) <= 512 * 1024, output)
    assert.is_true(tonumber(second) <= 512 * 1024, output)
  end)
end)

describe("every truncation and every mutation of a real message", function()
  -- What is read of a message must not depend on luck: sanitizers watch.
  local function read_all(message)
    message:check()
    for name in message:fields() do
      message:values(name)
      message:name_addr(name)
    end
    message:via(2)
    message:cseq()
    message:from_display()
    message:to_tag()
    message:contact_uri()
    message:expires()
    message:max_forwards()
    if message:is_request() then
      return core.write_response(message, { status = 400, tag = "x", rport = 9 })
    end
  end

  local function try(bytes)
    local message, refusal, malformed = core.parse(bytes)
    if message then
      read_all(message)
    else
      assert.is_string(refusal.why)
      assert.is_true(refusal.at >= 1 and refusal.at <= #bytes + 1)
      if malformed then
        assert.is_true(refusal.status >= 400)
        read_all(malformed)
      end
    end
  end

  it("is parsed or refused", function()
    for _, bytes in ipairs(messages.bench()) do
      for at = 1, #bytes do
        try(bytes:sub(1, at - 1))
        for _, byte in ipairs { "\0", "\r", "\n", "\"", "<", ",", ";", "\255" } do
          try(bytes:sub(1, at - 1) .. byte .. bytes:sub(at + 1))
        end
      end
    end
  end)
end)

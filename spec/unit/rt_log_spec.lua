-- Errors, the queue, masking and the log.

local err = require "sip.rt.err"
local log = require "sip.rt.log"
local mask = require "sip.rt.mask"
local queue = require "sip.rt.queue"

describe("an error", function()
  it("has the name that its status means", function()
    local expected = {
      [300] = "rejected", [401] = "refused", [403] = "refused", [404] = "not_found",
      [407] = "refused", [408] = "no_answer", [480] = "no_answer", [486] = "busy",
      [487] = "cancelled", [488] = "not_acceptable", [500] = "rejected",
      [503] = "unreachable", [600] = "busy", [603] = "declined",
      [604] = "not_found", [606] = "not_acceptable", [699] = "rejected",
    }
    for status, name in pairs(expected) do
      local e = err.from_status(status, "Reason")
      assert.equal(name, e.name)
      assert.equal(status, e.status)
      assert.equal("Reason", e.message)
      assert.is_string(err.names[e.name])
    end
  end)

  it("reads as a sentence", function()
    assert.equal("dial: the other side is busy (486 Busy Here)",
      tostring(err.from_status(486, "Busy Here", { op = "dial" })))
    assert.equal("no answer (408)", tostring(err.from_status(408)))
    assert.equal("the other side cannot be reached (no route): wire failed",
      tostring(err.new("unreachable", {
        message = "no route",
        cause = err.new "wire_failed",
      })))
  end)
end)

describe("a queue", function()
  it("gives back in order, across its wrap and its end", function()
    local q = queue.new()
    local put, got = 0, 0
    for round = 1, 50 do
      for _ = 1, round % 7 do
        put = put + 1
        q:push(put)
      end
      for _ = 1, round % 5 do
        local value = q:pop()
        if value then
          got = got + 1
          assert.equal(got, value)
        end
      end
      assert.equal(put - got, #q)
    end
  end)

  it("holds no more than its bound", function()
    local q = queue.new(2)
    assert.is_true(q:push "a")
    assert.is_true(q:push(false))
    assert.is_false(q:push "c")
    assert.equal("a", q:force "c")
    local values = {}
    for value in q:each() do
      values[#values + 1] = value
    end
    assert.same({ false, "c" }, values)
    q:clear()
    assert.equal(0, #q)
    assert.is_nil(q:pop())
  end)
end)

describe("mask", function()
  it("hides authorization, whatever its case and folding", function()
    local text = table.concat({
      "REGISTER sip:example.com SIP/2.0",
      "AUTHORIZATION : Digest username=\"bob\", response=\"1234\"",
      "Proxy-Authorization: Digest a=\"1\",",
      "  response=\"5678\"",
      "\tcnonce=\"9\"",
      "authorization: opaquetoken",
      "To: <sip:bob@example.com>",
      "", "",
    }, "\r\n")
    assert.equal(table.concat({
      "REGISTER sip:example.com SIP/2.0",
      "AUTHORIZATION : Digest ***",
      "Proxy-Authorization: Digest ***",
      "authorization: ***",
      "To: <sip:bob@example.com>",
      "", "",
    }, "\r\n"), mask.text(text))
  end)

  it("hides what is folded as often as fits into a message", function()
    assert.equal("Authorization: Digest ***\r\nTo: x",
      mask.text("Authorization: Digest" .. ("\r\n a"):rep(20000) .. "\r\nTo: x"))
  end)

  it("hides a header that begins the text", function()
    assert.equal("Authorization: Basic ***", mask.text "Authorization: Basic Zm9v")
  end)

  it("hides passwords in URIs and nothing else of them", function()
    assert.equal("INVITE sip:bob:***@h:5060;x=y SIP/2.0",
      mask.text "INVITE sip:bob:pa$s,wo:rd@h:5060;x=y SIP/2.0")
    assert.equal("<SIPS:bob:***@h>", mask.text "<SIPS:bob:x@h>")
    local plain = "<sip:192.0.2.1:5060>, \"a@b\" <sip:bob@h:5060>"
    assert.equal(plain, mask.text(plain))
  end)

  it("hides keys of media", function()
    assert.equal("v=0\r\nk=***\r\na=crypto:1 AES inline:***|2^20\r\n",
      mask.text "v=0\r\nk=clear:abc\r\na=crypto:1 AES inline:abc/+=|2^20\r\n")
    assert.equal('qop=auth, rspauth="***"', mask.text 'qop=auth, rspauth="ab"')
  end)
end)

describe("the log", function()
  local lines, clock

  local function make(option)
    return log.new(option, function() return clock end, function(line)
      lines[#lines + 1] = line
    end)
  end

  before_each(function()
    lines, clock = {}, 12.3456
  end)

  it("writes what is urgent enough, fields in the order of their keys", function()
    local l = make "info"
    l:error("listening", { port = 5060, host = "::1" })
    l:info("quotes", { a = 'say "x"', b = "", c = "a=b" })
    l:debug "not this"
    assert.same({
      "12.346 error listening host=::1 port=5060",
      '12.346 info  quotes a="say \\"x\\"" b="" c="a=b"',
    }, lines)
  end)

  it("warns when nothing was said", function()
    local l = make(nil)
    l:warn "a"
    l:info "b"
    assert.same({ "12.346 warn  a" }, lines)
  end)

  it("writes one line, whatever it is given", function()
    make "debug":debug("boom\nstack traceback:\n\tx\27", { k = "a\r\nb" })
    assert.same({
      '12.346 debug boom | stack traceback: | x\\x1b k="a | b"',
    }, lines)
  end)

  it("never writes credentials", function()
    make "debug":debug("to sip:bob:pw@h", {
      Password = "pw",
      client_secret = "pw",
      header = "Authorization: Digest response=pw",
    })
    assert.is_nil(lines[1]:find("pw", 1, true))
  end)

  it("leaves out what comes too often, and says how much that was", function()
    local l = make "info"
    for i = 1, 25 do
      l:info("not trusted", { user = i })
      l:error("the " .. i .. "th of others")
    end
    assert.equal(35, #lines)
    lines, clock = {}, 13
    l:warn "on"
    assert.same({ '13.000 info  lines were left out count=15 like="not trusted"',
      "13.000 warn  on" }, lines)
    for i = 1, 300 do
      l:info("text " .. i)
    end
    assert.equal(2 + 99 + 9, #lines)
  end)

  it("gives a function everything, masked, and as often as it comes", function()
    local count = 0
    local every = make(function() count = count + 1 end)
    for _ = 1, 25 do
      every:info "x"
    end
    assert.equal(25, count)
    local seen = {}
    local l = make(function(level, text, fields)
      seen = { level, text, fields }
    end)
    l:debug("x", { n = 1, password = "pw" })
    assert.same({ "debug", "x", { n = 1, password = "***" } }, seen)
  end)

  it("refuses what is neither a level nor a function", function()
    assert.error_matches(function() make "loud" end, "loud")
    assert.error_matches(function() make(5) end, "5")
  end)
end)

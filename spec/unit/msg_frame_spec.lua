-- Messages out of a stream: RFC 3261 18.3 and 7.5, RFC 5626 4.4.1.  C-5, C-18, C-30,
-- C-31, C-32 (what is a ping, what is a pong).

local messages = require "spec.support.messages"
local frames = require("sip.test").msg.frames

local function kinds(rows)
  local out = {}
  for i, row in ipairs(rows) do
    out[i] = row[1]
  end
  return out
end

-- The messages alone, and the error that ended the stream.
local function cut(pieces)
  local rows, left = frames(pieces)
  local out = { left = left }
  for _, row in ipairs(rows) do
    if row[1] == "message" then
      out[#out + 1] = row[2]
    elseif row[1] ~= "ping" and row[1] ~= "pong" then
      out.error, out.head, out.why = row[1], row[2], row[3]
    end
  end
  return out
end

local function bytes_of(text)
  local pieces = {}
  for i = 1, #text do
    pieces[i] = text:sub(i, i)
  end
  return pieces
end

describe("a stream of messages", function()
  local five = messages.bench()
  local stream = table.concat(five)

  -- @rfc 3261 18.3 MUST C-18
  -- @rfc 3261 18.3 MUST C-30
  it("is cut by Content-Length", function()
    local got = cut { stream }
    assert.equal("", got.left)
    for i, message in ipairs(five) do
      assert.equal(message, got[i])
    end
    assert.is_nil(got[#five + 1])
  end)

  it("is cut the same byte by byte", function()
    assert.same(cut { stream }, cut(bytes_of(stream)))
  end)

  it("is cut the same at every split", function()
    local short = five[1] .. messages.request({}, "ab\r\n\r\ncd") .. five[1]
    local whole = cut { short }
    assert.equal(3, #whole)
    for at = 1, #short - 1 do
      assert.same(whole, cut { short:sub(1, at), short:sub(at + 1) })
    end
  end)

  it("keeps what is not whole yet", function()
    local got = cut { five[1] .. five[2]:sub(1, 100) }
    assert.equal(1, #got)
    assert.equal(five[2]:sub(1, 100), got.left)
  end)

  it("takes empty lines of a body for nothing else", function()
    local message = messages.request({}, "\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n\r\n")
    assert.same({ message, left = "" }, cut { message })
  end)

  it("reads Content-Length in any form", function()
    for _, line in ipairs {
      "Content-Length: 3", "l:3", "L :\t3 ", "CONTENT-LENGTH:\r\n  003",
    } do
      local message = messages.request({ ["Content-Length"] = false, extra = { line } },
        "abc")
      assert.same({ message, left = "" }, cut { message })
    end
  end)
end)

describe("empty lines between messages", function()
  local message = messages.bench()[1]

  -- @rfc 5626 4.4.1 MUST C-32
  it("are a ping when there are two, a pong when there is one", function()
    assert.same({ "ping" }, kinds(frames { "\r\n\r\n" }))
    assert.same({ "pong" }, kinds(frames { "\r\n" }))
    assert.same({ "ping", "message", "pong", "message" },
      kinds(frames { "\r\n\r\n" .. message .. "\r\n" .. message }))
    assert.same({ "ping", "ping" }, kinds(frames { "\r\n\r\n\r\n\r\n" }))
  end)

  it("are a ping in two pieces too", function()
    local rows, left = frames { "\r", "\n", "\r", "\n" }
    assert.same({ "pong", "ping" }, kinds(rows))
    assert.equal("", left)
    assert.same({ "pong", "ping", "pong" }, kinds(frames { "\r\n", "\r\n", "\r\n" }))
  end)

  it("wait for their second half", function()
    local rows, left = frames { "\r" }
    assert.same({}, rows)
    assert.equal("\r", left)
  end)
end)

describe("a stream that cannot be framed", function()
  local function without_length(line)
    return messages.request { ["Content-Length"] = false, extra = { line } }
  end

  -- @rfc 3261 18.3 MUST C-31
  it("ends with the head and the reason", function()
    for _, case in ipairs {
      { nil, "a message on a stream has no Content-Length" },
      { "Content-Length: -1", "Content-Length is not a number" },
      { "Content-Length: ten", "Content-Length is not a number" },
      { "Content-Length:", "Content-Length is not a number" },
      { "l: 99999999999999999999", "the message is too long" },
      { "l: 1\r\nContent-Length: 2", "two Content-Lengths do not agree" },
      { "Content-Length: 65535", "the message is too long" },
    } do
      local head = without_length(case[1])
      local got = cut { head .. messages.bench()[1] }
      assert.same({ 0, case[2], head }, { #got, got.why, got.head })
    end
  end)

  it("ends at once when it cannot begin a message", function()
    for _, garbage in ipairs { "\0", "\n", " x", "\r\r", "\255\254", "<html>" } do
      local got = cut { garbage }
      assert.same({ "syntax", "this is not SIP", "" }, { got.error, got.why, got.head })
    end
  end)

  it("knows the protocols that come by a wrong port", function()
    for garbage, name in pairs {
      ["\22\3\1\2\0\1\0\1\252\3\3"] = "TLS",
      ["\21\3\3\0\2\2\40"] = "TLS",
      ["GET / HTTP/1.1\r\nHost: pbx.example\r\n\r\n"] = "HTTP",
      ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"] = "HTTP",
    } do
      assert.equal(("this is %s, not SIP"):format(name), cut { garbage }.why)
      local enough = name == "TLS" and 1 or #garbage
      assert.equal(("this is %s, not SIP"):format(name),
        cut(bytes_of(garbage:sub(1, enough))).why)
    end
    local other = "OPTIONS sip:a@b SIP/2.0\r\nX: HTTP/1.1\r\n\r\n"
    assert.equal("a message on a stream has no Content-Length", cut { other }.why)
  end)

  it("ends when the head grows too long, whole or in pieces", function()
    local long = "OPTIONS sip:a@b SIP/2.0\r\n" .. ("X: y\r\n"):rep(8000)
    assert.equal("the headers are too long", cut({ long }).why)
    assert.equal("the headers are too long", cut({ long .. "\r\n" }).why)
    assert.equal("limit", cut({ long:sub(1, 30000), long:sub(30001) }).error)
  end)
end)

-- Bodies of several parts, as bytes (RFC 2046 5.1), and back.

local core = require "sip.core"
local messages = require "spec.support.messages"

-- A message with this body.
local function message(body, content_type, more)
  local lines = { "INVITE sip:b@b.example SIP/2.0",
    "Via: SIP/2.0/UDP h;branch=z9hG4bK1", "Content-Length: " .. #body }
  if content_type ~= false then
    lines[#lines + 1] = "Content-Type: "
      .. (content_type or "multipart/mixed;boundary=b")
  end
  table.move(more or {}, 1, #(more or {}), #lines + 1, lines)
  return assert(core.parse(messages.join(lines, body)))
end

local function lines(...)
  return table.concat({ ... }, "\r\n")
end

-- The bodies of the parts, or why not, where and with which status.
local function bodies(body, content_type)
  local root, refusal = message(body, content_type):content()
  if not root then
    return nil, refusal.why, refusal.at, refusal.status
  end
  local list = {}
  for i, part in ipairs(root.parts) do
    list[i] = part.body
  end
  return list
end

describe("a multipart body", function()
  it("is its parts, each with headers and a body", function()
    local body = lines("preamble", "--b", "Content-Type: application/SDP ; x=\"y\"", "",
      "v=0", "", "--b", "content-type: text/html;", "\tcharset=utf-8",
      "Content-Disposition: Icon ; handling=optional;y", "Content-ID: <1@a>",
      "Content-Language: en", "", "<p>", "--b--", "epilogue", "--b", "", "no part")
    local root = message(body):content()
    assert.equal("multipart/mixed", root.type)
    assert.equal(body, root.body)
    assert.equal(2, #root.parts)
    local one, two = root.parts[1], root.parts[2]
    assert.same({ "application/sdp", "y", "session", "required", "v=0\r\n" },
      { one.type, one.params.x, one.disposition, one.handling, one.body })
    assert.same({ "text/html", "utf-8", "icon", "optional", true, "1@a", "<p>" },
      { two.type, two.params.charset, two.disposition, two.handling,
        two.disposition_params.y, two.id, two.body })
    assert.same({ "content-type", "text/html; charset=utf-8", "Content-Disposition",
      "Icon ; handling=optional;y", "Content-ID", "<1@a>", "Content-Language", "en" },
      two.headers)
    assert.is_nil(one.id)
    assert.is_nil(one.parts)
  end)

  it("may be a part of another one", function()
    local body = lines("--b", "Content-Type: multipart/alternative;boundary=bb", "",
      "--bb", "", "one", "--bb", "", "two", "--bb--", "--b", "", "three", "--b--")
    local root = message(body):content()
    assert.equal(2, #root.parts)
    local inner = root.parts[1]
    assert.equal("multipart/alternative", inner.type)
    assert.same({ "one", "two", "three" },
      { inner.parts[1].body, inner.parts[2].body, root.parts[2].body })
  end)

  it("is delimited by whole lines", function()
    for body, want in pairs {
      ["--b\r\n\r\na\r\n--b--"] = { "a" },
      ["--b \t\r\n\r\na\r\n--b-- \t\r\nx"] = { "a" },
      ["\r\n--b\r\n\r\na\r\n--b--\r\n"] = { "a" },
      ["--b\r\n\r\n\r\n--b--"] = { "" }, ["--b\r\n\r\n--b--"] = { "" },
      ["--b\r\n--b--"] = { "" }, ["--b\r\n\r\n\r\n\r\n--b--"] = { "\r\n" },
      ["--b\r\nX: y\r\n--b\r\n\r\na\r\n--b--"] = { "", "a" },
      ["--b\r\n\r\na--b\r\n --b\r\n--bc\r\n--b x\r\n--b-\r\n--b--"] =
        { "a--b\r\n --b\r\n--bc\r\n--b x\r\n--b-" },
      ["--b\r\n\r\na\n--b\r\n--b--x\r\n--b--"] = { "a\n--b\r\n--b--x" },
      ["--b\r\n\r\n\0\255\r\r\n--b\r\n\r\nv=0\r\n\r\n--b--"] =
        { "\0\255\r", "v=0\r\n" },
      ["--x\r\n--bb\r\n--b\r\n\r\na\r\n--b--"] = { "a" },
    } do
      assert.same(want, (bodies(body)), ("%q"):format(body))
    end
  end)

  it("is refused with its reason and its place", function()
    for marked, why in pairs {
      ["^no delimiter"] = "a multipart body has no delimiter",
      ["x--b\r\n^"] = "a multipart body has no delimiter",
      ["^--b--"] = "a multipart body has no part",
      ["--b\r\n\r\nx^"] = "the last part of a body has no end",
      ["--b\r\n\r\nx\r\n--b^"] = "the last part of a body has no end",
      ["--b\r\n\r\nx\n--b--^"] = "the last part of a body has no end",
      ["--b\r\n^no colon\r\n\r\nx\r\n--b--"] =
        "a header line of a part has no name and colon",
      ["--b\r\nA: b\r\n^: x\r\n\r\nx\r\n--b--"] =
        "a header line of a part has no name and colon",
      ["--b\r\nContent-Type: multipart/x;boundary=i\r\n\r\n--i\r\n\r\n^\r\n--b--"] =
        "the last part of a body has no end",
      ["--b\r\nContent-Type: multipart/x\r\n\r\n^y\r\n--b--"] =
        "a multipart body has no boundary",
    } do
      local at = marked:find("^", 1, true)
      local body = marked:sub(1, at - 1) .. marked:sub(at + 1)
      if why == "a multipart body has no delimiter" then
        at = 1 -- it is nowhere
      end
      assert.same({ nil, why, at, 400 }, { bodies(body) }, ("%q"):format(marked))
    end
  end)

  it("has a boundary of those characters that it may have", function()
    local function with(boundary, quoted)
      return bodies(("--%s\r\n\r\na\r\n--%s--"):format(boundary, boundary),
        "multipart/mixed;boundary=" .. quoted)
    end
    for boundary, quoted in pairs {
      ["'()+_,-./:=?"] = "\"'()+_,-./:=?\"", ["a b"] = "\"a b\"",
      [("x"):rep(70)] = ("x"):rep(70), ["ab"] = "\"a\\b\"",
      ["7a9cbec02ceef655"] = "7a9cbec02ceef655",
    } do
      assert.same({ "a" }, (with(boundary, quoted)), boundary)
    end
    for _, quoted in ipairs { "", "\"\"", "\"a \"", ("x"):rep(71), "\"a\\\"b\"",
      "\"a;b\"", "\"" .. ("x"):rep(300) .. "\"" } do
      local _, why, _, status = with("a", quoted)
      assert.same({ "the boundary of a multipart body is not one", 400 },
        { why, status }, quoted)
    end
    local _, why = bodies("--a\r\n\r\n\r\n--a--", "multipart/mixed")
    assert.equal("a multipart body has no boundary", why)
  end)

  it("says that a part is encoded, and does not decode it", function()
    local part = message(lines("--b", "Content-Transfer-Encoding: BASE64", "", "AAAA",
      "--b--")):content().parts[1]
    assert.same({ "base64", "AAAA" }, { part.encoding, part.body })
    for _, name in ipairs { "7bit", "8BIT", "binary" } do
      part = message(lines("--b", "Content-Transfer-Encoding: " .. name, "", "A",
        "--b--")):content().parts[1]
      assert.is_nil(part.encoding)
    end
    part = message(lines("--b", "Content-Encoding: gzip",
      "Content-Transfer-Encoding: binary", "", "A", "--b--")):content().parts[1]
    assert.equal("gzip", part.encoding)
  end)
end)

describe("a body of one piece", function()
  it("is one part, described by the message", function()
    local root = message("x\0y", "Text/Plain;charset=us-ascii", {
      "Content-Disposition: render", "Content-Language: en", "e: gzip", "Subject: s",
    }):content()
    assert.same({ "text/plain", "render", "required", "x\0y", "gzip", "us-ascii" },
      { root.type, root.disposition, root.handling, root.body, root.encoding,
        root.params.charset })
    assert.same({ "Content-Type", "Text/Plain;charset=us-ascii", "Content-Disposition",
      "render", "Content-Language", "en", "Content-Encoding", "gzip" }, root.headers)
    assert.is_nil(root.parts)
  end)

  it("is text/plain when nothing else is said that can be read", function()
    for _, kind in ipairs { "", "x", "/", "a/", "/b", "a b/c", "a/b c" } do
      assert.equal("text/plain", message("x", kind):content().type, kind)
    end
    assert.equal("text/plain", message("x", false):content().type)
    assert.equal("a/b", message("x", " A / B ; c"):content().type)
  end)

  it("is nil when there is none", function()
    assert.same({ nil, nil }, { message(""):content() })
    assert.same({ nil, nil }, { message(""):part "text/plain" })
  end)

  it("is gone with its message", function()
    local gone = message "x"
    gone:release()
    assert.same({ nil, "gone" }, { gone:content() })
    assert.same({ nil, "gone" }, { gone:part "a/b" })
  end)
end)

describe("the part of a type", function()
  it("is the first one, however deep", function()
    local body = lines("--b", "", "text", "--b",
      "Content-Type: multipart/related;boundary=i", "", "--i",
      "Content-Type: application/sdp", "", "one", "--i--", "--b",
      "Content-Type: application/sdp", "", "two", "--b--")
    local msg = message(body)
    assert.equal("one", msg:part("application/SDP").body)
    assert.equal("text", msg:part("text/plain").body)
    assert.equal(body, msg:part("multipart/mixed").body)
    assert.is_nil((msg:part "text/html"))
    assert.equal("x", message("x", "a/b"):part("a/b").body)
    local part, refusal = message("x"):part "a/b"
    assert.same({ nil, 400 }, { part, refusal.status })
  end)
end)

describe("a multipart body that is written", function()
  local parts = {
    { headers = { "Content-Type", "application/sdp" }, body = "v=0\r\n" },
    { headers = {}, body = "\0\r\n--x--\r\n" }, { headers = {}, body = "" },
  }

  it("is read as it was given", function()
    local bytes, boundary = core.write_multipart(parts)
    local root = message(bytes, ("multipart/mixed;boundary=%q"):format(boundary))
      :content()
    assert.equal(3, #root.parts)
    for i, part in ipairs(parts) do
      assert.same({ part.headers, part.body },
        { root.parts[i].headers, root.parts[i].body })
    end
    assert.same({ bytes, boundary }, { core.write_multipart(parts) })
  end)

  it("has a boundary that stands in no part", function()
    local _, first = core.write_multipart { { body = "a" } }
    local inside = "a\r\n--" .. first .. "\r\nb"
    local _, second = core.write_multipart { { body = inside } }
    assert.are_not.equal(first, second)
    assert.equal("x", select(2, core.write_multipart { boundary = "x",
      { body = "--y\r\n y--x" } }))
    for _, body in ipairs { "--x", "a\r\n--x", "--x--", "a\r\n--xyz" } do
      assert.has_error(function()
        core.write_multipart { boundary = "x", { body = body } }
      end, "the boundary stands in a part")
    end
    for _, boundary in ipairs { "a ", "a;", ("x"):rep(71), "\n" } do
      assert.has_error(function()
        core.write_multipart { boundary = boundary, { body = "" } }
      end)
    end
  end)

  it("has no header that would break a line", function()
    for _, headers in ipairs { { "X", "a\r\nb" }, { "X", "a\0" }, { "X y", "a" },
      { "", "a" }, { "X" } } do
      assert.has_error(function()
        core.write_multipart { { headers = headers, body = "" } }
      end)
    end
    assert.has_error(function()
      core.write_multipart {}
    end)
    local many = {}
    for i = 1, 1000 do
      many[i] = { headers = { "X", "y" }, body = tostring(i) }
    end
    assert.is_string(core.write_multipart(many))
    many[1001] = many[1]
    assert.has_error(function()
      core.write_multipart(many)
    end)
  end)
end)

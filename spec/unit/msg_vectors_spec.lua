-- What holds of every message there is: of the torture, the bench and the fuzzers. The
-- same bytes are the same message however they come; what was read is written, and
-- reads as the same; what is passed on is the bytes that came, but for its edits.
-- C-2, C-10, C-18, C-30, C-204.

local body_of = require "sip.app.body"
local core = require "sip.core"
local forward = require("sip.test").forward
local frames = require("sip.test").msg.frames
local torture = require "spec.support.torture"

local every = torture.every()

-- Those that an element would act on, with the message.
local function good()
  local list = {}
  for _, one in ipairs(every) do
    local verdict, message = torture.judge(one.bytes)
    if verdict == "ok" then
      list[#list + 1] = { name = one.name, bytes = one.bytes, message = message }
    end
  end
  assert(#list > 45, #list .. " messages")
  return list
end

local function fields(message)
  local list = {}
  for name, value in message:fields() do
    list[#list + 1] = name
    list[#list + 1] = value
  end
  return list
end

-- Blanks are one blank, as many as there are: a fold that was written again is three
-- (RFC 3261 7.3.1, 25.1).
local function blanks(value)
  if type(value) == "table" then
    local copy = {}
    for key, inner in pairs(value) do
      copy[key] = blanks(inner)
    end
    return copy
  end
  return type(value) == "string" and value:gsub("[ \t]+", " ") or value
end

-- All that a message says.
local function all(message)
  return blanks {
    method = message:method() or false, uri = message:uri() or false,
    status = message:status() or false, reason = message:reason() or false,
    version = message:version(), body = message:body(), fields = fields(message),
    cseq = { message:cseq() }, via = message:via(), from = message:name_addr "From",
    to = message:name_addr "To", contact = message:name_addr "Contact",
  }
end

describe("the same bytes", function()
  local function pieces(bytes, at)
    if at then
      return { bytes:sub(1, at), bytes:sub(at + 1) }
    end
    local list = {}
    for i = 1, #bytes do
      list[i] = bytes:sub(i, i)
    end
    return list
  end

  local function rows(list)
    local cut, left = frames(list)
    return { left = left, table.unpack(cut) }
  end

  -- A ping that comes in two pieces is a pong and a ping; both mean nothing here.
  -- Behind a fault nothing is read any more.
  local function messages_of(list)
    local got = rows(list)
    local kept = { left = got.left }
    for _, row in ipairs(got) do
      if row[1] ~= "ping" and row[1] ~= "pong" then
        kept[#kept + 1] = row
        if row[1] ~= "message" then
          kept.left = ""
          break
        end
      end
    end
    return kept
  end

  -- @rfc 3261 18.3 MUST C-30
  it("are cut from a stream as the same messages byte by byte", function()
    for _, one in ipairs(every) do
      assert.same(messages_of { one.bytes }, messages_of(pieces(one.bytes)), one.name)
    end
  end)

  -- @rfc 3261 18.3 MUST C-30
  it("are cut from a stream as the same messages at every split", function()
    for _, one in ipairs(every) do
      local whole = messages_of { one.bytes }
      for at = 1, math.min(#one.bytes - 1, 4000) do
        local split = messages_of(pieces(one.bytes, at))
        if #whole ~= #split or whole.left ~= split.left then
          assert.same(whole, split, one.name .. " at " .. at)
        end
        for i, row in ipairs(whole) do
          if row[1] ~= split[i][1] or row[2] ~= split[i][2] then
            assert.same(whole, split, one.name .. " at " .. at)
          end
        end
      end
    end
  end)

  -- @rfc 3261 18.3 MUST C-18
  it("are the same message from a stream as in a datagram", function()
    local count = 0
    for _, one in ipairs(good()) do
      local row = rows({ one.bytes })[1]
      if row and row[1] == "message" then
        local streamed = assert(core.parse(row[2], { datagram = false }), one.name)
        assert.same(all(one.message), all(streamed), one.name)
        count = count + 1
      end
    end
    assert.is_true(count > 40, count .. " messages")
  end)
end)

describe("what was parsed", function()
  it("parses as the same once it is written again", function()
    for _, one in ipairs(good()) do
      local message = one.message
      local again = assert(core.parse(message:bytes()))
      assert.same(all(message), all(again), one.name)
      assert.equal(message:bytes(), again:bytes(), one.name)
    end
  end)

  it("is written from its parts as what parses as the same", function()
    local count = 0
    for _, one in ipairs(good()) do
      local message, list = one.message, fields(one.message)
      local spec = { headers = list, body = message:body() }
      if message:is_request() then
        spec.method, spec.uri = message:method(), message:uri()
        table.move({ "Max-Forwards", "70" }, 1, message:max_forwards() and 0 or 2,
          #list + 1, list)
      else
        spec.status, spec.reason = message:status(), message:reason()
      end
      -- A NUL is no part of a header that we write; an empty phrase is the usual one.
      if not table.concat(list):find "%z" and spec.reason ~= "" then
        local text = message:is_request() and core.write_request(spec)
          or body_of.fragment { status = spec.status, reason = spec.reason,
            headers = list, body = spec.body }
        local again = message:is_request() and assert(core.parse(text), one.name)
          or assert(core.parse_fragment(text), one.name)
        local was, is = all(message), all(again)
        was.fields, is.fields = blanks(table.concat(list, "\n")),
          table.concat(is.fields, "\n")
        is.fields = is.fields:sub(1, #was.fields) -- a Content-Length may be there
        was.version = is.version
        assert.same(was, is, one.name)
        count = count + 1
      end
    end
    assert.is_true(count > 40, count .. " messages")
  end)
end)

describe("what is passed on", function()
  -- Without the line of Max-Forwards, which is the writer's.
  local function plain(bytes)
    local head, body = bytes:match "^(.-\r\n)\r\n(.*)$"
    head = head:gsub("[^\r\n]+\r\n", function(line)
      local name = line:match "^([^:]-)[ \t]*:"
      if name and name:lower() == "max-forwards" then
        return ""
      end
    end)
    return head, body
  end

  local function pass(one, message, edits)
    if message:is_request() then
      return forward.write { message = message, max_forwards = 7, edits = edits }
    end
    local twice = message:bytes():gsub("\r\n", "\r\nVia: SIP/2.0/UDP us\r\n", 1)
    return forward.relay(assert(core.parse(twice), one.name), edits)
  end

  -- @rfc 3261 16.6 MUST C-204
  it("is byte for byte what came", function()
    for _, one in ipairs(good()) do
      local written = pass(one, one.message)
      assert.is_string(written, one.name)
      local head, body = plain(one.message:bytes())
      if not one.message:header "Content-Length" then
        head = head .. ("Content-Length: %d\r\n"):format(#body)
      end
      assert.same({ head, body }, { plain(written) }, one.name)
      local again = assert(core.parse(written, { datagram = false }))
      assert.is_true(again:check(), one.name)
    end
  end)

  -- @rfc 3261 20 MUST C-10
  it("keeps headers that nobody knows, wherever they stand and whatever is in them",
    function()
      local unknown = "X-Un.known~1 :\t ;;,,\"\\ <>() =?%41 \255\0 \r\nx-LAST:\r\n"
      for _, one in ipairs(good()) do
        local bytes = one.message:bytes()
        for _, at in ipairs { bytes:find "\r\n" + 2, bytes:find "\r\n\r\n" + 2 } do
          local with = bytes:sub(1, at - 1) .. unknown .. bytes:sub(at)
          local message = assert(core.parse(with), one.name)
          local written = assert(pass(one, message), one.name)
          assert.is_truthy(written:find("\r\n" .. unknown, 1, true), one.name)
          assert.equal(message:body(), written:sub(-#message:body() - 1):sub(2))
        end
      end
    end)

  -- @rfc 3261 16.6 MUST C-204
  it("differs by its edits and by nothing else", function()
    for _, one in ipairs(good()) do
      local message = one.message
      local edited = assert(pass(one, message, { "set", "X-Routed", "here", "add",
        "X-More", "1", "first", "P-Top", "2", "remove", "X-None", "" }), one.name)
      local added = 0
      edited = edited:gsub("\r\n(%u%-%u[%a-]+: %w+)%f[\r]", function(line)
        if line == "X-Routed: here" or line == "X-More: 1" or line == "P-Top: 2" then
          added = added + 1
          return ""
        end
      end)
      assert.equal(3, added, one.name)
      assert.equal(assert(pass(one, message)), edited, one.name)
    end
  end)
end)

-- What peers must not be able to guess: branches, tags, Call-IDs and nonces come from
-- the kernel's random source, have 64 bits and more (tags 32 by RFC 3261 19.3), and
-- show no time and no count.

local core = require "sip.core"

local MANY = 2000

-- Of texts of one length: how many different characters stand at each place.
local function spread(texts)
  local least = math.huge
  for at = 1, #texts[1] do
    local seen, count = {}, 0
    for _, text in ipairs(texts) do
      local c = text:sub(at, at)
      if not seen[c] then
        seen[c] = true
        count = count + 1
      end
    end
    least = math.min(least, count)
  end
  return least
end

local function distinct(texts)
  local seen = {}
  for _, text in ipairs(texts) do
    assert.is_nil(seen[text], "twice")
    seen[text] = true
  end
end

describe("what nobody can guess", function()
  local loop, stack, client, made

  before_each(function()
    loop = core.loop()
    loop:set_dispatch(function() end)
    made = {}
    stack = loop:stack { dispatch = function(kind, object)
      if kind == "request" then
        made[#made + 1] = object:tag()
        object:respond(404)
      end
    end }
    assert(stack:listen { host = "127.0.0.1", port = 0 })
    client = require("spec.support.wire").new()
  end)

  after_each(function()
    loop:close()
    client:close()
  end)

  local function requests(count)
    local socket, port = assert(client.net:listen("UDP", "127.0.0.1", 0))
    for i = 1, count do
      assert(stack:request { method = "OPTIONS", uri = "sip:a@127.0.0.1",
        host = "127.0.0.1", port = port, headers = { "From", "<sip:a@b>;tag=1", "To",
          "<sip:a@b>", "Call-ID", "c" .. i, "CSeq", "1 OPTIONS" } })
      loop:step(0)
      client:poll(0)
    end
    local list = {}
    while #list < count do
      loop:step(0)
      local bytes = client:expect({ kind = "bytes", id = socket }).bytes
      list[#list + 1] = bytes:match "branch=(z9hG4bK[%w]+)"
    end
    return list
  end

  it("is a branch: 13 characters that are drawn, and 13 of a seal", function()
    local list = requests(200)
    distinct(list)
    local rest = {}
    for i, branch in ipairs(list) do
      rest[i] = branch:sub(8)
      assert.equal(26, #rest[i])
    end
    assert.is_true(spread(rest) >= 14)
  end)

  it("is a token of the driver: tags of 13 characters, Call-IDs of 20", function()
    local list = {}
    for i = 1, MANY do
      list[i] = loop:token(13)
    end
    distinct(list)
    assert.equal(36, spread(list)) -- 5.17 bits each: 67
  end)

  it("is other for each loop", function()
    local other = core.loop()
    assert.not_equal(loop:token(20), other:token(20))
    other:close()
  end)

  it("is a nonce, in which no time and no count can be seen", function()
    local nonces, list = core.nonces { secret = loop:token(32), now = 1000 }, {}
    for i = 1, MANY do
      list[i] = nonces:issue("realm", 1000 + i // 100, loop:token(8))
    end
    distinct(list)
    -- Salts are letters and digits, which base64 shows at some places; the others are
    -- as good as drawn.
    local first = {}
    for i, nonce in ipairs(list) do
      first[i] = nonce:sub(1, 8)
    end
    assert.is_true(spread(first) >= 60)
    assert.equal("good", nonces:judge(list[1], "realm", 1001))
    assert.equal("stale", nonces:judge(list[1], "realm", 2000))
    local other = core.nonces { secret = loop:token(32), now = 1000 }
    assert.equal("forged", other:judge(list[1], "realm", 1001))
  end)
end)

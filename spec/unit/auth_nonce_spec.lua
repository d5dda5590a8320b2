-- Nonces of a server: issued without being remembered, impossible to forge, their
-- counts used once. C-228, C-229.

local core = require "sip.core"
local heap = require("sip.test").heap

local SECRET = ("0123456789abcdef"):rep(2)

local function new(changes)
  local spec = { secret = SECRET, lifetime = 300 }
  for key, value in pairs(changes or {}) do
    spec[key] = value
  end
  return core.nonces(spec)
end

-- Salts that differ.
local function salts()
  local n = 0
  return function()
    n = n + 1
    return ("%08d"):format(n)
  end
end

describe("a nonce", function()
  it("is 40 characters that need no quotes, other ones each time", function()
    local nonces, salt, seen = new(), salts(), {}
    for _ = 1, 100 do
      local nonce = nonces:issue("biloxi.com", 7, salt())
      assert.is_truthy(nonce:find "^[%w_-]+$")
      assert.equal(40, #nonce)
      assert.is_nil(seen[nonce])
      seen[nonce] = true
    end
    assert.equal(0, nonces:count()) -- nothing is remembered
  end)

  it("is good for its realm, and forged for another", function()
    local nonces = new()
    local nonce = nonces:issue("biloxi.com", 7, "saltsalt")
    assert.equal("good", nonces:judge(nonce, "biloxi.com", 7))
    assert.equal("forged", nonces:judge(nonce, "chicago.com", 7))
    assert.equal("forged", nonces:judge(nonce, "biloxi.co", 7))
    assert.equal("forged", nonces:judge(nonce, "", 7))
  end)

  -- @rfc 7616 3.3 MUST C-228
  it("lasts to the millisecond before its end (C-228)", function()
    local nonces = new { lifetime = 300 }
    local nonce = nonces:issue("biloxi.com", 1000, "saltsalt")
    assert.equal("good", nonces:judge(nonce, "biloxi.com", 1299.999))
    assert.equal("stale", nonces:judge(nonce, "biloxi.com", 1300))
    assert.equal("stale", nonces:use(nonce, 1, 1300))
    assert.equal("good", nonces:use(nonce, 1, 1299.999))
    assert.equal("stale", nonces:use(nonce, 2, 1300)) -- in use, and old all the same
  end)

  it("is forged with any bit of it changed", function()
    local nonces = new()
    local nonce = nonces:issue("biloxi.com", 7, "saltsalt")
    local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for at = 1, #nonce do
      local value = digits:find(nonce:sub(at, at), 1, true) - 1
      for bit = 0, 5 do
        local other = (value ~ 1 << bit) + 1
        local changed = nonce:sub(1, at - 1) .. digits:sub(other, other)
          .. nonce:sub(at + 1)
        assert.equal("forged", nonces:judge(changed, "biloxi.com", 7), changed)
      end
    end
  end)

  it("is forged when it is no nonce at all", function()
    local nonces = new()
    local nonce = nonces:issue("biloxi.com", 7, "saltsalt")
    for _, text in ipairs {
      "", "x", nonce .. "A", nonce:sub(1, 39), nonce:sub(1, 39) .. "=", ("A"):rep(40),
      ("\0"):rep(40), ("\xff"):rep(40), nonce:sub(1, 39) .. "\0", nonce .. nonce,
      "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    } do
      assert.equal("forged", nonces:judge(text, "biloxi.com", 7))
    end
  end)

  it("is forged under another secret, and under one that is longer", function()
    local nonce = new():issue("biloxi.com", 7, "saltsalt")
    assert.equal("good", new():judge(nonce, "biloxi.com", 7))
    assert.equal("forged",
      new({ secret = ("f"):rep(32) }):judge(nonce, "biloxi.com", 7))
    assert.equal("forged",
      new({ secret = SECRET .. "0" }):judge(nonce, "biloxi.com", 7))
  end)

  it("from another clock, ahead of ours, is stale", function()
    local nonce = new():issue("biloxi.com", 1000, "saltsalt")
    assert.equal("stale", new():judge(nonce, "biloxi.com", 999.999))
  end)

  -- A server that was started again with the same secret has forgotten the counts.
  it("from before the table began is stale: nobody knows how it was used", function()
    local before = new()
    local nonce = before:issue("biloxi.com", 100, "saltsalt")
    assert.equal("good", before:use(nonce, 1, 101))
    local after = new { now = 102 }
    assert.equal("stale", after:judge(nonce, "biloxi.com", 102))
    assert.equal("stale", after:use(nonce, 1, 102))
    assert.equal("good",
      after:judge(after:issue("biloxi.com", 102, "saltsalt"), "biloxi.com", 102))
  end)

  it("wants a secret of 16 bytes", function()
    assert.error_matches(function() new { secret = "short" } end, "16 bytes")
    assert.error_matches(function() core.nonces {} end, "16 bytes")
  end)

  it("is not issued for a realm without end", function()
    assert.same({ nil, "invalid" },
      { new():issue(("x"):rep(2000), 7, "saltsalt") })
  end)
end)

describe("the count of a nonce", function()
  local nonces, nonce

  before_each(function()
    nonces = new()
    nonce = nonces:issue("biloxi.com", 0, "saltsalt")
  end)

  local function use(...)
    local verdicts = {}
    for i, nc in ipairs { ... } do
      verdicts[i] = nonces:use(nonce, nc, 1)
    end
    return verdicts
  end

  -- @rfc 7616 3.4 MUST C-229
  it("is good once (C-229)", function()
    assert.same({ "good", "replayed", "good", "replayed", "replayed" },
      use(1, 1, 2, 1, 2))
  end)

  it("may come out of order, and still once", function()
    assert.same({ "good", "good", "replayed", "good", "replayed", "good" },
      use(3, 1, 1, 2, 3, 4))
  end)

  it("may leave gaps, and be late by 63", function()
    assert.same({ "good", "good", "stale", "good", "good", "replayed" },
      use(1, 100, 36, 37, 99, 37))
    assert.same({ "stale" }, use(1)) -- 99 behind: the window does not hold it
  end)

  it("reaches the end of its eight digits, and no further", function()
    assert.same({ "good", "replayed", "good", "stale" },
      use(0xffffffff, 0xffffffff, 0xfffffffe, 1))
  end)

  it("of a request without one is good once, and ends the nonce", function()
    assert.same({ "good", "replayed", "stale", "replayed" }, use(0, 0, 1, 0xffffffff))
  end)

  it("is needed once there was one", function()
    assert.same({ "good", "replayed" }, use(1, 0))
  end)

  it("is of one nonce", function()
    use(1)
    nonce = nonces:issue("biloxi.com", 0, "saltsal2")
    assert.same({ "good" }, use(1))
    assert.equal(2, nonces:count())
  end)

  -- Random counts, against a list of all that were used.
  it("agrees with a simple model", function()
    local state = 42
    local function random(n)
      state = (state * 1103515245 + 12345) % 2147483648
      return state // 65536 % n
    end
    local used, highest = {}, 0
    for _ = 1, 20000 do
      local nc = math.max(1, highest - 70 + random(80))
      local wanted = used[nc] and "replayed" or "good"
      if highest - nc >= 64 then
        wanted = "stale"
      end
      assert.equal(wanted, nonces:use(nonce, nc, 1))
      if wanted == "good" then
        used[nc], highest = true, math.max(highest, nc)
      end
    end
    assert.is_true(highest > 1000)
  end)
end)

describe("the table of nonces in use", function()
  local function fill(nonces, count, at, salt)
    local list = {}
    for i = 1, count do
      list[i] = nonces:issue("biloxi.com", at + i, salt())
      assert.equal("good", nonces:use(list[i], 1, at + i))
    end
    return list
  end

  it("is bounded: the oldest goes, and cannot be replayed", function()
    local nonces, salt = new { limit = 4 }, salts()
    local list = fill(nonces, 6, 10, salt)
    assert.equal(4, nonces:count())
    for i, wanted in ipairs { "stale", "stale", "good", "good", "good", "good" } do
      assert.equal(wanted, nonces:judge(list[i], "biloxi.com", 20), i)
      assert.equal(wanted == "good" and "replayed" or "stale",
        nonces:use(list[i], 1, 20), i)
    end
  end)

  -- One that was issued before what was forgotten, and comes for the first time: it
  -- may be one of those.
  it("does not take what it may have forgotten", function()
    local nonces, salt = new { limit = 2 }, salts()
    local early = nonces:issue("biloxi.com", 5, salt())
    local same = nonces:issue("biloxi.com", 11, salt())
    fill(nonces, 3, 10, salt) -- the one of 11 has gone
    assert.equal("stale", nonces:use(early, 1, 20))
    assert.equal("stale", nonces:use(same, 1, 20)) -- of the same millisecond
    local later = nonces:issue("biloxi.com", 11.001, salt())
    assert.equal("good", nonces:use(later, 1, 20))
  end)

  it("lets go of what is too old before it forgets what is not", function()
    local nonces, salt = new { limit = 3, lifetime = 100 }, salts()
    local list = fill(nonces, 3, 0, salt) -- of 1, 2 and 3
    local late = nonces:issue("biloxi.com", 2.5, salt())
    local fresh = nonces:issue("biloxi.com", 102, salt())
    assert.equal("good", nonces:use(fresh, 1, 102)) -- two are too old by then
    assert.equal(2, nonces:count())
    assert.equal("good", nonces:use(list[3], 2, 102))
    assert.equal("good", nonces:use(late, 1, 102)) -- the horizon has not moved
  end)

  it("finds each of many, and frees them", function()
    local nonces, salt = new(), salts()
    local list = fill(nonces, 300, 0, salt)
    for i = 1, 300 do
      assert.equal("replayed", nonces:use(list[i], 1, 300))
    end
    assert.equal("sip.Nonces{300 in use}", tostring(nonces))
    nonces:close()
    nonces:close()
    assert.equal("sip.Nonces{0 in use}", tostring(nonces))
    assert.error_matches(function() nonces:count() end, "closed")
  end)

  it("without memory says so, and takes the same count later", function()
    local nonces = new()
    local nonce = nonces:issue("biloxi.com", 0, "saltsalt")
    for n = 1, 2 do
      heap.fail(n)
      assert.same({ nil, "no_memory" }, { nonces:use(nonce, 1, 1) })
      heap.fail(0)
    end
    assert.equal(0, nonces:count())
    assert.equal("good", nonces:use(nonce, 1, 1))
  end)
end)

-- The store in memory: records of text by key, with versions, in the order in which
-- they fall due.

local core = require "sip.core"
local heap = require("sip.test").heap
local memory = require "sip.store.memory"

local CHANCE = "0123456789abcdef"

describe("the store in memory", function()
  local store

  before_each(function()
    store = memory.new { chance = CHANCE }
  end)

  it("gives back what was put, and a version to change it by", function()
    assert.is_nil((store:get "a@example.com"))
    local version = assert(store:put("a@example.com", nil, "one", 1))
    local value, same = store:get "a@example.com"
    assert.equal("one", value)
    assert.equal(version, same)
    assert(store:put("a@example.com", version, "two", 1))
    assert.equal("two", (store:get "a@example.com"))
    assert.equal(1, store:count())
    assert.is_true(store:put("a@example.com", "two", nil))
    assert.equal(0, store:count())
    assert.is_nil((store:get "a@example.com"))
    assert.equal("sip.Store{0 records}", tostring(store))
  end)

  it("refuses a change of what is not that any more", function()
    store:put("k", nil, "one", 1)
    assert.same({ nil, "conflict" }, { store:put("k", nil, "two", 1) })
    assert.same({ nil, "conflict" }, { store:put("k", "zero", nil) })
    assert.same({ nil, "conflict" }, { store:put("other", "one", "two", 1) })
    assert.equal("one", (store:get "k"))
    assert.equal(1, store:count())
  end)

  it("takes so many records and no more", function()
    store = memory.new { chance = CHANCE, records = 2 }
    store:put("a", nil, "1", 1)
    store:put("b", nil, "1", 1)
    assert.same({ nil, "full" }, { store:put("c", nil, "1", 1) })
    assert(store:put("b", "1", "2", 1))
    assert(store:put("a", "1", nil))
    assert(store:put("c", nil, "1", 1))
    assert.equal(2, store:count())
  end)

  it("takes keys and records of any length and any bytes", function()
    for n = 0, 70 do
      store:put(("x\0\xff@"):rep(18):sub(1, n), nil, ("\0v"):rep(n), n)
    end
    for n = 0, 70 do
      assert.equal(("\0v"):rep(n), (store:get(("x\0\xff@"):rep(18):sub(1, n))))
    end
    assert.equal(71, store:count())
  end)

  it("knows what falls due first, however often that changes", function()
    assert.is_nil(store:deadline())
    store:put("a", nil, "1", 30)
    store:put("b", nil, "1", 20.001)
    store:put("c", nil, "1", 25)
    assert.equal(20.001, store:deadline())
    assert.is_nil(store:due(20))
    assert.equal("b", store:due(20.001))
    store:put("b", "1", "1", 40) -- the same text, later
    assert.equal(25, store:deadline())
    store:put("c", "1", "longer", 35)
    store:put("a", "1", nil)
    assert.equal("c", store:due(100))
    store:put("c", "longer", nil)
    assert.equal("b", store:due(100))
    store:put("b", "1", nil)
    assert.is_nil(store:due(100))
    assert.is_nil(store:deadline())
  end)

  it("does what a table does, in any order of coming and going", function()
    local model, n, seed = {}, 0, 7
    local function chance(range)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % range
    end
    local function first()
      local at
      for _, item in pairs(model) do
        at = math.min(at or item.due, item.due)
      end
      return at
    end
    for i = 1, 20000 do
      local key = "k" .. chance(400)
      local value = chance(3) > 0 and ("v"):rep(chance(40)) or nil
      local due, was = chance(1000), model[key] and model[key].value
      assert.equal(was, (store:get(key)))
      assert(store:put(key, was, value, due))
      n = n + (value and 1 or 0) - (was and 1 or 0)
      model[key] = value and { value = value, due = due } or nil
      assert.equal(n, store:count())
      if i % 50 == 0 then
        assert.equal(first(), store:deadline())
      end
    end
  end)

  it("tells of every change, and of none where there is none", function()
    local told = {}
    store:watch(function(key, value, old)
      told[#told + 1] = ("%s %s %s"):format(key, value, old)
    end)
    store:put("a", nil, "1", 1)
    store:put("a", "1", "1", 2)
    store:put("a", "0", "2", 1)
    store:put("a", "1", "2", 1)
    store:put("a", "2", nil)
    store:put("a", nil, nil)
    assert.same({ "a 1 nil", "a 2 1", "a nil 2" }, told)
  end)
end)

describe("records of the core", function()
  it("are gone when they are closed", function()
    local records = core.records(CHANCE)
    records:put("a", "1", 1)
    assert.equal("sip.Records{1}", tostring(records))
    records:close()
    records:close()
    assert.equal("sip.Records{0}", tostring(records))
    assert.error_matches(function()
      records:get "a"
    end, "is closed")
  end)

  it("are as before when there is no memory, at whichever allocation", function()
    collectgarbage() -- what other specs have left is not to go meanwhile
    collectgarbage()
    local _, blocks = heap.used()
    local n, failed = 0
    repeat
      n = n + 1
      local records <close> = core.records(CHANCE)
      local model = {}
      heap.fail(n)
      for i = 1, 70 do
        local key, value = "k" .. i % 50, ("v"):rep(i)
        local ok, why = records:put(key, value, i)
        if ok then
          model[key] = { value, i }
        else
          assert.equal("no_memory", why)
        end
      end
      failed = heap.failed()
      heap.fail(0)
      local count, first = 0, math.huge
      for key, item in pairs(model) do
        count, first = count + 1, math.min(first, item[2])
        assert.equal(item[1], records:get(key))
      end
      assert.equal(count, records:count())
      assert.equal(first, records:deadline())
    until not failed
    assert.is_true(n > 70)
    assert.equal(blocks, select(2, heap.used()))
  end)

  it("refuse what makes no sense", function()
    local records = core.records(CHANCE)
    assert.error_matches(function()
      core.records "short"
    end, "16 bytes at least")
    for _, due in ipairs { -1, 1e12, 0 / 0 } do
      assert.error_matches(function()
        records:put("a", "1", due)
      end, "is no instant")
    end
    assert.is_false(records:remove "a")
  end)
end)

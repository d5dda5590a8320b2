-- The store in memory: records of text by key, with versions.

local memory = require "sip.store.memory"

describe("the store in memory", function()
  it("gives back what was put, and a version to change it by", function()
    local store = memory.new()
    assert.is_nil((store:get "a@example.com"))
    local version = assert(store:put("a@example.com", nil, "one"))
    local value, same = store:get "a@example.com"
    assert.equal("one", value)
    assert.equal(version, same)
    assert(store:put("a@example.com", version, "two"))
    assert.equal("two", (store:get "a@example.com"))
    assert.equal(1, store.count)
    assert.is_true(store:put("a@example.com", "two", nil))
    assert.equal(0, store.count)
    assert.is_nil((store:get "a@example.com"))
  end)

  it("refuses a change of what is not that any more", function()
    local store = memory.new()
    store:put("k", nil, "one")
    assert.same({ nil, "conflict" }, { store:put("k", nil, "two") })
    assert.same({ nil, "conflict" }, { store:put("k", "zero", nil) })
    assert.same({ nil, "conflict" }, { store:put("other", "one", "two") })
    assert.equal("one", (store:get "k"))
    assert.equal(1, store.count)
  end)

  it("takes so many records and no more", function()
    local store = memory.new { records = 2 }
    store:put("a", nil, "1")
    store:put("b", nil, "1")
    assert.same({ nil, "full" }, { store:put("c", nil, "1") })
    assert(store:put("b", "1", "2"))
    assert(store:put("a", "1", nil))
    assert(store:put("c", nil, "1"))
    assert.equal(2, store.count)
  end)

  it("finds any key: short, long, of any bytes", function()
    local store = memory.new { seed = -12345 }
    local keys = {}
    for n = 0, 40 do
      keys[n + 1] = ("x\0\xff@"):rep(11):sub(1, n)
    end
    for i, key in ipairs(keys) do
      store:put(key, nil, "value " .. i)
    end
    for i, key in ipairs(keys) do
      assert.equal("value " .. i, (store:get(key)))
    end
    assert.equal(41, store.count)
  end)

  it("spreads keys that are alike over its tables", function()
    local store = memory.new { seed = 99 }
    for i = 1, 25600 do
      store:put(("user%06d@example.com"):format(i), nil, "x")
    end
    for _, shard in ipairs(store.shards) do
      local n = 0
      for _ in pairs(shard) do
        n = n + 1
      end
      assert.is_true(n > 40 and n < 200, n)
    end
  end)

  it("walks over all records while they change", function()
    local store, seen, n = memory.new(), {}, 0
    for i = 1, 2000 do
      store:put("k" .. i, nil, tostring(i))
    end
    for key, value in store:each() do
      assert.is_nil(seen[key])
      assert.equal("k" .. value, key)
      seen[key], n = true, n + 1
      store:put(key, value, nil)
    end
    assert.equal(2000, n)
    assert.equal(0, store.count)
  end)

  it("tells of every change, and of none where there is none", function()
    local store, told = memory.new(), {}
    store:watch(function(key, value, old)
      told[#told + 1] = ("%s %s %s"):format(key, value, old)
    end)
    store:put("a", nil, "1")
    store:put("a", "1", "1")
    store:put("a", "0", "2")
    store:put("a", "1", "2")
    store:put("a", "2", nil)
    store:put("a", nil, nil)
    assert.same({ "a 1 nil", "a 2 1", "a nil 2" }, told)
  end)
end)

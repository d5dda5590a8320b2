-- Where datagrams of strangers wait: in the order of their sources, in bounded memory.

local new_line = require("sip.test").line.new

describe("the line of strangers", function()
  local line

  local function open(limits)
    line = new_line(limits or {})
  end

  after_each(function()
    assert.equal(0, line:close())
  end)

  local function add(who, text, at)
    return line:add(who, text or "x", at or 0)
  end

  -- All that are taken from now on, as "1a 2a 1b".
  local function all(at)
    local list = {}
    repeat
      local who, text = line:take(at or 0)
      list[#list + 1] = who and who .. text
    until not who
    return table.concat(list, " ")
  end

  it("takes one of each in turn, and of each in its order", function()
    open()
    for _, text in ipairs { "a", "b", "c", "d" } do
      add(1, text)
    end
    add(2, "a")
    add(3, "a")
    add(2, "b")
    assert.equal("1a 2a 3a 1b 2b 1c 1d", all())
    assert.same({ 0, 0 }, { line:count() })
  end)

  it("takes all of one when it is asked for him, but for what is too old", function()
    open { patience = 500 }
    add(1, "a", 0)
    add(2, "a", 100)
    add(1, "b", 100)
    add(3, "a", 100) -- in one chain with him
    add(1, "c", 600)
    local who, text, dropped = line:take(600, 1)
    assert.same({ 1, "b", 1 }, { who, text, dropped })
    assert.equal("c", select(2, line:take(600, 1)))
    assert.same({ nil, nil, 0 }, { line:take(600, 1) })
    assert.same({ nil, nil, 0 }, { line:take(600, 5) })
    assert.equal(2, (line:count()))
    add(2, "b", 100)
    assert.same({ nil, nil, 2 }, { line:take(601, 2) })
    assert.equal("3a", all(600))
    assert.same({ 0, 0 }, { line:count() })
  end)

  it("gives who is new his turn after one round", function()
    open()
    for i = 1, 100 do
      add(i % 5, "a" .. i)
    end
    assert.equal(1, (line:take(0)))
    add(9, "new")
    local rounds = all()
    local before = rounds:match "^(.-) 9new"
    assert.equal(5, select(2, before:gsub("a", "")))
  end)

  it("drops from who has most when it is full: his oldest, and of his own the newest",
    function()
      open { strangers = 6 }
      for _, text in ipairs { "a", "b", "c", "d" } do
        add(1, text)
      end
      add(2, "a")
      add(2, "b")
      assert.same({ true, 1 }, { add(3, "a") })
      assert.same({ true, 1 }, { add(4, "a") })
      assert.same({ false, 1 }, { add(1, "e") }) -- as many as anybody has
      assert.same({ false, 1 }, { add(2, "c") })
      assert.same({ true, 1 }, { add(5, "a") })
      assert.same({ 6 }, { (line:count()) })
      assert.equal("1c 2b 3a 4a 5a 1d", all())
    end)

  it("drops the oldest when all have one", function()
    open { strangers = 3 }
    for i = 1, 7 do
      add(i, "a")
    end
    assert.same({ false, 1 }, { add(6, "b") })
    assert.equal("5a 6a 7a", all())
  end)

  it("counts those who have very many alike", function()
    open { strangers = 300 }
    for i = 1, 200 do
      add(1, "a" .. i)
    end
    for i = 1, 100 do
      add(2, "a" .. i)
    end
    for i = 1, 50 do
      assert.same({ true, 1 }, { add(3, "c" .. i) })
    end
    local counts = { [1] = 0, [2] = 0, [3] = 0 }
    local who = line:take(0)
    while who do
      counts[who] = counts[who] + 1
      who = line:take(0)
    end
    assert.same({ 300, 50 }, { counts[1] + counts[2] + counts[3], counts[3] })
    assert.is_true(counts[2] >= 63)
  end)

  it("has so many bytes: a large one takes the place of many", function()
    open()
    add(1, "x")
    local _, small = line:count()
    line:close()
    open { strangers_bytes = 10 * small }
    for i = 1, 10 do
      assert.is_true(add(i))
    end
    assert.same({ true, 1 }, { add(11) })
    assert.same({ true, 5 }, { add(12, ("x"):rep(4 * small + 1)) })
    assert.same({ 6, 10 * small }, { line:count() })
    assert.same({ false, 1 }, { add(13, ("x"):rep(10 * small)) })
    assert.equal(6, (line:count()))
    line:close()
    open { strangers_bytes = 0 } -- no bound
    assert.is_true(add(1, ("x"):rep(10000000)))
  end)

  -- Or two hundred sources of large ones would push out thousands of small ones.
  it("counts a large one as many: it takes the place of none that are small",
    function()
      local large = ("x"):rep(60000)
      open { strangers_bytes = 1000000 }
      for i = 1, 100 do
        assert.same({ true, 0 }, { add(i) })
      end
      for i = 101, 116 do
        assert.same({ true, 0 }, { add(i, large) })
      end
      for i = 117, 200 do
        local waits, dropped = add(i, large)
        assert.same({ true, 1 }, { waits, dropped }) -- of the large ones, the oldest
      end
      local _, dropped = add(201, ("x"):rep(50000))
      assert.equal(1, dropped)
      assert.equal(1, (line:take(0)))
      for i = 2, 100 do
        assert.equal(i, (line:take(0)))
      end
    end)

  it("does not take a large one when all others are small", function()
    open()
    add(1)
    local _, small = line:count()
    line:close()
    open { strangers_bytes = 1000 * small }
    for i = 1, 1000 do
      add(i % 250)
    end
    local waits, dropped = add(251, ("x"):rep(60000))
    assert.same({ false, 1, 1000 }, { waits, dropped, (line:count()) })
  end)

  -- The sender has repeated it by then (RFC 3261 17.1.1.2).
  it("drops what has waited for longer than T1", function()
    open { patience = 500 }
    add(1, "a", 0)
    add(1, "b", 1)
    add(2, "a", 1)
    add(1, "c", 2)
    add(3, "a", 2)
    assert.same({ 1, "b", 1 }, { line:take(501) })
    assert.same({ 3, "a", 1 }, { line:take(502) })
    assert.same({ 1, "c", 0 }, { line:take(502) })
    add(1, "d", 600)
    add(1, "e", 600)
    local who, _, dropped = line:take(1101)
    assert.same({ nil, 2 }, { who, dropped })
  end)

  it("is as it was when there is no memory for one more", function()
    open()
    add(1, "a")
    for at = 1, 2 do
      line:fail_at(at)
      assert.same({ false, 1 }, { add(2, "a") })
      assert.equal(1, (line:count()))
    end
    line:fail_at(1)
    assert.same({ false, 1 }, { add(1, "b") })
    line:fail_at(0)
    add(2, "b")
    assert.equal("1a 2b", all())
  end)

  it("has no memory for its first one", function()
    open()
    for at = 1, 3 do
      line:fail_at(at)
      assert.same({ false, 1 }, { add(1, "a") })
    end
    line:fail_at(0)
    assert.equal("", all())
  end)

  it("gives back what waits when it is closed", function()
    open()
    for i = 1, 1000 do
      add(i % 17, ("x"):rep(i))
    end
  end)
end)

-- What each source may use: buckets, and a table that forgets the right ones.

local new_sources = require("sip.test").source.new

describe("a source", function()
  local sources

  local function open(limits)
    sources = new_sources(limits or {})
  end

  after_each(function()
    assert.equal(0, sources:close())
  end)

  -- How many of so many are within, one after the other at one instant.
  local function within(ip, rule, count, at)
    local found = 0
    for _ = 1, count do
      found = found + (sources:take(ip, rule, at) and 1 or 0)
    end
    return found
  end

  it("may use four seconds' worth at once, and then its rate", function()
    open { source_invites = 50 }
    assert.equal(200, within("192.0.2.9", "invites", 1000, 0))
    assert.equal(0, within("192.0.2.9", "invites", 10, 19))
    assert.equal(1, within("192.0.2.9", "invites", 10, 20))
    assert.equal(50, within("192.0.2.9", "invites", 1000, 1020))
    assert.equal(200, within("192.0.2.9", "invites", 1000, 60000))
  end)

  it("may fail a minute's worth of passwords", function()
    open { source_failures = 20 }
    assert.equal(20, within("192.0.2.9", "failures", 100, 0))
    assert.equal(0, within("192.0.2.9", "failures", 10, 2999))
    assert.equal(1, within("192.0.2.9", "failures", 10, 3000))
  end)

  it("has a bucket of its own for each rule, as everybody has", function()
    open { source_invites = 1, source_registers = 1 }
    assert.equal(4, within("192.0.2.9", "invites", 9, 0))
    assert.equal(4, within("192.0.2.9", "registers", 9, 0))
    assert.equal(4, within("192.0.2.10", "invites", 9, 0))
  end)

  it("is not bounded by a rule that is off", function()
    open { source_invites = 0 }
    assert.equal(5000, within("192.0.2.9", "invites", 5000, 0))
    assert.equal(1000000000, 1000 * within("192.0.2.9", "invites", 1000000, 0))
  end)

  it("is none when there is no table", function()
    open { sources = 0, source_invites = 1 }
    assert.equal(5000, within("192.0.2.9", "invites", 5000, 0))
    assert.equal(0, (sources:count()))
  end)

  it("is an IPv6 /64: one customer, and not each of his addresses", function()
    open { source_invites = 1 }
    local found = 0
    for i = 1, 100 do
      local ip = ("2001:db8:1:2:%x::%x"):format(i, i)
      found = found + (sources:take(ip, "invites", 0) and 1 or 0)
    end
    assert.equal(4, found)
    assert.is_true(sources:take("2001:db8:1:3::1", "invites", 0))
    assert.equal(2, (sources:count()))
    assert.equal(0, sources:close())
    -- an address of the one family is none of the other
    open { source_invites = 1 }
    assert.equal(4, within("192.0.2.9", "invites", 9, 0))
    assert.is_true(sources:take("c000:209::1", "invites", 0))
  end)

  it("is remembered in bounded memory, however many there are", function()
    open { sources = 1000 }
    sources:flood("10.0.0.0", 1000, "messages", 0)
    local _, bytes = sources:count()
    assert.equal(300000, sources:flood("11.0.0.0", 300000, "messages", 1))
    local count, now = sources:count()
    assert.equal(1000, count)
    assert.equal(bytes, now)
  end)

  it("that has gone too far is not washed out by made-up ones", function()
    open { sources = 1000, source_invites = 1, source_failures = 20 }
    assert.equal(4, within("192.0.2.9", "invites", 9, 0))
    sources:flood("10.0.0.0", 300000, "messages", 1)
    sources:flood("10.0.0.0", 300000, "invites", 1)
    assert.is_false(sources:take("192.0.2.9", "invites", 10))
    -- nor by those of which each has gone too far itself
    for i = 1, 400 do
      within("11.0.0." .. i % 256, "invites", 5, 20)
    end
    assert.is_false(sources:take("192.0.2.9", "invites", 30))
    assert.is_true(sources:take("192.0.2.9", "invites", 5000))
  end)

  it("in debt has a quarter of the table at most", function()
    open { sources = 20, source_invites = 1 }
    for i = 1, 40 do
      within("11.0.0." .. i, "invites", 5, i)
    end
    assert.equal(20, (sources:count()))
    sources:flood("10.0.0.0", 100, "messages", 41)
    for i = 36, 40 do -- the youngest five are still known
      assert.is_false(sources:take("11.0.0." .. i, "invites", 42))
    end
    assert.is_true(sources:take("11.0.0.35", "invites", 42))
  end)

  it("that was heard lately has a second chance", function()
    open { sources = 10, source_invites = 1 }
    within("192.0.2.9", "invites", 4, 0) -- not over it: the next one would be
    sources:flood("10.0.0.0", 9, "messages", 1)
    sources:take("192.0.2.9", "messages", 2)
    sources:flood("11.0.0.0", 9, "messages", 3)
    assert.is_false(sources:take("192.0.2.9", "invites", 4))
  end)

  it("that pays off its debt makes room for others first", function()
    open { sources = 10, source_invites = 1 }
    within("192.0.2.9", "invites", 5, 0)
    for i = 1, 9 do
      within("10.0.0." .. i, "invites", 3, 9000)
    end
    sources:take("12.0.0.1", "messages", 9000) -- takes its place
    for i = 1, 9 do
      assert.equal(1, within("10.0.0." .. i, "invites", 9, 9001))
    end
    assert.equal(10, (sources:count()))
  end)

  it("that has proved itself is pushed out by nobody who has not", function()
    open { sources = 20, source_invites = 1 }
    sources:stand("192.0.2.9", 0)
    for i = 1, 40 do
      within("11.0.0." .. i, "invites", 5, i)
    end
    sources:flood("10.0.0.0", 300000, "messages", 50)
    assert.is_true(sources:stands("192.0.2.9", 60))
    assert.is_false(sources:stands("192.0.2.10", 60))
  end)

  it("that has proved itself is one of half the table, the others go back", function()
    open { sources = 20, source_invites = 1 }
    within("192.0.2.1", "invites", 5, 0) -- and is in debt
    for i = 1, 10 do
      sources:stand("192.0.2." .. i, i)
    end
    sources:take("192.0.2.2", "messages", 11) -- heard since: a second chance
    sources:stand("192.0.2.11", 12)
    sources:stand("192.0.2.12", 13)
    local all = {}
    for i = 1, 12 do
      all[i] = sources:stands("192.0.2." .. i, 14)
    end
    assert.same({ false, true, false, true, true, true, true, true, true, true, true,
      true }, all)
    assert.equal(12, (sources:count()))
    sources:flood("10.0.0.0", 1000, "messages", 15)
    assert.is_false(sources:take("192.0.2.1", "invites", 16)) -- held for its debt
    assert.equal(20, (sources:count()))
  end)

  it("that has proved itself has rules as before", function()
    open { sources = 20, source_invites = 1 }
    sources:stand("192.0.2.9", 0)
    assert.equal(4, within("192.0.2.9", "invites", 9, 0))
    assert.is_true(sources:stands("192.0.2.9", 0))
  end)

  it("that has proved itself by a connection keeps that when it is closed", function()
    open { sources = 20 }
    sources:pin("192.0.2.9", 0)
    sources:stand("192.0.2.9", 0)
    sources:unpin("192.0.2.9", 1)
    sources:flood("10.0.0.0", 1000, "messages", 2)
    assert.is_true(sources:stands("192.0.2.9", 3))
  end)

  it("cannot prove itself in a table of one", function()
    open { sources = 1, source_invites = 1 }
    sources:stand("192.0.2.9", 0)
    assert.is_false(sources:stands("192.0.2.9", 0))
    sources:flood("10.0.0.0", 10, "messages", 1)
    assert.equal(1, (sources:count()))
  end)

  it("with connections is never forgotten, and takes nobody's place", function()
    open { sources = 10, source_invites = 1 }
    within("192.0.2.9", "invites", 5, 0)
    sources:pin("192.0.2.9", 0)
    sources:pin("192.0.2.9", 0)
    sources:flood("10.0.0.0", 1000, "invites", 1)
    assert.equal(11, (sources:count()))
    assert.is_false(sources:take("192.0.2.9", "invites", 2))
    sources:unpin("192.0.2.9", 3)
    assert.equal(11, (sources:count()))
    sources:unpin("192.0.2.9", 3)
    assert.equal(10, (sources:count()))
    assert.is_false(sources:take("192.0.2.9", "invites", 4))
  end)

  it("cannot be chosen so that it is slow to find", function()
    -- Addresses that a plain hash (the address itself, or times a constant) would put
    -- into one slot of 65536.
    open { sources = 65536 }
    for i = 0, 255 do
      sources:flood(("%d.%d.0.0"):format(10 + i % 64, i), 1, "messages", 0)
      sources:flood(("10.%d.0.7"):format(i), 1, "messages", 0)
      sources:take(("2001:db8:%x::1"):format(i), "messages", 0)
      sources:take(("%x:%x:%x:%x::1"):format(i + 256, i + 256, i + 256, i + 256),
        "messages", 0)
    end
    local longest, slots = sources:longest()
    assert.is_true(slots >= 512)
    assert.is_true(longest <= 10, "a chain of " .. longest)
  end)
end)

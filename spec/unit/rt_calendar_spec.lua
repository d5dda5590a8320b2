-- The calendar: keys at instants behind one timer, each told at its millisecond.

local calendar_of = require "sip.rt.calendar"
local fake_driver = require "spec.support.fake_driver"
local new_sched = require("sip.rt.sched").new

describe("a calendar", function()
  local driver, sched, calendar, told

  before_each(function()
    driver = fake_driver.new()
    sched = new_sched(driver, {})
    driver.sched = sched
    told = {}
    calendar = calendar_of.new(sched, function(keys)
      told[#told + 1] = ("%.3f %s"):format(driver.clock, table.concat(keys, " "))
    end)
    calendar:wake()
  end)

  after_each(function()
    calendar:rest()
    assert.equal(0, sched.armed)
    assert.equal(0, driver.count)
  end)

  it("tells each key at its instant, those of one instant together", function()
    calendar:add("c", 2500)
    calendar:add("a", 1001)
    calendar:add("b", 2500)
    calendar:add("late", 3600000)
    calendar:add("first", 7)
    assert.equal(1, sched.armed)
    driver:advance(10)
    assert.same({ "0.007 first", "1.001 a", "2.500 b c" }, told)
    assert.equal(1, calendar.count)
    driver:advance(3590)
    assert.equal("3600.000 late", told[4])
    assert.equal(0, calendar.count)
    assert.equal(0, sched.armed)
  end)

  it("forgets what is crossed out, and minds neither strangers nor repeats", function()
    calendar:add("a", 1000)
    calendar:add("a", 1000)
    calendar:add("b", 1000)
    calendar:add("c", 1000)
    assert.equal(3, calendar.count)
    calendar:remove("b", 1000)
    calendar:remove("b", 1000)
    calendar:remove("a", 999)
    calendar:remove("x", 5000)
    assert.equal(2, calendar.count)
    driver:advance(2)
    assert.same({ "1.000 a c" }, told)
  end)

  it("keeps nothing of a key that is put off for ever", function()
    local at
    for i = 1, 20000 do
      if at then
        calendar:remove("a", at)
      end
      at = 1000 * ((i * 7919) % 20000 + 1) -- now later, now earlier
      calendar:add("a", at)
    end
    assert.equal(1, calendar.count)
    assert.is_true(#calendar.heap < 200)
    local pages = 0
    for _ in pairs(calendar.pages) do
      pages = pages + 1
    end
    assert.is_true(pages < 200)
    driver:advance(20000)
    assert.same({ ("%.3f a"):format(at / 1000) }, told)
  end)

  it("has every key at its place, in any order of coming and going", function()
    local model, seed, expected = {}, 42, {}
    local function chance(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % n
    end
    for _ = 1, 5000 do
      local key = "k" .. chance(300)
      if model[key] then
        calendar:remove(key, model[key])
      end
      model[key] = chance(4) > 0 and chance(20000) + 1 or nil
      if model[key] then
        calendar:add(key, model[key])
      end
    end
    local by_time = {}
    for key, at in pairs(model) do
      by_time[at] = by_time[at] or {}
      table.insert(by_time[at], key)
    end
    for at, keys in pairs(by_time) do
      table.sort(keys)
      expected[#expected + 1] = ("%.3f %s"):format(at / 1000, table.concat(keys, " "))
    end
    driver:advance(21)
    table.sort(expected)
    table.sort(told)
    assert.same(expected, told)
  end)

  it("arms nothing while it rests, and tells late then", function()
    calendar:add("a", 1000)
    calendar:rest()
    assert.equal(0, sched.armed)
    calendar:add("b", 2000)
    calendar:add("c", 9000)
    driver:advance(5)
    assert.same({}, told)
    calendar:wake()
    driver:advance(0)
    assert.same({ "5.000 a b" }, told)
    driver:advance(4)
    assert.same({ "5.000 a b", "9.000 c" }, told)
  end)

  it("may be written in while it tells", function()
    local again = calendar_of.new(sched, function(keys)
      told[#told + 1] = ("%.3f %s"):format(driver.clock, table.concat(keys, " "))
      if #told < 3 then
        calendar.again:add("a", math.floor(driver.clock * 1000) + 500)
      end
    end)
    calendar.again = again
    again:wake()
    again:add("a", 500)
    driver:advance(5)
    assert.same({ "0.500 a", "1.000 a", "1.500 a" }, told)
  end)
end)

-- The order of SRV and NAPTR records: RFC 2782, RFC 3263 4.1. C-42, C-44.

local srv = require "sip.ua.srv"

local function record(priority, weight, target)
  return { priority = priority, weight = weight, port = 5060, target = target }
end

local function targets(records)
  local list = {}
  for i, item in ipairs(records) do
    list[i] = item.target
  end
  return table.concat(list, " ")
end

-- Chance that gives these numbers, and says what it was asked for.
local function given(numbers)
  local asked = {}
  return function(n)
    asked[#asked + 1] = n
    return table.remove(numbers, 1)
  end, asked
end

describe("SRV records", function()
  it("come by priority, lowest first", function()
    local records = { record(20, 5, "c"), record(0, 0, "a"), record(10, 9, "b") }
    assert.equal("a b c", targets(srv.order(records, function()
      error "one alone needs no chance"
    end)))
    assert.equal("c a b", targets(records)) -- left as they are
  end)

  it("of one priority are drawn by the running sum of their weights", function()
    local records = { record(1, 10, "a"), record(1, 0, "z"), record(1, 30, "b"),
      record(1, 60, "c") }
    local chance, asked = given { 41, 11, 0 }
    -- z 0, a 10, b 40, c 100: 41 is c; z 0, a 10, b 40: 11 is b; z 0: 0 is z
    assert.equal("c b z a", targets(srv.order(records, chance)))
    assert.same({ 100, 40, 10 }, asked)
    chance = given { 10, 0, 31 }
    assert.equal("a z c b", targets(srv.order(records, chance)))
  end)

  it("without any weight come as they came", function()
    local chance, asked = given {}
    assert.equal("b a c", targets(srv.order({ record(1, 0, "b"), record(1, 0, "a"),
      record(1, 0, "c") }, chance)))
    assert.same({}, asked)
  end)

  it("are first as often as their weight says", function()
    local records = { record(0, 1, "a"), record(0, 2, "b"), record(0, 7, "c") }
    local count = { a = 0, b = 0, c = 0 }
    local total = 0
    for drawn = 0, 10 do -- every number that chance may give, once
      local first = srv.order(records, function(n)
        return n == 10 and drawn or 0
      end)[1].target
      count[first] = count[first] + 1
      total = total + 1
    end
    assert.same({ a = 2, b = 2, c = 7 }, count) -- 0 falls to the first (RFC 2782)
    assert.equal(11, total)
  end)

  it("are none when there are none", function()
    assert.same({}, srv.order({}, error))
  end)
end)

describe("NAPTR records", function()
  local function naptr(order, preference, service, target, flags)
    return { order = order, preference = preference, service = service,
      target = target or service, flags = flags or "s" }
  end

  local ALL = { udp = true, tcp = true, tls = true }

  local function followed(records, usable)
    local list = {}
    for i, item in ipairs(srv.follow(records, usable or ALL)) do
      list[i] = item.transport .. (item.final and "!" or "")
    end
    return table.concat(list, " ")
  end

  it("are followed in the order of their preference", function()
    assert.equal("tls tcp udp", followed { naptr(50, 90, "SIP+D2U"),
      naptr(50, 50, "SIPS+D2T"), naptr(50, 60, "sip+d2t") })
  end)

  it("of a higher order are left alone when a lower one can be used", function()
    assert.equal("udp", followed { naptr(60, 1, "SIP+D2T"), naptr(50, 9, "SIP+D2U") })
    assert.equal("tcp", followed({ naptr(60, 1, "SIP+D2T"), naptr(50, 9, "SIP+D2U") },
      { tcp = true }))
  end)

  it("that are none of ours do not count", function()
    assert.equal("", followed { naptr(1, 1, "SIP+D2S"),
      naptr(1, 1, "E2U+sip", "x", "u"), naptr(1, 1, "SIP+D2U", "x", ""),
      naptr(1, 1, "SIP+D2U", "") })
  end)

  it("may name a host, too", function()
    assert.equal("udp!", followed { naptr(1, 1, "SIP+D2U", "host.example", "A") })
  end)
end)

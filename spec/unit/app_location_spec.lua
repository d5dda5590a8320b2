-- The location service: bindings in a store, gone at their second, for who looks and
-- for who watches. C-203 (the target set).

local location_of = require "sip.app.location"
local memory = require "sip.store.memory"
local new_sim = require "sip.sim"

local AOR = "sip:alice@example.com"

local function bind(uri, seconds, now, more)
  local b = { uri = uri, params = "", call_id = "c1", cseq = 1, path = "",
    received = "udp:192.0.2.9:5060", id = now, due = now + seconds * 1000 }
  for key, value in pairs(more or {}) do
    b[key] = value
  end
  return b
end

describe("a location service", function()
  local sim, host, sip, location, told

  before_each(function()
    sim = new_sim { seed = 1 }
    host = sim:host "192.0.2.1"
    sip = host.sip
    host:endpoint()
    location = sip.location.memory()
    told = {}
  end)

  after_each(function()
    sim:assert_clean()
    sim:close()
  end)

  local function add(aor, uri, seconds, more)
    return location:update(aor, function(list, now)
      more = more or {}
      more.id = more.id or now + #list
      list[#list + 1] = bind(uri, seconds, now, more)
      return list
    end)
  end

  local function watch()
    return location:watch(function(aor, list, changes)
      local words = {}
      for i, change in ipairs(changes) do
        words[i] = change.event .. " " .. change.binding.uri
      end
      told[#told + 1] = ("%.3f %s %d: %s"):format(sim:now(), aor, #list,
        table.concat(words, ", "))
    end)
  end

  local function uris(aor)
    local list = {}
    for i, target in ipairs(location:lookup(aor)) do
      list[i] = target.uri
    end
    return list
  end

  it("knows an address-of-record by its canonical form", function()
    add(AOR, "sip:alice@192.0.2.9", 60)
    for _, uri in ipairs {
      "sip:%61lice@EXAMPLE.com", "sips:alice@example.com", "sip:alice:pw@example.com",
      "sip:alice@example.com:5060;transport=tcp?Subject=x",
    } do
      assert.equal(1, #location:bindings(uri), uri)
    end
    for _, uri in ipairs {
      "sip:Alice@example.com", "sip:alice@example.org", "sip:example.com", "tel:+1",
      "nonsense", "",
    } do
      assert.equal(0, #location:bindings(uri), uri)
      assert.equal(0, #location:lookup(uri), uri)
    end
    assert.same({ 1, 1 }, { location:count() })
  end)

  it("gives targets in q order, older ones first, with what leads to them", function()
    add(AOR, "sip:a@192.0.2.9", 60, { q = 300 })
    add(AOR, "sip:b@192.0.2.9", 60, { q = 700, path = "<sip:p1;lr>, <sip:p2;lr>" })
    add(AOR, "sip:c@192.0.2.9", 90)
    add(AOR, "sip:d@192.0.2.9", 60, { q = 700 })
    assert.same({ "sip:c@192.0.2.9", "sip:b@192.0.2.9", "sip:d@192.0.2.9",
      "sip:a@192.0.2.9" }, uris(AOR))
    local list = location:lookup(AOR)
    assert.same({ 1, 0.7, 0.7, 0.3 }, { list[1].q, list[2].q, list[3].q, list[4].q })
    assert.same({ "<sip:p1;lr>", "<sip:p2;lr>" }, list[2].path)
    assert.same({}, list[1].path)
    assert.equal(90, list[1].expires_in)
    assert.equal("udp:192.0.2.9:5060", list[1].received)
    assert.equal("c1", list[1].call_id)
  end)

  it("sends nothing to other schemes than sip and sips", function()
    add(AOR, "tel:+15550100", 60)
    add(AOR, "mailto:alice@example.com", 60)
    add(AOR, "sip:alice@192.0.2.9", 60)
    add(AOR, "sips:alice@192.0.2.10", 60)
    assert.equal(4, #location:bindings(AOR))
    assert.same({ "sip:alice@192.0.2.9", "sips:alice@192.0.2.10" }, uris(AOR))
    assert.same(uris(AOR), uris "sips:alice@example.com")
  end)

  it("leaves out of a target what no Request-URI may have", function()
    add(AOR, "sip:a@192.0.2.9;lr;Method=INVITE;x=1?Subject=hello", 60)
    assert.same({ "sip:a@192.0.2.9;lr;x=1" }, uris(AOR))
    assert.equal("sip:a@192.0.2.9;lr;Method=INVITE;x=1?Subject=hello",
      location:lookup(AOR)[1].contact)
  end)

  it("has a binding until its millisecond, and no longer", function()
    sim:advance(0.25)
    watch()
    add(AOR, "sip:a@192.0.2.9", 60)
    add(AOR, "sip:b@192.0.2.9", 3600)
    sim:advance(59.999)
    assert.equal(2, #location:lookup(AOR))
    assert.equal(1, location:lookup(AOR)[1].expires_in)
    sim:advance(0.001)
    assert.same({ "sip:b@192.0.2.9" }, uris(AOR))
    assert.same({ 1, 1 }, { location:count() })
    sim:advance(3540)
    assert.same({ 0, 0 }, { location:count() })
    assert.same({
      "0.250 sip:alice@example.com 1: created sip:a@192.0.2.9",
      "0.250 sip:alice@example.com 2: created sip:b@192.0.2.9",
      "60.250 sip:alice@example.com 1: expired sip:a@192.0.2.9",
      "3600.250 sip:alice@example.com 0: expired sip:b@192.0.2.9",
    }, told)
  end)

  it("ends many of one instant at that instant", function()
    watch()
    for i = 1, 1001 do
      add(("sip:u%04d@example.com"):format(i), "sip:a@192.0.2.9", 60)
    end
    told = {}
    sim:advance(60)
    assert.equal(1001, #told)
    for i, text in ipairs(told) do
      local user = ("sip:u%04d@example.com"):format(i)
      assert.equal("60.000 " .. user .. " 0: expired sip:a@192.0.2.9", text)
    end
    assert.same({ 0, 0 }, { location:count() })
    assert.equal(0, sip.runtime.sched.armed)
  end)

  it("tells what becomes of a binding, in order, to who still watches", function()
    local stop = watch()
    add(AOR, "sip:a@192.0.2.9", 60)
    location:update(AOR, function(list, now)
      return { bind("sip:a@192.0.2.9", 90, now, { id = list[1].id, cseq = 2 }) }
    end)
    location:update(AOR, function(list, now)
      return { bind("sip:a@192.0.2.9", 30, now, { id = list[1].id, cseq = 3 }) }
    end)
    location:update(AOR, function(list)
      return list -- nothing happens, nobody is told
    end)
    assert.is_true(location:remove(AOR))
    assert.is_false(location:remove(AOR))
    stop()
    stop()
    add(AOR, "sip:b@192.0.2.9", 60)
    assert.same({
      "0.000 sip:alice@example.com 1: created sip:a@192.0.2.9",
      "0.000 sip:alice@example.com 1: refreshed sip:a@192.0.2.9",
      "0.000 sip:alice@example.com 1: shortened sip:a@192.0.2.9",
      "0.000 sip:alice@example.com 0: unregistered sip:a@192.0.2.9",
    }, told)
  end)

  it("survives a watcher that fails", function()
    location:watch(function()
      error "a bug of the script"
    end)
    watch()
    assert(add(AOR, "sip:a@192.0.2.9", 60))
    assert.equal(1, #told)
    assert.matches("a bug of the script", table.remove(sim.errors))
  end)

  it("changes nothing when the function says no", function()
    add(AOR, "sip:a@192.0.2.9", 60)
    assert.same({ nil, "no" }, { location:update(AOR, function()
      return nil, "no"
    end) })
    assert.equal(1, #location:bindings(AOR))
  end)

  it("takes so many bindings, and says 503 to one more", function()
    location = sip.location.memory { bindings = 3 }
    for i = 1, 3 do
      assert(add(("sip:u%d@example.com"):format(i), "sip:x@192.0.2.9", 60 * i))
    end
    local list, e = add("sip:u4@example.com", "sip:x@192.0.2.9", 60)
    assert.is_nil(list)
    assert.equal(503, e.status)
    e = select(2, add("sip:u1@example.com", "sip:y@192.0.2.9", 60))
    assert.equal(503, e.status)
    assert.same({ 3, 3 }, { location:count() })
    sim:advance(60) -- one is over: there is room
    assert(add("sip:u4@example.com", "sip:x@192.0.2.9", 600))
    e = select(2, add("sip:u5@example.com", "sip:x@192.0.2.9", 60))
    assert.equal(503, e.status)
  end)

  it("refuses what is no option and no address", function()
    assert.error_matches(function()
      sip.location.memory { contacts = 3 }
    end, 'sip.location.memory: unknown option "contacts" %(known: bindings%)')
    assert.error_matches(function()
      location:update("tel:+1", function() end)
    end, 'location: update: "tel:%+1" is no address%-of%-record')
  end)

  it("keeps no timer once the last endpoint is closed, and none per binding", function()
    for i = 1, 1000 do
      add(("sip:u%d@example.com"):format(i), "sip:x@192.0.2.9", 1000 + i)
    end
    for i = 1, 1000, 2 do
      local aor = ("sip:u%d@example.com"):format(i)
      location:update(aor, function(list, now)
        list[1].due = now + 5000000 - i * 1000
        return list
      end)
    end
    assert.equal(1, sip.runtime.sched.armed)
    sip.runtime:stop()
    sim:advance(1)
    assert.equal(0, sip.runtime.sched.armed)
  end)

  describe("over a store that waits", function()
    local slow, fast

    before_each(function()
      fast = memory.new { chance = "0123456789abcdef" }
      slow = setmetatable({}, { __index = fast })
      function slow.get(_, key)
        sip.sleep(0.1)
        return fast:get(key)
      end
      function slow.put(_, key, version, value, due)
        sip.sleep(0.1)
        return fast:put(key, version, value, due)
      end
      function slow.watch(_, fn)
        fast:watch(fn)
      end
      location = location_of.new(sip.runtime, slow, 100)
    end)

    it("tries again when that fails", function()
      local failures = 2
      function slow.put(_, key, version, value, due)
        if not value and failures > 0 then
          failures = failures - 1
          return nil, "the disk is gone"
        end
        return fast:put(key, version, value, due)
      end
      host:run(function()
        add(AOR, "sip:a@192.0.2.9", 60)
      end)
      watch()
      sim:advance(59)
      assert.equal(0, #told)
      sim:advance(10)
      assert.equal(1, #told)
      assert.matches("^62.%d+ sip:alice@example.com 0: expired", told[1])
      for _ = 1, 2 do
        assert.matches("bindings cannot expire.*the disk is gone",
          table.remove(sim.errors))
      end
      location:rest()
    end)

    it("says what it failed with", function()
      function slow.put()
        return nil, "the disk is gone"
      end
      local list, e = host:run(function()
        return add(AOR, "sip:a@192.0.2.9", 60)
      end)
      assert.is_nil(list)
      assert.equal(500, e.status)
      assert.matches("the disk is gone", tostring(e))
    end)

    it("loses no change of two at once, and expires at the second", function()
      watch()
      host:run(function()
        sip.all(function()
          add(AOR, "sip:a@192.0.2.9", 60, { id = 1 })
        end, function()
          add(AOR, "sip:b@192.0.2.9", 120, { id = 2 })
        end)
      end)
      assert.equal(0.4, sim:now()) -- the slower one read again
      assert.equal(2, #host:run(function()
        return location:lookup(AOR)
      end))
      sim:advance(130 - sim:now())
      assert.same({
        "0.200 sip:alice@example.com 1: created sip:a@192.0.2.9",
        "0.400 sip:alice@example.com 2: created sip:b@192.0.2.9",
      }, { told[1], told[2] })
      assert.matches("^60.%d+ sip:alice@example.com 1: expired sip:a", told[3])
      assert.equal(4, #told)
      assert.same({ 0, 0 }, { location:count() })
    end)
  end)
end)

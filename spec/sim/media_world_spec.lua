-- Media on simulated hosts: what the engine and the disk do reaches the script, at
-- most a beat later, as it does with a thread.

local core = require "sip.core"

describe("media in a simulated world", function()
  local world, events, one, two, a, b

  before_each(function()
    world = core.world { seed = 3 }
    events = {}
    local hosts = { world:host "192.0.2.1", world:host "192.0.2.2" }
    for _, host in ipairs(hosts) do
      host:set_dispatch(function(kind, session, ...)
        events[#events + 1] = { kind, session, world:now(), ... }
      end)
    end
    one, two = hosts[1], hosts[2]
    a = assert(one:media():session { host = "192.0.2.1" })
    b = assert(two:media():session { host = "192.0.2.2" })
    local to_b = { host = "192.0.2.2", port = b:port(), dtmf_payload_type = 101 }
    local to_a = { host = "192.0.2.1", port = a:port(), dtmf_payload_type = 101 }
    assert(a:set_remote(to_b) and b:set_remote(to_a))
  end)

  local function run(seconds)
    local stop = world:now() + seconds
    while world:now() < stop do
      world:step(stop)
    end
  end

  local function told(kind)
    for i, event in ipairs(events) do
      if event[1] == kind then
        return table.remove(events, i)
      end
    end
  end

  after_each(function()
    a:close()
    b:close()
    run(5)
    assert.truthy(told "media_closed" and told "media_closed")
    assert.is_nil(world:next())
    world:close()
  end)

  it("tells of a recording when its file is closed, however slow the disk", function()
    two:disk { delay = 0.3 }
    assert(a:play { "tone:440" })
    assert(b:record { path = "heard.wav", max = 2 })
    run(2.1)
    assert.is_nil(told "recorded")
    run(3)
    local recorded = told "recorded"
    assert.equal("max", recorded[5])
    assert.equal(2.0, recorded[7])
    assert.is_true(recorded[3] > 2.3 and recorded[3] < 4)
    assert.equal(32044, #two:read_file "heard.wav")
  end)

  it("tells of digits and of plays within a beat", function()
    assert(a:play { "tone:440/1000*1" })
    assert(a:press("1", { duration = 0.1 }))
    run(2)
    local played, digit = told "played", told "digit"
    assert.is_true(played[3] >= 1 and played[3] <= 1.021)
    assert.equal(b, digit[2])
    assert.is_true(digit[3] > 0.1 and digit[3] < 0.15)
  end)

  it("is the same again from the same seed", function()
    local function scene(seed)
      local again = core.world { seed = seed }
      local host, seen = again:host "192.0.2.1", {}
      host:set_dispatch(function(kind)
        seen[#seen + 1] = kind .. " " .. again:now()
      end)
      local session = assert(host:media():session { host = "192.0.2.1" })
      for _ = 1, 5 do
        assert(session:play { "tone:440/100*1" })
        local stop = again:now() + 1
        while again:now() < stop do
          again:step(stop)
        end
      end
      again:close()
      return seen
    end
    assert.same(scene(11), scene(11))
    assert.are_not.same(scene(11), scene(12))
  end)
end)

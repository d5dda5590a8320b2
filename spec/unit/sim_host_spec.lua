-- Who keeps whom alive in a simulated world.

local core = require "sip.core"

describe("a simulated host", function()
  it("lives as long as its world, whoever else has let go of it", function()
    local world = core.world { seed = 1 }
    local stack = world:host("192.0.2.1"):stack { dispatch = function() end }
    collectgarbage()
    collectgarbage()
    assert.equal(5060, stack:listen { host = "192.0.2.1", port = 5060 })
    world:close()
  end)

  it("is let go of with its world", function()
    local weak = setmetatable({}, { __mode = "k" })
    do
      local world = core.world { seed = 1 }
      weak[world] = true
      weak[world:host "192.0.2.1"] = true
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)
end)

describe("a simulated world that holds datagrams", function()
  local world, near, far

  before_each(function()
    world = core.world { seed = 1 }
    near = world:host("192.0.2.1"):raw { host = "192.0.2.1" }
    far = world:host("192.0.2.2"):raw { host = "192.0.2.2" }
    world:link { loss = 1 } -- has no say in what is held
    world:hold(true)
    near:send("192.0.2.2", 5060, "one")
    near:send("192.0.2.2", 5060, "two")
  end)

  after_each(function()
    world:close()
  end)

  local function arrived()
    local list = {}
    for _, event in ipairs(far:take()) do
      list[#list + 1] = event.bytes
    end
    return list
  end

  it("keeps them until somebody says what becomes of them", function()
    local flying = world:flying()
    assert.same({ "one", "two" }, { flying[1].bytes, flying[2].bytes })
    assert.same({ "192.0.2.1", 5060, "192.0.2.2", 5060 }, { flying[1].from,
      flying[1].from_port, flying[1].to, flying[1].to_port })
    world:step(100)
    assert.same({}, arrived())
    assert.equal(2, world:pending())
    assert.is_true(world:deliver(flying[2].id))
    assert.is_true(world:deliver(flying[1].id, true))
    assert.is_true(world:deliver(flying[1].id))
    assert.is_false(world:deliver(flying[1].id))
    assert.same({ "two", "one", "one" }, arrived())
    assert.equal(0, world:pending())
  end)

  it("loses what it is told to, and no other", function()
    assert.is_true(world:lose(world:flying()[1].id))
    assert.equal("two", world:flying()[1].bytes)
    assert.is_false(world:lose(999))
    world:hold(false)
    near:send("192.0.2.2", 5060, "three")
    assert.equal(1, #world:flying())
  end)
end)

describe("a stream of a simulated host that goes down", function()
  local world, near_host, near, far_host, far

  before_each(function()
    world = core.world { seed = 1 }
    world:link { delay = 0.1 }
    near_host, far_host = world:host "192.0.2.1", world:host "192.0.2.2"
    near = near_host:raw { transport = "tcp", host = "192.0.2.1" }
    far = far_host:raw { transport = "tcp", host = "192.0.2.2" }
  end)

  after_each(function()
    world:close()
  end)

  local function run(till)
    while world:step(till) do end
  end

  -- What a socket was told, as "0.200 opened".
  local function told(raw)
    local list, last = {}, nil
    for i, event in ipairs(raw:take()) do
      list[i] = ("%.3f %s %s"):format(event.at, event.what, event.bytes or event.why)
      last = event
    end
    return list, last and last.id
  end

  local function connect()
    local id = near:connect("192.0.2.2", 5060)
    run(1)
    assert.same({ "0.200 opened " }, (told(near)))
    local _, far_id = told(far)
    return id, far_id
  end

  it("is given up by who sends to it, and reset when it sends itself", function()
    local id, far_id = connect()
    far_host:set_down(true)
    assert.is_true(near:write(id, "lost"))
    run(100)
    assert.same({ "52.000 closed timed out: 192.0.2.2:5060" }, (told(near)))
    far_host:set_down(false)
    assert.is_nil(far:write(far_id, "late"))
    run(101)
    local list = told(far)
    assert.same(1, #list)
    assert.truthy(list[1]:find "^100.000 closed connection reset by 192.0.2.1:")
    assert.equal(1, near_host:sockets())
    assert.equal(1, far_host:sockets())
  end)

  it("is given up when what is under way does not reach it", function()
    local id = connect()
    assert.is_true(near:write(id, "lost"))
    run(1.05)
    far_host:set_down(true)
    run(100)
    assert.same({ "33.100 closed timed out: 192.0.2.2:5060" }, (told(near)))
    assert.same({}, (told(far)))
  end)

  it("is closed at once on its own side, and the other does not hear of it", function()
    local id, far_id = connect()
    near_host:set_down(true)
    near:shut(id)
    run(10)
    assert.same({ "1.000 closed closed to 192.0.2.2:5060" }, (told(near)))
    assert.same({}, (told(far)))
    assert.is_nil(far:write(far_id, "who is there"))
    run(11)
    assert.equal(1, #told(far))
    assert.equal(1, far_host:sockets())
  end)

  it("is not opened when the answer does not reach it", function()
    near:connect("192.0.2.2", 5060)
    run(0.15)
    near_host:set_down(true)
    run(100)
    assert.same({ "20.200 closed timed out: 192.0.2.2:5060" }, (told(near)))
    near:connect("192.0.2.2", 5999)
    run(200)
    assert.same({ "120.000 closed timed out: 192.0.2.2:5999" }, (told(near)))
    assert.equal(1, near_host:sockets())
  end)
end)

describe("the fingerprint of a simulated host", function()
  it("is the same for the same state, and another for every other", function()
    local function host_of(seconds)
      local world = core.world { seed = 1 }
      local host = world:host "192.0.2.1"
      host:set_dispatch(function() end)
      local stack = host:stack { dispatch = function() end }
      stack:listen { host = "192.0.2.1", port = 5060 }
      if seconds then
        host:arm(seconds)
      end
      return world, host, stack
    end
    local world, host, stack = host_of(1)
    local _, twin = host_of(1)
    local _, other = host_of(2)
    local mark = host:fingerprint()
    assert.equal(mark, twin:fingerprint())
    assert.not_equal(mark, other:fingerprint())
    world:hold(true)
    local tx = stack:request { method = "OPTIONS", uri = "sip:x@192.0.2.2",
      host = "192.0.2.2", port = 5060, headers = { "From", "<sip:a@x>;tag=a", "To",
      "<sip:b@x>", "Call-ID", "c", "CSeq", "1 OPTIONS" } }
    assert.truthy(tx)
    assert.not_equal(mark, host:fingerprint())
    mark = host:fingerprint()
    world:step(0.5) -- it is sent again: its timer is another
    assert.not_equal(mark, host:fingerprint())
    host:wake()
    assert.is_nil(host:fingerprint())
    world:close()
  end)
end)

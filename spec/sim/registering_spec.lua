-- Both sides of ours: registrations of ua:register at sip.registrar, with its digest,
-- its 423 and its location. RFC 3261 10.2, 10.3. C-184, C-185, C-187, C-228.

local net_of = require "spec.support.net"

local SERVER, A, B = "192.0.2.9", "192.0.2.1", "192.0.2.2"
local AOR = "sip:2001@pbx.example"

describe("a registration at our registrar", function()
  local net, pbx, alice, bob

  local function world(options)
    local server
    net = net_of.new(options)
    server = net:sip(SERVER)
    pbx = net:endpoint(SERVER, {
      domain = "pbx.example", users = { ["2001"] = "secret" },
      location = server.location.memory(),
    })
    pbx:on("REGISTER", server.registrar { min = 120, max = 600 })
    net.world:name("pbx.example", SERVER)
    alice, bob = net:endpoint(A), net:endpoint(B)
  end

  after_each(function()
    net.world:link { loss = 0, duplicate = 0, reorder = 0 }
    net:clean()
    assert.same({}, net.errors)
  end)

  local function register(ua, options)
    local all = { aor = AOR, password = "secret" }
    for key, value in pairs(options or {}) do
      all[key] = value
    end
    return assert(ua:register(all))
  end

  -- The users of the binding list, as hosts.
  local function hosts()
    local list = {}
    for _, target in ipairs(pbx.location:lookup(AOR)) do
      list[#list + 1] = target.uri:match "@([%d.]+)"
    end
    table.sort(list)
    return list
  end

  it("is in the location as long as it is kept, by two phones", function()
    world()
    local one, two = register(alice), register(bob, { expires = 300, q = 0.5 })
    net:run(1)
    assert.same({ "registered", "registered" }, { one.state, two.state })
    assert.same({ A, B }, hosts())
    assert.equal(599, one:expires_in()) -- max
    local own = {}
    for _, binding in ipairs(two:bindings()) do
      own[binding.uri] = { binding.expires_in, binding.own, binding.q }
    end
    assert.same({
      ["sip:2001@192.0.2.1:5060"] = { 599, false },
      ["sip:2001@192.0.2.2:5060"] = { 299, true, 0.5 },
    }, own)
    net:run(7200)
    assert.same({ A, B }, hosts())
    alice:refuse_all()
    net:run(7201)
    assert.equal("removed", one.state)
    assert.same({ B }, hosts())
  end)

  it("asks for what the registrar wants at least (C-184)", function()
    world()
    local reg = register(alice, { expires = 30 })
    net:run(0)
    assert.equal("registered", reg.state)
    assert.equal(120, reg:expires_in())
    net:run(60)
    assert.equal(120, reg:expires_in())
  end)

  it("fails with a wrong password, which the registrar hears of once", function()
    world()
    local reg = register(alice, { password = "guess" })
    net:run(1799)
    assert.same({ "failed", 401 }, { reg.state, reg.err.status })
    assert.same({}, hosts())
    assert.equal(2, #net:flow(A))
  end)

  it("expires when its phone is gone, and is back with it", function()
    world()
    local reg = register(alice, { expires = 300 })
    net:run(100)
    alice.runtime.driver:set_down(true)
    net:run(299)
    assert.same({ A }, hosts())
    net:run(300)
    assert.same({}, hosts())
    assert.equal("registering", reg.state)
    alice.runtime.driver:set_down(false)
    net:run(700)
    assert.equal("registered", reg.state)
    assert.same({ A }, hosts())
  end)

  for seed = 1, 5 do
    it("is kept in a bad network, and gone at the end, seed " .. seed, function()
      world { seed = seed, loss = 0.2, duplicate = 0.2, reorder = 0.3, delay = 0.02 }
      local states = {}
      local function watch(_, state)
        states[#states + 1] = state
      end
      -- Of thousands of keep-alives some would be lost seven times.
      local one = register(alice, { expires = 300, on_change = watch,
        keep_alive = false })
      local two = register(bob, { expires = 120, on_change = watch,
        keep_alive = false })
      for hour = 1, 6 do
        net:run(hour * 3600)
        assert.same({ A, B }, hosts())
      end
      assert.same({ "registered", "registered" }, states)
      net.world:link { loss = 0.2, duplicate = 0.2, reorder = 0.3, delay = 0.02 }
      alice.runtime.sched:spawn(one.remove, one)
      bob.runtime.sched:spawn(two.remove, two)
      net:run(6 * 3600 + 40)
      assert.same({}, hosts())
      assert.same({ "removed", "removed" }, { one.state, two.state })
    end)
  end
end)

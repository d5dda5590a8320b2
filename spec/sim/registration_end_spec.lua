-- Registrations and their scripts: removal (RFC 3261 10.2.2), by them and with their
-- endpoint, waiting, watching.

local provider = require "spec.support.provider"

describe("a registration", function()
  local world, net, ua, sip

  before_each(function()
    world = provider.new()
    net, ua, sip = world.net, world.ua, world.sip
  end)

  after_each(function()
    world:clean()
  end)

  describe("is removed", function()
    it("by its script, which waits for that (10.2.2)", function()
      local server = world:registrar()
      local reg = world:register()
      net:run(10)
      local results = world:spawn(reg.remove, reg)
      net:run(11)
      assert.same({ true, n = 1 }, results.values)
      local req = server.seen[2]
      assert.equal("<sip:2001@192.0.2.1:5060>;expires=0", req:header "Contact")
      assert.equal("0", req:header "Expires")
      assert.equal(2, (req:cseq()))
      assert.equal("removed", reg.state)
      assert.same({}, reg:bindings())
      assert.is_nil(reg:expires_in())
      assert.same({}, ua.registrations)
      net:run(7200)
      assert.equal(2, #server.seen)
      world:register() -- may be done again
    end)

    it("only after the REGISTER under way has its answer (10.2)", function()
      net.world:link { delay = 0.5 }
      local server = world:registrar()
      local reg = world:register()
      local results = world:spawn(reg.remove, reg)
      net:run(10)
      assert.same({ 0.5, 1.5 }, server.at)
      assert.equal(2, results.at)
      assert.equal("removed", reg.state)
      net.world:link { delay = 0 }
    end)

    it("without a word when it was never bound", function()
      local server = world:registrar(function()
        return 503
      end)
      local reg = world:register()
      net:run(1)
      local results = world:spawn(reg.remove, reg)
      net:run(2)
      assert.same({ true, n = 1 }, results.values)
      assert.equal(1, #server.seen)
    end)

    it("without trouble when its REGISTER fails meanwhile", function()
      net.world:link { delay = 0.5 }
      local server = world:registrar(function()
        return 503
      end)
      local reg = world:register()
      local results = world:spawn(reg.remove, reg)
      net:run(60)
      assert.same({ true, n = 1 }, results.values)
      assert.same({ 1, 1, nil }, { results.at, #server.seen, reg.err })
      net.world:link { delay = 0 }
    end)

    it("at the end of its block", function()
      local server = world:registrar()
      world:spawn(function()
        local reg <close> = world:register()
        reg:wait()
      end)
      net:run(1)
      assert.equal("0", server.seen[2]:header "Expires")
    end)

    it("though nobody answers, and says so", function()
      local server = world:registrar(function(n)
        return n == 1 and 200
      end)
      local reg = world:register()
      net:run(1)
      local hasty = world:spawn(reg.remove, reg, 3)
      local patient = world:spawn(reg.remove, reg)
      net:run(50)
      assert.equal("timeout", hasty.values[2].name)
      assert.equal("no_answer", patient.values[2].name)
      assert.same({ 4, 33 }, { hasty.at, patient.at })
      assert.equal(2, #server.seen)
    end)

    it("when the endpoint closes, which waits for the answer", function()
      net.world:link { delay = 0.5 }
      local server = world:registrar()
      local reg = world:register()
      net:run(10)
      local closed = world:spawn(ua.close, ua)
      net:run(20)
      assert.equal("0", server.seen[2]:header "Expires")
      assert.equal(11, closed.at)
      assert.same({ "removed" }, { reg.state, reg.err })
      net.world:link { delay = 0 }
    end)

    it("when the endpoint closes, which waits for no dead registrar", function()
      local server = world:registrar(function(n)
        return n == 1 and 200
      end)
      local reg = world:register()
      net:run(10)
      local closed = world:spawn(ua.close, ua)
      net:run(20)
      assert.equal(15, closed.at)
      assert.equal(2, #server.seen)
      assert.same({ "removed", "unreachable" }, { reg.state, reg.err.name })
    end)

    it("on SIGTERM, the other way round too: with its answer on the way", function()
      net.world:link { delay = 0.5 }
      local server = world:registrar()
      local reg = world:register()
      local waiting = world:spawn(reg.wait, reg)
      net:run(0.2)
      sip.stop "SIGTERM"
      net:run(10)
      assert.same({ 0.5, 1.5 }, server.at)
      assert.equal("removed", reg.state)
      assert.same({ nil, "ended" }, { waiting.values[1], waiting.values[2].name })
      assert.equal("closed", ua.state)
      net.world:link { delay = 0 }
    end)
  end)

  it("can be waited for, and tells what went wrong meanwhile", function()
    world:registrar(function(n)
      if n == 1 then
        return 500
      end
    end)
    local reg = world:register()
    local hasty, patient = world:spawn(reg.wait, reg, 10), world:spawn(reg.wait, reg)
    net:run(60)
    assert.same({ nil, "timeout", 500 },
      { hasty.values[1], hasty.values[2].name, hasty.values[2].cause.status })
    assert.equal(10, hasty.at)
    assert.same({ true, n = 1 }, patient.values)
    assert.is_true(patient.at >= 30 and patient.at < 60)
    local again = world:spawn(reg.wait, reg)
    net:run(61)
    assert.equal(60, again.at)
  end)

  it("is refreshed at once when its script says so", function()
    local server = world:registrar()
    local reg = world:register { expires = 600 }
    net:run(100)
    reg:refresh()
    reg:refresh() -- one is under way
    net:run(700)
    assert.same({ 0, 100, 640 }, server.at)
  end)

  it("tells of changes in a task of its own, whose failure harms nothing", function()
    local server = world:registrar()
    local states = {}
    local reg = world:register { expires = 600, on_change = function(one, state)
      sip.sleep(1)
      states[#states + 1] = tostring(one) .. " " .. state
      error "a mistake"
    end }
    net:run(550)
    assert.same({ "sip.Registration{sip:2001@192.0.2.9 at sip:192.0.2.9; registered} "
      .. "registered" }, states)
    assert.same({ 0, 540 }, server.at)
    assert.equal("registered", reg.state)
    assert.equal(1, #net.errors)
    assert.is_truthy(net.errors[1]:find("a mistake", 1, true))
    world.errors = net.errors
  end)
end)

-- What may be said to a non-INVITE request, and when: RFC 4320. C-56, C-66, C-67.

local relay_of = require "spec.support.relay"
local rig_of = require "spec.support.rig"

local request, response = rig_of.request, rig_of.response

describe("an answer to a non-INVITE request", function()
  local rig, tx

  local function start(options)
    rig = rig_of.new(options)
    rig.on.request = function(object)
      tx = object
    end
  end

  after_each(function()
    tx:respond(500)
    rig:clean()
  end)

  -- @rfc 4320 4.1 MUST C-66
  it("is a 100 when the client's timer E has reached T2", function()
    start { stream = true }
    rig:say(request())
    rig:run(20)
    assert.same({ "3.500 100 OPTIONS" }, rig:heard())
    assert.equal("proceeding", tx:state())
    rig:say(request())
    tx:respond(200)
    rig:run(20)
    assert.same({ "20.000 100 OPTIONS", "20.000 200 OPTIONS" }, rig:heard())
  end)

  -- @rfc 4320 4.1 MUST C-66
  it("is that 100 on a stream as well", function()
    start { stream = true }
    local id = rig.stream:connect(rig_of.OURS, 5060)
    rig.stream:write(id, request { transport = "TCP" })
    rig:run(20)
    assert.same({ "3.500 100 OPTIONS" }, rig:heard(rig.stream))
  end)

  -- @rfc 4320 4.1 MUST C-66
  it("is no 100 before that, whoever asks for it", function()
    start { stream = true }
    rig:say(request())
    rig:run(1)
    tx:respond(100)
    rig:run(3.4)
    assert.same({}, rig:heard())
    rig:run(3.5)
    assert.same({ "3.500 100 OPTIONS" }, rig:heard())
  end)

  -- @rfc 4320 4.1 MUST C-66
  it("is a 100 the sooner, the sooner timer E reaches T2", function()
    start { t1 = 0.1, t2 = 0.4 }
    rig:say(request())
    rig:run(10)
    assert.same({ "0.300 100 OPTIONS" }, rig:heard())
  end)

  -- @rfc 4320 4.1 MAY C-66
  it("is a 100 at any time on a stream", function()
    start { stream = true }
    local id = rig.stream:connect(rig_of.OURS, 5060)
    rig.stream:write(id, request { transport = "TCP" })
    rig:run(1)
    assert.is_true(tx:respond(100))
    rig:run(20)
    assert.same({ "1.000 100 OPTIONS" }, rig:heard(rig.stream))
  end)

  -- @rfc 4320 4.1 MUST C-66
  it("is never another provisional", function()
    start { stream = true }
    rig:say(request())
    for status = 101, 199, 14 do
      local ok, name, why = tx:respond(status)
      assert.is_nil(ok)
      assert.equal("invalid", name)
      assert.truthy(why:find "4320")
    end
    rig:run(1)
    assert.same({}, rig:heard())
  end)

  -- @rfc 4320 4.2 MUST C-67
  it("is never 408", function()
    start { stream = true }
    rig:say(request())
    assert.equal("invalid", select(2, tx:respond(408)))
    rig:run(1)
    assert.same({}, rig:heard())
    assert.is_true(tx:respond(404))
  end)
end)

describe("an answer to a non-INVITE request that was passed on", function()
  -- @rfc 4320 4.1 MUST C-66
  it("is not passed back when it is another provisional", function()
    local rig = relay_of.new()
    rig:say(request())
    local passed = rig:take(rig.next)[1].bytes
    rig.answer(passed, 183)
    rig.answer(passed, 100)
    rig:run(3.4)
    assert.same({}, rig:heard())
    assert.equal(1, #rig.refused)
    assert.truthy(rig.refused[1]:find "4320")
    rig:run(4)
    assert.same({ "3.500 100 OPTIONS" }, rig:heard())
    rig.answer(passed, 200)
    assert.same({ "4.000 200 OPTIONS" }, rig:heard())
    rig:clean()
  end)
end)

describe("a non-INVITE request of ours", function()
  -- @rfc 4320 4.2 MUST C-56
  it("has failed at timer F, and a late final is for nobody", function()
    local rig = rig_of.new()
    rig:request()
    rig:run(0)
    local options = rig:take()[1].message
    rig:run(32)
    assert.same({ "32.000 failed timeout", "32.000 ended" }, rig:told())
    rig:say_at(32.1, response(options, 408))
    rig:say_at(32.2, response(options, 200))
    assert.same({}, rig:told())
    assert.equal(2, rig.stack:stats().stray)
    rig:clean()
  end)
end)

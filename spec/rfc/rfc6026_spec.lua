-- Accepted, timers L and M, and what a failed send changes: RFC 6026. C-53, C-62, C-68,
-- C-105. Virtual time, exact to the millisecond.

local rig_of = require "spec.support.rig"
local simulated = require "spec.support.simulated"

local request, response = rig_of.request, rig_of.response

describe("an INVITE client transaction that is accepted", function()
  local rig, tx, invite

  before_each(function()
    rig = rig_of.new()
    tx = rig:request { method = "INVITE" }
    rig:run(0)
    invite = rig:take()[1].message
  end)

  after_each(function()
    rig:clean()
  end)

  -- @rfc 6026 8.4 MUST C-53
  it("gives every 2xx to its user until timer M", function()
    rig:say_at(1, response(invite, 200, { to_tag = "one" }))
    assert.equal("accepted", tx:state())
    rig:say_at(2, response(invite, 200, { to_tag = "one" }))
    rig:say_at(32.9, response(invite, 202, { to_tag = "two" }))
    rig:run()
    assert.same({ "1.000 response 200", "2.000 response 200", "32.900 response 202",
      "33.000 ended" }, rig:told())
    assert.same({ "0.500 INVITE" }, rig:heard())
  end)

  -- @rfc 6026 8.4 MUST C-53
  it("absorbs whatever else comes", function()
    rig:say(response(invite, 180))
    rig:say(response(invite, 200))
    rig:say(response(invite, 180))
    rig:say(response(invite, 486))
    assert.same({ "0.000 response 180", "0.000 response 200" }, rig:told())
    assert.same({}, rig:heard())
    assert.equal("accepted", tx:state())
  end)

  -- @rfc 6026 8.4 MUST C-53
  it("leaves a 2xx after timer M to the core", function()
    rig:say(response(invite, 200))
    rig:run(32)
    rig:told()
    rig:say_at(33, response(invite, 200))
    assert.same({ "33.000 stray 200" }, rig:told())
    rig:say(response(invite, 486))
    rig:say(response(invite, 180))
    assert.same({}, rig:told())
  end)
end)

describe("an INVITE server transaction that is accepted", function()
  local rig, tx

  local function start(options)
    rig = rig_of.new(options)
    rig.on.request = function(object)
      tx = object
    end
    rig:say(request { method = "INVITE" })
    rig:told()
  end

  after_each(function()
    rig:clean()
  end)

  -- @rfc 6026 8.5 MUST C-62
  it("absorbs repeated INVITEs until timer L, and sends nothing itself", function()
    start()
    tx:respond(200)
    assert.equal("accepted", tx:state())
    rig:say_at(0.5, request { method = "INVITE" })
    rig:say_at(31, request { method = "INVITE" })
    assert.same({ "0.000 200 INVITE" }, rig:heard())
    rig:run()
    assert.same({ "32.000 ended" }, rig:told())
    rig:say_at(33, request { method = "INVITE" })
    assert.same({ "33.000 request INVITE" }, rig:told())
    tx:respond(486)
  end)

  -- @rfc 6026 8.5 MUST C-62
  it("sends another 2xx of its user on, made like the first", function()
    start()
    tx:respond(200, { headers = { "X-First", "1" } })
    rig:say_at(1, request { method = "INVITE" })
    assert.is_true(tx:respond(202, { reason = "Another", body = "other",
      headers = { "X-Second", "2" } }))
    assert.equal("accepted", tx:state())
    rig:say_at(2, request { method = "INVITE" })
    local got = rig:take()
    assert.same({ 0, 1 }, { got[1].at, got[2] and got[2].at })
    assert.is_nil(got[3])
    local one, two = got[1].message, got[2].message
    assert.same({ 202, "Another", "other", "2" },
      { two:status(), two:reason(), two:body(), two:header "X-Second" })
    assert.is_nil(two:header "X-First")
    for _, name in ipairs { "Via", "From", "To", "Call-ID", "CSeq" } do
      assert.equal(one:header(name), two:header(name), name)
    end
    rig:run()
    assert.same({ "32.000 ended" }, rig:told())
  end)

  -- @rfc 6026 8.5 MUST C-62
  it("sends it beside one that is repeated, which goes on", function()
    start()
    tx:respond(200, { until_ack = true })
    rig:run(1)
    assert.is_true(tx:respond(202))
    rig:run(3)
    assert.same({ "0.000 200 INVITE", "0.500 200 INVITE", "1.000 202 INVITE",
      "1.500 200 INVITE" }, rig:heard())
    rig:run()
    assert.same({ "32.000 no_ack", "32.000 ended" }, rig:told())
  end)

  -- @rfc 6026 8.5 MUST C-62
  it("repeats it in the place of the first when that is wanted", function()
    start()
    tx:respond(200, { until_ack = true })
    rig:run(1)
    assert.is_true(tx:respond(202, { until_ack = true }))
    rig:run(5)
    assert.same({ "0.000 200 INVITE", "0.500 200 INVITE", "1.000 202 INVITE",
      "1.500 202 INVITE", "2.500 202 INVITE", "4.500 202 INVITE" }, rig:heard())
    tx:acked()
    rig:run()
    assert.same({}, rig:heard())
    assert.same({ "32.000 ended" }, rig:told())
  end)

  -- @rfc 6026 8.5 MUST C-62
  it("takes no other final after a 2xx, and no other tag", function()
    start()
    tx:respond(200)
    for _, status in ipairs { 180, 302, 486, 603 } do
      assert.same({ nil, "state", "the transaction has had its final response" },
        { tx:respond(status) })
    end
    assert.same({ nil, "invalid", "another 2xx has the tag of the first" },
      { tx:respond(200, { tag = "else" }) })
    rig:run()
    assert.same({ "0.000 200 INVITE" }, rig:heard())
    assert.equal("gone", select(2, tx:respond(200)))
  end)

  -- @rfc 6026 8.7 MUST C-62
  it("gives an ACK of its own branch to its user", function()
    start()
    tx:respond(200)
    rig:say_at(1, request { method = "ACK" })
    assert.same({ "1.000 ack ACK" }, rig:told())
    assert.equal("accepted", tx:state())
  end)

  -- @rfc 3261 13.3.1.4 MUST C-105
  it("repeats a 2xx from T1 to T2 until it is told of the ACK", function()
    start()
    tx:respond(200, { until_ack = true })
    rig:run(8)
    assert.same({ 0, 0.5, 1.5, 3.5, 7.5 }, rig:instants "200")
    rig:say_at(8, request { method = "INVITE" })
    tx:acked()
    rig:run()
    assert.same({}, rig:heard())
    assert.same({ "32.000 ended" }, rig:told())
  end)

  -- @rfc 3261 13.3.1.4 MUST C-105
  it("says when 64*T1 have passed without an ACK", function()
    start()
    tx:respond(200, { until_ack = true })
    rig:run()
    assert.same({ 0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5 },
      rig:instants "200")
    assert.same({ "32.000 no_ack", "32.000 ended" }, rig:told())
  end)

  -- @rfc 3261 13.3.1.4 MUST C-105
  it("repeats it on a stream too", function()
    rig = rig_of.new { stream = true }
    rig.on.request = function(object)
      object:respond(200, { until_ack = true })
    end
    local id = rig.stream:connect(rig_of.OURS, 5060)
    rig.stream:write(id, request { method = "INVITE", transport = "TCP" })
    rig:run(4)
    assert.same({ 0, 0.5, 1.5, 3.5 }, rig:instants("200", rig.stream))
  end)
end)

describe("a response that cannot be sent", function()
  local virtual = simulated(it, "a stream to a host that is down")
  local rig, tx

  after_each(function()
    rig:clean()
  end)

  -- A request whose connection has gone, from a host that has gone: at 2 s.
  local function start(method)
    rig = rig_of.new { stream = true }
    rig.on.request = function(object)
      tx = object
    end
    local id = rig.stream:connect(rig_of.OURS, 5060)
    rig.stream:write(id, request { method = method, transport = "TCP",
      sent_by = "192.0.2.1:5999" })
    rig:run(1)
    rig.stream:shut(id)
    rig:run(2)
    rig:told()
    rig.far:set_down(true)
  end

  -- @rfc 6026 8.8 MUST C-68
  virtual("is reported, and an INVITE transaction stays as it is", function()
    start "INVITE"
    assert.is_true(tx:respond(180))
    rig:run(30)
    assert.same({ "22.000 closed tcp", "22.000 failed wire" }, rig:told())
    assert.equal("proceeding", tx:state())
    assert.is_true(tx:respond(486))
    rig.far:set_down(false)
    rig:run()
  end)

  -- @rfc 6026 8.8 MUST C-68
  for status, state in pairs { [486] = "completed", [200] = "accepted" } do
    virtual(("is reported when it is %d, and timers end what is %s"):format(status,
      state), function()
      start "INVITE"
      assert.is_true(tx:respond(status))
      rig:run(33)
      assert.same({ "22.000 closed tcp", "22.000 failed wire" }, rig:told())
      assert.equal(state, tx:state())
      rig:run(34)
      assert.equal("terminated", tx:state())
    end)
  end

  -- @rfc 6026 8.8 MUST C-68
  virtual("is reported, and a non-INVITE transaction stays as it is", function()
    start "OPTIONS"
    assert.is_true(tx:respond(100))
    rig:run(30)
    assert.same({ "22.000 closed tcp", "22.000 failed wire" }, rig:told())
    assert.equal("proceeding", tx:state())
    assert.is_true(tx:respond(200))
  end)
end)

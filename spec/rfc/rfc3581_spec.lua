-- rport: RFC 3581. C-28, C-29, and 18.2.2 of RFC 3261 without it: C-25, C-27.

local rig_of = require "spec.support.rig"

local request, response = rig_of.request, rig_of.response

describe("a response over UDP", function()
  local rig

  before_each(function()
    rig = rig_of.new { delay = 0.01 }
    rig.on.request = function(tx)
      tx:respond(200)
    end
  end)

  after_each(function()
    rig:clean()
  end)

  local function say_from(port, bytes)
    rig:say(bytes, port)
    rig:run(rig.world:now() + 0.5)
    return rig:take(rig.sockets[port]), rig:take()
  end

  -- @rfc 3581 4 MUST C-28
  it("goes to where the request came from, when it has rport", function()
    local there, standard = say_from(7777, request { via_more = ";rport" })
    assert.equal(0, #standard)
    assert.equal(1, #there)
    assert.equal("192.0.2.2:5060", there[1].from)
    local via = there[1].message:via(1)
    assert.equal("192.0.2.1", via.params.received)
    assert.equal("7777", via.params.rport)
  end)

  -- @rfc 3581 4 MUST C-28
  it("has rport and received whatever the request claimed there", function()
    local there = say_from(7777, request {
      via_more = ";rport=5;received=203.0.113.5", sent_by = "10.0.0.1:5060" })
    local line = there[1].message:header "Via"
    assert.equal(1, select(2, line:gsub("rport=", "")))
    assert.equal(1, select(2, line:gsub("received=", "")))
    assert.truthy(line:find("received=192.0.2.1", 1, true))
    assert.truthy(line:find("rport=7777", 1, true))
  end)

  -- @rfc 3261 18.2.2 MUST C-27
  it("goes to the port of sent-by without rport, 5060 by default", function()
    local there, standard = say_from(7777, request())
    assert.equal(0, #there)
    assert.equal(1, #standard)
    assert.is_nil(standard[1].message:via(1).params.rport)
    assert.is_nil(standard[1].message:via(1).params.received)
    local other = rig.far:raw { host = "192.0.2.1", port = 6060 }
    say_from(7777, request { branch = "z9hG4bK2", sent_by = "192.0.2.1:6060" })
    assert.equal(1, #other:take())
  end)

  -- @rfc 3261 18.2.1 MUST C-25
  it("says where a request came from, when its sent-by does not", function()
    for i, sent_by in ipairs { "10.0.0.1", "phone.example", "192.0.2.77:5060" } do
      rig:say(request { sent_by = sent_by, branch = "z9hG4bK-" .. i })
      rig:run(rig.world:now() + 0.1)
      local got = rig:take()
      assert.equal(1, #got)
      assert.equal("192.0.2.1", got[1].message:via(1).params.received)
    end
  end)

  -- @rfc 3261 18.2.2 MUST C-27
  it("goes to maddr", function()
    local other = rig.far:raw { host = "192.0.2.9", port = 5060 }
    rig:say(request { via_more = ";maddr=192.0.2.9" })
    rig:run(0.5)
    assert.equal(1, #other:take())
    assert.equal(0, #rig:take())
  end)

  it("is a refusal that goes the same way (C-28)", function()
    local there, standard = say_from(7777, request { via_more = ";rport",
      cseq = "1 REGISTER" })
    assert.equal(0, #standard)
    assert.equal(400, there[1].message:status())
    assert.equal("7777", there[1].message:via(1).params.rport)
    assert.equal("192.0.2.1", there[1].message:via(1).params.received)
  end)

  it("is a 100 that goes the same way (C-28)", function()
    local tx
    rig.on.request = function(object)
      tx = object
    end
    local there = say_from(7777, request { via_more = ";rport", method = "INVITE" })
    assert.equal(100, there[1].message:status())
    assert.equal("7777", there[1].message:via(1).params.rport)
    tx:respond(500)
  end)

  -- @rfc 3581 4 MUST C-28
  it("comes from the address the request came to", function()
    local world = rig.world
    local host = world:host("192.0.2.20", "192.0.2.21")
    local stack
    stack = host:stack { dispatch = function(kind, object)
      if kind == "request" then
        object:respond(200)
      end
    end }
    stack:listen { host = "0.0.0.0", port = 5060 }
    rig.peer:send("192.0.2.21", 5060, request { via_more = ";rport" })
    rig:run(1)
    assert.equal("192.0.2.21:5060", rig:take()[1].from)
    stack:close()
  end)
end)

describe("a request of ours over UDP", function()
  -- @rfc 3581 3 MUST C-29
  it("asks for rport, and hears the answer on the socket it was sent from", function()
    local rig = rig_of.new()
    rig:request()
    rig:run(0)
    local got = rig:take()[1]
    assert.equal("192.0.2.2:5060", got.from)
    assert.is_not_nil(got.message:via(1).params.rport)
    assert.equal("192.0.2.2", got.message:via(1).host)
    rig:say(response(got.message, 200))
    assert.same({ "0.000 response 200" }, rig:told())
    rig:clean()
  end)
end)

-- Flows below the calls (RFC 5626 5.2, 7): tokens, and targets that are bound to a
-- connection.

local core = require "sip.core"
local rig_of = require "spec.support.rig"

describe("a flow token", function()
  local rig, invite
  local WAYS = {
    { transport = "udp", host = "203.0.113.9", port = 40001, flow = 7, sole = true,
      outbound = false },
    { transport = "tls", host = "2001:db8::9", port = 65535, flow = 4294967295,
      sole = false, outbound = true },
  }

  local function request(fields)
    return assert(core.parse(rig_of.request(fields)))
  end

  local function uri(token, which)
    return ("sip:192.0.2.2;lr;mark=%s;%s=%s"):format(rig.stack:mark(invite), which,
      token)
  end

  before_each(function()
    rig = rig_of.new { secret = "a secret of 16 b" }
    invite = request { method = "INVITE" }
  end)

  after_each(function()
    rig:clean()
  end)

  -- @rfc 5626 5.2 MUST
  it("brings the way back, to the end that has not sent the request", function()
    for _, way in ipairs(WAYS) do
      local callee = uri(rig.stack:token(invite, "callee", way), "callee")
      local caller = uri(rig.stack:token(invite, "caller", way), "caller")
      local there = request { method = "BYE", to_tag = "b1" }
      local back = request { method = "BYE", from_tag = "b1", to_tag = "a1" }
      local found = rig.stack:token_way(there, callee)
      assert.equal(way.host, found.name)
      found.name = nil
      assert.same(way, found)
      assert.is_nil(rig.stack:token_way(back, callee))
      found = rig.stack:token_way(back, caller)
      found.name = nil
      assert.same(way, found)
      assert.is_nil(rig.stack:token_way(there, caller))
    end
  end)

  it("shows nobody where it leads", function()
    for _, way in ipairs(WAYS) do
      local one = rig.stack:token(invite, "callee", way)
      way.port = way.port - 1
      local other = rig.stack:token(invite, "callee", way)
      way.port = way.port + 1
      local same = 0
      for i = 1, #one do
        same = same + (one:byte(i) == other:byte(i) and 1 or 0)
      end
      assert.equal(#one, #other)
      assert.is_true(same < #one // 3, one .. " " .. other)
    end
  end)

  -- @rfc 5626 5.2 MUST
  it("is nothing when a letter of it is another", function()
    local there = request { method = "BYE", to_tag = "b1" }
    for _, way in ipairs(WAYS) do
      local token = rig.stack:token(invite, "callee", way)
      assert.truthy(rig.stack:token_way(there, uri(token, "callee")))
      for i = 1, #token - 1 do -- the last letter may hold bits that are not used
        local letter = token:sub(i, i) == "0" and "1" or "0"
        local forged = token:sub(1, i - 1) .. letter .. token:sub(i + 1)
        assert.is_nil(rig.stack:token_way(there, uri(forged, "callee")), i)
      end
      assert.is_nil(rig.stack:token_way(there, uri(token:sub(1, -2), "callee")))
      assert.is_nil(rig.stack:token_way(there, uri(token .. "0", "callee")))
      assert.is_nil(rig.stack:token_way(there, uri(token:upper() .. "Z", "callee")))
      assert.is_nil(rig.stack:token_way(there, uri("", "callee")))
    end
  end)

  it("is nothing for another call, end or secret", function()
    local there = request { method = "BYE", to_tag = "b1" }
    local token = rig.stack:token(invite, "callee", WAYS[1])
    -- the mark of another call with this token, and the other way round
    local other = request { method = "INVITE", call_id = "call-2" }
    local mark = rig.stack:mark(other)
    assert.is_nil(rig.stack:token_way(request { method = "BYE", call_id = "call-2",
      to_tag = "b1" }, ("sip:x;mark=%s;callee=%s"):format(mark, token)))
    assert.is_nil(rig.stack:token_way(there,
      ("sip:x;mark=%s;callee=%s"):format(mark, token)))
    local back = request { method = "BYE", from_tag = "b1", to_tag = "a1" }
    assert.is_nil(rig.stack:token_way(back, uri(token, "caller")))
    local far = rig_of.new { secret = "a secret of 16 c" }
    assert.is_nil(far.stack:token_way(there, uri(token, "callee")))
    far:clean()
  end)
end)

describe("a target that is bound to a connection", function()
  local rig, id

  before_each(function()
    rig = rig_of.new { stream = true }
    id = assert(rig.stream:connect(rig_of.OURS, 5060))
    rig:run(rig.world:now())
    assert(rig.stream:write(id, rig_of.request { transport = "TCP" }))
    rig:run(rig.world:now())
    rig:last("request"):respond(200)
    rig:run(rig.world:now())
    rig:take(rig.stream)
  end)

  after_each(function()
    rig:clean()
  end)

  local function bound(fields)
    local _, message = rig:last "request"
    local host, port, transport, flow = message:source()
    local spec = { method = "OPTIONS", uri = "sip:a@10.0.0.1", host = host, port = port,
      transport = transport, flow = flow, headers = { "From", "<sip:b@192.0.2.2>;tag=1",
        "To", "<sip:a@10.0.0.1>", "Call-ID", "1", "CSeq", "1 OPTIONS" } }
    for key, value in pairs(fields or {}) do
      spec[key] = value
    end
    local tx, name, why = rig.stack:request(spec)
    rig:run(rig.world:now())
    return tx, name, why
  end

  it("is reached by it, with a Via that names our own address there", function()
    assert(bound())
    local event = rig:take(rig.stream)[1]
    assert.equal("OPTIONS", event.message:method())
    assert.equal(id, event.id)
    assert.same({ "192.0.2.2", 5060 }, { event.message:via(1).host,
      event.message:via(1).port })
  end)

  -- @rfc 5626 7 MUST
  it("is gone with it, and not reached by another", function()
    rig.stream:shut(id)
    rig:run(rig.world:now())
    assert(rig.stream:connect(rig_of.OURS, 5060))
    rig:run(rig.world:now())
    assert.same({ "gone", "the connection is gone" },
      { select(2, bound()) })
  end)

  it("is gone, too, when the connection is somebody else's", function()
    assert.equal("gone", (select(2, bound { port = 9 })))
    assert.equal("gone", (select(2, bound { host = "192.0.2.9" })))
    assert.equal("gone", (select(2, bound { transport = "tls" })))
    assert.equal("gone", (select(2, bound { flow = 4000000 })))
  end)
end)

-- Requests that come inside an early dialog of ours, before anything was answered:
-- RFC 3261 12.1.2, 12.2.2, 15; RFC 5407 3.1.  C-94, C-100, C-118.

local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, B = "192.0.2.1", "192.0.2.2"

describe("inside an early dialog", function()
  local net, alice, sip_a, bob, invite

  before_each(function()
    net = net_of.new { delay = 0.01 }
    alice, sip_a = net:endpoint(A)
    invite = {}
    bob = net:stranger(B, {
      request = function(tx, req)
        if req:method() == "INVITE" then
          invite.tx, invite.req = tx, req
          local contact = { "Contact", "<sip:" .. B .. ">" }
          tx:respond(180, { tag = "early", headers = contact })
        else
          tx:respond(200)
        end
      end,
      cancel = function(tx)
        tx:respond(487, { tag = "early" })
      end,
    })
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function dial()
    local result = {}
    sip_a.spawn(function()
      result.peer, result.err = alice:dial("sip:bob@" .. B, { sdp = SDP, timeout = 10 })
    end)
    net:run(0.1)
    return result
  end

  local function from_bob(method, tag, fields)
    local all = {
      method = method,
      from = ("<sip:bob@%s>;tag=%s"):format(B, tag or "early"),
      to = invite.req:header "From",
      call_id = invite.req:call_id(),
      headers = {},
    }
    for key, value in pairs(fields or {}) do
      all[key] = value
    end
    bob.request(A, all)
  end

  local function answer(tag)
    invite.tx:respond(200, { tag = tag, body = SDP,
      headers = { "Contact", "<sip:" .. B .. ">", "Content-Type", "application/sdp" } })
  end

  it("INFO and OPTIONS are answered, and a re-INVITE with 491", function()
    dial()
    from_bob("INFO", nil, { cseq = 1, body = "Signal=5",
      content_type = "application/dtmf-relay" })
    from_bob("OPTIONS", nil, { cseq = 2 })
    from_bob("INVITE", nil, { cseq = 3, body = SDP })
    net:run(0.3)
    assert.same({ 200, 200, 491 }, bob.statuses())
  end)

  it("a BYE ends the attempt (C-100)", function()
    local result = dial()
    from_bob "BYE"
    net:run(2)
    assert.same({ 200 }, bob.statuses())
    assert.is_nil(result.peer)
    assert.equal("cancelled", result.err.name)
  end)

  it("a BYE of a fork that was not chosen leaves the call alone", function()
    local result = dial()
    bob.fork(invite.req, 180, "other")
    net:run(0.2)
    answer "early"
    net:run(0.4)
    assert.equal("answered", result.peer.state)
    from_bob("BYE", "other")
    net:run(1)
    assert.equal("answered", result.peer.state)
    assert.same({ 200 }, bob.statuses())
  end)
end)

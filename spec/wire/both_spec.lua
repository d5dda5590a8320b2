-- The same calls, by the same scripts, on the simulated wire and on the real one.
-- C-21, C-49, C-103, C-114, C-118.

local both = require "spec.support.both"
local net_of = require "spec.support.net"

local SDP = net_of.SDP

for _, wire in ipairs { "simulated", "real" } do
  describe("on the " .. wire .. " wire", function()
    local pair

    before_each(function()
      pair = both[wire]()
    end)

    -- Until it holds, for at most two seconds of either clock.
    local function await(holds)
      for _ = 1, 200 do
        if holds() then
          return
        end
        pair.sip.sleep(0.01)
      end
      error "it never came to that"
    end

    local function dial(user, transport, options)
      options = options or { sdp = SDP }
      return pair.run(function()
        return pair.alice:dial(pair.bob_uri(user, transport), options)
      end)
    end

    for _, transport in ipairs { "udp", "tcp" } do
      it("OPTIONS is answered over " .. transport, function()
        pair.bob:on_call(function() end)
        local status = pair.run(function()
          local res = assert(pair.alice:request {
            method = "OPTIONS", uri = pair.bob_uri("bob", transport),
          })
          return res:status()
        end)
        assert.equal(200, status)
        pair.close()
      end)

      it("a call is answered and hung up over " .. transport, function()
        local seen = {}
        pair.bob:on_call(function(call)
          call:finally(function()
            seen[#seen + 1] = "over"
          end)
          call:ring()
          call:answer { sdp = SDP }
          seen[#seen + 1] = "answered"
          call:wait()
        end)
        pair.run(function()
          local peer = assert(pair.alice:dial(pair.bob_uri("bob", transport),
            { sdp = SDP }))
          assert.equal("answered", peer.state)
          pair.sip.sleep(0.05)
          peer:hangup()
          await(function()
            return #seen == 2
          end)
        end)
        assert.same({ "answered", "over" }, seen)
        pair.close()
      end)
    end

    it("who is busy says so", function()
      pair.bob:on_call(function(call)
        call:reject(486)
      end)
      local peer, e = dial "bob"
      assert.is_nil(peer)
      assert.equal("busy", e.name)
      pair.close()
    end)

    it("who rings too long is cancelled", function()
      local state
      pair.bob:on_call(function(call)
        call:finally(function()
          state = call.state
        end)
        call:ring()
        call:wait()
      end)
      local e = pair.run(function()
        local _, why = pair.alice:dial(pair.bob_uri "bob", { sdp = SDP, timeout = 0.2 })
        await(function()
          return state
        end)
        return why
      end)
      assert.equal("no_answer", e.name)
      assert.equal("ended", state)
      pair.close()
    end)

    it("a script that fails is a 500, and the next call is taken", function()
      local calls = 0
      pair.bob:on_call(function(call)
        calls = calls + 1
        if calls == 1 then
          error "on purpose"
        end
        call:reject(603)
      end)
      local _, first = dial "bob"
      local _, second = dial "bob"
      assert.equal(500, first.status)
      assert.equal("declined", second.name)
      pair.close(1)
    end)

    it("an INVITE too large for UDP goes by TCP", function()
      local transport
      pair.bob:on_call(function(call)
        transport = select(3, call.tx:source())
        call:reject(486)
      end)
      dial("bob", nil, { sdp = SDP, headers = { ["X-Long"] = ("x"):rep(1500) } })
      assert.equal("tcp", transport)
      pair.close()
    end)

    it("digits and audio pass, and a hangup ends the other script", function()
      local digits, heard
      pair.bob:on_call(function(call)
        call:answer()
        digits = call:gather { digits = 3, timeout = 5 }
        call:play "tone:440/200,0/10*1"
        call:wait()
      end)
      pair.run(function()
        local peer = assert(pair.alice:dial(pair.bob_uri "bob"))
        peer:press "123"
        await(function()
          return digits
        end)
        pair.sip.sleep(0.3)
        heard = peer:stats().received
        peer:hangup()
      end)
      assert.equal("123", digits)
      assert.is_true(heard > 10)
      pair.close()
    end)
  end)
end

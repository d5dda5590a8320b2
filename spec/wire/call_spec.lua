-- What only real time shows of a call: the loop of production, its waits, and audio by
-- the thread of media over sockets. The scripts say when to go on; nothing sleeps.
-- Everything else of calls is in spec/sim, which `make wire` runs over sockets, too.

local production = require "spec.support.production"

describe("a call on the loop of production", function()
  local real, sip, alice, bob, bob_uri

  before_each(function()
    real = production.new()
    sip = real.sip
    real.loop:media_ports { first_port = 22010, last_port = 22099, sessions = 4 }
    alice = sip.new { listen = "udp:127.0.0.1:0" }
    bob = sip.new { listen = { "udp:127.0.0.1:0", "tcp:127.0.0.1:0" } }
    bob_uri = {}
    for _, at in ipairs(bob.listening) do
      local transport, place = at:match "^(%a+):(.*)$"
      bob_uri[transport] = ("sip:bob@%s;transport=%s"):format(place, transport)
    end
  end)

  after_each(function()
    sip.run(function()
      alice:close()
      bob:close()
    end)
    real:close()
  end)

  for _, transport in ipairs { "udp", "tcp" } do
    it("passes digits and audio both ways, signalled over " .. transport, function()
      local asked, answered, heard
      bob:on_call(function(call)
        call:ring()
        call:answer()
        asked = call:gather { digits = 3, timeout = 5 }
        call:play "tone:440/200,0/10*1"
        call:press "9"
        call:wait()
      end)
      sip.run(function()
        local peer = assert(alice:dial(bob_uri[transport]))
        peer:press "123"
        answered = peer:gather { digits = 1, timeout = 5 }
        heard = peer:stats().received
        peer:hangup()
      end)
      assert.equal("123", asked)
      assert.equal("9", answered)
      assert.is_true(heard > 10)
    end)
  end

  it("has the collector work in steps, and afterwards as before", function()
    local was = collectgarbage "generational"
    local inside
    sip.run(function()
      inside = collectgarbage "incremental"
    end)
    assert.equal("incremental", inside)
    assert.equal("generational", collectgarbage(was))
  end)
end)

-- Many quiet addresses together on real sockets, in a network of the spec's own: 198 of
-- them send what they can, each less than any rule is for. RFC 3261 26.3.2.4. C-238.

local namespace = require "spec.support.namespace"

local NETWORK = [[
  ip link set lo up
  ip addr add 10.66.0.1/16 dev lo
  ip addr add 10.66.2.1/16 dev lo
  ip addr add 10.66.2.2/16 dev lo
  i=0
  while [ $((i += 1)) -le 198 ]; do
    echo "addr add 10.66.1.$i/16 dev lo"
  done | ip -batch -
  siege() {
    lua5.4 spec/support/siege.lua "$@"
  }
  siege server & server=$!
  sleep 0.3
  siege phone & phone=$!
  siege stranger & stranger=$!
  sleep 0.5
  siege crowd
  wait $server $phone $stranger
]]

describe("a server that many quiet addresses besiege", function()
  -- @rfc 3261 26.3.2.4 SHOULD C-238
  namespace.it("answers who has a password, and who has none", function()
    local said = namespace.run(NETWORK)
    local function numbers(who)
      local found = {}
      for number in (said:match("\n" .. who .. "([%d. ]+)") or ""):gmatch "%S+" do
        found[#found + 1] = tonumber(number)
      end
      return table.unpack(found)
    end
    -- it was a siege: more came than was read, and nobody was stopped for what he is
    local _, stopped, dropped = numbers "server"
    assert.equal(0, stopped, said)
    assert.is_true(dropped > 1000, said)
    -- and every question was answered, in two seconds more than one that was lost and
    -- repeated leaves time for
    local asked, answered = numbers "phone"
    assert.is_true(asked >= 3, said)
    assert.equal(asked, answered, said)
    asked, answered = numbers "stranger"
    assert.is_true(asked >= 3, said)
    assert.equal(asked, answered, said)
  end)
end)

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
  said=$(mktemp -d)
  siege() {
    lua5.4 spec/support/siege.lua "$@"
  }
  # until WORD WHO: he has said it, or has ended
  until_said() {
    while ! grep -q "$1" "$said/$2" && kill -0 $!; do
      sleep 0.05
    done
  }
  siege server "$said/over" >"$said/server" & server=$!
  until_said ready server
  siege phone >"$said/phone" & phone=$!
  until_said "logged in" phone
  siege stranger >"$said/stranger" & stranger=$!
  siege crowd
  wait $phone $stranger
  touch "$said/over"
  wait $server
  cat "$said"/*
  rm -r "$said"
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
    assert.is_true(dropped > 0, said)
    -- and all that was asked was answered (how soon depends on the machine)
    for _, who in ipairs { "phone", "stranger" } do
      local asked, answered = numbers(who)
      assert.is_true(asked >= 1, said)
      assert.equal(asked, answered, said)
    end
  end)
end)

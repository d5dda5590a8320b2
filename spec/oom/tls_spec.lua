-- OpenSSL's memory fails, at one allocation of a connection over TLS after the other,
-- or at several in a row: whoever asks gets an error or an answer, afterwards everybody
-- is answered, and nothing is left.  C-38.

local certificates = require "spec.support.certificates"

local BUILD = os.getenv "SIP_BUILD" or "build"

-- OpenSSL makes some things once and keeps them; what a failure left would add up.
local KEPT = 64

describe("OpenSSL without memory", function()
  local made, pair

  setup(function()
    assert(os.execute(("make -s OUT=%s %s/oom_lua"):format(BUILD, BUILD)))
    made = certificates.new()
    pair = made:issue { san = "IP:127.0.0.1" }
  end)

  teardown(function()
    made:remove()
  end)

  local function run(first, step, count)
    local pipe = assert(io.popen(("LUA_PATH='./lua/?.lua;./lua/?/init.lua;;' "
      .. "LUA_CPATH='%s/?.so;;' timeout 200 %s/oom_lua spec/oom/openssl.lua %s %s %s "
      .. "%d %d %d 2>&1"):format(BUILD, BUILD, pair.cert, pair.key, made.ca, first,
      step, count)))
    local said = pipe:read "a"
    local ok = pipe:close()
    assert.is_true(ok, said)
    local tried, kept = said:match "connection\t(%d+)\t(%d+)\n"
    assert.is_true(tonumber(tried) > 9000 / step, said)
    assert.is_true(tonumber(kept) < KEPT, said)
  end

  it("fails a handshake and nothing else: one failure", function()
    run(1, 13, 1)
  end)

  it("fails a handshake and nothing else: twenty in a row", function()
    run(1, 97, 20)
  end)
end)

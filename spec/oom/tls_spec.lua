-- OpenSSL's memory fails, at one allocation after the other of a connection over TLS,
-- of an endpoint that is made, or of a certificate that is renewed; or at several in a
-- row.  Whoever asks gets an error or an answer, afterwards everybody is answered, and
-- nothing is left.  C-38.

local certificates = require "spec.support.certificates"

local BUILD = os.getenv "SIP_BUILD" or "build"

-- OpenSSL makes some things once and keeps them; what a failure left would add up.
local KEPT = 64

describe("OpenSSL without memory", function()
  local made, pair, other

  setup(function()
    assert(os.execute(("make -s OUT=%s %s/oom_lua"):format(BUILD, BUILD)))
    made = certificates.new()
    pair = made:issue { san = "IP:127.0.0.1" }
    other = made:issue { san = "URI:sip:renewed.example" }
  end)

  teardown(function()
    made:remove()
  end)

  local function run(count, step, last, least)
    local pipe = assert(io.popen(("LUA_PATH='./lua/?.lua;./lua/?/init.lua;;' "
      .. "LUA_CPATH='%s/?.so;;' timeout 400 %s/oom_lua spec/oom/openssl.lua %s %s %s "
      .. "%s %s %d %d %d 2>&1"):format(BUILD, BUILD, pair.cert, pair.key, made.ca,
      other.cert, other.key, count, step, last)))
    local said = pipe:read "a"
    local ok = pipe:close()
    assert.is_true(ok, said)
    for _, name in ipairs { "connection", "endpoint", "renewal" } do
      local tried, kept = said:match(name .. "\t(%d+)\t(%d+)\n")
      assert.is_true(tonumber(tried) >= least // step, said)
      assert.is_true(tonumber(kept) < KEPT, said)
    end
  end

  it("fails what it was asked for and nothing else: one failure", function()
    run(1, 13, math.maxinteger, 9000)
  end)

  it("fails what it was asked for and nothing else: twenty in a row", function()
    run(20, 97, math.maxinteger, 9000)
  end)

  it("leaves out no cipher, where they are looked up", function()
    run(20, 3, 300, 300)
  end)
end)

-- RFC 3261 16 at its edges: scripts that end too early, answers that cannot go back,
-- targets that are no Request-URI, an endpoint that closes meanwhile.

local forwarding = require "spec.support.forwarding"
local net_of = require "spec.support.net"

local PROXY, CLIENT, AOR = forwarding.PROXY, forwarding.CLIENT, forwarding.AOR
local ONE, TWO, THREE = forwarding.ONE, forwarding.TWO, forwarding.THREE
local NOBODY, SLOW = forwarding.NOBODY, "192.0.2.24"
local at = forwarding.at

describe("a proxy", function()
  local f, proxy, net

  before_each(function()
    f = forwarding.new()
    proxy, net = f.proxy, f.net
  end)

  after_each(function()
    f:finish()
  end)

  local function sleep(seconds)
    net:sip(PROXY).sleep(seconds)
  end

  -- A server that is too slow even for a 100.
  local function slow(...)
    f.servers[SLOW] = net:stranger(SLOW, nil, { trying = 60 })
    f:answers(SLOW, ...)
  end

  describe("whose script ends first", function()
    it("lets nothing wait that asked for `fallback`", function()
      f:forward_to(at(NOBODY), { fallback = true })
      f:send { method = "MESSAGE" } -- fails when the script has had its time
      f:run(200)
      assert.same({}, f:statuses())
    end)

    it("sends back what a coroutine of its own has forwarded", function()
      proxy:on("*", function(req)
        net:sip(PROXY).spawn(function()
          req:forward(at(ONE), { fallback = true })
        end)
        sleep(1)
      end)
      f:answers(ONE, 5, 486)
      f:send()
      f:run(20)
      assert.same({ 486 }, f:statuses())
    end)

    it("keeps no transaction of what nobody waits for any more", function()
      proxy:on("*", function()
        sleep(1000)
      end)
      f:send { method = "MESSAGE" }
      f:run(34)
      assert.equal(0, proxy.stack:stats().transactions)
    end)
  end)

  it("C-196, RFC 4320 4.2: does not forward a repeated request again when it has "
    .. "given up early", function()
    local times = 0
    proxy:on("*", function(req)
      times = times + 1
      req:forward(at(NOBODY), { timeout = 3 })
    end)
    f:send { method = "MESSAGE" }
    f:run(100)
    assert.equal(1, times)
    assert.same({}, f:statuses())
  end)

  describe("with more than goes back", function()
    it("C-212: sends challenges without end as far as they go", function()
      f:forward_to { at(ONE), at(TWO) }
      local list = {}
      for i = 1, 70 do
        list[2 * i - 1], list[2 * i] = "WWW-Authenticate", ('Digest realm="%d"'):format(i)
      end
      f:answers(ONE, 0, { 401, headers = list })
      f:answers(TWO, 0.1, { 401, headers = list })
      f:send()
      f:run(20)
      assert.same({ 401 }, f:statuses())
      assert.equal(102, #f:last_response():values "WWW-Authenticate")
    end)

    it("sends one challenge when there is no room for all", function()
      f:forward_to { at(ONE), at(TWO), at(THREE) }
      local long = {}
      for i = 1, 6 do
        long[2 * i - 1], long[2 * i] = "Proxy-Authenticate",
          ('Digest realm="%s"'):format(("x"):rep(4900))
      end
      for _, ip in ipairs { ONE, TWO, THREE } do
        f:answers(ip, 0, { 407, headers = long })
      end
      f:send()
      f:run(20)
      assert.same({ 407 }, f:statuses())
      assert.equal(6, #f:last_response():values "Proxy-Authenticate")
    end)

    it("lets no script edit without end", function()
      local complaint
      f:forward_to(at(ONE), nil, function(req)
        complaint = select(2, pcall(function()
          for _ = 1, 70 do
            req:add("X-Long", "1")
          end
        end))
      end)
      f:answers(ONE, 0, 200)
      f:send { method = "MESSAGE" }
      f:run(1)
      assert.truthy(tostring(complaint):find "no more than 50 edits")
      assert.equal(50, #f:requests(ONE)[1]:values "X-Long")
      assert.same({ 200 }, f:statuses())
    end)
  end)
end)

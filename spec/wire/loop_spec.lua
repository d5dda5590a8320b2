-- The loop itself: waiting, waking, signals, and being driven by another loop.

local late = require "sip.test".alarm.late
local process = require "spec.support.process"
local wire = require "spec.support.wire"

local function own_pid()
  return assert(io.open "/proc/self/stat"):read "n"
end

-- Not os.execute, which ignores SIGINT while it runs.
local function kill(name, pid)
  assert(io.popen(("kill -%s %d"):format(name, pid))):close()
end

describe("the loop", function()
  local w

  before_each(function()
    w = wire.new()
  end)

  after_each(function()
    w:close()
  end)

  it("waits no longer than it was told, and not shorter", function()
    w:poll(0)
    local function waited_ms(seconds)
      local before = w.net:now()
      w:poll(seconds)
      return math.floor((w.net:now() - before) * 1000 + 0.5)
    end
    assert.is_true(waited_ms(0.02) >= 20)
    local least = math.huge -- others want the processor, too
    for _ = 1, 20 do
      least = math.min(least, waited_ms(0))
    end
    assert.equal(0, least)
  end)

  it("uses no processor while it waits", function()
    local before = w.net:cpu()
    w:poll(0.05)
    assert.is_true(w.net:cpu() - before < 0.04)
  end)

  it("does not sleep on when its time has come on its way into the wait", function()
    local rescue = process.start("rescue", { "sh", "-c",
      ("sleep 60; kill -TERM %d"):format(own_pid()) })
    local overslept = late(1)
    rescue:kill "KILL"
    assert.is_false(overslept)
  end)

  it("is woken, also before it waits", function()
    w.net:wake()
    w:poll() -- for ever, else
    w.net:wake()
    w.net:wake()
    w:poll()
  end)

  it("tells another loop how long it may wait", function()
    w:poll(0)
    assert.is_nil(w.net:wait())
    local a, port = w.net:listen("UDP", "127.0.0.1", 0)
    assert.equal(0, w.net:wait()) -- the socket is not watched yet
    w:poll(0)
    assert.is_nil(w.net:wait())
    w.net:lookup("localhost", "A", 1)
    assert.equal(0, w.net:wait()) -- an answer is owed
    w:expect { kind = "records" }
    w:poll(0)
    assert.is_nil(w.net:wait())
    assert.is_true(w.net:send(a, ("x"):rep(65520), 1, "127.0.0.1", port))
    w:expect { kind = "failed" }
    w:poll(0)
    assert.is_nil(w.net:wait())
  end)

  it("hears SIGTERM and SIGINT while it is told to", function()
    assert.is_true(w.net:signals(true))
    local pid = own_pid()
    kill("TERM", pid)
    assert.equal("SIGTERM", w:expect({ kind = "signal" }).name)
    kill("INT", pid)
    assert.equal("SIGINT", w:expect({ kind = "signal" }).name)
    assert.is_true(w.net:signals(false))
  end)

  it("is one of many that do not know of each other", function()
    local other = wire.new()
    local a = w.net:listen("UDP", "127.0.0.1", 0)
    local b, port = other.net:listen("UDP", "127.0.0.1", 0)
    assert.is_true(w.net:send(a, "over there", 1, "127.0.0.1", port))
    w:poll(0)
    assert.equal("over there", other:expect({ kind = "bytes", id = b }).bytes)
    other:close()
    w:poll(0)
    assert.same({}, w.events)
  end)
end)

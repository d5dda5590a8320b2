-- Programs that specs start: who listens, what a last word is, and that nobody is left.

local process = require "spec.support.process"
local wire = require "spec.support.wire"

describe("a program of a spec", function()
  local w

  before_each(function()
    w = wire.new()
  end)

  after_each(function()
    process.end_all()
    w:close()
  end)

  it("does not listen where somebody else does, and the error says who", function()
    for _, transport in ipairs { "udp", "tcp" } do
      local port = select(2, assert(w.net:listen(transport:upper(), "127.0.0.1", 0)))
      local other = process.start("other", { "sh", "-c", "echo I cannot" })
      local ok, e = pcall(other.listens, other, transport, port)
      assert.is_false(ok)
      assert.matches(("other does not listen at %s:%d: it has ended; lua5%%.4 "
        .. "%%(process %%d+%%) does\nI cannot\n"):format(transport, port), e)
    end
  end)

  it("listens when one of its children does", function()
    local free, port = assert(w.net:listen("TCP", "127.0.0.1", 0))
    w.net:unlisten(free)
    process.start("parent", { "sh", "-c", ("openssl s_server -nocert -port %d & wait")
      :format(port) }):listens("tcp", port)
  end)

  it("is heard to its last word", function()
    for _ = 1, 20 do
      process.start("brief", { "echo", "the end" }):says "the end"
    end
  end)

  it("is gone with all its children, also those that hear nothing", function()
    local parent = process.start("parent", { "sh", "-c",
      "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait" })
    local child = parent:says "(%d+)\n"
    process.end_all()
    assert.is_nil(process.read("/proc/" .. child .. "/cmdline"):match "%S")
  end)
end)

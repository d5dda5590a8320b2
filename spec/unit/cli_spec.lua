-- The command, run as its users run it: from a checkout, from any folder.

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1; echo $?"))
  local text = pipe:read "a"
  pipe:close()
  local output, status = text:match "^(.-)(%d+)\n$"
  return output, tonumber(status)
end

describe("the command", function()
  local version = require "sip.version"

  it("prints its version", function()
    local output, status = run "lua5.4 bin/luasip --version"
    assert.equal(("luasip %s (Lua 5.4)\n"):format(version), output)
    assert.equal(0, status)
  end)

  it("finds its modules from every folder", function()
    local expected = run "lua5.4 bin/luasip --version"
    assert.equal(expected, (run "cd bin && lua5.4 luasip --version"))
    assert.equal(expected, (run 'top=$PWD && cd / && "$top/bin/luasip" --version'))
    assert.equal(expected, (run "cd spec && ../bin/luasip --version"))
  end)

  it("prints its usage on request", function()
    local output, status = run "bin/luasip --help"
    assert.truthy(output:find("usage: luasip", 1, true))
    assert.equal(0, status)
  end)

  it("refuses what it does not know", function()
    local output, status = run "bin/luasip no-such-command"
    assert.truthy(output:find("unknown command 'no-such-command'", 1, true))
    assert.equal(2, status)
  end)

  it("refuses to guess", function()
    local _, status = run "bin/luasip"
    assert.equal(2, status)
  end)
end)

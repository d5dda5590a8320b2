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

  it("refuses a command line that makes no sense, and says why", function()
    for line, why in pairs {
      ["call"] = "call: something is missing",
      ["call x --what"] = "call: unknown option '--what'",
      ["call 'a b'"] = "call: 'a b' is no URI",
      ["call sip:x --press 1x"] = "--press: '1x' has more than",
      ["call sip:x --play no.wav"] = "--play: no.wav: No such file",
      ["call sip:x --password p"] = "--password wants --user",
      ["ping sip:x --from ''"] = "--from: '' is no URI",
      ["register sip:192.0.2.1"] = "'sip:192.0.2.1' names no user",
      ["register tel:+1 --user x"] = "'tel:+1' is no SIP URI",
      ["register sip:a@b --expires 0.5"] = "--expires wants a whole number",
      ["register sip:a@b --contact ''"] = "--contact: '' is no URI",
      ["register 'a b'"] = "register: 'a b' is no URI",
      ["run"] = "run: something is missing",
      ["check"] = "check: a script, or --listen",
    } do
      local output, status = run("bin/luasip " .. line)
      assert.equal(2, status, line)
      assert.truthy(output:find(why, 1, true), output)
      local usage = "\nusage: luasip " .. line:match "%l+"
      assert.truthy(output:find(usage, 1, true), output)
    end
  end)

  describe("run", function()
    local path

    local function script(text)
      path = os.tmpname()
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
      return path
    end

    after_each(function()
      if path then
        os.remove(path)
        path = nil
      end
    end)

    it("gives a script its arguments", function()
      local output, status = run("bin/luasip run " .. script [[
        print(arg[0] == debug.getinfo(1, "S").short_src, #arg, ...)
      ]] .. " a --b -- --trace")
      assert.equal("true\t3\ta\t--b\t--trace\n", output)
      assert.equal(0, status)
    end)

    it("says where a script has failed, and how it came there", function()
      local output, status = run("bin/luasip run " .. script [[
        local function inner() error "broken" end
        inner()
      ]])
      assert.equal(1, status)
      assert.truthy(output:find "^luasip run: [^\n]*:1: broken\nstack traceback:")
      assert.truthy(output:find("in main chunk\n$"), output)
    end)

    it("says what kept a script from running at all", function()
      local output, status = run "bin/luasip run no/such.lua"
      assert.equal("luasip run: cannot open no/such.lua: No such file or directory\n",
        output)
      assert.equal(1, status)
      output, status = run("bin/luasip run " .. script "x = = 1")
      assert.truthy(output:find("^luasip run: [^\n]*:1: unexpected symbol"), output)
      assert.equal(1, status)
    end)
  end)
end)

-- The command as people use it: real processes that call each other on loopback.

local core = require "sip.core"
local tree = require "spec.support.tree"
local wire = require "spec.support.wire"

local LUA = "lua5.4 bin/luasip "

-- A command that has ended: its output with its complaints, and its status.
local function run(command)
  local pipe = assert(io.popen(LUA .. command .. " 2>&1; echo $?"))
  local output, status = pipe:read("a"):match "^(.-)(%d+)\n$"
  pipe:close()
  return output, tonumber(status)
end

local function kill(signal, pid)
  assert(io.popen(("kill -%s %d 2>&1"):format(signal, pid))):close()
end

describe("the command", function()
  local running

  before_each(function()
    running = {}
  end)

  after_each(function()
    for _, one in ipairs(running) do
      one:stop()
    end
  end)

  -- One that runs on, as soon as it has said its first line.
  local function start(command, before)
    local pipe = assert(io.popen((before or "") .. "echo $$; exec " .. LUA .. command
      .. " 2>&1"))
    local one = { pipe = pipe, pid = pipe:read "n" }
    assert(pipe:read "l") -- the rest of that line
    one.first = pipe:read "l"
    function one:stop(signal)
      if self.pipe then
        kill(signal or "TERM", self.pid)
        self.output = self.pipe:read "a"
        self.pipe:close()
        self.pipe = nil
      end
      return self.output
    end
    running[#running + 1] = one
    return one
  end

  local function example(name, options)
    local one = start(("run %s examples/%s.lua udp:127.0.0.1:0"):format(options or "",
      name))
    one.uri = "sip:x@" .. one.first:match "^luasip: listening at udp:(.*)$"
    return one
  end

  it("calls, records what it hears, and says how it went", function()
    local hello = example("hello", "--trace")
    local heard = os.tmpname()
    local output, status = run(("call %s --record %s"):format(hello.uri, heard))
    assert.equal(0, status)
    for _, word in ipairs { "%[dial ", "INVITE sdp", "200 OK %(INVITE%) sdp",
      "ACK", "BYE", "hung up by the other side after %d+%.%d s\n",
      "recorded %d+%.%d s" } do
      assert.is_truthy(output:find(word), word)
    end
    local samples = assert(core.wav_samples(tree.read(heard)))
    os.remove(heard)
    local said = core.wav_samples(tree.read "examples/sounds/hello.wav")
    assert.is_true(core.pcm_correlate(samples .. ("\0"):rep(1600), said) > 0.9)
    assert.is_truthy(hello:stop "INT":find "%[play examples/sounds/hello.wav%]")
  end)

  it("leaves half of the files that it may open to calls", function()
    local w = wire.new()
    local hello = start("run examples/hello.lua tcp:127.0.0.1:0",
      "ulimit -Sn 50; ulimit -Hn 100; ")
    assert.matches("only 100 files may be open at once", hello.first)
    local port = tonumber(hello.pipe:read "l":match "tcp:127%.0%.0%.1:(%d+)$")
    for _ = 1, 60 do
      assert(w.net:open("TCP", "127.0.0.1", port))
    end
    for _ = 1, 10 do
      w:expect { kind = "closed" }
    end
    for _ = 1, 60 do
      w:expect { kind = "opened" }
    end
    w:poll(0)
    assert.same({}, w.events)
    w:close()
  end)

  it("answers 503 when it has no files for media", function()
    -- Just as many as it takes to listen, besides those that we have handed on.
    local files, port = 8, nil
    repeat
      local hello = start("run examples/hello.lua udp:127.0.0.1:0",
        ("ulimit -n %d; "):format(files))
      for line in hello.pipe:lines() do
        port = line:match "listening at udp:127%.0%.0%.1:(%d+)$"
        if port then
          break
        end
      end
      files = files + 1
    until port or files > 64
    local output, status = run(("call sip:x@127.0.0.1:%s"):format(port))
    assert.equal(1, status)
    assert.matches("503 Service Unavailable", output, 1, true)
  end)

  it("presses digits, and hears them from an echo", function()
    local echo = example "echo"
    -- What is pressed before the other side has begun to echo is not sent back.
    local output, status = run(("call %s --press ,1#,d --timeout 5"):format(echo.uri))
    assert.equal(0, status)
    local digits = ""
    for digit in output:gmatch "%(digit (.)%)" do
      digits = digits .. digit
    end
    assert.equal("1#D", digits)
    assert.is_true(tonumber(output:match "hung up by us after (%d+%.%d) s") >= 5)
  end)

  it("says why it was not answered", function()
    local numbers = example "numbers"
    local busy = numbers.uri:gsub("x@", "busy@")
    local output, status = run("call " .. busy)
    assert.equal(1, status)
    assert.is_truthy(output:find("the other side is busy (486 Busy Here)", 1, true))
    output, status = run(("call %s --timeout 0.5"):format(busy:gsub("busy@", "ring@")))
    assert.equal(1, status)
    assert.is_truthy(output:find("no answer", 1, true))
  end)

  it("says that it has no socket for the way", function()
    local output, status = run(
      "call 'sip:127.0.0.1:9;transport=udp' --listen tcp:127.0.0.1:0")
    assert.equal(1, status)
    assert.is_truthy(output:find("cannot be reached (udp towards 127.0.0.1: ", 1, true))
  end)

  it("says what could not be played or recorded", function()
    local echo = example "echo"
    local output, status = run(("call %s --play bin/luasip"):format(echo.uri))
    assert.equal(1, status)
    assert.is_truthy(output:find("bin/luasip: not a WAV file", 1, true))
    output, status = run(("call %s --timeout 2 --record no/x.wav"):format(echo.uri))
    assert.equal(1, status)
    assert.is_truthy(output:find("no/x.wav: no such file or directory", 1, true))
  end)

  it("hangs up when it is interrupted", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write [[
      local sip = require "sip"
      local ua <close> = sip.new { listen = arg }
      ua:on_call(function(call)
        call:finally(function() print "ended" end)
        call:answer()
        print "answered"
        call:wait()
      end)
      sip.run()
    ]]
    file:close()
    local server = start(("run %s udp:127.0.0.1:0"):format(path))
    os.remove(path)
    local call = assert(io.popen(("echo $$; exec %s call sip:%s 2>&1"):format(LUA,
      server.first:match "udp:(.*)$")))
    local pid = call:read "n"
    assert.equal("answered", server.pipe:read "l")
    kill("INT", pid)
    local output = call:read "a"
    assert.same({ nil, "exit", 130 }, { call:close() })
    assert.is_truthy(output:find "200 OK %(BYE%)")
    assert.is_truthy(output:find "luasip call: interrupted\n$")
    assert.equal("ended", server.pipe:read "l")
  end)

  it("finds a script that forgot to run", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write 'require "sip".new { listen = "udp:127.0.0.1:0" }'
    file:close()
    local output, status = run("run " .. path)
    os.remove(path)
    assert.equal(1, status)
    assert.is_truthy(output:find("ended without sip.run()", 1, true))
  end)

  it("asks whether somebody is there", function()
    local hello = example "hello"
    local output, status = run("ping " .. hello.uri)
    assert.equal(0, status)
    assert.is_truthy(output:find("^" .. hello.uri:gsub("%p", "%%%0")
      .. ": 200 OK in %d+ ms\n$"))
    hello:stop()
    output, status = run("ping " .. hello.uri)
    assert.equal(1, status)
    assert.is_truthy(output:find("connection refused", 1, true))
  end)

  describe("registers", function()
    -- A registrar that also has another phone, and takes as many REGISTERs as it is
    -- told; it prints what it hears.
    local function registrar(count)
      local path = os.tmpname()
      local file = assert(io.open(path, "w"))
      file:write([[
        local sip = require "sip"
        local ua <close> = sip.new { listen = "udp:127.0.0.1:0" }
        local heard = 0
        ua:on("REGISTER", function(req)
          heard = heard + 1
          print(req:header "To", req:header "Contact")
          if heard > ]] .. count .. [[ then return req:reply(403) end
          req:reply(200, { headers = { Contact = {
            req:header "Contact", "<sip:2001@192.0.2.7>;q=0.5;expires=60" } } })
        end)
        sip.run()
      ]])
      file:close()
      local server = start("run " .. path)
      os.remove(path)
      server.address = server.first:match "udp:(.*)$"
      return server
    end

    local function register(server)
      return assert(io.popen(("echo $$; exec %s register --expires 90 sip:2001@%s 2>&1")
        :format(LUA, server.address)))
    end

    it("until it is interrupted, and removes that", function()
      local server = registrar(2)
      local pipe = register(server)
      local pid = pipe:read "n"
      assert(pipe:read "l")
      assert.equal("sip:2001@127.0.0.1 is registered at sip:" .. server.address
        .. " for 90 s; ^C removes that", pipe:read "l")
      assert.equal("", pipe:read "l")
      assert.is_truthy(pipe:read "l":find "^  CONTACT +EXPIRES IN  Q$")
      local own = pipe:read "l":match "^  (sip:2001@127.0.0.1:%d+) %(this one%)  +90 s$"
      assert.is_truthy(own)
      assert.is_truthy(pipe:read "l":find "^  sip:2001@192.0.2.7 +60 s  0.5$")
      kill("INT", pid)
      assert.equal("\nsip:2001@127.0.0.1: removed\n", pipe:read "a")
      assert.is_true(pipe:close())
      assert.equal(("<sip:2001@127.0.0.1>\t<%s>;expires=90"):format(own),
        server.pipe:read "l")
      assert.equal(("<sip:2001@127.0.0.1>\t<%s>;expires=0"):format(own),
        server.pipe:read "l")
    end)

    it("and says that nobody has confirmed the removal", function()
      local pipe = register(registrar(1))
      local pid = pipe:read "n"
      for _ = 1, 6 do
        assert(pipe:read "l")
      end
      kill("TERM", pid)
      assert.equal("\nluasip register: nobody has confirmed the removal: the request "
        .. "was refused (403 Forbidden)\n", pipe:read "a")
      assert.same({ nil, "exit", 1 }, { pipe:close() })
    end)

    it("or says why not", function()
      local server = registrar(0)
      local output, status = run("register sip:2001@" .. server.address)
      assert.equal(1, status)
      assert.equal(("luasip register: sip:2001@%s: the request was refused "
        .. "(403 Forbidden)\n"):format(server.address), output)
      server:stop()
      output, status = run("register sip:2001@" .. server.address)
      assert.equal(1, status)
      assert.is_truthy(output:find("connection refused", 1, true))
    end)
  end)

  it("says who has the port already", function()
    local hello = example "hello"
    local address = hello.uri:match "@(.*)$"
    local output, status = run("run examples/hello.lua udp:" .. address)
    assert.equal(1, status)
    assert.is_truthy(output:find "^luasip run: examples/hello.lua:%d+: sip.new: cannot")
    assert.is_truthy(output:find("is in use already", 1, true))
  end)
end)

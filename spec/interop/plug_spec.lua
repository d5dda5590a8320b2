-- Strangers that are killed or stopped in the middle of a call, and garbage that comes
-- beside one: the script goes on by its own rules, the other side gets all that it
-- should, nothing is left open, and the next call works.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"
local wire = require "spec.support.wire"

local PORT, FIRST, NEXT = 12600, 12610, 12650

local function near(expected, value, by, what)
  assert.is_true(value >= expected - by and value <= expected + by,
    ("%s: %g instead of %g"):format(what, value, expected))
end

for _, transport in ipairs { "udp", "tcp" } do
  local suffix = transport == "tcp" and ";transport=tcp" or ""

  describe("a callee over " .. transport:upper(), function()
    local callee, open, answered

    -- What it has open: sockets of calls, connections, recordings.
    local function descriptors()
      local pipe <close> = io.popen(("ls /proc/%d/fd | wc -l"):format(callee.pid))
      return pipe:read "n"
    end

    -- Nothing is left of the call but the listener; then it ends well.
    after_each(function()
      callee:kill "INT"
      assert.equal(0, (callee:wait()))
      assert.matches("stopped", callee:output())
    end)

    after_each(function() -- whatever came of that
      strangers.end_all()
    end)

    local function is_as_before(stranger)
      stranger:kill()
      stranger:wait()
      process.wait(process.PATIENCE, "everything to be closed", function()
        return descriptors() == open
      end)
    end

    local function next_call_works()
      strangers.succeeds(strangers.sipp("uac", { port = NEXT, to = PORT,
        user = "answer", tcp = transport == "tcp" }))
      answered = answered + 1
      callee:says(("ended answer nil\n.*"):rep(answered))
    end

    -- The first call has opened what all of them share.
    before_each(function()
      callee = strangers.luasip("callee.lua", { transport .. ":127.0.0.1:" .. PORT })
      callee:says "ready"
      answered = 0
      next_call_works()
      process.wait(process.PATIENCE, "the connection to be closed", function()
        return not process.connected(PORT)
      end)
      open = descriptors()
    end)

    local function calls(user)
      local stranger = strangers.baresip { port = FIRST, tcp = transport == "tcp",
        source = ear.tone_file(process.folder "source" .. "/source", 500, 10),
        dial = ("sip:%s@127.0.0.1:%d%s"):format(user, PORT, suffix) }
      stranger:says "incoming rtp for 'audio' established"
      return stranger
    end

    it("plays to its end for one that was killed, and hangs up", function()
      local stranger = calls "talk"
      stranger:kill "KILL"
      stranger:wait()
      callee:says "recorded max\nended talk nil"
      is_as_before(stranger)
      next_call_works()
    end)

    it("plays to its end for one that was stopped, whose BYE waits", function()
      local stranger = calls "talk"
      stranger:kill "STOP"
      callee:says "recorded max\nended talk nil"
      next_call_works()
      stranger:kill "CONT"
      stranger:says "session closed"
      is_as_before(stranger)
    end)

    it("is not disturbed by garbage", function()
      local stranger = calls "talk"
      local port = math.tointeger(stranger:says "receiving from 127%.0%.0%.1:(%d+)")
      local client = wire.new()
      local here = assert(client.net:listen("UDP", "127.0.0.1", 0))
      for length = 0, 200, 4 do
        local bytes = {}
        for i = 1, length do
          bytes[i] = string.char((i * 131 + length * 7) % 256)
        end
        local garbage = table.concat(bytes)
        client.net:send(here, garbage, 1, "127.0.0.1", port)
        client.net:send(here, "\x80\0" .. garbage, 1, "127.0.0.1", port)
        client.net:send(here, "\x80\xe5" .. garbage, 1, "127.0.0.1", port)
        client.net:send(here, garbage, 1, "127.0.0.1", port + 1)
        client.net:send(here, "\x81\xcb" .. garbage, 1, "127.0.0.1", port + 1)
        if transport == "udp" then
          client.net:send(here, garbage, 1, "127.0.0.1", PORT)
        end
      end
      if transport == "tcp" then
        local there = assert(client.net:open("TCP", "127.0.0.1", PORT))
        client:expect { kind = "opened", id = there }
        client.net:send(there, ("\0\1\2garbage\r\n"):rep(20) .. "\r\n", 1)
        client:expect { kind = "closed", id = there }
      end
      client:close()
      callee:says "recorded max\nended talk nil"
      stranger:says "session closed"
      near(2, strangers.baresip_heard(stranger, 440).tone, 0.1, "there")
      local kept = ear.hear(callee.folder .. "/heard.wav", 500)
      near(kept.total, kept.tone, 0.3, "here")
      assert.is_true(kept.other <= 0.06, "other: " .. kept.other)
      is_as_before(stranger)
      next_call_works()
    end)
  end)
end

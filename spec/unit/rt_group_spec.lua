-- any, all, timeout; events and mailboxes.

local fake_driver = require "spec.support.fake_driver"
local new_sched = require("sip.rt.sched").new

describe("groups", function()
  local driver, sched, errors, notes

  local function note(...)
    notes[#notes + 1] = table.concat({ ... }, " ")
  end

  local function after(seconds, ...)
    local values = table.pack(...)
    return function()
      sched:sleep(seconds)
      return table.unpack(values, 1, values.n)
    end
  end

  -- Runs a script for ten seconds.
  local function play(script)
    sched:spawn(script)
    driver:advance(10)
  end

  before_each(function()
    errors, notes = {}, {}
    driver = fake_driver.new()
    sched = new_sched(driver, { on_error = function(traceback)
      errors[#errors + 1] = traceback
    end })
    driver.sched = sched
  end)

  after_each(function()
    assert.same({}, errors)
    assert.equal(0, sched.live)
    assert.equal(0, sched.root.live)
    assert.equal(0, driver.count)
  end)

  describe("any", function()
    it("returns the first, after the others have unwound", function()
      play(function()
        note(sched:any(after(3, "three"), after(1, "one", "uno"), function()
          local _ <close> = setmetatable({}, { __close = function()
            sched:sleep(1)
            note("closed", sched:now())
          end })
          sched:sleep(9)
        end))
        note(sched:now())
      end)
      assert.same({ "closed 2", "2 one uno", "2" }, notes)
    end)

    it("takes the earlier argument when two are ready", function()
      play(function()
        note((sched:any(after(1), after(1))))
      end)
      assert.same({ "1" }, notes)
    end)

    it("raises the error of a function, with the place it was raised", function()
      play(function()
        local ok, e = pcall(sched.any, sched, after(3), function()
          sched:sleep(1)
          error("boom", 0)
        end)
        note(tostring(ok), e, sched:now())
        sched:any(function() error "uncaught" end)
      end)
      assert.same({ "false boom 1" }, notes)
      local text = table.remove(errors)
      assert.matches("uncaught\n.*waited for by:\n.*uncaught\n", text)
      assert.equal(0, #errors)
    end)

    it("of nothing is misuse", function()
      play(function() sched:any() end)
      assert.matches("one function at least", table.remove(errors))
    end)
  end)

  describe("all", function()
    it("returns the first result of each", function()
      play(function()
        local a, b, c = sched:all(after(2, "a", "x"), after(1), after(3, "c"))
        note(a, tostring(b), c, sched:now())
        note(select("#", sched:all()))
      end)
      assert.same({ "a nil c 3", "0" }, notes)
    end)

    it("cancels the others when one fails", function()
      play(function()
        local ok = pcall(sched.all, sched, after(5), function() error "x" end)
        note(tostring(ok), sched:now())
      end)
      assert.same({ "false 0" }, notes)
    end)

    it("ends what its functions have spawned", function()
      play(function()
        sched:all(function()
          sched:spawn(function()
            sched:sleep(5)
            note "on"
          end)
          return 1
        end)
        note(sched:now())
      end)
      assert.same({ "0" }, notes)
    end)
  end)

  describe("timeout", function()
    it("returns what the function returned in time", function()
      play(function()
        note(sched:timeout(2, function(...)
          sched:sleep(1)
          return ...
        end, "a", "b", "c"))
        note(sched:now())
      end)
      assert.same({ "a b c", "1" }, notes)
    end)

    it("returns nil and timeout at that instant", function()
      play(function()
        local value, e = sched:timeout(2, after(3))
        note(tostring(value), e.name, sched:now())
      end)
      assert.same({ "nil timeout 2" }, notes)
    end)

    it("keeps a result that was there at the same instant", function()
      local done
      play(function()
        sched:spawn(function()
          sched:sleep(2)
          done "just in time"
        end)
        sched:sleep(0)
        note((sched:timeout(2, function()
          return sched:await(function(d) done = d end)
        end)))
      end)
      assert.same({ "just in time" }, notes)
    end)

    it("does not take what a function made of its cancellation", function()
      play(function()
        local value, e = sched:timeout(2, function()
          return pcall(sched.sleep, sched, 3)
        end)
        note(tostring(value), e.name)
      end)
      assert.same({ "nil timeout" }, notes)
    end)

    it("nests", function()
      play(function()
        local value, e = sched:timeout(5, function()
          local _, inner = sched:timeout(1, after(9))
          note("inner", inner.name, sched:now())
          sched:timeout(9, after(9))
          note "on"
        end)
        note("outer", tostring(value), e.name, sched:now())
      end)
      assert.same({ "inner timeout 1", "outer nil timeout 5" }, notes)
    end)
  end)

  describe("whose waiter is cancelled", function()
    local call

    local function closing(seconds, text)
      return setmetatable({}, { __close = function()
        sched:sleep(seconds)
        note(text, sched:now())
      end })
    end

    -- A script in the scope of a call, with a closer of its own around the group.
    local function script(group)
      call = sched:scope "call"
      call:finally(function()
        note("finally", sched:now())
      end)
      call:spawn(function()
        local _ <close> = closing(0, "script")
        local ok, e = pcall(group)
        assert.is_false(ok)
        note(tostring(e))
        note(sched:now())
        error(e, 0)
      end)
    end

    for _, verb in ipairs { "any", "all", "timeout" } do
      it(verb .. " ends its functions before the script goes on", function()
        script(function()
          local function inner()
            local _ <close> = closing(2, "inner")
            sched:sleep(9)
          end
          if verb == "timeout" then
            return sched:timeout(9, inner)
          end
          return sched[verb](sched, inner, inner)
        end)
        driver:advance(1)
        call:cancel "hangup"
        driver:advance(20)
        local inners = verb == "timeout" and { "inner 3" } or { "inner 3", "inner 3" }
        assert.same({ "the call was cancelled (hangup)", "3", "script 3", "finally 3" },
          table.move(notes, #inners + 1, #notes, 1, {}))
        assert.same(inners, table.move(notes, 1, #inners, 1, {}))
      end)
    end

    it("from inside does so too", function()
      script(function()
        sched:any(function()
          local _ <close> = closing(2, "inner")
          call:cancel "hangup"
          sched:sleep(1)
        end, after(9))
      end)
      driver:advance(20)
      assert.same({ "inner 2", "the call was cancelled (hangup)", "2", "script 2",
        "finally 2" }, notes)
    end)

    it("is shown the cancellation, also where a function has returned", function()
      script(function()
        sched:any(function()
          call:cancel "hangup"
        end)
      end)
      driver:advance(20)
      assert.same({ "the call was cancelled (hangup)", "0", "script 0", "finally 0" },
        notes)
    end)

    for _, verb in ipairs { "any", "all", "timeout" } do
      it(verb .. " is left by it, also where no function has begun", function()
        script(function()
          if verb == "timeout" then
            sched:timeout(9, note, "begun")
          else
            sched[verb](sched, after(9), after(9))
          end
        end)
        sched:spawn(function() -- in the turn of the script, behind it
          call:cancel "hangup"
        end)
        driver:advance(20)
        assert.same({ "the call was cancelled (hangup)", "0", "script 0", "finally 0" },
          notes)
      end)
    end

    it("goes on in a closer, also where no function has begun", function()
      call = sched:scope "call"
      call:spawn(function()
        do
          local _ <close> = setmetatable({}, { __close = function()
            local ok, e = sched:timeout(9, note, "begun")
            note(tostring(ok), e.name, sched:now())
          end })
        end
        note "on"
        sched:sleep(1)
        note "never"
      end)
      sched:spawn(function()
        call:cancel "hangup"
      end)
      driver:advance(20)
      assert.same({ "nil ended 0", "on" }, notes)
    end)

    it("nests", function()
      script(function()
        sched:any(function()
          local _ <close> = closing(1, "outer")
          sched:timeout(9, function()
            local _ <close> = closing(1, "inner")
            call:cancel "hangup"
            sched:sleep(1)
          end)
        end)
      end)
      driver:advance(20)
      assert.same({ "inner 1", "outer 2", "the call was cancelled (hangup)", "2",
        "script 2", "finally 2" }, notes)
    end)

    it("waits no longer than cleanup may take", function()
      script(function()
        sched:any(function()
          local _ <close> = setmetatable({}, { __close = function()
            sched:sleep(99)
          end })
          sched:sleep(9)
        end)
      end)
      driver:advance(1)
      call:cancel "hangup"
      driver:advance(20)
      assert.same({ "the call was cancelled (hangup)", "11", "finally 11" }, notes)
    end)

    it("tells of an error that a closer of a function adds", function()
      script(function()
        sched:any(function()
          local _ <close> = setmetatable({}, { __close = function()
            error "broken closer"
          end })
          sched:sleep(9)
        end)
      end)
      driver:advance(1)
      call:cancel "hangup"
      driver:advance(20)
      assert.equal(1, #errors)
      assert.is_truthy(errors[1]:find("broken closer", 1, true))
      assert.same({ "the call was cancelled (hangup)", "1", "script 1", "finally 1" },
        notes)
      errors = {}
    end)

    it("in a closer is ended with its functions when cleanup is over", function()
      call = sched:scope "call"
      call:spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          sched:all(function()
            local _ <close> = closing(5, "never")
            sched:sleep(99)
          end)
        end })
        sched:sleep(9)
      end)
      driver:advance(1)
      call:cancel "hangup"
      driver:advance(10)
      assert.same({}, notes)
      assert.equal(0, sched.live)
    end)
  end)

  describe("an event", function()
    it("wakes who waits, in order, and remembers nothing", function()
      local event = sched:event()
      assert.equal(0, event:notify "lost")
      for i = 1, 2 do
        sched:spawn(function() note(i, event:wait()) end)
      end
      sched:spawn(function()
        local _, e = event:wait(1)
        note(e.name)
        note(event:wait(5))
      end)
      driver:advance(2)
      assert.equal(3, event:notify("x", "y"))
      driver:settle()
      assert.same({ "timeout", "1 x y", "2 x y", "x y" }, notes)
    end)

    it("forgets a waiter that was cancelled", function()
      local event, call = sched:event(), sched:scope "call"
      call:spawn(event.wait, event)
      driver:settle()
      call:cancel "ended"
      assert.equal(0, event:notify())
      driver:settle()
    end)
  end)

  describe("a mailbox", function()
    it("keeps what came before, up to its bound", function()
      local box = sched:mailbox(2)
      assert.is_true(box:send "1")
      assert.is_true(box:send "2")
      assert.is_false(box:send "3")
      assert.equal(2, #box)
      play(function()
        note(box:receive(), box:poll(), tostring(box:poll()))
        local _, e = box:receive(1)
        note(e.name, sched:now())
      end)
      assert.same({ "1 2 nil", "timeout 1" }, notes)
    end)

    it("hands a value to who waits longest", function()
      local box = sched:mailbox()
      for i = 1, 2 do
        sched:spawn(function() note(i, box:receive()) end)
      end
      driver:settle()
      box:send "a"
      box:send "b"
      box:send "c"
      driver:settle()
      assert.same({ "1 a", "2 b" }, notes)
      box:clear()
      assert.equal(0, #box)
    end)

    it("gives the rest, then what it was closed with", function()
      local box = sched:mailbox()
      sched:spawn(function()
        note(box:receive())
        note(select(2, box:receive()))
      end)
      driver:settle()
      box:send "last"
      box:close "gone"
      box:close "again"
      driver:settle()
      assert.is_false(box:send "late")
      assert.same({ "last", "gone" }, notes)
    end)

    it("loses nothing to a waiter that was cancelled", function()
      local box, call = sched:mailbox(), sched:scope "call"
      call:spawn(box.receive, box)
      driver:settle()
      call:cancel "ended"
      box:send "kept"
      driver:settle()
      assert.equal("kept", box:poll())
    end)
  end)
end)

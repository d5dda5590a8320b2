-- The scheduler: tasks, waits and tickets, and the four traps of coroutines.

local fake_driver = require "spec.support.fake_driver"
local new_sched = require("sip.rt.sched").new

describe("the scheduler", function()
  local driver, sched, errors, notes

  local function note(...)
    notes[#notes + 1] = table.concat({ ... }, " ")
  end

  local function closer(fn)
    return setmetatable({}, { __close = function()
      fn()
    end })
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
    assert.equal(0, sched.armed)
    assert.equal(0, driver.count)
  end)

  local function only_error()
    local text = table.remove(errors)
    assert.equal(0, #errors)
    return text
  end

  describe("trap 1: the body is protected inside its coroutine", function()
    it("closers may wait while an error unwinds", function()
      sched:spawn(function()
        local _ <close> = closer(function()
          sched:sleep(3)
          note("closed at", sched:now())
        end)
        error "boom"
      end)
      driver:advance(2)
      assert.matches("boom", only_error()) -- told at once
      driver:advance(1)
      assert.same({ "closed at 3" }, notes)
    end)

    it("the traceback shows where the error was raised", function()
      local function deep()
        error "boom"
      end
      sched:spawn(function()
        deep()
      end)
      driver:settle()
      assert.matches("in upvalue 'deep'", only_error())
    end)

    it("an error may be any value", function()
      sched:spawn(error, nil)
      driver:settle()
      assert.matches("nil", only_error())
      sched:spawn(error, false)
      driver:settle()
      assert.matches("false", only_error())
      sched:spawn(error, setmetatable({}, { __tostring = function()
        return "a table"
      end }))
      driver:settle()
      assert.matches("a table", only_error())
    end)

    it("closers that wait for ever are ended by the time for cleanup", function()
      sched:spawn(function()
        local _ <close> = closer(function()
          note("outer at", sched:now())
        end)
        local _ <close> = closer(function()
          sched:await(function() end)
          note "never"
        end)
        error "boom"
      end)
      driver:advance(9.999)
      assert.equal(1, sched.live)
      driver:advance(0.001)
      assert.same({ "outer at 10" }, notes)
      assert.matches("boom", only_error())
    end)
  end)

  describe("trap 2: tickets", function()
    it("a ticket is used once", function()
      local done
      sched:spawn(function()
        note(sched:await(function(d) done = d end))
        note(sched:await(function() end, { timeout = 1 }) == nil and "timeout")
      end)
      driver:settle()
      assert.is_true(done("first"))
      assert.is_false(done("again"))
      driver:settle()
      assert.is_false(done("late"))
      driver:advance(1)
      assert.same({ "first", "timeout" }, notes)
    end)

    it("the answer of a wait that timed out does not answer the next", function()
      local done
      sched:spawn(function()
        local _, e = sched:await(function(d) done = d end, { timeout = 1 })
        note(e.name)
        note(sched:await(function(d)
          note(tostring(done("stale")))
          d("fresh")
        end))
        sched:sleep(1)
        note "slept"
      end)
      driver:advance(1)
      assert.is_false(done("stale"))
      driver:advance(1)
      assert.same({ "timeout", "false", "fresh", "slept" }, notes)
    end)

    it("nor, in a pooled coroutine, the next task", function()
      local done, first, second
      local scope = sched:scope "call"
      scope:spawn(function()
        first = coroutine.running()
        sched:await(function(d) done = d end)
      end)
      driver:settle()
      scope:cancel "ended"
      driver:settle()
      sched:spawn(function()
        second = coroutine.running()
        sched:sleep(1)
        note("slept until", sched:now())
      end)
      driver:settle()
      assert.equal(first, second)
      assert.is_false(done("stale"))
      driver:advance(1)
      assert.same({ "slept until 1" }, notes)
    end)

    it("an answer within start is returned without a turn", function()
      sched:spawn(function()
        note(sched:await(function(done)
          done("a", "b", "c")
        end))
        note(select("#", sched:await(function(done) done() end)))
        note(select("#", sched:await(function(done) done(nil) end)))
        note(select("#", sched:await(function(done) done(nil, nil, nil) end)))
      end)
      driver:settle()
      assert.equal(1, driver.turns)
      assert.same({ "a b c", "0", "1", "3" }, notes)
    end)

    it("a start that raises leaves no wait behind", function()
      local done
      sched:spawn(function()
        note(tostring(pcall(sched.await, sched, function(d)
          done = d
          error "no"
        end)))
        sched:sleep(1)
        note "slept"
      end)
      driver:settle()
      assert.is_false(done())
      driver:advance(1)
      assert.same({ "false", "slept" }, notes)
    end)

    it("a start that waits is misuse", function()
      sched:spawn(function()
        sched:await(function()
          sched:sleep(1)
        end)
      end)
      driver:advance(1)
      assert.matches("must not wait itself", only_error())
    end)

    it("cancel is called once when a wait ends without its answer", function()
      local scope = sched:scope "call"
      local function wait(timeout)
        return sched:await(function(done)
          if timeout == 0 then
            done()
          end
        end, { timeout = timeout, cancel = note })
      end
      scope:spawn(function()
        wait(0)
        wait(1)
        wait(nil)
      end)
      driver:advance(5)
      scope:cancel "ended"
      driver:settle()
      assert.same({ "timeout", "cancelled" }, notes)
    end)

    it("a cancel that fails is reported and hurts nobody", function()
      sched:spawn(function()
        local _, e = sched:await(function() end, { timeout = 1, cancel = function()
          error "in cancel"
        end })
        note(e.name)
      end)
      driver:advance(1)
      assert.same({ "timeout" }, notes)
      assert.matches("in cancel", only_error())
    end)
  end)

  describe("trap 3: waiting where nothing can wait", function()
    it("raises outside of any task", function()
      assert.error_matches(function()
        sched:sleep(1)
      end, "use sip.spawn")
    end)

    it("raises in a coroutine of the script's own", function()
      sched:spawn(function()
        local wrapped = coroutine.wrap(function()
          sched:sleep(1)
        end)
        note(select(2, pcall(wrapped)):match "use sip.spawn")
        sched:sleep(1)
        note "slept"
      end)
      driver:advance(1)
      assert.same({ "use sip.spawn", "slept" }, notes)
    end)

    it("raises inside a callback of a C function, before anything starts", function()
      sched:spawn(function()
        local ok = pcall(string.gsub, "a", "a", function()
          sched:await(function() note "started" end)
        end)
        note(tostring(ok))
        sched:sleep(1)
        note "slept"
      end)
      driver:advance(1)
      assert.same({ "false", "slept" }, notes)
    end)

    it("is known beforehand", function()
      assert.is_nil(sched:running())
      local task = sched:spawn(function()
        note(tostring(sched:running()))
        note(tostring(coroutine.wrap(function() return sched:running() end)()))
      end)
      driver:settle()
      assert.same({ "sip.Task{root; running}", "nil" }, notes)
      assert.equal("sip.Task{root; dead}", tostring(task))
    end)

    it("a task that waits for itself is misuse", function()
      local task
      task = sched:spawn(function() task:wait() end)
      driver:settle()
      assert.matches("wait for itself", only_error())
    end)

    it("a bare coroutine.yield ends its task as an error", function()
      sched:spawn(function()
        local _ <close> = closer(function() note "closed" end)
        coroutine.yield(5)
      end)
      driver:settle()
      assert.same({ "closed" }, notes)
      assert.matches("use sip.await", only_error())
    end)

    it("a task cannot turn its own scheduler", function()
      sched:spawn(function()
        sched:turn()
      end)
      driver:settle()
      assert.matches("cannot turn", only_error())
    end)
  end)

  describe("trap 4: one turn, one batch", function()
    it("two tasks that wake each other take one turn each time", function()
      local ping, pong = sched:event(), sched:event()
      sched:spawn(function()
        for _ = 1, 3 do
          ping:wait()
          pong:notify()
        end
      end)
      sched:spawn(function()
        for _ = 1, 3 do
          ping:notify()
          pong:wait()
        end
      end)
      local turns = 0
      repeat
        driver.woken = false
        turns = turns + 1
        sched:turn()
      until not driver.woken
      assert.equal(7, turns)
    end)

    it("what is spawned within a turn runs in the next", function()
      sched:spawn(function()
        sched:spawn(note, "child")
        note "parent"
      end)
      driver.woken = false
      sched:turn()
      assert.same({ "parent" }, notes)
      assert.is_true(driver.woken)
      driver:settle()
      assert.same({ "parent", "child" }, notes)
    end)

    it("wakes the driver once, however many become ready", function()
      local wakes = 0
      driver.wake = function(self)
        wakes = wakes + 1
        self.woken = true
      end
      for _ = 1, 5 do
        sched:spawn(function() end)
      end
      assert.equal(1, wakes)
      driver:settle()
    end)
  end)

  it("passes arguments, however many", function()
    local function count(...)
      note(select("#", ...), ...)
    end
    sched:spawn(count)
    sched:spawn(count, 1)
    sched:spawn(count, 1, 2)
    sched:spawn(count, 1, 2, 3, 4)
    driver:settle()
    assert.same({ "0", "1 1", "2 1 2", "4 1 2 3 4" }, notes)
  end)

  it("sleeps exactly", function()
    sched:spawn(function()
      assert(sched:sleep(0.5) == true)
      note(sched:now())
      sched:sleep(0)
      note(sched:now())
    end)
    driver:advance(10)
    assert.same({ "0.5", "0.5" }, notes)
  end)

  it("gives the results of a task to who waits for it", function()
    local task = sched:spawn(function()
      sched:sleep(1)
      return 1, nil, 3
    end)
    sched:spawn(function()
      local _, e = task:wait(0.5)
      note(e.name)
      note(select("#", task:wait()), (select(3, task:wait())))
    end)
    driver:advance(1)
    assert.same({ "timeout", "3 3" }, notes)
  end)

  it("says so when the task waited for failed", function()
    local task = sched:spawn(error, "boom")
    sched:spawn(function()
      local _, e = task:wait()
      note(e.name, e.cause)
    end)
    driver:settle()
    assert.same({ "rejected boom" }, notes)
    assert.matches("boom", only_error())
  end)

  it("keeps no more coroutines than its pool holds", function()
    sched = new_sched(driver, { pool = 2 })
    driver.sched = sched
    local seen = {}
    local function body()
      seen[coroutine.running()] = true
      sched:sleep(1)
    end
    for _ = 1, 2 do
      for _ = 1, 3 do
        sched:spawn(body)
      end
      driver:advance(1)
    end
    local count = 0
    for _ in pairs(seen) do
      count = count + 1
    end
    assert.equal(4, count)
  end)

  it("refuses an option it does not know", function()
    assert.error_matches(function()
      new_sched(driver, { slise = 1 })
    end, "slise")
    sched:spawn(function()
      sched:await(function() end, { time = 1 })
    end)
    driver:settle()
    assert.matches('unknown option "time"', only_error())
  end)

  it("survives a report that fails", function()
    sched = new_sched(driver, { on_error = function(text)
      note(text:match "boom" or "again")
      if text:match "^boom" then
        error "in the report"
      end
    end })
    driver.sched = sched
    sched:spawn(function() error("boom", 0) end)
    sched:spawn(note, "alive")
    driver:settle()
    assert.same({ "boom", "again", "alive" }, notes)
  end)

  describe("a slice that is too long", function()
    local cpu

    before_each(function()
      cpu = 0
      driver.cpu = function() -- each look at the clock costs half a second
        cpu = cpu + 0.5
        return cpu
      end
      sched = new_sched(driver, { on_error = function(traceback)
        errors[#errors + 1] = traceback
      end })
      driver.sched = sched
    end)

    it("is an error of that task and of nobody else", function()
      sched:spawn(function()
        while true do end -- luacheck: ignore
      end)
      sched:spawn(note, "alive")
      driver:settle()
      assert.matches("ran 2 s without waiting", only_error())
      assert.same({ "alive" }, notes)
    end)

    it("cannot be caught for ever", function()
      sched:spawn(function()
        local _ <close> = closer(function()
          sched:sleep(1)
          note "closed"
        end)
        while true do
          pcall(function()
            while true do end -- luacheck: ignore
          end)
        end
      end)
      driver:advance(1)
      assert.matches("ran 2 s without waiting", only_error())
      assert.same({ "closed" }, notes)
    end)

    it("is measured from the last wait, also in a pooled coroutine", function()
      local function spin()
        for _ = 1, 1500000 do end -- luacheck: ignore
      end
      for _ = 1, 3 do
        sched:spawn(function()
          for _ = 1, 5 do
            spin()
            sched:sleep(1)
          end
        end)
        driver:advance(5)
      end
      assert.same({}, errors)
    end)

    it("does not keep a killed task's closer running", function()
      sched:spawn(function()
        local _ <close> = closer(function()
          while true do end -- luacheck: ignore
        end)
        sched:await(function() end)
      end)
      driver:settle()
      sched:close()
      assert.matches("ran 2 s without waiting", only_error())
    end)
  end)
end)

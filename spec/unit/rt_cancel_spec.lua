-- Cancellation: scopes, closers, scripts that do not want to end, finally.

local fake_driver = require "spec.support.fake_driver"
local new_sched = require("sip.rt.sched").new
local is_cancelled = require("sip.rt.scope").is_cancelled

describe("cancelling a scope", function()
  local driver, sched, call, errors, kills, notes

  local function note(...)
    notes[#notes + 1] = table.concat({ ... }, " ")
  end

  local function closer(fn)
    return setmetatable({}, { __close = function(_, e)
      fn(e)
    end })
  end

  local function for_ever()
    sched:await(function() end)
  end

  before_each(function()
    errors, kills, notes = {}, {}, {}
    driver = fake_driver.new()
    sched = new_sched(driver, {
      on_error = function(traceback)
        errors[#errors + 1] = traceback
      end,
      on_kill = function(_, why)
        kills[#kills + 1] = why
      end,
    })
    driver.sched = sched
    call = sched:scope "call"
  end)

  after_each(function()
    assert.same({}, errors)
    assert.equal(0, sched.live)
    assert.equal(0, sched.armed)
    assert.equal(0, driver.count)
    assert.equal(0, sched.root.live)
  end)

  it("unwinds the waiting verb, and is no error", function()
    call:spawn(function()
      local _ <close> = closer(function(e)
        note("closed", tostring(e))
      end)
      for_ever()
      note "never"
    end)
    driver:settle()
    assert.is_true(call:cancel "the caller hung up")
    assert.is_false(call:cancel "again")
    driver:settle()
    assert.same({ "closed the call was cancelled (the caller hung up)" }, notes)
    assert.is_true(call.ended)
  end)

  it("unwinds at the next verb of a task that runs", function()
    call:spawn(function()
      call:cancel "hangup"
      note "still here"
      sched:checkpoint()
      note "never"
    end)
    driver:settle()
    assert.same({ "still here" }, notes)
  end)

  it("lets a verb return that had its answer already", function()
    local done
    call:spawn(function()
      note(sched:await(function(d) done = d end))
      sched:sleep(1)
      note "never"
    end)
    driver:settle()
    done "answer"
    call:cancel "ended"
    driver:advance(1)
    assert.same({ "answer" }, notes)
  end)

  it("never runs a task that has not begun", function()
    call:spawn(note, "never")
    call:cancel "ended"
    local late = call:spawn(note, "never")
    driver:settle()
    assert.same({}, notes)
    assert.equal("dead", late.state)
  end)

  it("lets closers wait, shielded", function()
    call:spawn(function()
      local _ <close> = closer(function()
        sched:sleep(2)
        note("outer", sched:now())
      end)
      local _ <close> = closer(function()
        local _, e = sched:timeout(1, for_ever)
        note("inner", e.name, sched:now())
      end)
      for_ever()
    end)
    driver:advance(5)
    call:cancel "ended"
    assert.is_false(call.ended)
    driver:advance(3)
    assert.same({ "inner timeout 6", "outer 8" }, notes)
    assert.is_true(call.ended)
  end)

  it("does not disturb a closer that was waiting before", function()
    call:spawn(function()
      do
        local _ <close> = closer(function()
          sched:sleep(2)
          note("closed", sched:now())
        end)
      end
      sched:checkpoint()
      note "never"
    end)
    driver:advance(1)
    call:cancel "ended"
    driver:advance(1)
    assert.same({ "closed 2" }, notes)
  end)

  it("gives closers the time for cleanup, all of them together", function()
    call:spawn(function()
      local _ <close> = closer(function()
        note("outer", sched:now())
        sched:sleep(1)
        note "never"
      end)
      local _ <close> = closer(function()
        sched:sleep(9)
        note("inner", sched:now())
        for_ever()
      end)
      for_ever()
    end)
    driver:advance(1)
    call:cancel "ended"
    driver:advance(9.999)
    assert.same({ "inner 10" }, notes)
    driver:advance(0.001)
    assert.same({ "inner 10", "outer 11" }, notes)
    assert.same({ "cleanup" }, kills)
  end)

  it("shows the script the cancellation once, then ends it", function()
    call:spawn(function()
      local _ <close> = closer(function()
        note "closed"
      end)
      while true do
        local _, e = pcall(for_ever)
        note(tostring(is_cancelled(e)), e.scope)
      end
    end)
    driver:settle()
    call:cancel "ended"
    driver:settle()
    assert.same({ "true call", "closed" }, notes)
    assert.same({ "caught" }, kills)
  end)

  it("ends such a script although its closers want to wait", function()
    call:spawn(function()
      local _ <close> = closer(function()
        note "outer"
      end)
      local _ <close> = closer(function()
        note "inner"
        sched:sleep(1)
        note "never"
      end)
      pcall(for_ever)
      pcall(for_ever)
    end)
    driver:settle()
    call:cancel "ended"
    driver:settle()
    assert.same({ "inner", "outer" }, notes)
    assert.same({ "caught" }, kills)
  end)

  it("lets a script return that has caught it", function()
    call:spawn(function()
      local _ <close> = closer(function()
        sched:sleep(1)
        note "closed"
      end)
      pcall(function()
        local _ <close> = closer(function()
          sched:sleep(1)
          note "inner"
        end)
        for_ever()
      end)
      note "caught"
    end)
    driver:settle()
    call:cancel "ended"
    driver:advance(2)
    assert.same({ "inner", "caught", "closed" }, notes)
    assert.same({}, kills)
  end)

  it("reports an error that a closer adds", function()
    call:spawn(function()
      local _ <close> = closer(function()
        error "in the closer"
      end)
      for_ever()
    end)
    driver:settle()
    call:cancel "ended"
    driver:settle()
    assert.matches("in the closer", table.remove(errors))
  end)

  it("reports an error that a closer of a killed task adds", function()
    call:spawn(function()
      local _ <close> = closer(function()
        error "in the closer"
      end)
      pcall(for_ever)
      for_ever()
    end)
    driver:settle()
    call:cancel "ended"
    driver:settle()
    assert.matches("in the closer", table.remove(errors))
  end)

  it("reports it also where a pcall of the script stands between", function()
    call:spawn(function()
      pcall(function()
        local _ <close> = closer(function()
          error "in the closer"
        end)
        pcall(for_ever)
        for_ever()
      end)
    end)
    driver:settle()
    call:cancel "ended"
    driver:settle()
    assert.matches("in the closer", table.remove(errors))
  end)

  it("knows the cancellation again, wherever it is raised", function()
    local box = sched:mailbox()
    call:spawn(function()
      local _, e = pcall(for_ever)
      box:send(e)
    end)
    call:spawn(function()
      local e = box:poll()
      while not e do
        pcall(sched.sleep, sched, 0)
        e = box:poll()
      end
      error(e, 0)
    end)
    driver:settle()
    call:cancel "ended"
    driver:advance(1)
    assert.same({}, kills)
  end)

  it("voids the ticket of the wait at once", function()
    local done
    call:spawn(function()
      sched:await(function(d) done = d end)
    end)
    driver:settle()
    call:cancel "ended"
    assert.is_false(done())
    driver:settle()
  end)

  it("takes children and scopes below with it, and no others", function()
    local other = sched:scope "call"
    other:spawn(function()
      sched:sleep(5)
      note "other"
    end)
    call:spawn(function()
      sched:spawn(function()
        local _ <close> = closer(function() note "child" end)
        for_ever()
      end)
      note "parent returns"
    end)
    sched:scope("leg", call):spawn(function()
      local _ <close> = closer(function(e) note("leg", e.scope) end)
      for_ever()
    end)
    driver:settle()
    call:cancel "ended"
    driver:advance(5)
    assert.same({ "parent returns", "leg call", "child", "other" }, notes)
    other:cancel "ended"
  end)

  it("an inner timeout does not look like a hangup", function()
    call:spawn(function()
      local _, e = sched:timeout(1, function()
        local _, caught = pcall(for_ever)
        note(caught.scope, caught.reason)
        for_ever() -- parked here; the script around it goes on
      end)
      note(e.name, sched:now())
      sched:sleep(1)
      note "going on"
    end)
    driver:advance(2)
    assert.same({ "timeout timeout", "timeout 1", "going on" }, notes)
    assert.same({ "caught" }, kills)
    call:cancel "ended"
  end)

  it("a hangup inside a timeout is a hangup", function()
    call:spawn(function()
      local _ <close> = closer(function(e) note("script", e.scope) end)
      sched:timeout(10, function()
        local _ <close> = closer(function(e) note("inner", e.scope) end)
        for_ever()
      end)
      note "never"
    end)
    driver:advance(1)
    call:cancel "ended"
    driver:settle()
    assert.same({ "inner call", "script call" }, notes)
    assert.equal(0, sched.armed)
  end)

  it("an error in a scope goes to who watches that scope", function()
    call.owner = "the call"
    call.on_error = function(traceback, task)
      note(task.scope.parent.owner, (traceback:match "boom"))
      call:cancel "script error"
    end
    call:spawn(for_ever)
    sched:scope("inner", call):spawn(error, "boom")
    driver:settle()
    assert.same({ "the call boom" }, notes)
    assert.is_true(call.ended)
  end)

  describe("finally", function()
    it("runs when nothing lives in the scope, and may wait", function()
      call:finally(function()
        sched:sleep(1)
        note("first", sched:now())
      end)
      call:finally(function()
        note("second", sched:now())
      end)
      call:spawn(function()
        local _ <close> = closer(function()
          sched:sleep(2)
          note("closed", sched:now())
        end)
        for_ever()
      end)
      driver:settle()
      call:cancel "ended"
      driver:advance(3)
      assert.same({ "closed 2", "second 2", "first 3" }, notes)
    end)

    it("runs at once in a scope that has ended", function()
      call:cancel "ended"
      call:finally(function() note "late" end)
      driver:settle()
      assert.same({ "late" }, notes)
    end)

    it("takes no longer than the time for cleanup", function()
      call:finally(function()
        local _ <close> = closer(function()
          note("closed", sched:now())
          sched:sleep(1)
          note "never"
        end)
        for_ever()
      end)
      call:cancel "ended"
      driver:advance(10)
      assert.same({ "closed 10" }, notes)
      assert.same({ "cleanup" }, kills)
    end)

    it("is not cancelled with the root", function()
      call:finally(function()
        sched:sleep(1)
        note "done"
      end)
      call:cancel "ended"
      driver:settle()
      sched.root:cancel "shutdown"
      driver:advance(1)
      assert.same({ "done" }, notes)
    end)

    it("sends its errors where the scope's went", function()
      call.on_error = function(traceback) note(traceback:match "boom") end
      call:finally(function() error "boom" end)
      call:cancel "ended"
      driver:settle()
      assert.same({ "boom" }, notes)
    end)
  end)

  it("waits until a scope is empty", function()
    call:spawn(sched.sleep, sched, 2)
    sched:spawn(function()
      local _, e = call:wait(1)
      note(e.name, sched:now())
      note(tostring(call:wait()), sched:now())
      note(tostring(call:wait()), sched:now())
      call:cancel "done"
    end)
    driver:advance(5)
    assert.same({ "timeout 1", "true 2", "true 2" }, notes)
  end)

  it("has a deadline of its waits, which needs no timer before the first", function()
    call:deadline_of_waits(3)
    call:spawn(note, "ran")
    driver:settle()
    assert.equal(0, sched.armed)
    call:spawn(function()
      local _ <close> = closer(function()
        note("ended", driver:now())
      end)
      sched:sleep(1)
      for_ever()
    end)
    driver:settle()
    assert.equal(2, sched.armed)
    driver:advance(4)
    assert.same({ "ran", "ended 3" }, notes)
    assert.is_true(call.ended)
  end)

  it("is finished by its task, which cancels what else lives there", function()
    call:spawn(function()
      call:spawn(for_ever)
      call:finish "done"
    end)
    driver:settle()
    assert.is_true(call.ended)
    local other = sched:scope "call"
    other:spawn(function()
      other:finish "done"
    end)
    driver:settle()
    assert.is_true(other.ended)
    assert.is_nil(other.cancelled)
  end)

  it("has a deadline", function()
    call:deadline(3)
    call:spawn(function()
      local _ <close> = closer(function(e) note(e.reason, sched:now()) end)
      for_ever()
    end)
    driver:advance(3)
    assert.same({ "timeout 3" }, notes)
    assert.is_true(call.timed_out)
  end)

  it("a killed task's closer leaves no task behind", function()
    call:spawn(function()
      local _ <close> = closer(function()
        sched:spawn(note, "never")
      end)
      pcall(for_ever)
      for_ever()
    end)
    driver:settle()
    call:cancel "ended"
    driver:settle()
    assert.same({}, notes)
    assert.same({ "caught" }, kills)
  end)

  it("closing the scheduler ends everything now", function()
    local function body()
      local _ <close> = closer(function()
        note "closed"
        sched:sleep(1)
      end)
      sched:timeout(5, for_ever)
    end
    call:spawn(body)
    sched:spawn(body)
    sched:shielded(3, body)
    call:finally(function() note "never" end)
    driver:settle()
    sched:close()
    assert.same({ "closed", "closed", "closed" }, notes)
  end)
end)

-- A script that never waits, on the real loop: the processor's clock finds it out.

local core = require "sip.core"
local new_sched = require("sip.rt.sched").new
local pulse = require "sip.test".pulse

describe("a slice on the real loop", function()
  local loop, sched, errors, notes

  before_each(function()
    loop, errors, notes = core.loop(), {}, {}
    sched = new_sched(loop, { slice = 0.03, on_error = function(traceback)
      errors[#errors + 1] = traceback
    end })
    loop:set_dispatch(function(kind, id)
      return kind == "turn" and sched:turn() or kind == "timer" and sched:fired(id)
    end)
  end)

  after_each(function()
    sched:close()
    loop:close()
  end)

  local function spin()
    while true do end -- luacheck: ignore
  end

  local function only_error()
    assert.equal(1, #errors)
    return errors[1]
  end

  it("is an error of the script that is too long, and of nobody else", function()
    sched:spawn(spin)
    sched:spawn(function()
      notes[1] = "alive"
    end)
    loop:step(0)
    assert.matches("ran 0.03 s without waiting", only_error())
    assert.same({ "alive" }, notes)
  end)

  it("cannot be caught for ever", function()
    sched:spawn(function()
      while true do
        pcall(spin)
      end
    end)
    loop:step(0)
    assert.matches("ran 0.03 s without waiting", only_error())
  end)

  it("is one for the closer of a task that is killed", function()
    local task = sched:spawn(function()
      local _ <close> = setmetatable({}, { __close = spin })
      sched:sleep(10)
    end)
    loop:step(0)
    task:kill "now"
    assert.matches("ran 0.03 s without waiting", only_error())
  end)

  -- Elsewhere a hook counts instructions.
  local pulsed = io.open "/proc/self/stat" and it or pending

  pulsed("costs no hook, and leaves a script its own", function()
    local function own() end
    sched:spawn(function()
      notes.before = debug.gethook() ~= nil
      debug.sethook(own, "", 1000000)
      local until_then = loop:cpu() + 0.025
      while loop:cpu() < until_then do end -- luacheck: ignore
      notes.after = debug.gethook()
      debug.sethook()
    end)
    loop:step(0)
    assert.same({ before = false, after = own }, notes)
    assert.same({}, errors)
  end)

  pulsed("is found out by the next pulse when one is lost", function()
    sched:spawn(function()
      pulse.lose()
      for _ = 1, 1 << 29 do end -- luacheck: ignore
      notes[1] = "never found out"
    end)
    loop:step(0)
    assert.matches("ran 0.03 s without waiting", only_error())
    assert.same({}, notes)
  end)
end)

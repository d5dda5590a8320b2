-- What the scheduler costs: lua5.4 spec/bench/rt_bench.lua
-- CPU time of one thread; the driver is the fake one, with the cost of its timers.

package.path = "./lua/?.lua;./?.lua;" .. package.path

local fake_driver = require "spec.support.fake_driver"
local new_sched = require("sip.rt.sched").new

local function measure(name, count, run)
  run(count // 10)
  collectgarbage()
  local best = math.huge
  for _ = 1, 5 do
    local start = os.clock()
    run(count)
    best = math.min(best, os.clock() - start)
  end
  print(("%-44s %7.0f ns"):format(name, best / count * 1e9))
end

local function world(cpu)
  local driver = fake_driver.new()
  if cpu then
    driver.cpu = os.clock
  end
  local sched = new_sched(driver)
  driver.sched = sched
  return driver, sched
end

for _, cpu in ipairs { false, true } do
  local driver, sched = world(cpu)
  print(cpu and "slices watched:" or "slices not watched:")

  measure("spawn, run to its end", 200000, function(n)
    for _ = 1, n do
      sched:spawn(function() end)
      driver:settle()
    end
  end)

  local done
  local function start(d)
    done = d
  end

  measure("spawn and three awaits", 100000, function(n)
    for _ = 1, n do
      sched:spawn(function()
        sched:await(start)
        sched:await(start)
        sched:await(start)
      end)
      driver:settle()
      for i = 1, 3 do
        done(i)
        driver:settle()
      end
    end
  end)

  measure("one await", 300000, function(n)
    sched:spawn(function()
      for _ = 1, n do
        sched:await(start)
      end
    end)
    driver:settle()
    for _ = 1, n do
      done(true)
      driver:settle()
    end
  end)

  local event = sched:event()
  measure("one event", 300000, function(n)
    sched:spawn(function()
      for _ = 1, n do
        event:wait()
      end
    end)
    driver:settle()
    for _ = 1, n do
      event:notify(true)
      driver:settle()
    end
  end)

  measure("a call: scope, spawn, two waits, hangup", 100000, function(n)
    for _ = 1, n do
      local call = sched:scope "call"
      call:spawn(function()
        sched:await(start)
        sched:await(start)
      end)
      driver:settle()
      done(true)
      driver:settle()
      call:cancel "ended"
      driver:settle()
    end
  end)

  measure("timeout around one wait", 100000, function(n)
    sched:spawn(function()
      for _ = 1, n do
        sched:timeout(5, sched.await, sched, start)
      end
    end)
    for _ = 1, n do
      driver:settle()
      done(true)
      driver:settle()
    end
  end)

  measure("1000 instructions of a script", 20000, function(n)
    sched:spawn(function()
      for _ = 1, n do
        local x = 0
        for i = 1, 333 do
          x = x + i
        end
      end
    end)
    driver:settle()
  end)

  local count = 20000
  collectgarbage()
  collectgarbage()
  local before = collectgarbage "count"
  for _ = 1, count do
    sched:scope("call"):spawn(sched.await, sched, start)
  end
  driver:settle()
  collectgarbage()
  collectgarbage()
  print(("%-44s %7.0f B"):format("a waiting call",
    (collectgarbage "count" - before) * 1024 / count))
  sched:close()
end

--- A slice is what a script runs between two waits. A script that never waits is found
--- out by a look at the processor's clock from time to time: when the driver says so
--- (`pulse`), or else by a hook that counts instructions, which costs each of them.

local M = {}

local STRIDE = 1000000 -- instructions between two looks

--- The look of a scheduler, whose field `slices` counts them and `slice` says how long
--- one may be. The first time that is over the script gets an error it may catch; if
--- that does not end the slice either, every further instruction raises one.
---@param sched sip.Scheduler
---@return function
local function look_of(sched)
  local driver = sched.driver
  local number, since, told

  local function look()
    local now = driver:cpu()
    if number ~= sched.slices then
      number, since, told = sched.slices, now, false
    elseif now - since > sched.slice then
      if told then
        debug.sethook(look, "", 1)
      end
      told = true
      error(("the script ran %g s without waiting"):format(sched.slice), 0)
    end
  end

  return look
end

local function nothing() end

--- How a scheduler says which coroutine runs, and how it has a new one watched, or one
--- that has been found out watched as rarely as in the beginning.
---@param sched sip.Scheduler
---@return fun(running?: thread) mark
---@return (fun(thread: thread))|false watch  false: nothing is watched
function M.of(sched)
  local driver = sched.driver
  if not (driver.cpu and driver:cpu()) then
    return nothing, false
  end
  local look = look_of(sched)
  local mark = driver.pulse and driver:pulse(look)
  return mark or nothing, function(thread)
    if mark then
      debug.sethook(thread)
    else
      debug.sethook(thread, look, "", STRIDE)
    end
  end
end

return M

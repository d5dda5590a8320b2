--- A slice is what a script runs between two waits. A script that never waits is found
--- out by a hook, which looks at the processor's clock from time to time.

local M = {}

local STRIDE = 1000000 -- instructions between two looks

--- The hook of a scheduler, whose field `slices` counts them and `slice` says how long
--- one may be. The first time that is over the script gets an error it may catch; if
--- that does not end the slice either, every further instruction raises one.
---@param sched sip.Scheduler
---@return function
function M.hook(sched)
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

--- Have a coroutine watched, as rarely as in the beginning.
---@param thread thread
---@param hook function
function M.watch(thread, hook)
  debug.sethook(thread, hook, "", STRIDE)
end

return M

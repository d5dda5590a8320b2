--- One question: is this coroutine inside a `__close` metamethod?
---
--- A cancelled script may not wait any more, its `<close>` variables may, and
--- nothing in the language tells one from the other: after `pcall` has caught
--- the cancellation, a verb of the script and a verb of a closer look alike. So
--- the stack is read. When a block ends normally the closer is a frame named
--- "close". When an error unwinds, the frames above the protected call are gone
--- and the closer stands directly on `pcall` or `xpcall`, like the function they
--- were given; but then that function's own frame is still below it as values,
--- so `pcall` holds more of them than it ever has otherwise.
---
--- The one case not seen: a closer run by the normal end of a block that waits
--- in a tail call (`return player:stop()`). Its verb counts as the script's.

local M = {}

local getinfo, getlocal = debug.getinfo, debug.getlocal
local running = coroutine.running

-- What lies between the protected call's own frame and the function it calls.
local held = {
  [pcall] = 1, -- true
  [xpcall] = 3, -- the function, the handler, true
}

-- A vararg function is moved above its arguments when it starts. In the running
-- coroutine this function is itself a level.
local function shift(thread, level)
  if thread == running() then
    level = level + 1
  end
  local info = getinfo(thread, level, "uS")
  if not info.isvararg or info.what == "C" then
    return 0
  end
  local extra = 0
  while getlocal(thread, level, -extra - 1) do
    extra = extra + 1
  end
  return info.nparams + extra + 1
end

--- Whether a closer is running in this coroutine, suspended or current.
---@param thread thread
---@return boolean
function M.closing(thread)
  local level = 1 -- what suspends is a C function, and is no closer
  while true do
    local info = getinfo(thread, level, "nf")
    if not info then
      return false
    end
    if info.name == "close" and info.namewhat == "metamethod" then
      return true
    end
    local count = held[info.func]
    if count and getlocal(thread, level, count + 1)
      and getlocal(thread, level, count + shift(thread, level - 1) + 1) then
      return true
    end
    level = level + 1
  end
end

return M

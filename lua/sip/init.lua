--- luasip: `local sip = require "sip"`.
---
--- What scripts see is a facade over a runtime. The default one runs on libuv and
--- is made at its first use; `sip.with` makes another, over a host of the
--- simulator, say.

local core = require "sip.core"
local features = require "sip.features"
local runtime_of = require "sip.app.runtime"
local version = require "sip.version"

local M = {}

-- The functions of a facade.
local function facade(runtime)
  local sched = runtime.sched
  local sip = { runtime = runtime, version = version, features = features.list }

  --- An endpoint: it listens, answers and dials. Raises when it cannot listen.
  function sip.new(options)
    return runtime:endpoint(options)
  end

  --- Run until everything has ended, or until the function has returned.
  function sip.run(fn, ...)
    return runtime:run(fn, ...)
  end

  --- End everything in an orderly way, as SIGTERM does.
  function sip.stop(why)
    runtime:stop(why)
  end

  --- Run a function in a coroutine of its own.
  function sip.spawn(fn, ...)
    return sched:spawn(fn, ...)
  end

  --- Let time pass.
  function sip.sleep(seconds)
    return sched:sleep(seconds)
  end

  --- Run functions at once until the first returns: its place and its results.
  function sip.any(...)
    return sched:any(...)
  end

  --- Run functions at once until all have returned: the first result of each.
  function sip.all(...)
    return sched:all(...)
  end

  --- Run a function for at most so long.
  function sip.timeout(seconds, fn, ...)
    return sched:timeout(seconds, fn, ...)
  end

  --- Wait for a callback: `start(done)`.
  function sip.await(start, options)
    return sched:await(start, options)
  end

  --- Seconds on the program's clock.
  function sip.now()
    return sched:now()
  end

  return sip
end

--- A facade over another driver.
---@param options sip.RuntimeOptions
---@return table sip
function M.with(options)
  local sip = facade(runtime_of.new(options))
  sip.with = M.with
  return sip
end

local default

return setmetatable(M, {
  __index = function(_, key)
    if not default then
      default = facade(runtime_of.new { driver = core.loop() })
    end
    return default[key]
  end,
})

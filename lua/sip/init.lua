--- luasip: `local sip = require "sip"`.
---
--- What scripts see is a facade over a runtime. The default one runs on libuv and
--- is made at its first use; `sip.with` makes another, over a host of the
--- simulator, say.

local body_of = require "sip.app.body"
local core = require "sip.core"
local location_of = require "sip.app.location"
local misuse = require "sip.rt.misuse"
local features = require "sip.features"
local registrar_of = require "sip.app.registrar"
local runtime_of = require "sip.app.runtime"
local version = require "sip.version"

local M = {}

-- What makes endpoints and runs them.
---@param sip sip
local function add_endpoints(sip, runtime)
  --- An endpoint: it listens, answers and dials. Raises when it cannot listen.
  ---@param options sip.EndpointOptions
  ---@return sip.Endpoint
  function sip.new(options)
    return runtime:endpoint(options)
  end

  --- Run until everything has ended, or until the function has returned. SIGINT and
  --- SIGTERM end it in an orderly way: new calls are refused, the others hung up; when
  --- all endpoints are closed, what `sip.spawn` still runs is cancelled.
  ---@param fn? function
  ---@param ... any  its arguments
  ---@return any ...  what the function returned
  function sip.run(fn, ...)
    misuse.unless(fn == nil or type(fn) == "function", "run: a function, or nothing")
    return runtime:run(fn, ...)
  end

  --- Who is asked for names, instead of the system's name servers: "192.0.2.53" or
  --- "[2001:db8::53]:5353". In the simulator the world itself answers.
  ---@param servers string[]
  function sip.name_servers(servers)
    runtime:name_servers(servers)
  end

  --- End everything in an orderly way, as SIGTERM does.
  ---@param why? string
  function sip.stop(why)
    runtime:stop(why)
  end
end

-- What runs beside a script.
---@param sip sip
local function add_tasks(sip, sched)
  --- Run a function in a coroutine of its own. Started by a script of a call, it dies
  --- with that call.
  ---@param fn function
  ---@param ... any  its arguments
  ---@return sip.Task
  function sip.spawn(fn, ...)
    misuse.unless(type(fn) == "function", "spawn: a function")
    return sched:spawn(fn, ...)
  end

  --- Run functions at once until the first returns; the others are cancelled.
  ---@param ... function
  ---@return integer which  its place among the arguments
  ---@return any ...        what it returned
  function sip.any(...)
    return sched:any(...)
  end

  --- Run functions at once until all have returned.
  ---@param ... function
  ---@return any ...  the first result of each
  function sip.all(...)
    return sched:all(...)
  end

  --- Run a function for at most so long.
  ---@param seconds number
  ---@param fn function
  ---@param ... any  its arguments
  ---@return any ...  what it returned; nil and an error, "timeout", if it was late
  function sip.timeout(seconds, fn, ...)
    return sched:timeout(seconds, fn, ...)
  end
end

-- What a script waits for.
---@param sip sip
local function add_waiting(sip, sched)
  --- Let time pass.
  ---@param seconds number
  ---@return true
  function sip.sleep(seconds)
    return sched:sleep(seconds)
  end

  --- Wait for a callback of somebody else.
  ---@param start fun(done: fun(...): boolean)  starts what is waited for; `done` ends
  ---   the wait with its arguments, once, at any time
  ---@param options? { timeout?: number, cancel?: fun(why: string) }  `cancel` is called
  ---   when the wait ends without an answer
  ---@return any ...  what `done` was given; nil and "timeout" after that time
  function sip.await(start, options)
    return sched:await(start, options)
  end

  --- Seconds on the program's clock.
  ---@return number
  function sip.now()
    return sched:now()
  end
end

-- Who is where.
---@param sip sip
local function add_registrar(sip, runtime)
  sip.location = {}

  --- A location service in memory: where registered users are. It belongs to its
  --- program, and may be that of several endpoints.
  ---@param options? sip.LocationOptions
  ---@return sip.Location
  function sip.location.memory(options)
    return location_of.memory(runtime, options)
  end

  --- A handler for REGISTER: `ua:on("REGISTER", sip.registrar())`. With `users` at the
  --- endpoint it challenges.
  ---@param options? sip.RegistrarOptions
  ---@return fun(req: sip.Request)
  function sip.registrar(options)
    return registrar_of.new(options)
  end
end

-- What goes into messages.
---@param sip sip
local function add_bodies(sip)
  --- A body of several parts: `req.body, req.content_type = sip.multipart { ... }`.
  ---@param spec sip.MultipartSpec
  ---@return string bytes
  ---@return string content_type
  function sip.multipart(spec)
    return body_of.multipart(spec)
  end

  --- The text of a message/sipfrag: a part of a message, as NOTIFY of a REFER has it.
  ---@param options sip.FragmentOptions
  ---@return string text
  function sip.fragment(options)
    return body_of.fragment(options)
  end

  --- Read the text of a message/sipfrag. What the fragment does not have is nil.
  ---@param text string
  ---@return sip.Message? fragment
  ---@return sip.Refusal? refusal
  function sip.read_fragment(text)
    return body_of.read_fragment(text)
  end
end

-- The functions of a facade.
local function facade(runtime)
  ---@class sip
  ---@field version string
  ---@field features fun(): table<string, true|string>  optional parts: true, or why not
  ---@field runtime sip.Runtime
  local sip = { runtime = runtime, version = version, features = features.list }

  add_endpoints(sip, runtime)
  add_registrar(sip, runtime)
  add_bodies(sip)
  add_tasks(sip, runtime.sched)
  add_waiting(sip, runtime.sched)
  return sip
end

--- A facade over another driver.
---@param options sip.RuntimeOptions
---@return sip
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

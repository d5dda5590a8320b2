--- `luasip run`: a script, as `lua` would run it, with the modules of this checkout.

local options = require "sip.cli.options"

local M = { summary = "run a script" }

---@type sip.cli.Spec
local spec = {
  usage = "luasip run [--trace] SCRIPT [ARGUMENT...]",
  about = [[
Runs a Lua script; its arguments are in `arg`, as ever. ^C ends its calls and then the
script, a second ^C ends it at once. Status 0, or 1 when the script has failed.]],
  options = {
    { "--trace", "", "print the message flow of every endpoint when it is over" },
  },
  least = 1,
  most = math.huge,
  script = true,
}

-- The traceback of the script: what is below it is of no use to its author.
local function trace_back(e)
  local text = type(e) == "string" and e or tostring(e)
  local trace = debug.traceback("", 2):gsub("\n%s*%[C%]: in function 'xpcall'.*$", "")
  return text .. trace
end

local function ladders(ctx, list)
  for _, tracer in ipairs(list or {}) do
    ctx.out:write("\n", tracer:text())
  end
end

--- Run the command.
---@param argv string[]
---@param ctx sip.cli.Context
---@return integer status
function M.main(argv, ctx)
  local args, why = options.parse(spec, argv)
  if not args then
    return ctx:misuse("run", why, spec)
  elseif args.help then
    return ctx:help(spec)
  end
  local chunk
  chunk, why = loadfile(args[1])
  if not chunk then
    return ctx:fail("run", why)
  end
  io.stdout:setvbuf "line"
  _ENV.arg = { [0] = args[1], table.unpack(args, 2) }
  local tracers = args.trace and {} or nil
  local runtime = ctx.sip.runtime
  runtime.tracing = tracers
  runtime.on_open = function(ua)
    ctx.err:write("luasip: listening at ", table.concat(ua.listening, " "), "\n")
  end
  local ok, e = xpcall(chunk, trace_back, table.unpack(args, 2))
  ladders(ctx, tracers)
  if not ok then
    return ctx:fail("run", e)
  elseif #runtime.endpoints > 0 then
    return ctx:fail("run", args[1] .. " ended without sip.run(): nobody was served")
  end
  return 0
end

return M

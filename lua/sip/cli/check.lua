--- `luasip check`: what is wrong with addresses, ports, certificates and names, before
--- a peer finds out.

local options = require "sip.cli.options"

local M = { summary = "look for what is wrong before a peer finds out" }

---@type sip.cli.Spec
local spec = {
  usage = "luasip check [OPTION...] [SCRIPT [ARGUMENT...]]",
  about = [[
Makes the endpoints of a script, up to its sip.run(), or one by these options, and says
what is wrong with their addresses, ports, certificates and names. What the script does
before sip.run() is done. Status 0, or 1 when there is an error or a warning.]],
  options = {
    { "--listen", "ADDRESS", "such as tls:0.0.0.0:5061; may be given again",
      many = true },
    { "--domain", "NAME", "what the endpoint answers for" },
    { "--advertise", "HOST", "what others are told" },
    { "--cert", "FILE", "its certificate, in PEM form" },
    { "--key", "FILE", "the key of that" },
    { "--ca", "FILE", "whom it trusts: a file or a folder" },
  },
  least = 0,
  most = math.huge,
  script = true,
}

-- What unwinds a script that has come to its sip.run().
local DONE = setmetatable({}, { __tostring = function() return "checked" end })

-- Check all endpoints that there are; how many errors and warnings.
local function check_all(ctx, run)
  local runtime, count = ctx.sip.runtime, 0
  run(runtime, function()
    for _, ua in ipairs(table.move(runtime.endpoints, 1, #runtime.endpoints, 1, {})) do
      ctx.out:write("listening at ", table.concat(ua.listening, " "), "\n")
      for _, finding in ipairs(ua:check()) do
        count = count + (finding.level == "note" and 0 or 1)
        ctx.out:write(tostring(finding), "\n")
      end
    end
  end)
  return count
end

-- Run a script up to its sip.run(); the number of complaints, or nil and why not.
local function check_script(ctx, args)
  local chunk, why = loadfile(args[1])
  if not chunk then
    return nil, why
  end
  _ENV.arg = { [0] = args[1], table.unpack(args, 2) }
  local runtime, count = ctx.sip.runtime, nil
  local run = runtime.run
  runtime.run = function()
    count = check_all(ctx, run)
    error(DONE, 0)
  end
  local ok, e = pcall(chunk, table.unpack(args, 2))
  runtime.run = nil
  if not ok and e ~= DONE then
    return nil, e
  elseif not count and not runtime.endpoints[1] then
    return nil, args[1] .. " ended without sip.run(): nothing was checked"
  end
  return count or check_all(ctx, run)
end

local function check_options(ctx, args)
  local tls = (args.cert or args.key or args.ca)
    and { cert = args.cert, key = args.key, ca = args.ca } or nil
  local ok, e = pcall(function()
    local ua = ctx.sip.new {
      listen = args.listen, domain = args.domain, advertise = args.advertise, tls = tls,
    }
    local count = check_all(ctx, ctx.sip.runtime.run)
    ua:close()
    return count
  end)
  return ok and e or nil, e
end

--- Run the command.
---@param argv string[]
---@param ctx sip.cli.Context
---@return integer status
function M.main(argv, ctx)
  local args, why = options.parse(spec, argv)
  if args and args.help then
    return ctx:help(spec)
  elseif args and not args[1] and not args.listen then
    why = "a script, or --listen"
  end
  if why then
    return ctx:misuse("check", why, spec)
  end
  ctx.sip.runtime.checking = true -- what the log would say at the start is said below
  local count
  count, why = (args[1] and check_script or check_options)(ctx, args)
  if not count then
    return ctx:fail("check", (tostring(why):gsub("^.-sip%.new: ", "")))
  elseif count == 0 then
    ctx.out:write "nothing is wrong\n"
  end
  return count == 0 and 0 or 1
end

return M

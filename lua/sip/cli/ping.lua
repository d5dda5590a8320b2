--- `luasip ping`: is somebody there, and how far away?

local phone = require "sip.cli.phone"

local M = { summary = "ask a server or a phone whether it is there (OPTIONS)" }

---@type sip.cli.Spec
local spec = {
  usage = "luasip ping [OPTION...] URI",
  about = [[
Sends OPTIONS and prints the answer and how long it took. Status 0 for a 2xx, 1 for
another answer or none.]],
  options = {
    { "--timeout", "SECONDS", "how long to wait: 10", number = true },
    phone.USER, phone.PASSWORD, phone.FROM, phone.LISTEN, phone.TRACE,
  },
  least = 1,
  most = 1,
}

local function ask(ctx, ua, args)
  local sip = ctx.sip
  local before = sip.now()
  local response, e = ua:request {
    method = "OPTIONS",
    uri = args[1],
    from = phone.from(args),
    auth = phone.auth(args),
    headers = { "Accept", "application/sdp" },
    timeout = args.timeout or 10,
  }
  local took = (sip.now() - before) * 1000
  response = response or e.response
  if not response then
    return { why = e }
  end
  return {
    well = response:is_request() == false and response:status() < 300,
    line = ("%s: %d %s in %.0f ms"):format(args[1], response:status(),
      response:reason(), took),
  }
end

--- Run the command.
---@param argv string[]
---@param ctx sip.cli.Context
---@return integer status
function M.main(argv, ctx)
  local ua, args = phone.begin(ctx, "ping", spec, argv, phone.complaint)
  if not ua then
    return args
  end
  local result
  ctx.sip.run(function()
    local scoped <close> = ua
    result = ask(ctx, scoped, args)
  end)
  if args.trace then
    ctx.out:write(ua:ladder(), "\n")
  end
  if not result then
    return ctx:fail("ping", "interrupted", 130)
  elseif not result.line then
    return ctx:fail("ping", ("%s: %s"):format(args[1], result.why))
  end
  ctx.out:write(result.line, "\n")
  return result.well and 0 or 1
end

return M

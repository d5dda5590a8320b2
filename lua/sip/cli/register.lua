--- `luasip register`: stay registered at a provider, until ^C removes it.

local address = require "sip.msg.address"
local phone = require "sip.cli.phone"

local M = { summary = "register at a provider or a PBX, until ^C" }

---@type sip.cli.Spec
local spec = {
  usage = "luasip register [OPTION...] URI",
  about = [[
Registers, shows all that is registered for that user, and stays registered: it
refreshes in time, and comes back when the server was away. Only what changes is
printed. ^C removes the registration. The URI names the user and the server, or the
server alone: sip:2001@pbx.example, or sip:192.0.2.1:5070 with --user. Status 0 when it
was registered and removed; 1 when it was refused, nobody answered in time, or nobody
confirmed the removal.]],
  options = {
    { "--user", "NAME", "for authentication, when it is not the user of the URI" },
    phone.PASSWORD,
    { "--contact", "URI", "where to be reached, when it is not this command" },
    { "--expires", "SECONDS", "how long it is to hold without a refresh: 3600",
      number = true },
    { "--registrar", "URI", "the server, when the URI does not name it" },
    { "--timeout", "SECONDS", "how long to wait for the first answer: 40",
      number = true },
    phone.LISTEN, phone.TRACE,
  },
  least = 1,
  most = 1,
}

-- Who is registered, and where: the two halves of the URI.
local function identity(args)
  local uri = address.uri(address.target(args[1]))
  local registrar = address.compose {
    scheme = uri.scheme, host = uri.host, port = uri.port, params = uri.params,
  }
  local aor = address.compose {
    scheme = uri.scheme, user = uri.user,
    user_text = not uri.user and args.user or nil, host = uri.host,
  }
  return aor, args.registrar or registrar
end

local function named(args, name)
  if args[name] and not address.target(args[name]) then
    return ("--%s: '%s' is no URI"):format(name, args[name])
  end
end

-- What makes no sense before anybody is asked.
local function complaint(args)
  local target = address.target(args[1])
  local uri = target and address.uri(target)
  if uri then
    args.user = args.user or uri.user_text
    if uri.scheme ~= "sip" and uri.scheme ~= "sips" then
      return ("'%s' is no SIP URI"):format(args[1])
    elseif not args.user then
      return ("'%s' names no user: put one before an @, or say --user"):format(args[1])
    elseif args.expires and not math.tointeger(args.expires) then
      return "--expires wants a whole number of seconds"
    end
  end
  return phone.complaint(args) or named(args, "contact") or named(args, "registrar")
end

-- The bindings as a table.
local function table_of(reg)
  local rows, width = { { "CONTACT", "EXPIRES IN", "Q" } }, { 0, 0 }
  for _, binding in ipairs(reg:bindings()) do
    rows[#rows + 1] = {
      binding.uri .. (binding.own and " (this one)" or ""),
      ("%.0f s"):format(binding.expires_in),
      binding.q and ("%g"):format(binding.q) or "",
    }
  end
  for _, row in ipairs(rows) do
    width[1] = math.max(width[1], #row[1])
    width[2] = math.max(width[2], #row[2])
  end
  for i, row in ipairs(rows) do
    local text = ("  %-" .. width[1] .. "s  %" .. width[2] .. "s  %s"):format(
      table.unpack(row))
    rows[i] = text:gsub(" +$", "") .. "\n"
  end
  return table.concat(rows)
end

local words = {
  registered = "registered again",
  registering = "not registered any more; it is tried again",
  failed = "refused; it is asked again in an hour at most",
}

-- What happens: the first answer is waited for, and after it changes are told.
local function teller(ctx, result)
  return function(reg, state)
    if not result.began then
      return result.answered(true)
    end
    local text = words[state]
    if reg.err and state == "registered" then
      text = "the refresh has failed, and is tried again"
    end
    local why = reg.err and ": " .. tostring(reg.err) or ""
    if text then
      ctx.out:write(reg.aor, ": ", text, why, "\n")
      ctx.out:flush()
    end
  end
end

local function stay(ctx, ua, args, result)
  local aor, registrar = identity(args)
  local reg, e = ua:register {
    aor = aor,
    registrar = registrar,
    user = args.password and args.user or nil,
    password = args.password,
    contact = args.contact,
    expires = args.expires and math.tointeger(args.expires),
    on_change = teller(ctx, result),
  }
  if not reg then
    result.why = e
    return
  end
  result.reg = reg
  ctx.sip.await(function(done)
    result.answered = done
  end, { timeout = args.timeout or 40 })
  if reg.state ~= "registered" then
    result.why = reg.err or "no answer"
    return
  end
  result.began = true
  ctx.out:write(("%s is registered at %s for %.0f s; ^C removes that\n\n%s\n"):format(
    reg.aor, reg.registrar, reg:expires_in(), table_of(reg)))
  ctx.out:flush()
  ctx.sip.await(function() end) -- until ^C
end

--- Run the command.
---@param argv string[]
---@param ctx sip.cli.Context
---@return integer status
function M.main(argv, ctx)
  local ua, args = phone.begin(ctx, "register", spec, argv, complaint)
  if not ua then
    return args
  end
  local result = {}
  ctx.sip.run(function()
    local scoped <close> = ua
    stay(ctx, scoped, args, result)
  end)
  if args.trace then
    ctx.out:write(ua:ladder(), "\n")
  end
  local reg = result.reg
  if result.why then
    return ctx:fail("register", ("%s: %s"):format(args[1], result.why))
  elseif not result.began then
    return ctx:fail("register", "interrupted", 130)
  elseif reg.err then
    return ctx:fail("register", "nobody has confirmed the removal: "
      .. tostring(reg.err))
  end
  ctx.out:write(reg.aor, ": removed\n")
  return 0
end

return M

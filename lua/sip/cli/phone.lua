--- What `luasip call`, `luasip ping` and `luasip register` have in common: who they are
--- and where they listen.

local address = require "sip.msg.address"
local options = require "sip.cli.options"

local M = {}

M.USER = { "--user", "NAME", "who we are, for From and for authentication" }
M.PASSWORD = { "--password", "SECRET", "of that user" }
M.FROM = { "--from", "URI", "who we are, when it is not that user" }
M.LISTEN = { "--listen", "ADDRESS", "such as udp:127.0.0.1:5070; may be given again\n"
  .. "(any address and port, UDP and TCP)", many = true }
M.TRACE = { "--trace", "", "print the message flow too" }

--- What makes no sense about these options.
---@param args sip.cli.Arguments
---@return string?
function M.complaint(args)
  if args.password and not args.user then
    return "--password wants --user"
  elseif not address.target(args[1]) then
    return ("'%s' is no URI, such as sip:name@192.0.2.1:5060"):format(args[1])
  elseif args.from and not address.target(args.from) then
    return ("--from: '%s' is no URI"):format(args.from)
  end
end

--- The credentials.
---@param args sip.cli.Arguments
---@return { user: string, password: string }?
function M.auth(args)
  return args.password and { user = args.user, password = args.password } or nil
end

--- The From: what was asked for, or the user at the other side's domain.
---@param args sip.cli.Arguments
---@return string?
function M.from(args)
  if args.from or not args.user then
    return args.from
  end
  local uri = address.uri(address.target(args[1]))
  return ("sip:%s@%s"):format(args.user, uri.host)
end

-- An endpoint that is traced; nil and why it cannot listen.
local function open(ctx, args)
  local any = args[1]:find("[", 1, true) and "[::]" or "0.0.0.0"
  local ok, ua = pcall(ctx.sip.new, {
    listen = args.listen or { "udp:" .. any .. ":0", "tcp:" .. any .. ":0" },
    trace = true,
  })
  if not ok then
    return nil, (tostring(ua):gsub("^.-sip%.new: ", ""))
  end
  return ua
end

--- What all of them begin with. Without an endpoint the command has ended.
---@param ctx sip.cli.Context
---@param name string      the command
---@param spec sip.cli.Spec
---@param argv string[]
---@param complaint fun(args: sip.cli.Arguments): string?  what makes no sense
---@return sip.Endpoint? ua
---@return sip.cli.Arguments|integer args  or the status to end with
function M.begin(ctx, name, spec, argv, complaint)
  local args, why = options.parse(spec, argv)
  if args and args.help then
    return nil, ctx:help(spec)
  end
  why = why or complaint(args)
  if why then
    return nil, ctx:misuse(name, why, spec)
  end
  local ua
  ua, why = open(ctx, args)
  if not ua then
    return nil, ctx:fail(name, why)
  end
  return ua, args
end

return M

--- The command `luasip`: options of its own, then the name of a sub-command and what
--- belongs to that.

local call = require "sip.cli.call"
local check = require "sip.cli.check"
local options = require "sip.cli.options"
local ping = require "sip.cli.ping"
local register = require "sip.cli.register"
local run = require "sip.cli.run"
local sip = require "sip"
local version = require "sip.version"

local M = {}

---@class sip.cli.Command
---@field summary string        one line for `luasip --help`
---@field main fun(argv: string[], ctx: sip.cli.Context): integer

--- The sub-commands by name, in the order of the help text.
---@type { name: string, command: sip.cli.Command }[]
local commands = {
  { name = "run", command = run },
  { name = "call", command = call },
  { name = "ping", command = ping },
  { name = "register", command = register },
  { name = "check", command = check },
}

---@class sip.cli.Context  what a command stands in
---@field sip table        the facade it uses
---@field out any          where results go: a file
---@field err any          where complaints go
local Context = {}
local context_mt = { __index = Context }

--- Print the help text of a command.
---@param spec sip.cli.Spec
---@return integer status
function Context:help(spec)
  self.out:write(options.help(spec))
  return 0
end

--- Say that a command has failed, and why.
---@param name string
---@param why any
---@param status? integer
---@return integer status
function Context:fail(name, why, status)
  self.out:flush() -- into one pipe they go in this order
  self.err:write(("luasip %s: %s\n"):format(name, tostring(why)))
  return status or 1
end

--- Say what is wrong with a command line.
---@param name string
---@param why string
---@param spec sip.cli.Spec
---@return integer status
function Context:misuse(name, why, spec)
  self.err:write(("luasip %s: %s\nusage: %s\n('luasip %s --help' says more)\n"):format(
    name, why, spec.usage, name))
  return 2
end

local function usage(out)
  out:write "usage: luasip [--help | --version] | COMMAND [ARGUMENT...]\n\ncommands:\n"
  for _, entry in ipairs(commands) do
    out:write(("  %-8s  %s\n"):format(entry.name, entry.command.summary))
  end
  out:write "\n'luasip COMMAND --help' says what a command takes.\n"
end

--- Run the command line.
---@param argv string[]
---@param given? { sip?: table, out?: any, err?: any }  instead of the real ones
---@return integer status  0; 1 when it has failed; 2: the command line makes no sense
function M.main(argv, given)
  given = given or {}
  local ctx = setmetatable({
    sip = given.sip or sip,
    out = given.out or io.stdout,
    err = given.err or io.stderr,
  }, context_mt)
  local name = argv[1]
  if name == "--help" or name == "-h" then
    usage(ctx.out)
    return 0
  elseif name == "--version" then
    ctx.out:write(("luasip %s (%s)\n"):format(version, _VERSION))
    return 0
  end
  for _, entry in ipairs(commands) do
    if entry.name == name then
      return entry.command.main({ table.unpack(argv, 2) }, ctx)
    end
  end
  if name then
    ctx.err:write(("luasip: unknown command '%s'\n"):format(name))
  end
  usage(ctx.err)
  return 2
end

return M

--- The command `luasip`: options of its own, then the name of a sub-command and what
--- belongs to that.

local version = require "sip.version"

local M = {}

---@class sip.cli.Command
---@field summary string        one line for `luasip --help`
---@field main fun(argv: string[]): integer   what follows its name; gives the status

--- The sub-commands by name, in the order of the help text.
---@type { name: string, command: sip.cli.Command }[]
local commands = {}

local function usage(out)
  out:write "usage: luasip [--help | --version]"
  if #commands > 0 then
    out:write " | COMMAND [ARGUMENT...]\n\ncommands:"
  end
  for _, entry in ipairs(commands) do
    out:write(("\n  %-10s %s"):format(entry.name, entry.command.summary))
  end
  out:write "\n"
end

--- Run the command line.
---@param argv string[]
---@return integer status       0, or 2 when the command line makes no sense
function M.main(argv)
  local name = argv[1]
  if name == "--help" or name == "-h" then
    usage(io.stdout)
    return 0
  elseif name == "--version" then
    print(("luasip %s (%s)"):format(version, _VERSION))
    return 0
  end
  for _, entry in ipairs(commands) do
    if entry.name == name then
      return entry.command.main { table.unpack(argv, 2) }
    end
  end
  if name then
    io.stderr:write(("luasip: unknown command '%s'\n"):format(name))
  end
  usage(io.stderr)
  return 2
end

return M

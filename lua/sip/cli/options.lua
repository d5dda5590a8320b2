--- Command lines: options, which may stand anywhere before `--`, and what is left.
--- One table says what a command takes; its help text is printed from the same.

local M = {}

---@class sip.cli.Option
---@field [1] string        "--listen"
---@field [2] string        what its value is called, "ADDRESS"; "" when it takes none
---@field [3] string        a line of help
---@field many? boolean     may be given again: the value is an array
---@field number? boolean   seconds: a number above 0
---@field action? boolean   goes into `actions` too, with its place among the others

---@class sip.cli.Spec
---@field usage string      "luasip ping [OPTION...] URI"
---@field about string      what it does, in whole lines
---@field options sip.cli.Option[]
---@field least integer     how many other arguments
---@field most integer
---@field script? boolean   what follows the first other argument is not ours, flags
---   of ours excepted

---@class sip.cli.Arguments
---@field [integer] string  what is no option
---@field actions { [1]: string, [2]: string }[]
---@field help? boolean
---@field [string] any      values of options by name without its dashes

local HELP = { "--help", "", "print this" }

--- The help text of a command.
---@param spec sip.cli.Spec
---@return string
function M.help(spec)
  local lines, width = { "usage: " .. spec.usage, "", spec.about, "" }, 0
  local all = table.move(spec.options, 1, #spec.options, 1, {})
  all[#all + 1] = HELP
  for _, option in ipairs(all) do
    width = math.max(width, #option[1] + #option[2] + 1)
  end
  for _, option in ipairs(all) do
    local name = option[2] == "" and option[1] or option[1] .. " " .. option[2]
    lines[#lines + 1] = ("  %-" .. width .. "s  %s"):format(name,
      (option[3]:gsub("\n", "\n" .. (" "):rep(width + 4))))
  end
  return table.concat(lines, "\n") .. "\n"
end

local function take(into, option, value)
  local key = option[1]:sub(3)
  if option.number then
    local seconds = tonumber(value)
    if not seconds or seconds <= 0 or seconds == math.huge then
      return ("%s wants a number of seconds, not '%s'"):format(option[1], value)
    end
    value = seconds
  end
  if option.action then
    table.insert(into.actions, { key, value })
  end
  if option.many then
    into[key] = into[key] or {}
    table.insert(into[key], value)
  else
    into[key] = value
  end
end

local function find(spec, name)
  for _, option in ipairs(spec.options) do
    if option[1] == name then
      return option
    end
  end
end

-- Behind the name of a script only our flags are ours, and only until `--`.
local function is_ours(spec, into, word)
  if not (spec.script and #into > 0) then
    return word:find "^%-." ~= nil
  end
  local option = find(spec, word)
  return option ~= nil and option[2] == ""
end

-- The option at a place of the command line: how many words it took, or a complaint.
local function option_at(spec, into, argv, i)
  local name, value = argv[i]:match "^(%-%-[^=]+)=(.*)$"
  name = name or argv[i]
  if name == "--help" or name == "-h" then
    into.help = true
    return 1
  end
  local option = find(spec, name)
  if not option then
    return nil, ("unknown option '%s'"):format(name)
  elseif option[2] == "" then
    if value then
      return nil, name .. " takes no value"
    end
    into[name:sub(3)] = true
    return 1
  end
  local used = value and 1 or 2
  value = value or argv[i + 1]
  if not value then
    return nil, ("%s wants a value: %s"):format(name, option[2])
  end
  local why = take(into, option, value)
  return not why and used or nil, why
end

local function count_fits(spec, into)
  if into.help then
    return true
  elseif #into < spec.least then
    return nil, "something is missing"
  elseif #into > spec.most then
    return nil, ("'%s' is too much"):format(into[spec.most + 1])
  end
  return true
end

--- Take a command line apart.
---@param spec sip.cli.Spec
---@param argv string[]
---@return sip.cli.Arguments? arguments
---@return string? why
function M.parse(spec, argv)
  local into, i, ended = { actions = {} }, 1, false
  while i <= #argv do
    if not ended and argv[i] == "--" then
      ended = true
      i = i + 1
    elseif not ended and is_ours(spec, into, argv[i]) then
      local used, why = option_at(spec, into, argv, i)
      if not used then
        return nil, why
      end
      i = i + used
    else
      into[#into + 1] = argv[i]
      i = i + 1
    end
  end
  local ok, why = count_fits(spec, into)
  return ok and into, why
end

return M

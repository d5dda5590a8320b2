--- doc/api.md: what scripts may use, from the annotations. Modules that scripts do not
--- see (rt, ua, msg builders) are not in it, unless scripts hold their objects.

local annotations = require "tools.annotations"

local M = {}

local SHOWN = {
  "^sip$", "^sip%.app", "^sip%.sim", "^sip%.store", "^sip%.rt%.err$", "^sip%.msg$",
}

local INTRO = [[
# API reference

Written by `make docs` from the annotations in `lua/sip`; not by hand.
]]

--- Whether scripts see a module.
---@param module tools.Module
---@return boolean
function M.shown(module)
  for _, pattern in ipairs(SHOWN) do
    if module.name:find(pattern) then
      return true
    end
  end
  return false
end

local function cell(text)
  return (text:gsub("|", "\\|"):gsub("\n", " "))
end

local function write_function(out, item, prefix)
  local names = {}
  for _, param in ipairs(item.params) do
    names[#names + 1] = param.name:gsub("%?$", "")
  end
  out[#out + 1] = ("### `%s%s%s(%s)`\n\n"):format(prefix, item.separator, item.name,
    table.concat(names, ", "))
  if item.text ~= "" then
    out[#out + 1] = item.text .. "\n\n"
  end
  for _, param in ipairs(item.params) do
    out[#out + 1] = ("- `%s`: `%s` %s\n"):format(param.name, param.type, param.text)
  end
  for _, value in ipairs(item.returns) do
    out[#out + 1] = ("- returns `%s` %s\n"):format(value.type, value.text)
  end
  if #item.params + #item.returns > 0 then
    out[#out + 1] = "\n"
  end
end

local function write_class(out, class)
  local public = {}
  for _, field in ipairs(class.fields) do
    if not field.private then
      public[#public + 1] = field
    end
  end
  out[#out + 1] = ("### `%s`\n\n"):format(class.name)
  if #class.text > 0 then
    out[#out + 1] = table.concat(class.text, "\n") .. "\n\n"
  end
  if #public > 0 then
    out[#out + 1] = "| field | type | |\n|---|---|---|\n"
    for _, field in ipairs(public) do
      out[#out + 1] = ("| `%s` | `%s` | %s |\n"):format(field.name, cell(field.type),
        cell(field.text))
    end
    out[#out + 1] = "\n"
  end
end

local function write_module(out, module)
  local prefixes = {}
  out[#out + 1] = ("\n## %s\n\n%s\n\n"):format(module.name, module.text)
  for _, class in ipairs(module.classes) do
    if not class.private then
      write_class(out, class)
    end
    if class.owner then
      prefixes[class.owner] = class.owner:lower()
    end
  end
  for _, item in ipairs(module.functions) do
    if not item.private then
      write_function(out, item, prefixes[item.owner] or module.name)
    end
  end
end

--- The page.
---@return string? text
---@return string? why
function M.render()
  local out = { INTRO }
  for _, module in ipairs(annotations.all()) do
    if M.shown(module) then
      write_module(out, module)
    end
  end
  if #out == 1 then
    return nil, "no module that scripts see"
  end
  local text = table.concat(out):gsub(" +\n", "\n"):gsub("\n\n\n+", "\n\n")
  return (text:gsub("\n+$", "\n"))
end

return M

--- doc/api.md: what scripts may use, from the annotations. Modules that scripts do not
--- see (rt, ua, msg builders) are not in it, unless scripts hold their objects.

local annotations = require "tools.annotations"

local M = {}

local INTRO = [[
# API reference

Written by `make docs` from the annotations in `lua/sip`; not by hand. Times are
seconds. What can be expected to fail gives `nil, err`; misuse raises, and an unknown
option is misuse.
]]

-- In the order of the page; `modules` are patterns of paths below lua/sip.
local CHAPTERS = {
  { title = "sip", modules = { "^init" } },
  {
    title = "Endpoints",
    modules = { "^app/endpoint", "^app/outofdialog", "^app/check", "^app/reach",
      "^app/target", "^app/sources", "^app/closing" },
  },
  {
    title = "Calls",
    modules = {
      "^app/call", "^app/party", "^app/answer", "^app/dial", "^app/bridge",
      "^app/sound", "^app/play", "^app/press", "^app/gather", "^app/record",
      "^app/indialog",
    },
  },
  { title = "Requests", modules = { "^app/request", "^app/guarded", "^app/proxy" } },
  { title = "Registrations", modules = { "^app/registration" } },
  {
    title = "Location and registrar",
    modules = { "^app/location", "^app/registrar" },
  },
  { title = "Errors", modules = { "^rt/err" } },
  { title = "sip.sim", modules = { "^sim%.lua", "^sim/host", "^sim/phone" } },
  { title = "Bodies", modules = { "^app/body" } },
  { title = "Messages: sip.core", modules = { "^meta/msg", "^meta/body" } },
}

-- Below app, but nothing that a script holds.
local INNER = {
  "^app/digits", "^app/inbox", "^app/intake", "^app/keeping", "^app/options",
  "^app/outgoing", "^app/runtime", "^app/settings", "^app/tracer", "^app/users",
  "^app/wait", "^store/",
}

-- Classes that stand in the files above and are not for scripts.
local HIDDEN = {
  ["sip.Dialling"] = true, ["sip.Recording"] = true, ["sip.Registrant"] = true,
  ["sip.Sound"] = true,
}

local function below(module)
  return (module.path:gsub("^lua/sip/", ""))
end

local function matches(module, patterns)
  for _, pattern in ipairs(patterns) do
    if below(module):find(pattern) then
      return true
    end
  end
  return false
end

--- Whether scripts see a module.
---@param module tools.Module
---@return boolean
function M.shown(module)
  for _, chapter in ipairs(CHAPTERS) do
    if matches(module, chapter.modules) then
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
  if class.private or HIDDEN[class.name] or #public + #class.text == 0 then
    return
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

-- What a script writes before the name of a function: verbs of calls stand in files
-- of their own, each a table that is put into the class.
local function prefix_of(module, item, prefixes)
  if item.owner:find(".", 1, true) then
    return item.owner
  end
  local is_verb = item.separator == ":" and below(module):find "^app/"
  return prefixes[item.owner] or is_verb and "call" or module.name
end

local function write_module(out, module)
  local prefixes = {}
  for _, class in ipairs(module.classes) do
    write_class(out, class)
    if class.owner then
      prefixes[class.owner] = class.owner:lower()
    end
  end
  for _, item in ipairs(module.functions) do
    if not item.private then
      write_function(out, item, prefix_of(module, item, prefixes))
    end
  end
end

local function write_chapter(out, chapter, modules)
  out[#out + 1] = ("\n## %s\n\n"):format(chapter.title)
  for _, pattern in ipairs(chapter.modules) do
    for _, module in ipairs(modules) do
      if below(module):find(pattern) then
        out[#out + 1] = pattern == chapter.modules[1] and module.text .. "\n\n" or nil
        write_module(out, module)
      end
    end
  end
end

--- Modules below app, sim and store that the page neither shows nor leaves out.
---@return string[] paths
function M.forgotten()
  local list = {}
  for _, module in ipairs(annotations.all()) do
    local place = below(module)
    if (place:find "^app/" or place:find "^sim" or place:find "^store/")
      and not M.shown(module) and not matches(module, INNER) then
      list[#list + 1] = module.path
    end
  end
  return list
end

--- The page.
---@return string? text
---@return string? why
function M.render()
  local out, modules = { INTRO }, annotations.all()
  for _, chapter in ipairs(CHAPTERS) do
    write_chapter(out, chapter, modules)
  end
  local text = table.concat(out):gsub(" +\n", "\n"):gsub("\n\n\n+", "\n\n")
  return (text:gsub("\n+$", "\n"))
end

return M

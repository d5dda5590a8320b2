--- Read the LuaLS annotations of the Lua sources: the one source of doc/api.md, and
--- what a spec holds the code to.

local tree = require "spec.support.tree"

local M = {}

---@class tools.Function
---@field owner string          the table it is a field of
---@field separator string      "." or ":"
---@field name string
---@field parameters string[]
---@field line integer
---@field text string           what it does
---@field params { name: string, type: string, text: string }[]
---@field returns { type: string, text: string }[]
---@field private boolean

---@class tools.Module
---@field name string
---@field path string
---@field text string           the paragraph at its top
---@field classes table[]
---@field functions tools.Function[]

-- A type may hold spaces inside brackets, after "fun(...):" and around "|".
local function split_type(text)
  local at, depth = 1, 0
  while at <= #text do
    local char = text:sub(at, at)
    if char:find "[%(%[{<]" then
      depth = depth + 1
    elseif char:find "[%)%]}>]" then
      depth = depth - 1
    elseif char == " " and depth == 0 then
      local before, after = text:sub(1, at - 1), text:sub(at + 1)
      if not before:find "[:|,]$" and not after:find "^[|]" then
        return before, (after:gsub("^%s+", ""))
      end
    end
    at = at + 1
  end
  return text, ""
end

local function new_block(line)
  return { line = line, text = {}, params = {}, returns = {}, fields = {} }
end

-- One `---` line into the block. What is indented goes on with the last tag.
local function annotate(block, text)
  local tag, rest = text:match "^@(%a+)%s*(.*)$"
  local last = block.params[#block.params] or block.fields[#block.fields]
  last = block.returns[#block.returns] or last
  if not tag and last and text:find "^   ?%S" then
    last.text = last.text .. text:gsub("^ +", " ")
  elseif not tag then
    block.text[#block.text + 1] = text:gsub("^ ", "")
  elseif tag == "param" then
    local name, more = rest:match "^(%S+)%s+(.*)$"
    local kind, what = split_type(more or "")
    block.params[#block.params + 1] = { name = name or rest, type = kind, text = what }
  elseif tag == "return" then
    local kind, what = split_type(rest)
    block.returns[#block.returns + 1] = { type = kind, text = what }
  elseif tag == "field" then
    local scope, more = rest:match "^(p%l+)%s+(.*)$"
    if scope ~= "private" and scope ~= "package" and scope ~= "protected" then
      scope, more = nil, nil
    end
    local name, kind = (more or rest):match "^(%[?%S+%]?)%s+(.*)$"
    local of, what = split_type(kind or "")
    block.fields[#block.fields + 1] =
      { name = name or rest, type = of, text = what, private = scope ~= nil }
  elseif tag == "class" then
    block.class = rest:gsub("^%(%a+%)%s*", ""):match "^[%w_.]+"
  elseif tag == "private" or tag == "package" or tag == "protected" then
    block.private = true
  elseif tag == "alias" or tag == "type" or tag == "overload" or tag == "meta" then
    block[tag] = rest
  end
end

local function parameters_of(list)
  local names = {}
  for name in list:gmatch "[%w_%.]+" do
    names[#names + 1] = name
  end
  return names
end

local function close_block(module, block, line, number)
  if block.class then
    module.classes[#module.classes + 1] = block
    block.name = block.class
    block.owner = line:match "^%s*local ([%w_]+) ="
  end
  local owner, separator, name, list =
    line:match "^%s*function ([%w_.]+)([.:])([%w_]+)%s*%((.-)%)"
  if owner and not name:find "^__" then
    module.functions[#module.functions + 1] = {
      owner = owner, separator = separator, name = name, line = number,
      parameters = parameters_of(list), text = table.concat(block.text, "\n"),
      params = block.params, returns = block.returns, private = block.private == true,
    }
  end
end

--- Read one file.
---@param path string
---@return tools.Module
function M.module(path)
  local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", "")
  local module = {
    name = name:gsub("/meta/", "/"):gsub("/", "."), path = path,
    classes = {}, functions = {},
  }
  local block = new_block(1)
  for number, line in tree.lines(tree.read(path)) do
    local doc = line:match "^%s*%-%-%-(.*)$"
    if doc then
      annotate(block, doc)
    else
      if not module.text and #block.text > 0 and line == "" then
        module.text = table.concat(block.text, "\n")
      end
      close_block(module, block, line, number)
      block = new_block(number + 1)
    end
  end
  module.text = module.text or ""
  return module
end

--- Read all of lua/.
---@return tools.Module[]
function M.all()
  local modules = {}
  for _, path in ipairs(tree.files({ "lua" }, { ".lua" })) do
    modules[#modules + 1] = M.module(path)
  end
  return modules
end

return M

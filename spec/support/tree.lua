--- The source tree as data, for the specs in spec/lint and the tools.

local M = {}

--- Files below the given folders (or the files themselves) whose name matches one of
--- the suffixes; every file when none is given. Missing folders have no files.
---@param folders string[]
---@param suffixes string[]?
---@return string[] paths      sorted
function M.files(folders, suffixes)
  local paths = {}
  local pipe = assert(io.popen("find " .. table.concat(folders, " ")
    .. " -type f 2>/dev/null"))
  for path in pipe:lines() do
    local wanted = not suffixes
    for _, suffix in ipairs(suffixes or {}) do
      wanted = wanted or path:sub(-#suffix) == suffix
    end
    if wanted then
      paths[#paths + 1] = path
    end
  end
  pipe:close()
  table.sort(paths)
  return paths
end

--- What the project wrote by hand; neither bytes (spec/data, a corpus) nor builds.
---@return string[] paths
function M.written()
  local paths = {}
  local folders = { "csrc", "lua", "spec", "examples", "tools", "bin", "doc", ".ci" }
  for _, path in ipairs(M.files(folders)) do
    if not path:find "^spec/data/" and not path:find "^spec/fuzz/corpus/" then
      paths[#paths + 1] = path
    end
  end
  for path in assert(io.popen "ls -A"):lines() do
    if path:find "^Makefile$" or path:find "%.md$" or path:find "%.rockspec$"
      or (path:find "^%.[%w-]+$" and path ~= ".git") then
      local file = io.open(path)
      if file and file:read(0) then
        paths[#paths + 1] = path
      end
    end
  end
  return paths
end

--- The text of a file.
---@param path string
---@return string
function M.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- The lines of a text, with their numbers.
---@param text string
---@return fun(): integer?, string?
function M.lines(text)
  local number = 0
  local next_line = text:gmatch "([^\n]*)\n?"
  return function()
    local line = next_line()
    number = number + 1
    if line then
      return number, line
    end
  end
end

local function blanked(text)
  return (text:gsub("[^\n]", " "))
end

-- Replace what `openers` start, keeping every newline and every column: the place of
-- whatever is found later is still the place in the file.
local function blank(text, openers)
  local out, at = {}, 1
  while at <= #text do
    local first, last
    for _, opener in ipairs(openers) do
      local a, b = opener(text, at)
      if a and (not first or a < first) then
        first, last = a, b
      end
    end
    if not first then
      break
    end
    out[#out + 1] = text:sub(at, first - 1)
    out[#out + 1] = blanked(text:sub(first, last))
    at = last + 1
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

local function quoted(quote)
  return function(text, at)
    local first = text:find(quote, at, true)
    local last = first
    while last do
      last = text:find("[\\\n" .. quote .. "]", last + 1)
      if not last or text:sub(last, last) ~= "\\" then
        return first, last or #text
      end
      last = last + 1
    end
  end
end

local function between(pattern, closer)
  return function(text, at)
    local first, last = text:find(pattern, at)
    if first then
      local _, stop = text:find(closer, last + 1)
      return first, stop or #text
    end
  end
end

local function long_bracket(prefix)
  return function(text, at)
    local first, last, level = text:find(prefix .. "%[(=*)%[", at)
    if first then
      local _, stop = text:find("]" .. level .. "]", last + 1, true)
      return first, stop or #text
    end
  end
end

local function lua_comment(text, at)
  local first = text:find("--", at, true)
  if first then
    local a, b = long_bracket "%-%-" (text, first)
    if a == first then
      return a, b
    end
    return first, (text:find("\n", first, true) or #text + 1) - 1
  end
end

local C_OPENERS = {
  between("/%*", "%*/"), between("//", "\n"), quoted '"', quoted "'",
}

local LUA_OPENERS = { lua_comment, quoted '"', quoted "'", long_bracket "" }

--- C text without comments, strings and characters.
---@param text string
---@return string
function M.bare_c(text)
  return blank(text, C_OPENERS)
end

--- Lua text without comments and strings.
---@param text string
---@return string
function M.bare_lua(text)
  return blank(text, LUA_OPENERS)
end

--- Where something was found, for a message.
---@param path string
---@param text string
---@param at integer
---@param what string
---@return string
function M.place(path, text, at, what)
  local _, newlines = text:sub(1, at):gsub("\n", "")
  return ("%s:%d: %s"):format(path, newlines + 1, what)
end

return M

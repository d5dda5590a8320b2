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

--- What the project wrote by hand; neither bytes (spec/data, a corpus, sounds) nor
--- builds.
---@return string[] paths
function M.written()
  local paths = {}
  local folders = { "csrc", "lua", "spec", "examples", "tools", "bin", "doc", ".ci" }
  for _, path in ipairs(M.files(folders)) do
    if not path:find "^spec/data/" and not path:find "^spec/fuzz/corpus/"
      and not path:find "%.wav$" then
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

-- Replace comments and strings, keeping every newline and every column: the place of
-- whatever is found later is still the place in the file. `starts` is a class of the
-- characters that may open one; `close(text, at)` gives the last byte of what opens
-- there, or nil.
local function blank(text, starts, close)
  local out, at, from = {}, 1, 1
  while true do
    local first = text:find(starts, at)
    if not first then
      break
    end
    local last = close(text, first)
    if last then
      out[#out + 1] = text:sub(from, first - 1)
      out[#out + 1] = blanked(text:sub(first, last))
      from = last + 1
    end
    at = (last or first) + 1
  end
  out[#out + 1] = text:sub(from)
  return table.concat(out)
end

local function close_quote(text, first)
  local last = first
  local stop = "[\\\n" .. text:sub(first, first) .. "]"
  repeat
    last = text:find(stop, last + 1) or #text
    local escape = text:sub(last, last) == "\\"
    last = escape and last + 1 or last
  until not escape
  return last
end

local function close_c(text, first)
  if not text:find("^/", first) then
    return close_quote(text, first)
  elseif text:find("^/%*", first) then
    return select(2, text:find("*/", first + 2, true)) or #text
  elseif text:find("^//", first) then
    return (text:find("\n", first, true) or #text + 1) - 1
  end
end

local function close_bracket(text, first)
  local level = text:match("^%[(=*)%[", first)
  if level then
    return select(2, text:find("]" .. level .. "]", first + 1, true)) or #text
  end
end

local function close_lua(text, first)
  if text:find("^%[", first) then
    return close_bracket(text, first)
  elseif not text:find("^%-", first) then
    return close_quote(text, first)
  elseif text:find("^%-%-", first) then
    return close_bracket(text, first + 2)
      or (text:find("\n", first, true) or #text + 1) - 1
  end
end

--- C text without comments, strings and characters.
---@param text string
---@return string
function M.bare_c(text)
  return blank(text, "[/\"']", close_c)
end

--- Lua text without comments and strings.
---@param text string
---@return string
function M.bare_lua(text)
  return blank(text, "[-%[\"']", close_lua)
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

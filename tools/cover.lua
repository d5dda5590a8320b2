--- What the suite ran, of C (gcov) and of Lua (spec/support/linecount.lua), in one
--- page: the lines that were never reached, then a table.
---
---   lua5.4 tools/cover.lua build/cover

package.path = "./?.lua;" .. package.path

local tree = require "spec.support.tree"

local build = assert(arg[1], "which build?")

---@class tools.Cover
---@field path string
---@field reached integer
---@field lines integer
---@field missed integer[]

-- gcov's own text: count, line number, source; "#####" was compiled and never ran.
local function of_c(path)
  local object = ("%s/obj/%s"):format(build, (path:gsub("%.c$", ".o")))
  local pipe = assert(io.popen(("gcov -t -o %s %s 2>/dev/null"):format(object, path)))
  local item = { path = path, reached = 0, lines = 0, missed = {} }
  local ours = false
  for line in pipe:lines() do
    local source = line:match "^%s*%-:%s*0:Source:(.*)$"
    if source then
      ours = source == path
    end
    local count, number = line:match "^%s*([^:]+):%s*(%d+):"
    if ours and count and number ~= "0" and count ~= "-" then
      item.lines = item.lines + 1
      if count:find "^[#=]" then
        item.missed[#item.missed + 1] = tonumber(number)
      else
        item.reached = item.reached + 1
      end
    end
  end
  pipe:close()
  return item
end

-- The lines of a file that have code, from the compiler's own listing.
local function code_lines(path)
  local lines = {}
  local pipe = assert(io.popen("luac5.4 -l -p " .. path))
  for line in pipe:lines() do
    local number, op = line:match "^\t%d+\t%[(%d+)%]\t(%u[%u%d_]*)"
    if number and op ~= "VARARGPREP" and not op:find "^RETURN" then
      lines[tonumber(number)] = true
    end
  end
  pipe:close()
  return lines
end

local function of_lua(path, counts)
  local item = { path = path, reached = 0, lines = 0, missed = {} }
  for number in pairs(code_lines(path)) do
    item.lines = item.lines + 1
    if counts[number] then
      item.reached = item.reached + 1
    else
      item.missed[#item.missed + 1] = number
    end
  end
  table.sort(item.missed)
  return item
end

local function lua_counts()
  local counts = setmetatable({}, {
    __index = function(all, path)
      all[path] = {}
      return all[path]
    end,
  })
  for line in io.lines(build .. "/lua.lines") do
    local path, number = line:match "^@%.?/?(lua/.-%.lua) (%d+) %d+$"
    if path then
      counts[path][tonumber(number)] = true
    end
  end
  return counts
end

-- "3-5 9": runs of lines.
local function ranges(lines)
  local out, first = {}, nil
  for i, line in ipairs(lines) do
    first = first or line
    if lines[i + 1] ~= line + 1 then
      out[#out + 1] = first == line and tostring(line) or first .. "-" .. line
      first = nil
    end
  end
  return table.concat(out, " ")
end

local function percent(item)
  return item.lines == 0 and 100 or 100 * item.reached / item.lines
end

local function add(sums, key, item)
  local sum = sums[key] or { path = key, reached = 0, lines = 0 }
  sum.reached, sum.lines = sum.reached + item.reached, sum.lines + item.lines
  sums[key] = sum
end

local function report(items)
  local sums, keys = {}, {}
  for _, item in ipairs(items) do
    if #item.missed > 0 then
      print(("%5.1f %%  %s: %s"):format(percent(item), item.path, ranges(item.missed)))
    end
    add(sums, item.path:match "^[^/]+/[^/]+/[^/]+/" or item.path:match "^.*/", item)
    add(sums, item.path:match "^[^/]+", item)
  end
  for key in pairs(sums) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  print "\ntotal of lines"
  for _, key in ipairs(keys) do
    local sum = sums[key]
    print(("%5.1f %%  %5d of %5d  %s"):format(percent(sum), sum.reached, sum.lines,
      key))
  end
end

local items, counts = {}, lua_counts()
for _, path in ipairs(tree.files({ "csrc" }, { ".c" })) do
  if not path:find "/l_test" then
    items[#items + 1] = of_c(path)
  end
end
for _, path in ipairs(tree.files({ "lua" }, { ".lua" })) do
  if not path:find "/meta/" then
    items[#items + 1] = of_lua(path, counts[path])
  end
end
report(items)

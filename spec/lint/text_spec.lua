-- How a file looks, as far as no other tool says so; and how long it may be.

local tree = require "spec.support.tree"
local sizes = require "tools.sizes"

-- clang-format holds C to 88; what it leaves alone (lists in macros) has a little more.
local COLUMNS = { lua = 88, sh = 88, c = 96, h = 96 }

-- Columns of a line, tabs to the next multiple of eight, a UTF-8 character as one.
local function columns(line)
  local at = 0
  for char in line:gmatch(utf8.charpattern) do
    at = char == "\t" and at + 8 - at % 8 or at + 1
  end
  return at
end

-- Each rule gives what is wrong with a line, or nothing.
local function spaces(line, path)
  if path:find "%.sip$" then
    return nil -- a message: its lines end in CRLF
  elseif line:find "[ \t\r]$" and not path:find "%.md$" then
    return "white space at the end"
  elseif line:find "\r" then
    return "a carriage return"
  end
end

local function indent(line, path)
  if path:find "%.lua$" and line:find "^%s*\t" then
    return "a tab"
  elseif path:find "%.[ch]$" and line:find "^ +\t" then
    return "a space before a tab"
  end
end

local function width(line, path)
  if columns(line) > (COLUMNS[path:match "%.(%l+)$"] or math.huge) then
    return columns(line) .. " columns"
  end
end

-- Spelled apart, or this file would be the first to fail.
local WORDS = {
  "TO" .. "DO", "FIX" .. "ME", "X" .. "XX", "#if" .. " 0", "/wo" .. "rk/",
  "/ho" .. "me/", "/ro" .. "ot/", "DES" .. "IGN.md", "STY" .. "LE.md",
  "PIT" .. "FALLS.md", "CHECK" .. "LIST.md", "PEE" .. "RS.md",
}

local function words(line)
  for _, word in ipairs(WORDS) do
    local first, last = line:find(word, 1, true)
    if first and not line:sub(first - 1, first - 1):find "[%w_]"
      and not (word:find "%a$" and line:find("^[%w_]", last + 1)) then
      return word
    end
  end
end

local function complaints(rule)
  local wrong = {}
  for _, path in ipairs(tree.written()) do
    for number, line in tree.lines(tree.read(path)) do
      local what = rule(line, path)
      if what then
        wrong[#wrong + 1] = ("%s:%d: %s"):format(path, number, what)
      end
    end
  end
  return wrong
end

describe("every file", function()
  it("has no white space at the end of a line", function()
    assert.same({}, complaints(spaces))
  end)

  it("indents C with tabs and Lua with spaces", function()
    assert.same({}, complaints(indent))
  end)

  it("stays within the columns", function()
    assert.same({}, complaints(width))
  end)

  it("ends with one newline", function()
    local wrong = {}
    for _, path in ipairs(tree.written()) do
      local text = tree.read(path)
      if text == "" or text:sub(-1) ~= "\n" or text:sub(-2) == "\n\n" then
        wrong[#wrong + 1] = path
      end
    end
    assert.same({}, wrong)
  end)

  it("leaves nothing for later and knows no machine", function()
    assert.same({}, complaints(words))
  end)

  it("is at most half longer than a file should be", function()
    local wrong = {}
    for _, item in ipairs(sizes.over()) do
      if item.lines > item.limit * 1.5 then
        wrong[#wrong + 1] = sizes.sentence(item)
      end
    end
    assert.same({}, wrong)
  end)
end)

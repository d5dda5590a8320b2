--- doc/rfc.md: the deviations; every requirement of the checklist, with the specs that
--- prove it; then every clause that a spec tags. An empty cell is a gap.
---
--- A tag is a comment line `-- @rfc 3261 17.1.1.2 MUST C-48` above a spec. A bare C-48
--- (or C-48, 49 or C-48..53) in a comment or a name counts for the whole file.

local tree = require "spec.support.tree"

local M = {}

local INTRO = [[
# Conformance

Written by `make docs` from `spec/data/checklist.tsv`, `spec/data/deviations.tsv` and
the specs; not by hand. "left out" means a spec that is pending and says why. An empty
cell is a gap.
]]

local DEVIATIONS = "spec/data/deviations.tsv"

---@class tools.Tag
---@field rfc string
---@field clause string
---@field level string
---@field path string
---@field name string
---@field pending boolean

local function checklist()
  local rows = {}
  for line in io.lines "spec/data/checklist.tsv" do
    local number, level, clause, text = line:match "^(%d+)\t(.-)\t(.-)\t(.+)$"
    if number then
      rows[#rows + 1] =
        { number = tonumber(number), level = level, clause = clause, text = text }
    else
      rows[#rows + 1] = { title = line }
    end
  end
  return rows
end

---@class tools.Deviation
---@field rfc string
---@field clause string  one or more
---@field level string
---@field text string    what is done, and why
---@field path string    the file that says so, too

--- Where a MUST or SHOULD is not followed, on purpose.
---@return tools.Deviation[]
function M.deviations()
  local rows = {}
  for line in io.lines(DEVIATIONS) do
    local rfc, clause, level, text, path =
      line:match "^(%d+)\t([^\t]+)\t(%u+)\t([^\t]+)\t([^\t]+)$"
    if not rfc then
      error(("%s: %q is no row"):format(DEVIATIONS, line))
    end
    rows[#rows + 1] =
      { rfc = rfc, clause = clause, level = level, text = text, path = path }
  end
  return rows
end

-- The numbers of "C-48, C-49", "C-48, 49" and "C-48..53".
local function numbers_in(line)
  local found = {}
  for first, rest in line:gmatch "%f[%w]C%-(%d+)([%d%s,.%-C]*)" do
    found[#found + 1] = tonumber(first)
    local last = rest:match "^%.%.%s*C?%-?(%d+)"
    for number = tonumber(first) + 1, tonumber(last) or 0 do
      found[#found + 1] = number
    end
    for number in rest:gsub("^%.%.[^,]*", ""):gmatch ",%s*C?%-?(%d+)" do
      found[#found + 1] = tonumber(number)
    end
  end
  return found
end

local function is_pending(line)
  return line:find "^%s*pending%(" ~= nil
end

-- Read one spec: its tags, and which numbers it proves or leaves out.
local function scan(path, tags, proofs)
  local open, numbers = {}, {}
  for _, line in tree.lines(tree.read(path)) do
    local rfc, clause, level = line:match "^%s*%-%-+%s*@rfc%s+(%d+)%s+(%S+)%s+(%S+)"
    local is_comment = line:find "^%s*%-%-" ~= nil
    local spec_name = line:match "^%s*%a+%(?%s*[\"'](.-)[\"'],?%s*"
    if rfc then
      open[#open + 1] = { rfc = rfc, clause = clause, level = level, path = path }
    end
    for _, number in ipairs((is_comment or spec_name) and numbers_in(line) or {}) do
      numbers[#numbers + 1] = number
    end
    if not is_comment then
      for _, tag in ipairs(open) do
        tag.name, tag.pending = spec_name or "", is_pending(line)
        tags[#tags + 1] = tag
      end
      for _, number in ipairs(numbers) do
        proofs[number] = proofs[number] or {}
        local word = is_pending(line) and "left out" or "proved"
        proofs[number][path] = proofs[number][path] == "proved" and "proved" or word
      end
      open, numbers = {}, {}
    end
  end
end

local function cell(text)
  return (text:gsub("|", "\\|"))
end

local function files(places)
  local out = {}
  for path, word in pairs(places or {}) do
    local link = ("[%s](../%s)"):format(path:match "([^/]+)_spec%.lua$" or path, path)
    out[#out + 1] = word == "proved" and link or link .. " (left out)"
  end
  table.sort(out)
  return table.concat(out, ", ")
end

local function write_checklist(out, rows, proofs)
  local total, proved = 0, 0
  for _, row in ipairs(rows) do
    if row.number then
      total = total + 1
      for _, word in pairs(proofs[row.number] or {}) do
        if word == "proved" then
          proved = proved + 1
          break
        end
      end
    end
  end
  out[#out + 1] = ("\n## Requirements\n\n%d of %d have a spec.\n"):format(proved, total)
  for _, row in ipairs(rows) do
    if row.title then
      out[#out + 1] = ("\n### %s\n\n| C- | level | clause | requirement | specs |"
        .. "\n|---|---|---|---|---|\n"):format(row.title)
    else
      out[#out + 1] = ("| %d | %s | %s | %s | %s |\n"):format(row.number, row.level,
        cell(row.clause), cell(row.text), files(proofs[row.number]))
    end
  end
end

local function write_deviations(out)
  out[#out + 1] = "\n## Deviations\n\nOn purpose, each with its reason.\n\n"
    .. "| RFC | clause | level | what is done, and why | where |\n"
    .. "|---|---|---|---|---|\n"
  for _, row in ipairs(M.deviations()) do
    local where = ("[%s](../%s)"):format(row.path:match "[^/]+$", row.path)
    out[#out + 1] = ("| %s | %s | %s | %s | %s |\n"):format(row.rfc, row.clause,
      row.level, cell(row.text), where)
  end
end

local function by_clause(a, b)
  if a.rfc ~= b.rfc then
    return tonumber(a.rfc) < tonumber(b.rfc)
  elseif a.clause ~= b.clause then
    local next_a, next_b = a.clause:gmatch "%d+", b.clause:gmatch "%d+"
    repeat
      local x, y = tonumber(next_a() or -1), tonumber(next_b() or -1)
      if x ~= y then
        return x < y
      end
    until x == -1
    return a.clause < b.clause
  elseif a.path ~= b.path then
    return a.path < b.path
  end
  return a.name < b.name
end

local function write_tags(out, tags)
  table.sort(tags, by_clause)
  out[#out + 1] = "\n## Clauses\n\n| RFC | clause | level | spec | file | status |\n"
    .. "|---|---|---|---|---|---|\n"
  for _, tag in ipairs(tags) do
    out[#out + 1] = ("| %s | %s | %s | %s | %s | %s |\n"):format(tag.rfc, tag.clause,
      tag.level, cell(tag.name), files { [tag.path] = "proved" },
      tag.pending and "left out" or "proved")
  end
end

--- The page.
---@return string text
function M.render()
  local tags, proofs, out = {}, {}, { INTRO }
  for _, path in ipairs(tree.files({ "spec" }, { "_spec.lua" })) do
    scan(path, tags, proofs)
  end
  write_deviations(out)
  write_checklist(out, checklist(), proofs)
  if #tags > 0 then
    write_tags(out, tags)
  end
  return table.concat(out)
end

return M

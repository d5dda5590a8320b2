-- Each row of csrc/base/limits.h is told to users, can be set, and has been exceeded.
-- It is the one place where bounds have their numbers: what pages say is held to it.

local settings = require "sip.app.settings"
local tree = require "spec.support.tree"

-- The rows in order: { name, default, statuses }.
local function rows()
  local list = {}
  for line in tree.read("csrc/base/limits.h"):gmatch "[^\n]+" do
    local name, value, said = line:match "^%s*X%((%l[%l_]+),%s*(%d+)%)%s*/%*(.-)%*/"
    if name then
      local statuses = {}
      for status in said:gmatch "%f[%d]%d%d%d%f[%D]" do
        statuses[#statuses + 1] = status
      end
      list[#list + 1] = { name, value, table.concat(statuses, ", ") }
    end
  end
  assert(#list >= 18, "the rows of limits.h are not found")
  return list
end

-- What the specs say, but for this one.
local function specs()
  local list = {}
  for _, path in ipairs(tree.files({ "spec" }, { "_spec.lua" })) do
    list[#list + 1] = not path:find "^spec/lint/" and tree.read(path) or nil
  end
  return table.concat(list)
end

describe("csrc/base/limits.h", function()
  local pages = tree.read "doc/limits.md" .. tree.read "doc/internet.md"
  local said = specs()

  for _, row in ipairs(rows()) do
    local name, value, statuses = table.unpack(row)

    it(name .. " has its row in one of doc/limits.md and doc/internet.md", function()
      local _, count = pages:gsub("\n| `" .. name .. "` |", "")
      assert.equal(1, count, ("the rows | `%s` | %s | %s | why |"):format(name, value,
        statuses == "" and "what happens" or statuses))
      local default, answer, why = pages:match("\n| `" .. name
        .. "` | (%d+) | ([^|]+) | ([^|]+) |")
      assert.is_truthy(why)
      assert.equal(value, default)
      for status in statuses:gmatch "%d+" do
        assert.is_truthy(answer:find(status, 1, true), "no " .. status)
      end
      if statuses == "" then
        assert.is_nil(answer:find "%d%d%d", "limits.h names no status for " .. name)
      end
    end)

    it(name .. " can be set", function()
      local ok, why = pcall(settings.read, { limits = { [name] = 1 } })
      assert.is_true(ok, ("add %s to limit_schema in lua/sip/app/settings.lua: %s")
        :format(name, why))
    end)

    it(name .. " has a spec that exceeds it", function()
      assert.is_truthy(said:find(name .. "%s*=") or said:find('"' .. name, 1, true),
        ("add a spec of %s, at the limit and one beyond it, to "
        .. "spec/sim/limits_spec.lua (or spec/wire): it(\"%s is answered ...\")")
        :format(name, name))
    end)
  end

  it("has no other rows in these pages", function()
    local known, stray = {}, {}
    for _, row in ipairs(rows()) do
      known[row[1]] = true
    end
    for name in pages:gmatch "\n| `([%w_]+)` | %d" do
      if not known[name] then
        stray[#stray + 1] = name
      end
    end
    assert.same({}, stray)
  end)
end)

describe("doc/internet.md", function()
  local page = tree.read "doc/internet.md"

  it("is of bounds that can be turned off", function()
    local count = 0
    for name in page:gmatch "\n| `([%l_]+)` | %d" do
      local _, read = settings.read { limits = { [name] = false } }
      assert.equal(0, read.stack_limits[name], name)
      count = count + 1
    end
    assert.is_true(count >= 14)
  end)

  it("says of each count of a rule what it is called", function()
    local map = tree.read("csrc/stack/stats.h"):match
      "By the rules of stack/source.h:(.-)At this moment"
    local count = 0
    for name in map:gmatch "X%(([%l_]+)%)" do
      assert.truthy(page:find("`" .. name .. "`", 1, true), name)
      count = count + 1
    end
    assert.equal(15, count)
  end)

  it("names the scanners that are known", function()
    local text = page:lower()
    local _, read = settings.read {}
    for pattern in read.scanners:gmatch "[^\n]+" do
      assert.truthy(text:find("`" .. pattern .. "`", 1, true), pattern)
    end
  end)
end)

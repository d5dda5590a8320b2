-- Each row of csrc/base/limits.h is told to users, can be set, and has been exceeded.

local messages = require "spec.support.messages"
local settings = require "sip.app.settings"

-- The rows in order: { name, default, statuses }.
local function rows()
  local list = {}
  for line in assert(messages.read "csrc/base/limits.h"):gmatch "[^\n]+" do
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

describe("csrc/base/limits.h", function()
  local page = assert(messages.read "doc/limits.md")

  for _, row in ipairs(rows()) do
    local name, value, statuses = table.unpack(row)

    it(name .. " has its row in doc/limits.md", function()
      local default, answer, why = page:match("\n| `" .. name
        .. "` | (%d+) | ([^|]+) | ([^|]+) |")
      assert.is_truthy(why, ("add a row to doc/limits.md: | `%s` | %s | %s | why |")
        :format(name, value, statuses == "" and "what happens" or statuses))
      assert.equal(value, default)
      if statuses ~= "" then
        assert.equal(statuses, answer)
      else
        assert.is_nil(answer:find "%d%d%d", "limits.h names no status for " .. name)
      end
    end)

    it(name .. " can be set", function()
      local ok, why = pcall(settings.read, { limits = { [name] = 1 } })
      assert.is_true(ok, ("add %s to limit_schema in lua/sip/app/settings.lua: %s")
        :format(name, why))
    end)

    it(name .. " has a spec that exceeds it", function()
      local specs = assert(messages.read "spec/sim/limits_spec.lua")
        .. assert(messages.read "spec/wire/limits_spec.lua")
      assert.is_truthy(specs:find(name, 1, true), ("add a spec of %s, at the limit and "
        .. "one beyond it, to spec/sim/limits_spec.lua (or spec/wire): "
        .. "it(\"%s is answered ...\")"):format(name, name))
    end)
  end

  it("has no other row in doc/limits.md", function()
    local known, stray = {}, {}
    for _, row in ipairs(rows()) do
      known[row[1]] = true
    end
    for name in page:gmatch "\n| `([%w_]+)` |" do
      if not known[name] then
        stray[#stray + 1] = name
      end
    end
    assert.same({}, stray)
  end)
end)

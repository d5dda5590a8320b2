-- csrc/base/limits.h is the one place where bounds have their numbers; what pages say
-- of them is held to it.

local settings = require "sip.app.settings"
local tree = require "spec.support.tree"

local function limits()
  local list = {}
  for name, value in tree.read("csrc/base/limits.h"):gmatch "X%(([%l_]+), +(%d+)%)" do
    list[name] = tonumber(value)
  end
  return list
end

describe("the table of doc/internet.md", function()
  local rows = {}
  for name, value in tree.read("doc/internet.md"):gmatch "\n| `([%l_]+)` | (%d+) |" do
    rows[name] = tonumber(value)
  end

  it("has the numbers of limits.h", function()
    local known, count = limits(), 0
    for name, value in pairs(rows) do
      assert.equal(known[name], value, name)
      count = count + 1
    end
    assert.is_true(count >= 20)
  end)

  it("forgets none that is about sources", function()
    for name in pairs(limits()) do
      if name:find "^source" then
        assert.is_number(rows[name], name)
      end
    end
  end)

  it("is of bounds that can be turned off, as far as they are about sources", function()
    for name in pairs(rows) do
      if name:find "^source" or name == "unread_bytes" or name == "stream_first_ms" then
        local _, read = settings.read { limits = { [name] = false } }
        assert.equal(0, read.stack_limits[name], name)
      end
    end
  end)

  it("says of each count of a rule what it is called", function()
    local text = tree.read "doc/internet.md"
    local map = tree.read("csrc/stack/stats.h"):match
      "By the rules of stack/source.h:(.-)At this moment"
    local count = 0
    for name in map:gmatch "X%(([%l_]+)%)" do
      assert.truthy(text:find("`" .. name .. "`", 1, true), name)
      count = count + 1
    end
    assert.equal(14, count)
  end)

  it("names the scanners that are known", function()
    local text = tree.read("doc/internet.md"):lower()
    local _, read = settings.read {}
    for pattern in read.scanners:gmatch "[^\n]+" do
      assert.truthy(text:find("`" .. pattern .. "`", 1, true), pattern)
    end
  end)
end)

-- No pattern in lua/ takes longer than its text is long. Lua's patterns backtrack:
-- where two repetitions that match the same characters meet, or one that may begin
-- anywhere, the time is the square of the text: 60,000 blanks in one datagram would
-- hold everybody up for half a minute. No hook ends that: matching is one call into C.

local tree = require "spec.support.tree"

-- What only the owner of the program or we ourselves have written, or what finds its
-- end at the first try.
local SAFE = {
  ["lua/sip/rt/pcap.lua"] = true,          -- addresses of ours and of the kernel
  ["lua/sip/sim.lua"] = true, ["lua/sip/sim/phone.lua"] = true,
  ["lua/sip/ua/networks.lua"] = true, ["lua/sip/app/settings.lua"] = true,
  ["lua/sip/app/runtime.lua"] = true,      -- options
  ["^(.*)@([^@]*)$"] = true,               -- the last @ there is, then the end
  ["^(%a+):(.*):(%d+)$"] = true, ["^(.*):%d+$"] = true, -- addresses, likewise
  ["%s+$"] = true,                         -- of a line of the ladder, which is short
}

local USERS = { match = true, find = true, gsub = true, gmatch = true }

-- The strings of a Lua file that are handed to a function of patterns as they are.
local function patterns(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    for name, at in line:gmatch "%f[%a](%a+)()" do
      local rest = USERS[name] and line:sub(at) or ""
      local quote = rest:match "^[^\"']*([\"'])"
      local literal = quote and rest:match(quote .. "([^" .. quote .. "]*)" .. quote)
      if literal and not rest:find(", true", 1, true) then
        list[#list + 1] = literal:gsub("\\(.)", { t = "\t", r = "\r", n = "\n" })
      end
    end
  end
  return list
end

local function set_end(pattern, at)
  at = at + (pattern:find("^%[%^", at) and 2 or 1)
  repeat
    at = at + (pattern:sub(at, at) == "%" and 2 or 1)
  until pattern:sub(at, at) == "]"
  return at
end

-- The items of a pattern: a class, whether it repeats, whether it may be missing.
local function items(pattern)
  local list, at = {}, pattern:sub(1, 1) == "^" and 2 or 1
  while at <= #pattern do
    local c, last = pattern:sub(at, at), at
    if c == "[" then
      last = set_end(pattern, at)
    elseif c == "%" then
      last = at + 1
    end
    local count = pattern:sub(last + 1, last + 1):match "^[*+%-?]$" or ""
    if not (c == "(" or c == ")" or c == "$" and at == #pattern) then
      list[#list + 1] = { class = pattern:sub(at, last), repeats = count:find "[*+%-]",
        optional = count:find "[*%-?]" }
      last = last + #count
    end
    at = last + 1
  end
  return list
end

local function overlap(a, b)
  for code = 0, 255 do
    local char = string.char(code)
    if char:find(a.class) and char:find(b.class) then
      return true
    end
  end
  return false
end

-- Whether what comes behind an item may not be there.
local function can_fail(list, i, pattern)
  for j = i + 1, #list do
    if not list[j].optional then
      return true
    end
  end
  return list[#list].class ~= "." and pattern:find "%$$"
end

-- Two that share what they match, with nothing between that parts them.
local function meeting(list, pattern)
  for i, first in ipairs(list) do
    for j = i + 1, first.repeats and #list or i do
      local second = list[j]
      local shared = overlap(first, second)
      if shared and second.repeats and can_fail(list, j, pattern) then
        return first.class .. " and " .. second.class
      elseif not shared and not second.optional then
        break
      end
    end
  end
end

-- One that repeats, and could have begun at each of its characters.
local function wandering(list, pattern)
  for i, item in ipairs(list) do
    if item.repeats then
      return can_fail(list, i, pattern) and item.class or nil
    elseif i > 1 and not overlap(item, list[i - 1]) or list[i + 1]
      and not overlap(item, list[i + 1]) then
      return nil
    end
  end
end

local function slow(pattern)
  if pattern:find "%%[bf]" then
    return nil
  end
  local list = items(pattern)
  return meeting(list, pattern)
    or not pattern:find "^%^" and wandering(list, pattern) or nil
end

describe("patterns", function()
  it("are told apart by this spec", function()
    for _, pattern in ipairs { "^%s*(.-)%s*$", "%s*\n", "%a[%w-]*$", "^0*(%d+)%s*$",
      "^(%d+)/?(%d*)$" } do
      assert.truthy(slow(pattern), pattern)
    end
    for _, pattern in ipairs { "^%s*(%d+)%s*$", "^%s*(%d+)%s*(.*)$", "^.*%S", "%S.*",
      "\nk=[^\r\n]*", "%s+", "^(.-)::(.*)$" } do
      assert.is_nil(slow(pattern), pattern)
    end
  end)

  for _, path in ipairs(tree.files({ "lua" }, { ".lua" })) do
    if not SAFE[path] and not path:find "^lua/sip/cli/" then
      it("take a time that grows with the text alone in " .. path, function()
        for _, pattern in ipairs(patterns(tree.read(path))) do
          assert.is_nil(not SAFE[pattern] and slow(pattern) or nil, pattern)
        end
      end)
    end
  end
end)

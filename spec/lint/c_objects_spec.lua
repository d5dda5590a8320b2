-- What the compiler made of the sources: no mutable state at file level (two stacks in
-- one process must not be able to tell that the other exists), names that say whose
-- they are, and one kind of exported symbol.

local tree = require "spec.support.tree"

local build = os.getenv "SIP_BUILD" or "build"

-- Sections that are written to. Constant tables with pointers in them lie in
-- .data.rel.ro: the loader fills it and closes it.
local function is_mutable(section)
  return section == "*COM*" or section:find "^%.t?bss" or section:find "^%.tdata"
    or (section:find "^%.data" and not section:find "^%.data%.rel%.ro")
end

local function each_symbol(object, visit)
  local pipe = assert(io.popen("LC_ALL=C objdump -t " .. object .. " 2>&1"))
  local count = 0
  for line in pipe:lines() do
    -- value, seven flags, section, size, name
    local flags, section, size, name =
      line:match "^%x+ (.......) (%S+)\t(%x+)%s+(.+)$"
    if flags then
      count = count + 1
      visit(flags, section, tonumber(size, 16), (name:gsub("^%.hidden ", "")))
    end
  end
  pipe:close()
  return count
end

local function each_object(visit)
  for _, source in ipairs(tree.files({ "csrc" }, { ".c" })) do
    visit(source, build .. "/obj/" .. source:gsub("c$", "o"))
  end
end

-- Sanitizers and coverage keep records of their own beside ours.
local plain = build == "build" or build == "build/debug"
local it_plain = plain and it or function() end

describe("the objects of csrc", function()
  it_plain("hold no mutable state", function()
    local wrong = {}
    each_object(function(source, object)
      local seen = each_symbol(object, function(flags, section, size, name)
        local is_section = flags:find "d" and name == section
        if is_mutable(section) and size > 0 and not is_section then
          wrong[#wrong + 1] = ("%s: %s in %s"):format(source, name, section)
        end
      end)
      assert.is_true(seen > 0, object .. " is not built, or objdump is missing")
    end)
    assert.same({}, wrong)
  end)

  it_plain("name what they share", function()
    local wrong = {}
    each_object(function(source, object)
      each_symbol(object, function(flags, section, _, name)
        local bind = source:find "^csrc/bind/"
        local own = name:find "^sip_" or name:find "^rtp_" or name:find "^media_"
          or source:find "^csrc/net/" and name:find "^net_"
          or source:find "^csrc/sim/" and name:find "^sim_"
        if bind then
          own = name:find "^l_" or name:find "^luaopen_sip_"
        end
        if flags:find "^g" and section ~= "*UND*" and not own then
          wrong[#wrong + 1] = ("%s: %s"):format(source, name)
        end
      end)
    end)
    assert.same({}, wrong)
  end)

  it_plain("let nothing out but luaopen", function()
    local exported = {}
    local pipe = assert(io.popen("LC_ALL=C nm -D --defined-only " .. build
      .. "/sip/core.so"))
    for line in pipe:lines() do
      exported[#exported + 1] = line:match "(%S+)$"
    end
    pipe:close()
    assert.same({ "luaopen_sip_core" }, exported)
  end)
end)

-- The eyes of the lint specs: what they do not see is not checked.

local tree = require "spec.support.tree"

local function same_shape(before, after)
  assert.equal(#before, #after)
  assert.equal(before:gsub("[^\n]", ""), (after:gsub("[^\n]", "")))
end

describe("the source tree", function()
  it("blanks comments, strings and characters of C, and nothing else", function()
    local text = 'a("x\\"y/*", \'"\', 1 / 2); /* b("\n*/ c(\'\\\\\'); // d("\ne("");'
    local bare = tree.bare_c(text)
    same_shape(text, bare)
    assert.equal("a( , , 1 / 2); \n c( ); \ne( );", (bare:gsub("  +", " ")))
  end)

  it("blanks comments and strings of Lua, and nothing else", function()
    local text = 'a("--", t[1], 2 - 1) -- b("\nc([==[ ]] " ]==], \'"\')'
      .. " --[[ d\n]] e(#x)"
    local bare = tree.bare_lua(text)
    same_shape(text, bare)
    assert.equal("a( , t[1], 2 - 1) \nc( , ) \n e(#x)", (bare:gsub("  +", " ")))
  end)

  it("gives the place of a byte as a line", function()
    assert.equal("f.c:3: x", tree.place("f.c", "a\nb\nc", 5, "x"))
  end)
end)

-- doc/fsm.md is what is compiled: a change of behaviour is a changed table in review.
-- (The other generated pages follow the specs; `make docs` watches those.)

local doc_fsm = require "tools.doc_fsm"
local doc_rfc = require "tools.doc_rfc"
local tree = require "spec.support.tree"

describe("doc/fsm.md", function()
  it("is the four tables, as they are compiled", function()
    assert.equal(doc_fsm.render(), tree.read "doc/fsm.md")
  end)

  it("has all four machines", function()
    local names = {}
    for name in tree.read "doc/fsm.md":gmatch "\n## (%w+)\n" do
      names[#names + 1] = name
    end
    assert.same({ "ict", "nict", "ist", "nist" }, names)
  end)
end)

describe("a deviation in doc/rfc.md", function()
  it("is said where it is done, by its clause", function()
    local wrong = {}
    for _, row in ipairs(doc_rfc.deviations()) do
      local text = tree.read(row.path)
      for clause in row.clause:gmatch "[%d.]+" do
        if not text:find(clause, 1, true) then
          wrong[#wrong + 1] = ("%s: nothing of %s"):format(row.path, clause)
        end
      end
    end
    assert.same({}, wrong)
  end)
end)

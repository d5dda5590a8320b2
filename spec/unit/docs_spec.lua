-- doc/fsm.md is what is compiled: a change of behaviour is a changed table in review.
-- (The other generated pages follow the specs; `make docs` watches those.)

local doc_fsm = require "tools.doc_fsm"
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

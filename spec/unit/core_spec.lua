-- The C module loads, and both sides are of one version.

describe("sip.core", function()
  it("is of the version that the Lua side names", function()
    assert.equal(require "sip.version", require("sip.core").version)
  end)
end)

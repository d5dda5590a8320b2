-- The header map: every row is found by each of its names, and nothing else is.  C-1.

local msg = require("sip.test").msg

describe("the header map", function()
  local rows = msg.headers()

  it("finds every header by its name, without case", function()
    assert.is_true(#rows > 60)
    for _, row in ipairs(rows) do
      local name = row[1]
      assert.equal(name, msg.header_name(name))
      assert.equal(name, msg.header_name(name:lower()))
      assert.equal(name, msg.header_name(name:upper()))
    end
  end)

  it("finds it by its compact form, in both cases", function()
    local seen = 0
    for _, row in ipairs(rows) do
      if row[2] then
        seen = seen + 1
        assert.equal(row[1], msg.header_name(row[2]))
        assert.equal(row[1], msg.header_name(row[2]:upper()))
      end
    end
    assert.equal(19, seen) -- RFC 3261 and its extensions: i m e l c f s k t v a x o u r
  end)                     -- d j y b

  it("finds no name that differs in one character", function()
    for _, row in ipairs(rows) do
      local name = row[1]
      for at = 1, #name do
        local other = name:sub(1, at - 1) .. "+" .. name:sub(at + 1)
        assert.is_nil(msg.header_name(other), other)
      end
      assert.is_nil(msg.header_name(name .. "s"))
    end
  end)

  it("finds no letter that is no compact form, and nothing in nothing", function()
    for letter in ("ghnpqwz"):gmatch "." do
      assert.is_nil(msg.header_name(letter))
    end
    assert.is_nil(msg.header_name "")
    assert.is_nil(msg.header_name "1")
    assert.is_nil(msg.header_name(("x"):rep(300)))
  end)
end)

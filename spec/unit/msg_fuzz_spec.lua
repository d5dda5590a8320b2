-- Inputs that once broke a fuzz target.  Each has its line here.

local core = require "sip.core"
local messages = require "spec.support.messages"

local function data(name)
  return assert(messages.read("spec/data/fuzz/" .. name))
end

describe("what fuzzing has found", function()
  -- A lone CR in a refused request was copied into the answer.
  for _, name in ipairs { "message-stray-cr", "message-stray-cr-before-value" } do
    it(name .. ": no line end of a refused message is carried on", function()
      local message, refusal, malformed = core.parse(data(name))
      assert.is_nil(message)
      assert.equal(400, refusal.status)
      for _, value in malformed:fields() do
        assert.is_nil(value:find "[\r\n]")
      end
      local answer = core.write_response(malformed, { status = 400, tag = "x" })
      assert.is_nil((answer:gsub("\r\n", "")):find "[\r\n]")
      assert.is_truthy(core.parse(answer, { datagram = false }))
    end)
  end

  -- A CR in a name passed for the "-" that it differs from in the bit of case.
  it("message-cr-in-name: a name with a CR is none", function()
    local _, _, malformed = core.parse(data "message-cr-in-name")
    for name in malformed:fields() do
      assert.is_nil(name:find "\r")
    end
  end)

  -- The second value of a repeated parameter was compared with the first.
  it("uri-parameter-twice: an URI equals itself", function()
    local uri = data "uri-parameter-twice"
    assert.is_truthy(core.uri(uri))
    assert.is_true(core.uri_equal(uri, uri))
  end)
end)

-- What was pressed, as one stream: a press that comes in two forms counts once.

local digits_of = require "sip.app.digits"
local fake_driver = require "spec.support.fake_driver"
local sched_of = require "sip.rt.sched"

describe("digits", function()
  local driver, digits

  before_each(function()
    driver = fake_driver.new()
    digits = digits_of.new(sched_of.new(driver))
  end)

  local function heard(text)
    local counted = {}
    for digit, how in text:gmatch "(%S)(%a)" do
      if digits:heard(digit, how == "r" and "rtp" or "info") then
        counted[#counted + 1] = digit
      end
    end
    return table.concat(counted)
  end

  it("that come as an event and in an INFO count once, in either order", function()
    assert.equal("5", heard "5r 5i")
    assert.equal("6", heard "6i 6r")
  end)

  it("pressed twice count twice, however they mix", function()
    assert.equal("55", heard "5r 5i 5r 5i")
    assert.equal("77", heard "7r 7r 7i 7i")
    assert.equal("123", heard "1r 1i 2i 2r 3r 3i")
  end)

  it("of one form alone all count", function()
    assert.equal("1112", heard "1r 1r 1r 2r")
    assert.equal("99", heard "9i 9i")
  end)

  it("are another press when they are too far apart", function()
    assert.equal("5", heard "5r")
    driver:advance(1.5)
    assert.equal("5", heard "5i")
  end)
end)

-- Date headers (RFC 3261 20.17).

local date = require "sip.msg.date"

describe("a date", function()
  it("is written as the header wants it", function()
    assert.equal("Thu, 01 Jan 1970 00:00:00 GMT", date.write(0))
    assert.equal("Sat, 13 Nov 2010 23:29:00 GMT", date.write(1289690940.9))
  end)

  it("is that of the calendar, day by day", function()
    for day = -30000, 60000, 7 do
      local at = day * 86400 + day % 86400
      assert.equal(os.date("!%a, %d %b %Y %H:%M:%S GMT", at), date.write(at))
    end
  end)
end)

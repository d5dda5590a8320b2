-- As one_proxy_spec.lua, with a second proxy between caller and the one that forks.
-- Where only one timer may fire before the end, there are too many states with two;
-- with two, a bound on the messages under way. What the search is complete within is
-- printed.

local crossings = require "spec.search.crossings"

local function search(name, spec)
  it(name, function()
    spec.proxies = 2
    crossings.check(name, spec)
  end)
end

describe("two proxies:", function()
  search("CANCEL crosses 200", { callees = { 200 }, caller = { "hangs up" },
    firings = 2 })
  search("CANCEL crosses 200, and another rings", { callees = { 200, false },
    caller = { "hangs up" }, firings = 1 })
  search("200 crosses 200", { callees = { 200, 200 }, firings = 1 })
  search("CANCEL crosses 200, and another rings", { callees = { 200, false },
    caller = { "hangs up" }, firings = 2, messages = 12 })
  search("200 crosses 200", { callees = { 200, 200 }, firings = 2, messages = 12 })
  search("603 crosses 200", { callees = { 200, 603 }, firings = 2 })
  search("CANCEL crosses the first 1xx", { callees = { false }, quiet = false,
    caller = { "hangs up" }, firings = 2 })
  search("CANCEL crosses the first 1xx of two", { callees = { false, false },
    quiet = false, caller = { "hangs up" }, firings = 2, messages = 12 })
  search("the ACK to a 200 is lost", { callees = { 200 }, firings = 2 })
  search("the ACK to a 603 is lost", { callees = { 603 }, firings = 2 })
end)

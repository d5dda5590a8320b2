-- RFC 3261 16.7, 16.10, 9.1, 13.3.1.4, 15: all crossings of a forking proxy, between a
-- caller and two callees. C-116, C-210, C-214, C-217, C-220.
--
-- Whatever is sent may be late, lost or repeated without bound; two timers may fire
-- before all that is under way is lost and the rest runs its course. Where a second
-- callee makes too many states of it there are two searches: with one timer, and with
-- two but a bound on the messages under way; the printed line says which. Each search
-- visits every state there is within that, or fails.

local crossings = require "spec.search.crossings"

local function search(name, spec)
  it(name, function()
    spec.proxies = 1
    crossings.check(name, spec)
  end)
end

describe("one proxy:", function()
  search("CANCEL crosses 200", { callees = { 200 }, caller = { "hangs up" },
    firings = 2 })
  search("CANCEL crosses 200, and another rings", { callees = { 200, false },
    caller = { "hangs up" }, firings = 2 })
  search("200 crosses 200", { callees = { 200, 200 }, firings = 2 })
  search("603 crosses 200", { callees = { 200, 603 }, firings = 2 })
  search("CANCEL crosses the first 1xx", { callees = { false }, quiet = false,
    caller = { "hangs up" }, firings = 2 })
  search("CANCEL crosses the first 1xx of two", { callees = { false, false },
    quiet = false, caller = { "hangs up" }, firings = 1 })
  search("CANCEL crosses the first 1xx of two", { callees = { false, false },
    quiet = false, caller = { "hangs up" }, firings = 2, messages = 12 })
  search("the ACK to a 200 is lost", { callees = { 200 }, firings = 2 })
  search("the ACK to a 603 is lost", { callees = { 603 }, firings = 2 })
end)

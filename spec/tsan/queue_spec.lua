-- The program beside this file has run under ThreadSanitizer (`make tsan`): two threads
-- over one queue.

describe("the queue between the signalling and the media thread", function()
  it("gives every entry once, in order, without a race", function()
    local log = assert(io.open(os.getenv "SIP_BUILD" .. "/tsan/queue_test.log"))
    local said <close> = log
    assert.equal("passed\n", said:read "a")
  end)
end)

-- The program beside this file has run under ThreadSanitizer (`make tsan`): the media
-- thread with four calls on loopback, and a signalling thread that sleeps.

describe("the media thread", function()
  it("shares nothing by accident, and goes on while the other one sleeps", function()
    local log = assert(io.open(os.getenv "SIP_BUILD" .. "/tsan/media_thread_test.log"))
    local said <close> = log
    assert.equal("passed\n", said:read "a")
  end)
end)

-- The program beside this file has run under ThreadSanitizer (`make tsan`): an engine
-- and its desk on two threads.

describe("the media engine and its desk on two threads", function()
  it("play, record, press, bridge and close without a race", function()
    local log = assert(io.open(os.getenv "SIP_BUILD" .. "/tsan/media_test.log"))
    local said <close> = log
    assert.equal("passed\n", said:read "a")
  end)
end)

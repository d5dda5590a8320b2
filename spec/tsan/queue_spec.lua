-- The program beside this file, under ThreadSanitizer: two threads over one queue.

describe("the queue between the signalling and the media thread", function()
  it("gives every entry once, in order, without a race", function()
    local build = os.getenv "SIP_BUILD" or "build"
    local pipe = assert(io.popen("LD_PRELOAD= " .. build .. "/tsan/queue_test 2>&1"))
    local output = pipe:read "a"
    assert.is_true(pipe:close(), output)
    assert.equal("", output)
  end)
end)

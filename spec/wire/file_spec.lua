-- Files through the thread pool: what is there, what is not, and a full disk.

local wire = require "spec.support.wire"

describe("a file", function()
  local w, path, token

  before_each(function()
    w = wire.new()
    path = os.tmpname()
    token = 0
  end)

  after_each(function()
    os.remove(path)
    w:close()
  end)

  -- Start an operation and wait for its end.
  local function call(method, ...)
    token = token + 1
    local args = { ... }
    args[#args + 1] = token
    w.net[method](w.net, table.unpack(args))
    assert.same({}, w.events) -- never from inside the operation
    return w:expect { kind = "file", token = token }
  end

  it("is written in any order and read in pieces", function()
    local out = call("file_open", path, "w")
    assert.is_nil(out.err)
    assert.is_nil(call("file_write", out.file, 5, " world").err)
    assert.is_nil(call("file_write", out.file, 0, "hello").err)
    assert.is_nil(call("file_close", out.file).err)

    local from = call("file_open", path, "r")
    assert.equal(11, from.size)
    assert.equal("lo wo", call("file_read", from.file, 3, 5).bytes)
    assert.equal("world", call("file_read", from.file, 6, 100).bytes)
    assert.equal("", call("file_read", from.file, 11, 100).bytes)
    assert.is_nil(call("file_close", from.file).err)
  end)

  it("is emptied when it is opened for writing", function()
    local file = assert(io.open(path, "w"))
    file:write "something longer"
    file:close()
    local out = call("file_open", path, "w")
    call("file_write", out.file, 0, "short")
    call("file_close", out.file)
    assert.equal("short", assert(io.open(path)):read "a")
  end)

  it("is carried whole when it is large", function()
    local bytes = ("0123456789abcdef"):rep(200000)
    local out = call("file_open", path, "w")
    assert.is_nil(call("file_write", out.file, 0, bytes).err)
    call("file_close", out.file)
    local from = call("file_open", path, "r")
    assert.equal(#bytes, from.size)
    assert.is_true(bytes == call("file_read", from.file, 0, #bytes + 1).bytes)
    call("file_close", from.file)
  end)

  it("that is missing says so", function()
    local event = call("file_open", path .. ".none", "r")
    assert.same({ "wire", "no such file or directory" }, { event.err, event.why })
    event = call("file_open", path .. ".none/below", "w")
    assert.same({ "wire", "no such file or directory" }, { event.err, event.why })
    event = call("file_open", "", "r")
    assert.same({ "wire", "no such file or directory" }, { event.err, event.why })
    event = call("file_open", path .. "\0.wav", "r")
    assert.same({ "wire", "no such file or directory" }, { event.err, event.why })
  end)

  it("is no directory and no pipe", function()
    local event = call("file_open", "/tmp", "r")
    assert.same({ "wire", "it is a directory" }, { event.err, event.why })
    event = call("file_open", "/tmp", "w")
    assert.same({ "wire", "illegal operation on a directory" },
      { event.err, event.why })
    os.remove(path)
    assert(os.execute("mkfifo " .. path))
    event = call("file_open", path, "r")
    assert.same({ "wire", "it is not a file" }, { event.err, event.why })
  end)

  it("on a full disk says so, and closes", function()
    local full = io.open("/dev/full")
    if not full then
      return pending "there is no /dev/full on this system"
    end
    full:close()
    local out = call("file_open", "/dev/full", "w")
    assert.is_nil(out.err)
    local event = call("file_write", out.file, 0, "no room")
    assert.same({ "wire", "no space left on device" }, { event.err, event.why })
    assert.is_nil(call("file_close", out.file).err)
  end)

  it("that was closed cannot be used", function()
    local out = call("file_open", path, "w")
    call("file_close", out.file)
    assert.same("bad file descriptor", call("file_write", out.file, 0, "x").why)
  end)

  it("takes many requests at once", function()
    local out = call("file_open", path, "w")
    for i = 1, 64 do
      w.net:file_write(out.file, (i - 1) * 4, ("%4d"):format(i), 100 + i)
    end
    for i = 1, 64 do
      assert.is_nil(w:expect({ kind = "file", token = 100 + i }).err)
    end
    call("file_close", out.file)
    assert.equal(256, #assert(io.open(path)):read "a")
  end)

  it("answers also when memory is short", function()
    w.net:fail_at(1)
    assert.same("no_memory", call("file_open", path, "w").err)
    assert.is_nil(call("file_open", path, "r").err)
  end)

  it("that is being written when everything ends is written", function()
    local out = call("file_open", path, "w")
    w.net:file_write(out.file, 0, "the last words", 99)
    w:close()
    assert.equal("the last words", assert(io.open(path)):read "a")
  end)
end)

-- The open Internet, in virtual time: connections that are too many, too slow or too
-- much. RFC 3261 26.3.2.4. C-238.

local rig_of = require "spec.support.rig"

local count, request, response = rig_of.count, rig_of.request, rig_of.response

describe("a connection", function()
  local rig

  local function open(options)
    options.stream = true
    rig = rig_of.new(options)
    rig.on.request = function(tx)
      tx:respond(404)
    end
  end

  after_each(function()
    rig:clean()
  end)

  local function connect(times)
    local ids = {}
    for i = 1, times or 1 do
      ids[i] = rig.stream:connect(rig_of.OURS, 5060)
    end
    rig:run(rig.world:now())
    return table.unpack(ids)
  end

  local function write(id, bytes)
    assert(rig.stream:write(id, bytes))
    rig:run(rig.world:now())
  end

  local function closed_at()
    for _, event in ipairs(rig.events) do
      if event.kind == "closed" then
        return event.at
      end
    end
  end

  local whole = request { transport = "TCP" }

  it("is one of so many of a source", function()
    open { limits = { source_connections = 3, source_half_open = 0 } }
    local first = connect(5)
    assert.same({ 3, 2 }, rig:counted("connections", "over_connections"))
    assert.same({ "192.0.2.1: more than 3 connections: closed (1 so far)" },
      rig:notices())
    rig.stream:shut(first)
    rig:run(rig.world:now())
    connect(2)
    assert.same({ 3, 3 }, rig:counted("connections", "over_connections"))
  end)

  it("without a message yet is one of fewer", function()
    open { limits = { source_half_open = 2 } }
    local first, second = connect(4)
    assert.same({ 2, 2 }, rig:counted("connections", "over_half_open"))
    write(first, whole)
    connect(4)
    assert.same({ 3, 5 }, rig:counted("connections", "over_half_open"))
    write(second, whole)
    assert.equal(1, #rig:take(rig.stream) - 1)
  end)

  it("has time for its first message, and no more when it sends empty lines", function()
    open {}
    connect()
    rig:run(40)
    assert.equal(32, closed_at())
    assert.same({ "192.0.2.1: no message in the first 32000 ms: closed (1 so far)" },
      rig:notices())
    rig.events = {}
    local id = connect()
    for second = 41, 72 do
      rig:run(second)
      write(id, "\r\n\r\n")
    end
    assert.equal(72, closed_at())
    assert.same({ 2 }, rig:counted("silent"))
  end)

  it("is kept after its first message as long as any", function()
    open {}
    local id = connect()
    write(id, whole)
    rig:run(599)
    assert.is_nil(closed_at())
    assert.same({ 0 }, rig:counted("silent"))
  end)

  -- C-238: a byte a second is half a message and silence, only slower.
  it("that dribbles has ten seconds for each message, from its first byte", function()
    open {}
    local id = connect()
    for second = 1, 10 do
      rig:run(second)
      write(id, whole:sub(second, second))
    end
    rig:run(12)
    assert.equal(11, closed_at())
    assert.same({ 1 }, rig:counted("slow"))
    assert.same({ "192.0.2.1: a message took longer than 10000 ms: closed (1 so far)" },
      rig:notices())
  end)

  it("that is busy is not slow, though each read ends inside of a message", function()
    open {}
    local id = connect()
    write(id, whole:sub(1, 30))
    for second = 1, 60 do
      rig:run(second)
      write(id, whole:sub(31) .. whole:sub(1, 30))
    end
    assert.is_nil(closed_at())
    write(id, whole:sub(31))
  end)

  it("has a bound for a line, and for lines without end (C-238)", function()
    open { limits = { header_bytes = 4096 } }
    for _, endless in ipairs { "x", "X: y\r\n", "X:\r\n " } do
      local id = connect()
      write(id, "OPTIONS sip:us SIP/2.0\r\n")
      for _ = 1, 5000 // #endless do
        rig.stream:write(id, endless)
      end
      rig:run(rig.world:now())
      assert.is_truthy(closed_at(), endless)
      rig.events = {}
    end
    assert.same({ 0, 3 }, rig:counted("connections", "malformed"))
  end)

  it("of empty lines alone is cut off, and answers little", function()
    open { limits = { source_messages = 10 } }
    local id = connect()
    write(id, ("\r\n"):rep(30000))
    assert.is_truthy(closed_at())
    local pongs = 0
    for _, event in ipairs(rig.stream:take()) do
      pongs = pongs + (event.what == "bytes" and #event.bytes // 2 or 0)
    end
    assert.equal(40, pongs)
  end)

  it("of a million tiny messages is cut off", function()
    open { limits = { source_messages = 10 } }
    local id = connect()
    local tiny = "A a SIP/2.0\r\nContent-Length:0\r\n\r\n"
    write(id, tiny:rep(2000))
    assert.is_truthy(closed_at())
    local stats = rig.stack:stats()
    assert.is_true(stats.received <= 40)
    rig:take(rig.stream)
  end)

  it("keeps so much of what is not complete, and a source so much of all", function()
    open { limits = { source_unread_bytes = 8192 } }
    local ids = { connect(5) }
    local half = "OPTIONS sip:us SIP/2.0\r\nX: " .. ("y"):rep(1000)
    for _, id in ipairs(ids) do
      write(id, half)
    end
    assert.same({ 4, 1 }, rig:counted("connections", "over_unread"))
    write(ids[1], ("y"):rep(2000)) -- grows
    assert.same({ 3, 2 }, rig:counted("connections", "over_unread"))
    write(ids[2], "\r\nContent-Length: 0\r\n\r\n") -- is complete
    local again = connect()
    write(again, half)
    assert.same({ 4, 2 }, rig:counted("connections", "over_unread"))
  end)

  it("is closed when all of them keep too much", function()
    open { limits = { unread_bytes = 4096, source_unread_bytes = 0 } }
    for _, id in ipairs { connect(3) } do
      write(id, "OPTIONS sip:us SIP/2.0\r\n")
    end
    assert.same({ 2, 1 }, rig:counted("connections", "refused"))
  end)

  it("that floods with requests is refused each of them", function()
    open { limits = { source_others = 1, source_refusals = 1 } }
    local id = connect()
    for i = 1, 20 do
      rig.stream:write(id, request { transport = "TCP", branch = "z9hG4bK" .. i })
    end
    rig:run(rig.world:now())
    local heard = rig:heard(rig.stream)
    assert.equal(4, count(heard, "404"))
    assert.equal(16, count(heard, "503"))
  end)

  it("of ours is not counted", function()
    open { limits = { source_connections = 1, source_messages = 1,
      stream_first_ms = 1000 } }
    rig:request { transport = "tcp" }
    rig:run(0)
    local got = rig:take(rig.stream)[1]
    rig.stream:write(got.id, ("\r\n\r\n"):rep(50))
    rig:run(20)
    assert.same({ 1, 0 }, rig:counted("connections", "over_messages"))
    rig.stream:write(got.id, response(got.message, 200))
    rig:run(21)
    rig:take(rig.stream)
  end)
end)

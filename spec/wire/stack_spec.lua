-- Stacks on the real loop: a request over UDP and TCP, refusals at once, timers.  C-36.

local core = require "sip.core"

describe("core.loop", function()
  local loop, events

  before_each(function()
    loop = core.loop()
    events = {}
    loop:set_dispatch(function(kind, id)
      events[#events + 1] = { kind = kind, id = id, at = loop:now() }
    end)
  end)

  after_each(function()
    loop:close()
  end)

  local function step_until(done)
    local ends = loop:now() + 60
    repeat
      loop:step(0.05)
      if loop:now() > ends then
        error "nothing came"
      end
    until done()
  end

  local function new_stack(handler, t1)
    return loop:stack {
      t1 = t1,
      dispatch = function(kind, object, message, ...)
        events[#events + 1] = { kind = kind, at = loop:now(), more = { ... },
          status = kind == "response" and message:status() or nil }
        if handler then
          handler(kind, object, message, ...)
        end
      end,
    }
  end

  local function has(kind)
    for _, event in ipairs(events) do
      if event.kind == kind then
        return event
      end
    end
  end

  local function options(stack, transport, host, port)
    return stack:request {
      method = "OPTIONS",
      uri = ("sip:%s:%d;transport=%s"):format(host, port, transport),
      headers = {
        "From", "<sip:a@example.org>;tag=1",
        "To", ("<sip:%s>"):format(host),
        "Call-ID", loop:token(20),
        "CSeq", "1 OPTIONS",
        "Max-Forwards", "70",
      },
      transport = transport,
      host = host,
      port = port,
    }
  end

  it("fires timers in their order, not before their time", function()
    local started = loop:now()
    local third = loop:arm(0.03)
    local first = loop:arm(0.01)
    local never = loop:arm(0.02)
    loop:stop(never)
    step_until(function() return #events == 2 end)
    assert.same({ first, third }, { events[1].id, events[2].id })
    assert.is_true(math.floor((events[1].at - started) * 1000 + 0.5) >= 10)
    assert.is_true(math.floor((events[2].at - started) * 1000 + 0.5) >= 30)
  end)

  it("gives a turn to whom it was woken for, without waiting", function()
    loop:wake()
    loop:step() -- would wait for ever
    assert.equal("turn", events[1].kind)
  end)

  for _, transport in ipairs { "udp", "tcp" } do
    it("carries a request and its answer over " .. transport, function()
      local server <close> = new_stack(function(kind, object)
        if kind == "request" then
          object:respond(200, { headers = { "Allow", "INVITE, ACK" } })
        end
      end)
      local port = assert(server:listen { transport = transport, host = "127.0.0.2" })
      local client <close> = new_stack()
      assert(client:listen { transport = transport, host = "127.0.0.1" })
      assert(options(client, transport, "127.0.0.2", port))
      step_until(function() return has "response" end)
      assert.is_truthy(has "request")
      assert.equal(200, has("response").status)
    end)

    -- @rfc 3261 18.4 MUST
    it("hears at once that nobody is there over " .. transport .. " (C-36)", function()
      local other = new_stack()
      local port = assert(other:listen { transport = transport, host = "127.0.0.2" })
      other:close()
      local client <close> = new_stack(nil, 30)
      assert(client:listen { transport = transport, host = "127.0.0.1" })
      local started = loop:now()
      assert(options(client, transport, "127.0.0.2", port))
      step_until(function() return has "failed" end)
      assert.equal("wire", has("failed").more[1])
      assert.is_true(loop:now() - started < 30) -- before T1
    end)
  end

  it("finds names through the name servers it was given", function()
    local stack <close> = new_stack()
    local token = assert(stack:resolve "localhost")
    step_until(function() return has "records" end)
    assert.same({ token, { "127.0.0.1" }, 3600 }, has("records").more)
    loop:name_servers "127.0.0.1:53"
    assert.has_error(function() loop:name_servers "nonsense" end)
  end)

  it("can be driven by another loop", function()
    assert.equal("r", loop:events())
    assert.is_true(loop:pollfd() >= 0)
    loop:step(0)
    assert.is_nil(loop:timeout())
    loop:arm(10)
    local seconds = loop:timeout()
    assert.is_true(seconds > 9 and seconds <= 10)
    loop:wake()
    assert.equal(0, loop:timeout())
  end)

  it("cannot be stepped or closed inside a turn", function()
    local errors = {}
    loop:set_dispatch(function()
      errors[1] = select(2, pcall(loop.step, loop))
      errors[2] = select(2, pcall(loop.close, loop))
    end)
    loop:wake()
    loop:step(0)
    assert.matches("cannot be stepped now", errors[1])
    assert.matches("cannot be closed now", errors[2])
  end)

  it("dispatches signals, which may not close it either", function()
    local seen, refusal
    loop:set_dispatch(function(kind, name)
      seen = kind .. " " .. name
      refusal = select(2, pcall(loop.close, loop))
    end)
    loop:signals(true)
    local pid = assert(io.open "/proc/self/stat"):read "n"
    assert(io.popen("kill -INT " .. pid)):close()
    step_until(function() return seen end)
    loop:signals(false)
    assert.equal("signal SIGINT", seen)
    assert.matches("cannot be closed now", refusal)
  end)

  it("says what it is, and that it is closed", function()
    assert.matches("^sip%.Loop{open", tostring(loop))
    loop:close()
    loop:close()
    assert.matches("^sip%.Loop{closed", tostring(loop))
    for _, method in ipairs { "step", "arm", "stack", "timeout" } do
      local ok, err = pcall(loop[method], loop, 1)
      assert.is_false(ok)
      assert.matches("closed", err)
    end
  end)

  it("measures the processor time of its thread", function()
    local before = loop:cpu()
    for _ = 1, 100000 do
      loop:token(1)
    end
    assert.is_true(loop:cpu() > before)
  end)

  it("is closed by the collector, with stacks that are open", function()
    new_stack():listen { host = "127.0.0.1" }
    loop = nil
    collectgarbage()
    collectgarbage()
    loop = core.loop()
  end)
end)

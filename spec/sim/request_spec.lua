-- Requests in the hands of scripts: what `ua:on` gives to a handler, and the answers
-- that nobody gave (RFC 3261 8.2).

local new_sim = require "sip.sim"

local SERVER, CLIENT = "192.0.2.1", "192.0.2.9"

describe("a request in a script", function()
  local sim, server, client, ua

  before_each(function()
    sim = new_sim { seed = 5, delay = 0.01 }
    server, client = sim:host(SERVER), sim:host(CLIENT)
    ua = server.sip.new { listen = "udp:" .. SERVER, domain = "example.org" }
  end)

  after_each(function()
    sim:assert_clean()
    sim:close()
  end)

  -- A request of a client, and what comes of it.
  local function ask(options)
    local from = client.sip.new { listen = ("udp:%s:0"):format(CLIENT) }
    options.uri = options.uri or "sip:bob@example.org"
    local res, e = sim:wait(client, from.request, from, options)
    from:close()
    return res, e
  end

  it("is answered with what the script says", function()
    ua:on("MESSAGE", function(req)
      assert.equal("MESSAGE", req.method)
      assert.equal("sip:bob@example.org", req.uri)
      assert.equal("hello", req:body())
      assert.equal("text/plain", req:header "c")
      assert.same({ "a", "b" }, req:values "Supported")
      assert.equal(CLIENT, req.source.host)
      assert.equal("udp", req.source.transport)
      assert.is_true(req:reply(202, { reason = "Taken", body = "so",
        content_type = "text/plain", headers = { ["X-One"] = "1" } }))
      assert.equal("done", req.state)
    end)
    local res = assert(ask { method = "MESSAGE", body = "hello",
      content_type = "text/plain", headers = { Supported = "a, b" } })
    assert.equal(202, res:status())
    assert.equal("Taken", res:reason())
    assert.equal("so", res:body())
    assert.equal("1", res:header "X-One")
  end)

  it("may be waited with, and answered once", function()
    local complaint
    ua:on("MESSAGE", function(req)
      server.sip.sleep(3)
      req:reply(200)
      complaint = select(2, pcall(req.reply, req, 200))
    end)
    assert.equal(200, ask { method = "MESSAGE" }:status())
    assert.truthy(tostring(complaint):find "reply: the request has been answered")
  end)

  it("is told where else to go, the best first", function()
    ua:on("*", function(req)
      req:redirect { { uri = "sip:b@192.0.2.7", q = 0.5 }, "sip:c@192.0.2.8" }
    end)
    local _, e = ask { method = "MESSAGE" }
    assert.equal(302, e.status)
    assert.same({ "<sip:c@192.0.2.8>", "<sip:b@192.0.2.7>;q=0.5" },
      e.response:values "Contact")
  end)

  it("goes to the most particular handler", function()
    local took = {}
    local function taker(name)
      return function(req)
        took[#took + 1] = name
        req:reply(603)
      end
    end
    ua:on("*", taker "*")
    ua:on("MESSAGE", taker "MESSAGE")
    ua:on_call(function(call)
      took[#took + 1] = "call"
      call:reject(603)
    end)
    ask { method = "MESSAGE" }
    ask { method = "OPTIONS" }
    assert.equal("declined", select(2, sim:phone():dial "sip:bob@example.org").name)
    ua:on("INVITE", taker "INVITE")
    assert.equal("declined", select(2, sim:phone():dial "sip:bob@example.org").name)
    assert.same({ "MESSAGE", "*", "call", "INVITE" }, took)
  end)

  it("that nobody takes gets the answer of the RFC", function()
    ua:on("MESSAGE", function(req)
      req:reply(200)
    end)
    local function status(options)
      return select(2, ask(options)).status
    end
    local _, e = ask { method = "REGISTER" }
    assert.equal(405, e.status)
    assert.equal("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE",
      e.response:header "Allow")
    assert.equal(501, status { method = "FLY" })
    assert.equal(481, status { method = "INFO" })
    assert.equal(404, status { method = "OPTIONS", uri = "sip:x@other.example",
      via = "sip:" .. SERVER })
  end)

  it("that its handler leaves alone does as well", function()
    ua:on("*", function() end)
    assert.equal(405, select(2, ask { method = "REGISTER" }).status)
    assert.equal(480, select(2, ask { method = "OPTIONS" }).status)
  end)

  it("whose script fails gets 500, and the others go on", function()
    ua:on("MESSAGE", function()
      error "oh"
    end)
    assert.equal(500, select(2, ask { method = "MESSAGE" }).status)
    assert.truthy(table.remove(sim.errors):find "oh")
    ua:on("MESSAGE", function(req)
      req:reply(200)
    end)
    assert.equal(200, ask { method = "MESSAGE" }:status())
  end)

  it("becomes a call, whose end ends the script", function()
    local ended
    ua:on("INVITE", function(req)
      local call = assert(req:call())
      local _ <close> = setmetatable({}, { __close = function()
        ended = sim:now()
      end })
      call:answer()
      call:play "tone:440"
      server.sip.sleep(100)
      error "not reached"
    end)
    local call = sim:phone():dial "sip:bob@example.org"
    sim:advance(2)
    local at = sim:now()
    call:hangup()
    sim:advance(1)
    assert.is_true(ended > at and ended < at + 0.1)
    assert.equal(0, ua.calls)
  end)

  it("becomes a call that ends with its handler", function()
    ua:on("INVITE", function(req)
      local call = assert(req:call())
      call:answer()
    end)
    sim:phone():dial("sip:bob@example.org"):expect_ended()
  end)

  it("that is cancelled while the script waits ends it", function()
    local unwound
    ua:on("INVITE", function()
      local _ <close> = setmetatable({}, { __close = function()
        unwound = sim:now()
      end })
      server.sip.sleep(100)
    end)
    local _, e = sim:phone():dial("sip:bob@example.org", { timeout = 3 })
    assert.equal("no_answer", e.name)
    sim:advance(1)
    assert.equal(3.01, tonumber(("%.2f"):format(unwound)))
    assert.equal(0, #sim:sent_at(480))
    assert.equal(1, #sim:sent_at(487))
  end)

  it("nobody waits for any more ends its script after 64*T1", function()
    local unwound
    ua:on("MESSAGE", function()
      local _ <close> = setmetatable({}, { __close = function()
        unwound = sim:now()
      end })
      server.sip.sleep(1000)
    end)
    local from = sim:now()
    assert.equal("no_answer", select(2, ask { method = "MESSAGE" }).name)
    sim:advance(1)
    assert.equal("32.01", ("%.2f"):format(unwound - from))
  end)

  it("refuses misuse with a readable text", function()
    local function complaint(...)
      return tostring(select(2, pcall(...)))
    end
    assert.truthy(complaint(ua.on, ua, "INVITE"):find "a method or")
    assert.truthy(complaint(ua.on, ua, "ACK", print):find "ACK")
    assert.truthy(complaint(server.sip.new, { secret = "short" }):find "16 bytes")
    local texts = {}
    ua:on("MESSAGE", function(req)
      texts[1] = complaint(req.reply, req, 99)
      texts[2] = complaint(req.call, req)
      texts[3] = complaint(req.redirect, req, {})
      texts[4] = complaint(req.set, req, "Via", "x")
      texts[5] = complaint(req.set, req, "Route", "x")
      texts[6] = complaint(req.set, req, "X", "a\r\nb")
      texts[7] = complaint(req.forward, req, "sip:x@y", { odd = 1 })
      req:record_route()
      texts[8] = complaint(req.forward, req, nil, { stateless = true })
      req:reply(200)
    end)
    ask { method = "MESSAGE" }
    for i, wanted in ipairs { "100 to 699", "only an INVITE", "a target", "Via",
      "Route", "one line", "unknown option", "without record_route" } do
      assert.truthy(texts[i]:find(wanted), texts[i])
    end
  end)
end)

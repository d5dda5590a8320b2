-- What scripts may rely on: the rules of the API. Hangup is cancellation, errors end
-- one call, legs belong to their call, misuse raises.

local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"

describe("a script", function()
  local net, alice, bob, sip_a, sip_b

  before_each(function()
    net = net_of.new()
    alice, sip_a = net:endpoint(A)
    bob, sip_b = net:endpoint(B)
  end)

  after_each(function()
    net:clean()
  end)

  -- Alice calls bob, and hangs up after so many seconds.
  local function call_bob(seconds)
    local result = {}
    sip_a.spawn(function()
      result.peer, result.err = alice:dial("sip:bob@" .. B, { sdp = SDP })
      if result.peer then
        sip_a.sleep(seconds or 100)
        result.peer:hangup()
      end
    end)
    return result
  end

  it("is unwound by a hangup; <close> runs and may wait; finally comes last (rule 1)",
    function()
      local seen = {}
      local function note(what)
        seen[#seen + 1] = ("%g %s"):format(sip_b.now(), what)
      end
      bob:on_call(function(call)
        call:finally(function(ended)
          note("finally " .. ended.state)
          sip_b.sleep(2)
          note "finally done"
        end)
        local guard <close> = setmetatable({}, { __close = function()
          note "close"
          sip_b.sleep(1)
          note "closed"
        end })
        call:answer { sdp = SDP }
        sip_b.sleep(50)
        note "not reached"
        return guard
      end)
      call_bob(3)
      net:run(10)
      assert.same({ "3 close", "4 closed", "4 finally ended", "6 finally done" }, seen)
      assert.same({}, net.errors)
    end)

  it("that hangs up beside itself goes on when both sides have unwound (rule 4)",
    function()
      local seen = {}
      local function closing(seconds, what)
        return setmetatable({}, { __close = function()
          sip_b.sleep(seconds)
          seen[#seen + 1] = ("%g %s"):format(sip_b.now(), what)
        end })
      end
      bob:on_call(function(call)
        local outer <close> = closing(1, "script")
        call:finally(function()
          seen[#seen + 1] = ("%g finally"):format(sip_b.now())
        end)
        call:answer { sdp = SDP }
        sip_b.any(function()
          local inner <close> = closing(2, "left")
          sip_b.sleep(50)
          return inner
        end, function()
          local inner <close> = closing(3, "right")
          sip_b.sleep(1)
          call:hangup()
          sip_b.sleep(50)
          return inner
        end)
        return outer
      end)
      call_bob()
      net:run(20)
      assert.same({ "3 left", "4 right", "5 script", "5 finally" }, seen)
      assert.same({}, net.errors)
    end)

  it("that catches its cancellation is parked at its second verb (rule 1)", function()
    local seen = {}
    bob:on_call(function(call)
      call:answer { sdp = SDP }
      seen[1] = pcall(sip_b.sleep, 50)
      pcall(function()
        call:ring()
        seen[2] = "not reached"
      end)
      seen[3] = "not reached"
    end)
    call_bob(1)
    net:run(10)
    assert.same({ false }, seen)
  end)

  it("is not hung up by an inner timeout (rule 1)", function()
    local state
    bob:on_call(function(call)
      call:answer { sdp = SDP }
      local _, e = sip_b.timeout(1, sip_b.sleep, 5)
      assert.equal("timeout", e.name)
      state = call.state
    end)
    call_bob()
    net:run(10)
    assert.equal("answered", state)
    assert.same({}, net.errors)
  end)

  it("that fails before the answer ends its call with 500 (rule 9)", function()
    bob:on_call(function(call)
      call:ring()
      error "broken"
    end)
    local result = call_bob()
    net:run(1)
    assert.equal(500, result.err.status)
    assert.equal("rejected", result.err.name)
    assert.equal(1, #net.errors)
    assert.is_truthy(net.errors[1]:find("broken", 1, true))
    assert.is_truthy(net.errors[1]:find("script_spec.lua", 1, true))
  end)

  it("that fails after the answer ends its call with a BYE, and no other (rule 9)",
    function()
      local count = 0
      bob:on_call(function(call)
        count = count + 1
        local mine = count
        call:answer { sdp = SDP }
        sip_b.sleep(1)
        if mine == 1 then
          call.nothing.at_all = 1
        end
        sip_b.sleep(4)
      end)
      local first = call_bob()
      net:run(0.5)
      local second = call_bob()
      net:run(2)
      assert.equal("ended", first.peer.state)
      assert.equal("answered", second.peer.state)
      assert.equal(1, #net.errors)
    end)

  it("that fails in a coroutine of its own ends the call too (rule 4)", function()
    bob:on_call(function(call)
      call:answer { sdp = SDP }
      call:spawn(function()
        sip_b.sleep(1)
        error "in a child"
      end)
      call:wait()
    end)
    local result = call_bob()
    net:run(2)
    assert.equal("ended", result.peer.state)
    assert.equal(1, #net.errors)
  end)

  it("that returns without answering refuses the call", function()
    bob:on_call(function() end)
    local result = call_bob()
    net:run(1)
    assert.equal(480, result.err.status)
    assert.equal("no_answer", result.err.name)
  end)

  it("rejects with a status, redirects with Contacts (C-81)", function()
    local what
    bob:on_call(function(call)
      what(call)
      error "not reached"
    end)
    what = function(call)
      call:reject(606, { reason = "No", headers = { Warning = '399 b "x"' } })
      call:ring()
    end
    local result = call_bob()
    net:run(1)
    assert.equal("not_acceptable", result.err.name)
    assert.equal('399 b "x"', result.err.response:header "Warning")
    what = function(call)
      call:redirect { "sip:c@192.0.2.3", "carol@c.example" }
      call:ring()
    end
    result = call_bob()
    net:run(2)
    assert.equal(302, result.err.status)
    assert.same({ "<sip:c@192.0.2.3>", "<sip:carol@c.example>" },
      result.err.response:values "Contact")
    assert.same({}, net.errors)
  end)

  it("misuse raises and says how (rule 2)", function()
    bob:on_call(function(call)
      local function fails(pattern, fn, ...)
        local ok, text = pcall(fn, ...)
        assert.is_false(ok)
        assert.is_truthy(tostring(text):find(pattern), text)
      end
      fails("unknown option \"timeot\"", call.dial, call, "sip:x@y", { timeot = 1 })
      fails("option \"timeout\" is a string, not a number", call.dial, call,
        "sip:x@y", { timeout = "1" })
      fails("a status from 400 to 699", call.reject, call, 200)
      fails("no audio", call.play, call, "x.wav")
      fails("a method other than", call.send, call, { method = "INVITE" })
      call:answer { sdp = SDP }
      fails("has been answered", call.ring, call)
      fails("is no URI", alice.dial, bob, "sip:x@y", { from = "not a uri at all" })
    end)
    call_bob()
    net:run(3)
    assert.same({}, net.errors)
  end)

  it("sip.new raises when it cannot listen, with a readable text (rule 2)", function()
    local function message(options)
      local ok, text = pcall(sip_a.new, options)
      assert.is_false(ok)
      return text
    end
    assert.is_truthy(message({ listen = "udp:192.0.2.1:5060" })
      :find("listen at udp:192.0.2.1:5060: 192.0.2.1:5060 is in use already", 1, true))
    assert.is_truthy(message({ listen = "udp:198.51.100.1:5060" })
      :find("this host has no such address", 1, true))
    assert.is_truthy(message({ listen = "sctp:192.0.2.1" }):find "cannot listen at")
    assert.is_truthy(message({ lisen = {} }):find 'unknown option "lisen"')
    assert.is_truthy(message({ limits = { cleanup = "x" } }):find "cleanup")
  end)

  it("dials legs that end with its call, unless they are freed (rule 5)", function()
    local carol, sip_c = net:endpoint(C)
    local ended = {}
    carol:on_call(function(call)
      local name = call.uri.user
      call:finally(function()
        ended[name] = sip_c.now()
      end)
      call:answer { sdp = SDP }
      sip_c.sleep(20)
    end)
    local froms = {}
    bob:on_call(function(call)
      call:answer { sdp = SDP }
      local kept = assert(call:dial("sip:kept@" .. C, { sdp = SDP }))
      froms[1] = kept.from.uri
      local freed = assert(call:dial("sip:freed@" .. C, { sdp = SDP })):detach()
      froms[2] = freed.state
      call:wait()
    end)
    call_bob(3)
    net:run(40)
    assert.same({ kept = 3, freed = 20 }, ended)
    assert.same({ "sip:192.0.2.1", "answered" }, froms)
  end)

  it("gets nil and `ended` from another leg that is gone (rule 1)", function()
    local carol, sip_c = net:endpoint(C)
    carol:on_call(function(call)
      call:answer { sdp = SDP }
      sip_c.sleep(1)
    end)
    local e, waited
    bob:on_call(function(call)
      call:answer { sdp = SDP }
      local peer = call:dial("sip:c@" .. C, { sdp = SDP })
      waited = peer:wait()
      local _
      _, e = peer:send { method = "INFO" }
    end)
    call_bob()
    net:run(5)
    assert.is_true(waited)
    assert.equal("ended", e.name)
    assert.same({}, net.errors)
  end)

  it("relays ringing to an unanswered caller (rule 5)", function()
    local carol, sip_c = net:endpoint(C)
    carol:on_call(function(call)
      call:ring()
      sip_c.sleep(1)
      call:answer { sdp = SDP }
      call:wait()
    end)
    bob:on_call(function(call)
      assert(call:dial("sip:c@" .. C, { sdp = SDP }))
      call:answer { sdp = SDP }
      call:wait()
    end)
    call_bob(2)
    net:run(10)
    assert.same({ "0.000 192.0.2.2 INVITE", "0.000 192.0.2.2 180 INVITE",
      "1.000 192.0.2.2 ACK", "1.000 192.0.2.2 200 INVITE" },
      table.move(net:flow(B), 1, 4, 1, {}))
  end)

  it("a hangup of the caller ends the dial it waits in", function()
    local carol, sip_c = net:endpoint(C)
    local ended
    carol:on_call(function(call)
      call:finally(function()
        ended = { sip_c.now(), call.why.name }
      end)
      call:ring()
      sip_c.sleep(50)
    end)
    bob:on_call(function(call)
      call:dial("sip:c@" .. C, { sdp = SDP })
      error "not reached"
    end)
    sip_a.spawn(function()
      alice:dial("sip:b@" .. B, { sdp = SDP, timeout = 2 })
    end)
    net:run(10)
    assert.same({ 2, "cancelled" }, ended)
    assert.same({}, net.errors)
  end)

  it("sip.run waits for the endpoints; close ends their calls in order (rule 10)",
    function()
      local seen = {}
      bob:on_call(function(call)
        call:finally(function()
          seen[#seen + 1] = "finally"
        end)
        call:answer { sdp = SDP }
        call:wait()
      end)
      sip_b.spawn(function()
        sip_b.run()
        seen[#seen + 1] = "run"
      end)
      call_bob()
      net:run(1)
      sip_b.spawn(function()
        bob:close()
        seen[#seen + 1] = "closed"
      end)
      net:run(2)
      assert.same({ "finally", "closed", "run" }, seen)
      local late = call_bob()
      net:run(40)
      assert.equal("unreachable", late.err.name)
    end)

  it("a signal ends who goes his rounds beside the calls, after them", function()
    local seen = {}
    sip_b.spawn(function()
      local guard <close> = setmetatable({}, { __close = function()
        seen[#seen + 1] = bob.state
        sip_b.sleep(1)
        seen[#seen + 1] = "done"
      end })
      while guard do
        sip_b.sleep(2)
      end
    end)
    bob:on_call(function(call)
      call:answer { sdp = SDP }
      sip_b.sleep(100)
    end)
    call_bob()
    net:run(1)
    sip_b.stop "SIGTERM"
    net:run(10)
    assert.same({ "closed", "done" }, seen)
    sip_b.spawn(function()
      seen[#seen + 1] = "later"
    end)
    net:run(11)
    assert.equal("later", seen[3])
  end)

  it("a signal lets a script hear that its registration is removed", function()
    local states = {}
    alice:on("REGISTER", function(req)
      req:reply(200, { headers = { Contact = req:header "Expires" ~= "0"
        and req:header "Contact" or nil, Expires = "60" } })
    end)
    bob:register { aor = "sip:bob@" .. A, on_change = function(_, state)
      states[#states + 1] = state
    end }
    net:run(1)
    sip_b.stop "SIGTERM"
    net:run(10)
    assert.same({ "registered", "removed" }, states)
  end)

  it("a signal refuses what is new, ends what there is, and returns", function()
    local seen = {}
    bob:on_call(function(call)
      call:ring()
      sip_b.sleep(100)
    end)
    local waiting = call_bob()
    net:run(1)
    sip_b.stop "SIGTERM"
    local late = call_bob()
    net:run(10)
    assert.equal(480, waiting.err.status)
    assert.equal(503, late.err.status)
    assert.equal("closed", bob.state)
    assert.same({}, seen)
  end)
end)

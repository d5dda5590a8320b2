-- Misuse raises, where the script called, names the verb and the option, and leaves
-- nothing behind (doc/design.md, rule 2).

local net_of = require "spec.support.net"
local tree = require "spec.support.tree"

local SDP = net_of.SDP
local A, B = "192.0.2.1", "192.0.2.2"

describe("misuse", function()
  local net, alice, bob, sip_a, sip_b

  before_each(function()
    net = net_of.new()
    alice, sip_a = net:endpoint(A)
    bob, sip_b = net:endpoint(B)
  end)

  after_each(function()
    net:clean()
  end)

  -- It raises here, in this file, and says this.
  local function fails(text, fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok, text)
    assert.is_truthy(tostring(e):find(text, 1, true), tostring(e))
    assert.is_truthy(tostring(e):find("misuse_spec.lua:", 1, true), tostring(e))
  end

  it("of sip.new opens nothing", function()
    local function new(options, text)
      fails(text, sip_a.new, options)
    end
    new({ user = {} }, 'sip.new: unknown option "user"')
    new({ trust = {} }, 'sip.new: unknown option "trust"')
    new({ listen = {} }, "sip.new: listen names no address")
    new({ listen = { 5060 } }, 'cannot listen at "5060": it is a number')
    new({ listen = "192.0.2.1" }, 'at "192.0.2.1": a transport and an address are')
    new({ listen = "sctp:192.0.2.1" }, 'at "sctp:192.0.2.1": "sctp" is no transport')
    new({ listen = "udp:a.example:1" }, '"a.example" is no IP address')
    new({ listen = "udp:192.0.2.256" }, '"192.0.2.256" is no IP address')
    new({ listen = "udp:::1" }, 'at "udp:::1": "::1" is no IP address')
    new({ listen = "udp:192.0.2.1:x" }, 'at "udp:192.0.2.1:x": "x" is no port')
    new({ listen = { "udp:192.0.2.1:6000", "udp:192.0.2.1:99999" } },
      'cannot listen at "udp:192.0.2.1:99999": "99999" is no port')
    new({ listen = { "udp:192.0.2.1:6000", "udp:192.0.2.1:6000" } },
      "cannot listen at udp:192.0.2.1:6000: 192.0.2.1:6000 is in use already")
    new({ domain = { 1 } }, 'sip.new: domain: "1" is no host')
    new({ domain = "sip:a.example" }, 'sip.new: domain: "sip:a.example" is no host')
    new({ domain = "a.example:5060" }, 'sip.new: domain: "a.example:5060" is no host')
    new({ location = {} }, 'sip.new: option "location" is a table, not a location ')
    new({ limits = { sources = 1 << 32 } }, "a whole number from 0 to 4294967295")
    new({ t1 = 1e12 }, "not a number of seconds above 0, at most 1e9")
    new({ advertise = { spi = "x" } }, 'sip.new: advertise: unknown option "spi"')
    new({ advertise = "not a host" }, 'sip.new: advertise: "not a host" is no host')
    new({ advertise = "gate.example" }, 'media at "gate.example": descriptions want')
    new({ max_calls = 0 }, 'option "max_calls" is 0, not a whole number from 1 on')
    new({ t1 = -1 }, 'option "t1" is -1, not a number of seconds above 0')
    new({ limits = { bogus = 1 } }, 'sip.new: limits: unknown option "bogus"')
    new({ auth = { usr = "x" } }, 'sip.new: auth: unknown option "usr"')
    new({ auth = { user = "x" } }, "sip.new: auth: a user and a password")
    new({ from = "no uri here" }, 'sip.new: from: "no uri here" is no URI')
    new({ log = "loud" }, "log: a function, or one of")
    net:run(1)
    sip_a.new { listen = "udp:192.0.2.1:6000" }:close()
  end)

  it("of the test kit says so too", function()
    local new_sim = require "sip.sim"
    fails('sip.sim: option "seed" is a string, not a number', new_sim, { seed = "1" })
    fails('sip.sim: unknown option "los"', new_sim, { los = 0.1 })
    local sim <close> = new_sim {}
    fails('phone: unknown option "pasword"', sim.phone, sim, { pasword = "x" })
    fails('phone: option "answer" is a string, not true or false or a number',
      sim.phone, sim, { answer = "no" })
  end)

  it("the bounds of the stack have the names of limits.h", function()
    local names = {}
    for name in tree.read("csrc/base/limits.h"):gmatch "X%(([%l_]+)," do
      names[#names + 1] = name
      sip_a.new { listen = "udp:192.0.2.1:6001", limits = { [name] = 10 } }:close()
      net:run(net.world:now() + 1)
    end
    assert.is_true(#names > 10)
  end)

  it("of what waits says so", function()
    fails("use sip.spawn", sip_a.sleep, 1)
    fails("spawn: a function", sip_a.spawn)
    fails("run: a function, or nothing", sip_a.run, 5)
    fails("on_call: a function", alice.on_call, alice)
    fails("on_call: a function", alice.on_call, function() end)
    local ran
    sip_a.spawn(function()
      fails("sleep: a number of seconds, not nil", sip_a.sleep)
      fails("sleep: a number of seconds, not -1", sip_a.sleep, -1)
      fails("any: one function at least", sip_a.any)
      fails("any: argument 2 is no function", sip_a.any, print, 1)
      fails("all: argument 1 is no function", sip_a.all, 1)
      fails("timeout: a number of seconds and a function", sip_a.timeout, 1)
      fails("await: a function", sip_a.await, 1)
      fails("await: unknown option", sip_a.await, print, { timeot = 1 })
      ran = true
    end)
    net:run(1)
    assert.is_true(ran)
  end)

  it("of dial and request leaves no call behind", function()
    local ran
    sip_a.spawn(function()
      local function dial(options, text)
        fails(text, alice.dial, alice, { "sip:x@" .. B, "sip:y@" .. B }, options)
      end
      dial({ auth = { usr = 1 } }, 'dial: auth: unknown option "usr"')
      dial({ headers = { ["bad name"] = "x" } }, 'dial: headers: "bad name" is no name')
      dial({ headers = { X = "a\r\nb" } }, "the value of X is no text of one line")
      dial({ headers = { Via = "x" } }, "dial: headers: Via is not for scripts to set")
      dial({ timeout = -1 }, 'option "timeout" is -1, not a number of seconds')
      dial({ codecs = { "G729" } }, 'option "codecs" is a table, not a list of codecs')
      dial({ from = "b d" }, 'from: "b d" is no URI')
      dial({ via = "b d" }, 'via: "b d" is no URI')
      dial({ display = "a\r\nb" }, 'option "display" is')
      dial("x", "dial wants a table of options, not a string")
      fails("dial: a target", alice.dial, alice)
      fails("request: a uri and a method", alice.request, alice)
      fails("request: a uri and a method", alice.request, alice,
        { method = "FOO BAR", uri = "sip:x@" .. B })
      fails("request wants a table", alice.request, alice, "OPTIONS")
      for _, name in ipairs { "Content-Type", "c" } do
        fails("request: content_type, or " .. name .. " among the headers",
          alice.request, alice, { method = "MESSAGE", uri = "sip:x@" .. B, body = "x",
          content_type = "text/plain", headers = { name, "text/html" } })
      end
      assert.equal(0, alice.calls)
      ran = true
    end)
    net:run(1)
    assert.is_true(ran)
    assert.same({}, net:flow())
  end)

  it("of a verb sends nothing and changes nothing", function()
    local ran
    bob:on_call(function(call)
      local function wrong(text, verb, ...)
        fails(text, call[verb], call, ...)
        assert.equal("new", call.state)
      end
      for _, status in ipairs { 100, 200, 404 } do
        wrong("not a status from 101 to 199", "ring", { status = status })
        wrong("not a status from 101 to 199", "progress", { status = status })
      end
      wrong('ring: option "reason"', "ring", { reason = "a\r\nb" })
      wrong("ring wants a table of options, not a string", "ring", "x")
      wrong("reject: the status is a string", "reject", "486")
      wrong("reject: the status is 200, not a status from 400", "reject", 200)
      wrong("redirect: a target", "redirect", {})
      wrong('redirect: "5" is no target', "redirect", 5)
      wrong('answer: headers: the value of X', "answer", { headers = { X = "a\nb" } })
      wrong("answer: option \"codecs\"", "answer", { codecs = {} })
      wrong("press: digits from 0-9 * # A-D", "press", "")
      wrong("play: from 1 to 64 files and tones", "play", {})
      wrong("play: the call has no audio", "play", "x.wav")
      wrong("record: the path is a nil, not the path of a file", "record")
      wrong("record: the path is", "record", "a\0b.wav")
      wrong('record: option "terminator" is "x", not digits', "record", "a.wav",
        { terminator = "x" })
      wrong("play: the path is \"a\\0b.wav\", not the path", "play", "a\0b.wav")
      wrong("play: item 2 is a number, not the path of a file", "play", { "a.wav", 5 })
      wrong("record: option \"max\" is 0", "record", "a.wav", { max = 0 })
      wrong("gather: option \"digits\" is 0", "gather", { digits = 0 })
      wrong("gather: min is more than digits", "gather", { digits = 1, min = 2 })
      wrong('gather: option "terminator" is "#x"', "gather", { terminator = "#x" })
      wrong("gather: play: files and tones only", "gather", { play = { "a.wav",
        loop = true } })
      for _, verb in ipairs { "ring", "progress", "answer", "dial" } do
        for _, name in ipairs { "Contact", "m", "Content-Type", "C" } do
          local options = { headers = { [name] = "x" } }
          wrong(("%s: headers: %s is not for scripts to set"):format(verb, name), verb,
            verb == "dial" and "sip:x@y" or options, verb == "dial" and options or nil)
        end
      end
      wrong("digit: the timeout is a string", "digit", "x")
      wrong("bridge: a call", "bridge", {})
      wrong("finally: a function", "finally")
      wrong("spawn: a function", "spawn")
      wrong("wait: the timeout is a string", "wait", "x")
      wrong("dial wants a table of options", "dial", "sip:x@y", "x")
      call:answer { sdp = SDP }
      sip_b.sleep(1)
      ran = true
    end)
    sip_a.spawn(function()
      alice:dial("sip:bob@" .. B, { sdp = SDP })
    end)
    net:run(5)
    assert.same({}, net.errors)
    assert.is_true(ran)
    assert.same({ "0.000 192.0.2.2 200 INVITE", "1.000 192.0.2.2 BYE" }, net:flow(B))
  end)
end)

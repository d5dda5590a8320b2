-- Every example, as it ships, called by phones in virtual time. C-146, C-147.

local core = require "sip.core"
local new_sim = require "sip.sim"
local tree = require "spec.support.tree"

local PBX = "192.0.2.1"
local SOUNDS = "examples/sounds/"

local function sound(name)
  return SOUNDS .. name .. ".wav"
end

describe("the example", function()
  local sim, host

  before_each(function()
    sim = new_sim { seed = 3, delay = 0.01 }
    host = sim:host(PBX)
    for _, path in ipairs(tree.files({ "examples/sounds" }, { ".wav" })) do
      host:write(path, tree.read(path))
    end
  end)

  after_each(function()
    sim:assert_clean()
    sim:close()
  end)

  local function load(name, ...)
    host:load("examples/" .. name .. ".lua", ...)
  end

  -- What scripts print, without printing it.
  local function prints()
    local lines = {}
    host.env = setmetatable({
      print = function(...)
        lines[#lines + 1] = table.concat({ ... }, "\t")
      end,
    }, { __index = _G })
    return lines
  end

  local function dial(user, options)
    return sim:phone(options):dial(("sip:%s@%s"):format(user, PBX))
  end

  local function count(method, from)
    return #sim:sent_at(method, from)
  end

  -- What was recorded on the host is what was said.
  local function expect_recorded(path, prompt)
    local recorded = assert(core.wav_samples(assert(host:read(path), path)))
    local said = core.wav_samples(tree.read(prompt))
    assert.is_true(core.pcm_correlate(recorded, said) > 0.9)
  end

  describe("hello.lua", function()
    it("says hello and hangs up", function()
      load "hello"
      local call = dial "anybody"
      call:expect_heard(sound "hello")
      call:expect_ended()
      assert.equal(1, count("BYE", PBX))
    end)

    it("listens where it is told", function()
      load("hello", "udp:" .. PBX .. ":5080")
      assert.equal("unreachable", select(2, dial "anybody").name)
      local call = sim:phone():dial(("sip:x@%s:5080"):format(PBX))
      call:expect_heard(sound "hello")
    end)

    it("is under ten lines", function()
      local _, lines = tree.read("examples/hello.lua"):gsub("\n%s*[^%s%-]", "")
      assert.is_true(lines < 10)
    end)
  end)

  describe("echo.lua", function()
    it("sends back what it hears, digits too", function()
      load "echo"
      local call = dial "echo"
      call.phone.host:write("said.wav", tree.read(sound "hello"))
      call:play "said.wav"
      call:expect_heard(sound "hello", 3)
      call:press "5"
      assert.equal("5", call:digit(1))
      call:hangup()
    end)
  end)

  describe("ivr.lua", function()
    it("takes a message", function()
      local lines = prints()
      load "ivr"
      local call = dial("menu", { aor = "sip:alice@a.example" })
      call:expect_heard(sound "menu")
      call:press "1"
      call:expect_heard(sound "message")
      sim:advance(1)
      call.phone.host:write("said.wav", tree.read(sound "hello"))
      call:play "said.wav"
      call:press "#"
      call:expect_heard(sound "thanks")
      call:expect_ended()
      expect_recorded("message-1.wav", sound "hello")
      assert.same({
        "sip:alice@a.example: pressed 1",
        "sip:alice@a.example: recorded in message-1.wav",
      }, lines)
    end)

    it("is interrupted by a digit, and by a hangup in the message", function()
      prints()
      load "ivr"
      local call = dial "menu"
      call:press "1"
      call:expect_heard(sound "message")
      sim:advance(3)
      call:hangup()
      sim:advance(1)
      assert.is_string(host:read "message-1.wav")
      assert.equal(0, count("BYE", PBX))
    end)

    it("connects to a second phone", function()
      prints()
      local bob = sim:phone { aor = "sip:bob@b.example", answer = 2 }
      load("ivr", "udp:" .. PBX .. ":5060", bob.uri)
      local call = dial("menu", { aor = "sip:alice@a.example" })
      call:press "2"
      local other = bob:called()
      assert.equal("sip:alice@a.example", other.from.uri)
      sim:advance(3)
      call.phone.host:write("said.wav", tree.read(sound "hello"))
      call:play "said.wav"
      other:expect_heard(sound "hello", 3)
      other:hangup()
      call:expect_heard(sound "goodbye")
      call:expect_ended()
    end)

    it("says so when the second phone is busy, or there is none", function()
      local lines = prints()
      local bob = sim:phone { aor = "sip:bob@b.example", answer = function(call)
        call:reject(486)
      end }
      load("ivr", "udp:" .. PBX .. ":5060", bob.uri)
      local call = dial "menu"
      call:press "2"
      call:expect_heard(sound "busy")
      call:expect_ended()
      assert.is_truthy(lines[2]:find("busy", 1, true))
    end)

    it("says goodbye to who presses nothing three times", function()
      local lines = prints()
      load "ivr"
      local call = dial "menu"
      call:expect_heard(sound "goodbye", 40)
      call:expect_ended()
      assert.is_truthy(lines[1]:find("pressed nothing", 1, true))
    end)
  end)

  describe("numbers.lua", function()
    before_each(function()
      prints()
      load "numbers"
    end)

    it("rings and answers", function()
      local call = dial "answer"
      assert.equal(1, count(180))
      assert.equal("answered", call.state)
      call:expect_heard(sound "hello")
      call:hangup()
    end)

    it("rings until the caller gives up", function()
      local phone = sim:phone()
      local call, e = phone:dial("sip:ring@" .. PBX, { timeout = 30 })
      assert.is_nil(call)
      assert.equal("no_answer", e.name)
      sim:advance(1)
      assert.equal(1, count "CANCEL")
      assert.equal(1, count(487))
    end)

    it("is busy, or does not exist, whatever the domain", function()
      local _, e = dial "busy"
      assert.equal(486, e.status)
      _, e = dial "nobody"
      assert.equal(404, e.status)
      local phone = sim:phone()
      sim.world:name("any.example", PBX)
      _, e = phone:dial "sip:busy@any.example"
      assert.equal(486, e.status)
    end)

    it("echoes", function()
      local call = dial "echo"
      call.phone.host:write("said.wav", tree.read(sound "busy"))
      call:play "said.wav"
      call:expect_heard(sound "busy", 3)
      call:hangup()
    end)

    it("says what was pressed", function()
      local call = dial "dtmf"
      call:expect_heard(sound "press")
      local names = { ["*"] = "star", ["#"] = "pound" }
      for digit in ("0123456789*#"):gmatch "." do
        call:press(digit)
        call:expect_heard(sound(names[digit] or digit), 5)
      end
      call:expect_ended(30) -- nothing is pressed for 20 seconds
    end)

    it("records until silence, and hangs up", function()
      local call = dial "record"
      sim:advance(1)
      call.phone.host:write("said.wav", tree.read(sound "hello"))
      call:play "said.wav"
      call:expect_ended(20)
      expect_recorded("recording-1.wav", sound "hello")
    end)
  end)

  describe("registrar.lua", function()
    local function registration(aor, password)
      local phone = sim:host "192.0.2.20"
      return phone:endpoint():register { aor = aor, password = password,
        registrar = "sip:" .. PBX }
    end

    it("tells who comes and goes", function()
      local lines = prints()
      load("registrar", "udp:" .. PBX .. ":5060")
      local reg = registration("sip:2001@pbx.example", "secret")
      sim:advance(1)
      assert.equal("registered", reg.state)
      local stranger = registration("sip:2002@pbx.example", "guess")
      sim:advance(1)
      assert.equal("failed", stranger.state)
      sim:advance(3600)
      reg:remove()
      sim:advance(1)
      assert.same({ "created", "refreshed", "unregistered" }, {
        lines[1]:match " (%a+):", lines[2]:match " (%a+):", lines[3]:match " (%a+):",
      })
      assert.equal("sip:2001@pbx.example created: sip:2001@192.0.2.20:5060", lines[1])
      assert.equal(3, #lines)
    end)

    it("takes everybody when it is open", function()
      local lines = prints()
      load("registrar", "--open", "udp:" .. PBX .. ":5060")
      local reg = registration "sip:anybody@anywhere.example"
      sim:advance(1)
      assert.equal("registered", reg.state)
      assert.equal(1, #lines)
    end)
  end)

  describe("click_to_dial.lua", function()
    it("calls two phones and connects them", function()
      local lines = prints()
      local alice = sim:phone { aor = "sip:alice@a.example", answer = 1 }
      local bob = sim:phone { aor = "sip:bob@b.example", answer = 2 }
      load("click_to_dial", alice.uri, bob.uri)
      local a = alice:called()
      local b = bob:called()
      sim:advance(3)
      assert.same({ "connected" }, lines)
      b.phone.host:write("said.wav", tree.read(sound "thanks"))
      b:play "said.wav"
      a:expect_heard(sound "thanks", 3)
      a:hangup()
      b:expect_ended()
    end)

    it("says why it could not", function()
      local lines = prints()
      local alice = sim:phone { aor = "sip:alice@a.example" }
      local bob = sim:phone { aor = "sip:bob@b.example", answer = function(call)
        call:reject(603)
      end }
      load("click_to_dial", alice.uri, bob.uri)
      alice:called():expect_ended()
      assert.same({ bob.uri .. ": the call was declined (603 Decline)" }, lines)
    end)
  end)

  -- A phone of the domain, registered with its password.
  local function user(name, options)
    options = options or {}
    options.aor = ("sip:%s@pbx.example"):format(name)
    options.password = options.password or "secret"
    return sim:phone(options)
  end

  describe("proxy.lua", function()
    it("connects its users, and stays in the way of their calls", function()
      load "proxy"
      local bob = user("2002", { answer = 1 })
      local call = assert(user("2001"):dial "sip:2002@pbx.example")
      call:hangup()
      bob.calls[1]:expect_ended()
      assert.equal(1, count("ACK", PBX))
      assert.equal(1, count("BYE", PBX))
    end)

    it("forks to all phones of a user, and the others stop ringing", function()
      load "proxy"
      local quiet = user("2002", { answer = false })
      local quick = user("2002", { answer = 2 })
      local call = assert(user("2001"):dial "sip:2002@pbx.example")
      sim:advance(1)
      assert.equal("cancelled", quiet.calls[1].why.name)
      assert.equal("answered", quick.calls[1].state)
      call:hangup()
    end)

    it("asks its own users who they are, and has no others", function()
      load "proxy"
      user "2002"
      local stranger = sim:phone { aor = "sip:2001@pbx.example" }
      assert.equal(407, select(2, stranger:dial "sip:2002@pbx.example").status)
      assert.equal(404, select(2, sim:phone():dial "sip:2001@pbx.example").status)
      assert.is_false(pcall(user, "2003"))
      assert.is_false(pcall(user, "2001", { password = "wrong" }))
    end)

    it("takes anybody with --open", function()
      load("proxy", "--open")
      sim:phone { aor = "sip:x@any.example", registrar = "sip:" .. PBX }
      local via = { via = "sip:" .. PBX }
      assert(sim:phone():dial("sip:x@any.example", via)):hangup()
    end)
  end)

  describe("redirect.lua", function()
    it("tells where a user is, and 480 when nowhere", function()
      load "redirect"
      local bob = sim:phone { aor = "sip:phone@" .. PBX, registrar = "sip:" .. PBX }
      local e = select(2, dial "phone")
      assert.equal(302, e.status)
      assert.equal("<" .. bob.registration.contact .. ">", e.response:header "Contact")
      assert(sim:phone():dial("sip:phone@" .. PBX, { redirects = 1 })):hangup()
      assert.equal(480, select(2, dial "nobody").status)
    end)
  end)

  describe("pbx.lua", function()
    local function call_menu()
      local call = assert(sim:phone():dial "sip:menu@pbx.example")
      call:expect_heard(sound "extension")
      return call
    end

    it("connects to whoever is registered", function()
      load "pbx"
      local bob = user("2001", { answer = 1 })
      local call = call_menu()
      call:press "2001"
      sim:advance(3)
      assert.equal("answered", bob.calls[1].state)
      bob.calls[1].phone.host:write("said.wav", tree.read(sound "hello"))
      bob.calls[1]:play "said.wav"
      call:expect_heard(sound "hello")
      call:hangup()
      bob.calls[1]:expect_ended()
    end)

    it("takes a message when nobody answers", function()
      load "pbx"
      user("2001", { answer = false })
      local call = call_menu()
      call:press "2001"
      sim:advance(20)
      call:expect_heard(sound "unavailable")
      call:expect_heard(sound "message")
      sim:advance(1)
      call.phone.host:write("said.wav", tree.read(sound "hello"))
      call:play "said.wav"
      call:expect_ended(20)
      expect_recorded("voicemail-2001.wav", sound "hello")
    end)

    it("takes a message for who is not registered, or busy", function()
      load "pbx"
      local call = call_menu()
      call:press "2002"
      call:expect_heard(sound "unavailable")
      call:hangup()
      user("2002", { answer = function(leg)
        leg:reject(486)
      end })
      call = call_menu()
      call:press "2002"
      call:expect_heard(sound "busy")
      call:hangup()
    end)

    it("lets go of who presses nothing", function()
      load "pbx"
      local call = call_menu()
      call:expect_heard(sound "goodbye")
      call:expect_ended()
    end)
  end)
end)

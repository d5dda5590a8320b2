-- sipp calls luasip: scenarios are named by what the caller does.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, SIPP = 14000, 14010

describe("sipp as the caller", function()
  local callee

  lazy_setup(function()
    callee = strangers.luasip("callee.lua", {
      "udp:127.0.0.1:" .. PORT, "tcp:127.0.0.1:" .. PORT,
    })
    callee:says "ready"
  end)

  lazy_teardown(function()
    callee:kill "INT"
    assert.equal(0, (callee:wait()))
    assert.matches("stopped", callee:output())
    strangers.end_all()
  end)

  -- How many calls of this user have ended.
  local function ended(user)
    return select(2, callee:output():gsub("ended " .. user .. " ", ""))
  end

  -- Play a scenario to its end; on our side the call has ended too.
  local function play(scenario, user, tcp, more, folder)
    local before = ended(user)
    strangers.succeeds(strangers.sipp(scenario, {
      port = SIPP, to = PORT, user = user, tcp = tcp, more = more, folder = folder,
    }))
    process.wait(process.PATIENCE, "the end of the script", function()
      return ended(user) > before
    end)
  end

  local scenarios = {
    { "calls and hangs up", "uac", "answer" },
    { "waits for a slow answer", "uac", "slow" },
    { "cancels while it rings", "uac_cancels_while_ringing", "ring" },
    { "is told 486", "uac_is_busy_answered", "busy" },
    { "holds the call and takes it back", "uac_holds", "answer" },
    { "makes its offer late, in the ACK to the 200", "uac_offers_late", "answer" },
    { "asks for an offer within the call", "uac_asks_again", "answer" },
    { "is hung up", "uac_is_hung_up", "short" },
    { "sends BYE when BYE has come", "uac_bye_crosses", "short" },
    { "is told 500 when a script fails", "uac_is_failed", "throw_early" },
    { "is hung up when a script fails later", "uac_is_hung_up", "throw" },
    { "is told what a 420 is about", "uac_needs_more", nil },
    { "is told why its offer will not do", "uac_speaks_g729", "answer" },
  }

  for _, transport in ipairs { "UDP", "TCP" } do
    for _, row in ipairs(scenarios) do
      local name, scenario, user = table.unpack(row, 1, 3)
      it(name .. " over " .. transport, function()
        if user then
          play(scenario, user, transport == "TCP")
        else -- refused before any script hears of it
          strangers.succeeds(strangers.sipp(scenario, {
            port = SIPP, to = PORT, user = "answer", tcp = transport == "TCP",
          }))
        end
      end)
    end
  end

  it("delays its ACK over UDP", function()
    play("uac_delays_the_ack", "answer")
  end)

  -- A 200 is repeated on streams too (RFC 3261 13.3.1.4).
  for _, transport in ipairs { "UDP", "TCP" } do
    it("loses the first 200 over " .. transport, function()
      play("uac_drops_the_200_once", "answer", transport == "TCP", { "-nr" })
    end)
  end

  -- What the script has understood, in the order of the calls.
  local function understood()
    local list = {}
    for word in callee:output():gmatch "digits (%S+)" do
      list[#list + 1] = word
    end
    return list
  end

  it("presses digits by INFO that are understood", function()
    local before = #understood()
    play("uac_presses_by_info", "collect")
    local list = understood()
    assert.equal(before + 1, #list)
    assert.equal("7740", list[#list])
  end)

  for transport, digits in pairs { UDP = "1590", TCP = "A*7D" } do
    it("presses digits as telephone events, with " .. transport, function()
      local before, folder = #understood(), process.folder "presses"
      ear.pcap(folder .. "/presses.pcap", ear.events(digits, 101))
      play("uac_presses", "collect", transport == "TCP", nil, folder)
      local list = understood()
      assert.equal(before + 1, #list)
      assert.equal(digits, list[#list])
    end)
  end

  for _, transport in ipairs { "UDP", "TCP" } do
    it("plays a tone that is recorded, with " .. transport, function()
      local folder = process.folder "streams"
      local _, ulaw = ear.tone_file(folder .. "/tone", 700, 1.5)
      ear.pcap(folder .. "/tone.pcap", ear.speech(ulaw))
      os.remove(callee.folder .. "/heard.wav")
      play("uac_streams", "talk", transport == "TCP", nil, folder)
      local heard = ear.hear(callee.folder .. "/heard.wav", 700)
      -- The last packet is drawn out while the next one is missed.
      assert.is_true(heard.tone >= 1.4 and heard.tone <= 1.6, "tone: " .. heard.tone)
      assert.is_true(heard.other <= 0.1, "other: " .. heard.other)
    end)
  end
end)

-- The command and the examples as they are, opposite to strangers as they are.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, OTHER = 14500, 14510

describe("bin/luasip", function()
  after_each(function()
    strangers.end_all()
  end)

  it("calls sipp's own scenario and records what it sends back", function()
    process.start("sipp", { "sipp", "-sn", "uas", "-rtp_echo", "-i", "127.0.0.1", "-p",
      OTHER, "-mp", OTHER + 4600, "-m", 1, "-nostdin" }):listens("udp", OTHER)
    local caller = strangers.command { "call", "--listen", "udp:127.0.0.1:" .. PORT,
      "--play", "tone:600/1500*1", "--record", "back.wav", "--timeout", "10",
      "sip:echo@127.0.0.1:" .. OTHER }
    local status, said = caller:wait()
    assert.equal(0, status, said)
    local heard = ear.hear(caller.folder .. "/back.wav", 600)
    assert.is_true(heard.tone >= 1.3 and heard.tone <= 1.6, "tone: " .. heard.tone)
  end)

  it("calls baresip, which hears a tone and digits", function()
    local source = ear.tone_file(process.folder "source" .. "/source", 500, 10)
    local stranger = strangers.baresip { port = OTHER, source = source }
    local caller = strangers.command { "call", "--listen", "udp:127.0.0.1:" .. PORT,
      "--press", "42", "--record", "heard.wav", "--play", "tone:600/1500*1",
      "sip:bob@127.0.0.1:" .. OTHER }
    local status, said = caller:wait()
    assert.equal(0, status, said)
    stranger:says "received event: '4' .*received event: '2' .*session closed"
    local heard = ear.hear(caller.folder .. "/heard.wav", 500)
    assert.is_true(heard.tone >= 1.3, "tone: " .. heard.tone)
  end)

  it("runs the test numbers for sipp", function()
    local numbers = strangers.command { "run", process.here .. "/examples/numbers.lua",
      "udp:127.0.0.1:" .. PORT, "tcp:127.0.0.1:" .. PORT }
    numbers:listens("udp", PORT):listens("tcp", PORT)
    for _, row in ipairs {
      { "uac", "answer" }, { "uac_cancels_while_ringing", "ring" },
      { "uac_is_busy_answered", "busy" }, { "uac_holds", "echo" },
    } do
      for _, tcp in ipairs { false, true } do
        strangers.succeeds(strangers.sipp(row[1], {
          port = OTHER, to = PORT, user = row[2], tcp = tcp,
        }))
      end
    end
    local ping = strangers.command { "ping", "sip:answer@127.0.0.1:" .. PORT }
    assert.equal(0, (ping:wait()))
    numbers:kill "INT"
    assert.equal(0, (numbers:wait()))
  end)
end)

-- luasip calls sipp: scenarios are named by what the side that is called does.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local PORT, SIPP = 14100, 14110
local LOG = process.folder "messages" .. "/log"

describe("sipp as the callee", function()
  after_each(function()
    strangers.end_all()
  end)

  -- Call a scenario; both sides must end well. What we said, and where.
  local function call(scenario, tcp, steps, more)
    local sipp = strangers.sipp(scenario, { port = SIPP, tcp = tcp, more = more })
    local transport = tcp and "tcp" or "udp"
    local caller = strangers.luasip("caller.lua", {
      ("%s:127.0.0.1:%d"):format(transport, PORT),
      ("sip:bob@127.0.0.1:%d;transport=%s"):format(SIPP, transport),
      table.unpack(steps or {}),
    })
    local status, said = caller:wait()
    strangers.succeeds(sipp)
    assert.equal(0, status, said)
    assert.matches("stopped\n$", said)
    return said, caller.folder
  end

  -- What coreutils makes of a text.
  local function hash(program, text)
    local path = process.write(LOG .. ".text", text)
    local pipe <close> = assert(io.popen(("%s < '%s'"):format(program, path)))
    return pipe:read "a":match "%x+"
  end

  -- The credentials that sipp has logged are those of alice (RFC 7616 3.4.1).
  local function proves(name, program, algorithm)
    local line = process.read(LOG):match("\n" .. name .. ": Digest ([^\r\n]+)")
    local function value(key)
      return line:match("%f[%w]" .. key .. '="?([^",]+)')
    end
    assert.matches("algorithm=" .. algorithm, line)
    local ha1 = hash(program, "alice:sipp.example:secret")
    local ha2 = hash(program, "INVITE:" .. value "uri")
    assert.equal(hash(program, table.concat({ ha1, value "nonce", value "nc",
      value "cnonce", "auth", ha2 }, ":")), value "response")
  end

  for _, tcp in ipairs { false, true } do
    local over = tcp and " over TCP" or " over UDP"

    it("rings and answers" .. over, function()
      assert.matches("^answered\nover answered\n", call("uas", tcp))
    end)

    it("hangs up" .. over, function()
      assert.matches("^answered\nover ended\n", call("uas_hangs_up", tcp,
        { "wait=60" }))
    end)

    it("is busy" .. over, function()
      assert.matches("^failed busy 486 ", call("uas_is_busy", tcp))
    end)

    it("rings until it is cancelled" .. over, function()
      assert.matches("^failed no_answer ", call("uas_rings", tcp, { "timeout=1" }))
    end)

    it("answers in spite of the CANCEL, and is hung up" .. over, function()
      assert.matches("^failed no_answer ", call("uas_answers_the_cancelled", tcp,
        { "timeout=1" }))
    end)

    it("challenges with MD5" .. over, function()
      assert.matches("^answered\n", call("uas_challenges_md5", tcp,
        { "user=alice", "password=secret" }))
    end)

    it("challenges as a proxy, with MD5" .. over, function()
      assert.matches("^answered\n", call("uas_challenges_as_a_proxy", tcp,
        { "user=alice", "password=secret" }, { "-trace_msg", "-message_file", LOG }))
      proves("Proxy%-Authorization", "md5sum", "MD5")
    end)

    it("prefers SHA-256 to MD5" .. over, function()
      assert.matches("^answered\n", call("uas_challenges_sha256", tcp,
        { "user=alice", "password=secret" }, { "-trace_msg", "-message_file", LOG }))
      proves("Authorization", "sha256sum", "SHA%-256")
    end)

    it("has early audio first" .. over, function()
      assert.matches("^answered\n", call("uas_progresses", tcp))
    end)

    it("repeats its 200" .. over, function()
      assert.matches("^answered\n", call("uas_repeats_the_200", tcp, { "wait=60" },
        { "-nr" }))
    end)
  end

  it("sends back what was played and pressed", function()
    local said, folder = call("uas", false, { "record=back.wav",
      "play=tone:600/2000*1", "press=159*0D", "digits=6" }, { "-rtp_echo" })
    assert.matches("digits 159%*0D\n", said)
    local heard = ear.hear(folder .. "/back.wav", 600)
    assert.is_true(heard.tone >= 1.9 and heard.tone <= 2.1, "tone: " .. heard.tone)
    assert.is_true(heard.other <= 0.1, "other: " .. heard.other)
  end)

  it("takes no wrong password", function()
    assert.matches("^failed refused 403 ", call("uas_challenges_md5", false,
      { "user=alice", "password=wrong" }))
  end)
end)

-- Phones of strangers at examples/proxy.lua: they register with a password, find each
-- other by it, hear each other, move and leave.

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local strangers = require "spec.support.strangers"
local wire = require "spec.support.wire"

local PROXY, BARESIP, MOVED, PERL = 15200, 15210, 15220, 15230
local DOMAIN = "pbx.example"

for _, transport in ipairs { "udp", "tcp" } do
  local tcp = transport == "tcp"

  describe("phones at a proxy over " .. transport:upper(), function()
    local wav, ulaw

    lazy_setup(function()
      local folder = process.folder "sources"
      wav = ear.tone_file(folder .. "/500", 500, 10)
      ulaw = select(2, ear.tone_file(folder .. "/600", 600, 10))
    end)

    after_each(function()
      strangers.end_all()
    end)

    local function start(...)
      strangers.proxy("examples/proxy.lua", PROXY, { ... })
    end

    -- 2001, not yet registered.
    local function new_baresip(password, port)
      return strangers.baresip { port = port or BARESIP, source = wav, tcp = tcp,
        account = { user = "2001", password = password or "secret", domain = DOMAIN,
          proxy = PROXY } }
    end

    local function baresip(port)
      local stranger = new_baresip(nil, port)
      stranger:says "2001@pbx%.example: .- 200 OK %(%) %[%d+ bindings?%]"
      return stranger
    end

    -- 2002, who answers or calls 2001, and hangs up after some seconds.
    local function perl(script, seconds, password)
      local where = process.folder "perl"
      local argv = { ("127.0.0.1:%d%s"):format(PERL, tcp and ";transport=tcp" or ""),
        ulaw, where .. "/heard.ulaw", seconds, "",
        ("2002:%s@%s:%d"):format(password or "secret", DOMAIN, PROXY) }
      if script == "netsip_calls" then
        table.insert(argv, 2, "sip:2001@" .. DOMAIN)
      end
      return strangers.netsip(script, argv, { folder = where })
    end

    local function ends_well(stranger)
      local status, said = stranger:wait()
      assert.equal(0, status, said)
      return said
    end

    -- 500 Hz have come from baresip, 600 Hz from Net::SIP, nearly all the time.
    local function heard_each_other(theirs, ours, seconds)
      local here = ear.hear(ear.from_ulaw(ours.folder .. "/heard.ulaw"), 500)
      local there = strangers.baresip_heard(theirs, 600)
      assert.is_true(here.tone >= seconds - 0.5, "Net::SIP: " .. here.tone)
      assert.is_true(there.tone >= seconds - 0.5, "baresip: " .. there.tone)
      assert.is_true(here.other <= 0.1 and there.other <= 0.1)
    end

    it("Net::SIP calls baresip and hangs up", function()
      start()
      local theirs = baresip()
      local ours = perl("netsip_calls", 1.5)
      assert.matches("registered for 60\nanswered\nbye answered\nremoved\n",
        ends_well(ours))
      theirs:says "session closed"
      heard_each_other(theirs, ours, 1.5)
    end)

    it("Net::SIP calls baresip, which hangs up", function()
      start()
      local theirs = baresip()
      local ours = perl("netsip_calls", 60)
      theirs:says "incoming rtp for 'audio' established"
      strangers.baresip_command(BARESIP, "hangup")
      assert.matches("answered\nhung up\nremoved\n", ends_well(ours))
    end)

    it("baresip calls Net::SIP, which hangs up", function()
      start()
      local theirs = baresip()
      local ours = perl("netsip_answers", 1.5)
      ours:says "ready"
      strangers.baresip_command(BARESIP, "dial", "sip:2002@" .. DOMAIN)
      assert.matches("established\nbye answered\nremoved\n", ends_well(ours))
      theirs:says "session closed"
      heard_each_other(theirs, ours, 1.5)
    end)

    it("baresip calls Net::SIP and hangs up", function()
      start()
      local theirs = baresip()
      local ours = perl("netsip_answers", 60)
      ours:says "ready"
      strangers.baresip_command(BARESIP, "dial", "sip:2002@" .. DOMAIN)
      theirs:says "incoming rtp for 'audio' established"
      strangers.baresip_command(BARESIP, "hangup")
      assert.matches("established\nhung up\nremoved\n", ends_well(ours))
    end)

    it("baresip moves without a word, and is found again", function()
      start()
      local before = baresip()
      before:kill "KILL"
      before:wait()
      local theirs = baresip(MOVED)
      assert.matches("%[2 bindings%]", theirs:output())
      assert.matches("answered\nbye answered\n", ends_well(perl("netsip_calls", 0.5)))
      theirs:says "session closed"
    end)

    it("baresip leaves, and is not found", function()
      start()
      local theirs = baresip()
      theirs:kill "INT"
      ends_well(theirs)
      local status, said = perl("netsip_calls", 0.5):wait()
      assert.are_not.equal(0, status)
      assert.matches("failed: .*404", said)
    end)

    -- baresip tries again fifteen times at once, at kamailio too, and then gives up.
    it("baresip is refused with a wrong password", function()
      start()
      local theirs = new_baresip "wrong"
      theirs:says "2001@pbx%.example: 401 Unauthorized"
      assert.is_nil(theirs:output():find("200 OK", 1, true))
      local status, said = perl("netsip_calls", 0.5):wait()
      assert.are_not.equal(0, status)
      assert.matches("failed: .*404", said)
    end)

    it("Net::SIP is refused with a wrong password", function()
      start()
      local status, said = perl("netsip_calls", 0.5, "wrong"):wait()
      assert.are_not.equal(0, status)
      assert.matches("refused: .*401", said)
    end)

    it("Net::SIP takes MD5 where there is SHA-256 too", function()
      start "--sha256"
      local callee = perl("netsip_answers", 0.1)
      callee:says "registered for 60\nready\n"
    end)

    local function register(round, i, fields)
      return table.concat({ "REGISTER sip:" .. DOMAIN .. " SIP/2.0",
        ("Via: SIP/2.0/%s 127.0.0.1:9;rport;branch=z9hG4bKr%di%d"):format(
          transport:upper(), round, i),
        "From: <sip:2001@pbx.example>;tag=" .. i, "To: <sip:2001@pbx.example>",
        ("Call-ID: flood-%d-%d"):format(round, i), "CSeq: 1 REGISTER",
        "Max-Forwards: 70", "Contact: *", "Expires: 0", fields,
        "Content-Length: 0\r\n\r\n" }, "\r\n")
    end

    local nonsense = { "Authorization: Digest",
      "Authorization: Basic " .. ("x"):rep(500),
      'Authorization: Digest username="2001", realm="pbx.example", nonce="a", '
        .. 'uri="sip:pbx.example", response="0"', "Path: ;;;", "X: y" }

    -- Twenty-five that are refused; before them, where it closes no connection, what is
    -- no message at all.
    local function flood(client, flow, round)
      for i = 1, 25 do
        local text = register(round, i, nonsense[i % #nonsense + 1])
        if not tcp then
          client.net:send(flow, text:sub(1, i * 13), 1, "127.0.0.1", PROXY)
        end
        client.net:send(flow, text, 1, "127.0.0.1", PROXY)
      end
      local answers, seen = "", ("Call-ID: flood-%d-25\r\n"):format(round)
      while not answers:find(seen, 1, true) do
        answers = answers .. client:expect({ kind = "bytes", id = flow }).bytes
      end
      assert.is_nil(answers:find("SIP/2.0 200", 1, true), answers)
    end

    it("a call is not disturbed by a flood of registrations", function()
      start()
      local theirs = baresip()
      local ours = perl("netsip_calls", 2)
      theirs:says "incoming rtp for 'audio' established"
      local client = wire.new()
      local flow = tcp and assert(client.net:open("TCP", "127.0.0.1", PROXY))
        or assert(client.net:listen("UDP", "127.0.0.1", 0))
      if tcp then
        client:expect { kind = "opened", id = flow }
      end
      for round = 1, 40 do
        flood(client, flow, round)
      end
      client:close()
      assert.matches("answered\nbye answered\n", ends_well(ours))
      theirs:says "session closed"
      heard_each_other(theirs, ours, 2)
      assert.matches("answered\nbye answered\n", ends_well(perl("netsip_calls", 0.1)))
    end)
  end)
end

-- What TLS is allowed to be: RFC 9325 3 and 4, RFC 7301.  C-38.  Asked of `openssl`,
-- which can do everything that ought to be refused.

local certificates = require "spec.support.certificates"
local openssl = require "spec.support.openssl"
local production = require "spec.support.production"

local assert = require "luassert"

describe("TLS by RFC 9325", function()
  local made, pair, real, sip, bob, warned

  setup(function()
    made = certificates.new()
    pair = made:issue { san = "URI:sip:b.example,IP:127.0.0.1" }
  end)

  teardown(function()
    made:remove()
  end)

  before_each(function()
    real = production.new()
    sip, warned = real.sip, real.warned
  end)

  after_each(function()
    real:close()
  end)

  local function listen(limits)
    bob = sip.new { listen = "tls:127.0.0.1:0", limits = limits,
      tls = { ca = made.ca, cert = pair.cert, key = pair.key } }
    return production.port(bob)
  end

  -- What s_client has to say when it has connected, or could not.
  local function connect(words, wanted, input, limits)
    local said
    sip.run(function()
      local command = ("s_client -connect 127.0.0.1:%d -CAfile ca.pem %s"):format(
        listen(limits), words)
      said = openssl.start(made, sip, command, input or "")(
        wanted or "Verify return code")
      bob:close()
    end)
    return said
  end

  local ANY = "-cipher ALL:COMPLEMENTOFALL@SECLEVEL=0 "

  -- @rfc 9325 3.1.1 MUST NOT C-38
  it("has no version before 1.2", function()
    for _, version in ipairs { "tls1", "tls1_1" } do
      assert.matches("alert protocol version", connect(ANY .. "-" .. version, "alert"))
    end
    assert.equal(2, #warned)
    assert.matches("has no TLS version that we have: TLS 1.2 or newer$", warned[1])
  end)

  -- @rfc 9325 3.1.1 MUST C-38
  it("has 1.2, and 1.3 where both have it", function()
    assert.matches("New, TLSv1.2, Cipher is ECDHE-", connect "-tls1_2", 1, true)
    assert.matches("New, TLSv1.3, Cipher is TLS_", connect "", 1, true)
  end)

  -- @rfc 9325 4.1 MUST NOT C-38
  -- @rfc 9325 4.1 SHOULD NOT C-38
  it("has no cipher without forward secrecy or authenticated encryption", function()
    for _, cipher in ipairs { "kRSA", "eNULL", "aNULL", "ECDHE-ECDSA-AES128-SHA",
      "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-CCM" } do
      assert.matches("alert handshake failure", connect(
        "-tls1_2 -cipher " .. cipher .. "@SECLEVEL=0", "alert"), cipher)
    end
    assert.matches("and we have no cipher in common$", warned[1])
  end)

  -- @rfc 9325 4.2 RECOMMENDED C-38
  it("has those that are recommended, and chooses itself", function()
    for _, cipher in ipairs { "ECDHE-ECDSA-AES128-GCM-SHA256",
      "ECDHE-ECDSA-AES256-GCM-SHA384" } do
      assert.matches("Cipher is " .. cipher:gsub("%p", "%%%0"),
        connect("-tls1_2 -cipher " .. cipher))
    end
    local first = connect("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256:"
      .. "ECDHE-ECDSA-AES256-GCM-SHA384"):match "Cipher is ([%w-]+)"
    assert.equal(first, connect("-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384:"
      .. "ECDHE-ECDSA-AES128-GCM-SHA256"):match "Cipher is ([%w-]+)")
  end)

  -- @rfc 9325 3.3 SHOULD C-38
  -- @rfc 9325 3.10 MUST NOT C-38
  it("compresses nothing, and takes nothing before the handshake is over", function()
    local said = connect("-comp")
    assert.matches("Compression: NONE", said, 1, true)
    said = connect("-tls1_3 -msg", "Max Early Data")
    assert.matches("Max Early Data: 0", said, 1, true)
  end)

  -- @rfc 9325 3.5 MUST C-38
  it("does not negotiate again, and says that it could do so safely", function()
    local said = connect("-tls1_2 -no_ign_eof", "no renegotiation", "R\n")
    assert.matches("Secure Renegotiation IS supported", said, 1, true)
    assert.matches("no renegotiation", said, 1, true)
  end)

  -- @rfc 9325 4.5 SHOULD C-38
  -- @rfc 9325 4.5 MUST C-38
  it("has no short keys and no weak signatures", function()
    local ok, why = pcall(function()
      made:openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout",
        "short.key", "-out", "short.pem", "-subj", "/CN=short", "-config", "settings")
      sip.new { listen = "tls:127.0.0.1:0", tls = { cert = made.folder .. "/short.pem",
        key = made.folder .. "/short.key" } }
    end)
    assert.is_false(ok)
    assert.matches("short.pem: the certificate cannot be used: its key is too short, "
      .. "or "
      .. "its signature too weak", tostring(why), 1, true)
    assert.matches("Server Temp Key: X25519, 253 bits", connect "")
    assert.matches("alert handshake failure", connect("-tls1_2 -curves secp192r1 "
      .. "-cipher ALL@SECLEVEL=0", "alert"))
  end)

  -- TLS 1.3 has groups of finite fields too. The largest costs whoever is called a
  -- hundred times what it costs who calls.
  it("has curves, and no finite fields", function()
    for _, curve in ipairs { "X25519", "P-256", "X448", "P-384", "P-521" } do
      assert.matches("New, TLSv1.3", connect("-tls1_3 -groups " .. curve), 1, true)
    end
    for _, field in ipairs { "ffdhe2048", "ffdhe8192" } do
      assert.matches("alert handshake failure",
        connect("-tls1_3 -groups " .. field, "alert"))
    end
  end)

  -- @rfc 9325 3.4 MUST C-38
  it("resumes sessions by tickets, until their keys are too old", function()
    for _, case in ipairs {
      { nil, "tls1_2", "Reused, TLSv1.2" }, { nil, "tls1_3", "Reused, TLSv1.3" },
      { 1, "tls1_2", "New, TLSv1.2" }, { 1, "tls1_3", "New, TLSv1.3" },
    } do
      local said
      sip.run(function()
        local command = ("s_client -connect 127.0.0.1:%d -CAfile ca.pem -%s "):format(
          listen { tls_ticket_ms = case[1] }, case[2])
        os.remove(made.folder .. "/session")
        openssl.start(made, sip, command .. "-sess_out session", "")(
          "END SSL SESSION", "session")
        said = openssl.start(made, sip, command .. "-sess_in session", "")(
          "Verify return code")
        bob:close()
      end)
      assert.matches(case[3], said, 1, true)
    end
  end)

  -- @rfc 9325 3.8 MUST C-38
  -- @rfc 7301 3.2 SHALL C-38
  it("speaks SIP with who asks for that or for nothing, with nobody else", function()
    assert.matches("ALPN protocol: sip/2", connect("-alpn h2,sip/2"), 1, true)
    assert.matches("No ALPN negotiated", connect "", 1, true)
    for _, other in ipairs { "http/1.1", "h2,http/1.1", "sip/1", "sip/22" } do
      assert.matches("alert no application protocol",
        connect("-alpn " .. other, "alert"))
    end
    assert.equal(4, #warned)
    assert.matches("wants to speak something else than SIP$", warned[1])
  end)

  -- @rfc 9325 3.7 MUST C-38
  -- @rfc 9325 3.8 MUST C-38
  it("asks by name, and for SIP", function()
    local port, said, e = listen(), nil, nil
    bob:close() -- here, and not in a task: there it would be when its turn is over
    sip.run(function()
      local alice <close> = sip.new { listen = "udp:127.0.0.1:0",
        tls = { ca = made.ca } }
      local function ask(words, wanted)
        local ended = openssl.start(made, sip, ("s_server -accept 127.0.0.1:%d -cert "
          .. "%s "
          .. "-key %s %s"):format(port, pair.cert, pair.key, words), "")
        e = select(2, openssl.ask(made, sip, alice, "sips:bob@127.0.0.1:" .. port, 5))
        return ended(wanted)
      end
      said = ask("-alpn sip/2", "ALPN protocols selected")
      assert.matches("ALPN protocols advertised by the client: sip/2", said, 1, true)
      assert.matches("ALPN protocols selected: sip/2", said, 1, true)
      ask("-alpn http/1.1", "")
    end)
    assert.matches("127.0.0.1:" .. port .. " speaks something else than SIP over TLS",
      tostring(e), 1, true)
  end)
end)

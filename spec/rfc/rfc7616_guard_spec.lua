-- Digest as a server: RFC 3261 22, RFC 8760 2.3 and 2.6, RFC 7616 3.3 to 3.6.
-- C-226 to C-231, C-234, C-236: the part that is pure.

local auth = require "sip.ua.auth"
local core = require "sip.core"
local guard_of = require "sip.ua.guard"

local URI = "sip:biloxi.com"

local now, guard
local drawn = 0

local function chance(n)
  drawn = drawn + 1
  return ("%0" .. n .. "d"):format(drawn)
end

-- A request with these headers (name, value ...).
local function request(headers, changes)
  changes = changes or {}
  local lines = {
    ("%s %s SIP/2.0"):format(changes.method or "REGISTER", changes.uri or URI),
    "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx",
    "From: <sip:" .. (changes.from or "bob") .. "@biloxi.com>;tag=1",
    "To: <sip:bob@biloxi.com>",
    "Call-ID: 1", "CSeq: 1 " .. (changes.method or "REGISTER"), "Max-Forwards: 70",
  }
  for i = 1, #headers, 2 do
    lines[#lines + 1] = headers[i] .. ": " .. headers[i + 1]
  end
  local body = changes.body or ""
  lines[#lines + 1] = "Content-Length: " .. #body
  lines[#lines + 1] = "\r\n"
  return { message = assert(core.parse(table.concat(lines, "\r\n"):gsub("\r\n\r\n\r\n",
    "\r\n\r\n") .. body)) }
end

local function new(changes)
  local options = {
    secret = ("0123456789abcdef"):rep(2),
    random = chance,
    now = function() return now end,
    is_ours = function(uri) return uri:find "biloxi%.com" ~= nil end,
  }
  for key, value in pairs(changes or {}) do
    options[key] = value
  end
  return guard_of.new(options)
end

-- What our own client answers to these challenges; `at` is where it sends to.
local function client_of(credentials)
  credentials = credentials or { username = "bob", password = "zanzibar" }
  return auth.new { credentials = credentials, random = chance }
end

local function answer(client, challenges, changes)
  local attempt = client:attempt {
    method = changes and changes.method or "REGISTER",
    uri = changes and changes.uri or URI, body = changes and changes.body or "",
  }
  local list = {}
  for i = 1, #challenges, 2 do
    list[#list + 1] = { header = challenges[i], value = challenges[i + 1] }
  end
  assert(attempt:challenged(list))
  return attempt:headers(), attempt
end

local function params(value)
  return assert(core.digest_parse(value))[1].params
end

-- A whole round: challenge, answer, judgement.
local function round(options, changes)
  local challenges = guard:challenges("biloxi.com", "WWW-Authenticate", options)
  local client = client_of(changes and changes.credentials)
  local headers = answer(client, challenges, changes)
  local proof, why = guard:read(request(headers, changes), "biloxi.com")
  if not proof then
    return nil, why
  end
  return guard:verify(proof, "zanzibar")
end

-- Credentials by hand.
local function by_hand(fields, changes)
  local all = {
    username = "bob", realm = "biloxi.com", password = "zanzibar", qop = "auth",
    cnonce = "c", nc = 1, method = "REGISTER", uri = URI,
    nonce = guard.nonces:issue("biloxi.com", now, chance(8)), algorithm = "SHA-256",
  }
  for key, value in pairs(fields) do
    all[key] = value ~= "none" and value or nil
  end
  local value = assert(core.digest_credentials(all))
  if changes then
    value = changes(value)
  end
  return value
end

local function judge(value, secret, changes)
  local proof, why = guard:read(request({ "Authorization", value }, changes),
    "biloxi.com")
  if not proof then
    return nil, why
  end
  return guard:verify(proof, secret == nil and "zanzibar" or secret)
end

before_each(function()
  now = 1000
  guard = new()
end)

describe("a challenge", function()
  -- @rfc 8760 2.3 MUST C-231
  it("is one header per algorithm, the preferred one first (C-226, C-231)", function()
    local headers = guard:challenges("biloxi.com", "WWW-Authenticate")
    local nonce = params(headers[2]).nonce
    assert.same({
      "WWW-Authenticate", 'Digest realm="biloxi.com", nonce="' .. nonce
        .. '", algorithm=SHA-256, qop="auth"',
      "WWW-Authenticate", 'Digest realm="biloxi.com", nonce="' .. nonce
        .. '", algorithm=MD5, qop="auth"',
    }, headers)
  end)

  -- @rfc 7616 3.3 MUST C-236
  it("quotes realm, nonce and qop, never stale and algorithm (C-236)", function()
    local headers = guard:challenges('a "b\\', "Proxy-Authenticate",
      { stale = true, qop = "auth,auth-int" })
    local nonce = params(headers[2]).nonce
    assert.equal('Digest realm="a \\"b\\\\", nonce="' .. nonce
      .. '", stale=true, algorithm=SHA-256, qop="auth,auth-int"', headers[2])
    assert.equal('a "b\\', params(headers[2]).realm)
  end)

  -- @rfc 7616 3.3 SHOULD C-236
  it("has another nonce each time, at one instant and by any chance", function()
    for _, source in ipairs { "192.0.2.9", false } do
      guard = new {
        random = function(n) return ("x"):rep(n) end,
        mark = function(text) return source and text:sub(5) or "none" end,
      }
      local seen = {}
      for i = 1, 1000 do
        local challenges = guard:challenges("biloxi.com", "WWW-Authenticate",
          { source = source or nil })
        local nonce = params(challenges[2]).nonce
        assert.is_nil(seen[nonce], i)
        seen[nonce] = true
      end
    end
  end)

  it("is for each of many who ask at once: none is a replay of another", function()
    guard = new {
      random = function(n) return ("x"):rep(n) end,
      mark = function() return "mark" end,
    }
    local asked = {}
    for i = 1, 100 do
      asked[i] = guard:challenges("biloxi.com", "WWW-Authenticate",
        { source = "192.0.2.9" })
    end
    for i = 1, 100 do
      local headers = answer(client_of(), asked[i])
      local proof = assert(guard:read(request(headers), "biloxi.com"))
      assert.is_true(guard:is_given_to(proof, "192.0.2.9"))
      assert.is_true(guard:verify(proof, "zanzibar"))
    end
  end)
end)

describe("credentials", function()
  -- @rfc 7616 3.4 MUST C-227
  -- @rfc 8760 2.6 MUST C-230
  it("of our client are right, for every algorithm and qop (C-227, C-230)", function()
    for _, algorithm in ipairs {
      "MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess",
    } do
      guard = new { algorithms = { algorithm } }
      for _, qop in ipairs { "auth", "auth-int", "auth,auth-int" } do
        for _, body in ipairs { "", "v=0\r\n" } do
          assert.is_true(round({ qop = qop }, { body = body }), algorithm .. " " .. qop)
        end
        local ok, why = round({ qop = qop },
          { credentials = { username = "bob", password = "tanzania" } })
        assert.is_nil(ok)
        assert.equal("user bob: wrong password", why)
      end
    end
  end)

  it("may be checked by HA1 alone", function()
    for _, algorithm in ipairs { "MD5", "SHA-256", "SHA-512-256", "SHA-256-sess" } do
      guard = new { algorithms = { algorithm } }
      local base = algorithm:gsub("%-sess$", "")
      local ha1 = core.digest_hash(algorithm, "bob:biloxi.com:zanzibar")
      for _, text in ipairs { ha1, ha1:upper() } do
        assert.is_true(judge(by_hand { algorithm = algorithm },
          { ha1 = { [base] = text } }))
      end
      local wrong = core.digest_hash(algorithm, "bob:biloxi.com:tanzania")
      assert.same({ nil, "user bob: wrong password" }, { judge(
        by_hand { algorithm = algorithm }, { ha1 = { [base] = wrong } }) })
    end
  end)

  it("without the HA1 of their algorithm are refused", function()
    assert.same({ nil, "user bob: no HA1 of SHA-256" },
      { judge(by_hand {}, { ha1 = { MD5 = ("0"):rep(32) } }) })
  end)

  it("may be in capitals where digits are", function()
    assert.is_true(judge(by_hand({}, function(value)
      return (value:gsub('response="(%x+)"', function(hex)
        return 'response="' .. hex:upper() .. '"'
      end))
    end)))
  end)

  -- The count is hashed as it was written.
  it("count in digits of either case", function()
    local fields = {
      algorithm = "MD5", username = "bob", realm = "biloxi.com", qop = "auth",
      nonce = guard.nonces:issue("biloxi.com", now, "saltsalt"), cnonce = "c",
      method = "REGISTER", uri = URI,
    }
    local function hash(text)
      return core.digest_hash("MD5", text)
    end
    local response = hash(table.concat({ hash "bob:biloxi.com:zanzibar", fields.nonce,
      "0000000A", "c", "auth", hash("REGISTER:" .. URI) }, ":"))
    assert.is_true(judge(('Digest username="bob", realm="biloxi.com", nonce="%s", '
      .. 'uri="%s", response="%s", algorithm=MD5, qop=auth, nc=0000000A, cnonce="c"')
      :format(fields.nonce, URI, response)))
  end)

  it("quoted where they should not be, and not where they should, are read", function()
    assert.is_true(judge(by_hand({}, function(value)
      return (value:gsub("algorithm=([^,]+)", 'algorithm="%1"')
        :gsub("qop=(%w+)", 'qop="%1"'):gsub("nc=(%x+)", 'nc="%1"')
        :gsub('nonce="([%w_-]+)"', "nonce=%1"):gsub('uri="(.-)"', "uri=%1"))
    end)))
  end)

  -- @rfc 8760 2.6 MUST C-227
  it("with nc and cnonce and no qop are of auth (8760 2.6, point 8)", function()
    assert.is_true(judge(by_hand({}, function(value)
      return (value:gsub(", qop=auth", ""))
    end)))
  end)

  it("of RFC 2069 are taken of MD5, once for each nonce", function()
    local old = by_hand { qop = "none", algorithm = "none" }
    assert.is_true(judge(old))
    assert.same({ nil, "user bob: the nonce was used with this count before", true },
      { judge(old) })
    assert.same({ nil, "malformed credentials: SHA-256 without qop" },
      { judge(by_hand { qop = "none", algorithm = "SHA-256" }) })
    guard = new { algorithms = { "SHA-256" } }
    assert.same({ nil, "malformed credentials: the algorithm MD5 was not offered" },
      { judge(by_hand { qop = "none", algorithm = "none" }) })
  end)

  it("of an algorithm that was not offered are refused", function()
    for _, algorithm in ipairs { "SHA-512-256", "SHA-256-sess", "MD5-sess" } do
      local ok, why = judge(by_hand { algorithm = algorithm })
      assert.is_nil(ok)
      assert.equal("malformed credentials: the algorithm " .. algorithm
        .. " was not offered", why)
    end
  end)

  it("for a name that does not exist are refused like a wrong password", function()
    assert.same({ nil, "user bob: unknown" }, { judge(by_hand {}, false) })
    -- also when HA1 is what is known of others
    assert.is_nil((judge(by_hand {}, { ha1 = { ["SHA-256"] = ("0"):rep(64) } })))
    assert.same({ nil, "user bob: unknown" }, { judge(by_hand {}, false) })
  end)

  it("do not fill the table of nonces unless they are right", function()
    for _ = 1, 10 do
      judge(by_hand { password = "tanzania" })
      judge(by_hand {}, false)
    end
    assert.equal(0, guard.nonces:count())
    judge(by_hand {})
    assert.equal(1, guard.nonces:count())
  end)

  it("with a long name are logged with the start of it", function()
    local _, why = judge(by_hand { username = ("x"):rep(500), password = "y" })
    assert.equal("user " .. ("x"):rep(64) .. "...: wrong password", why)
  end)
end)

describe("a name", function()
  it("may be hashed, when it is that of From (RFC 7616 3.4.4)", function()
    for _, algorithm in ipairs { "SHA-256", "MD5" } do
      assert.is_true(judge(by_hand { userhash = true, algorithm = algorithm }))
    end
    local proof = guard:read(request({ "Authorization", by_hand { userhash = true } }),
      "biloxi.com")
    assert.equal("bob", proof.username)
    assert.same({ nil, "a hashed name that is not that of From" },
      { judge(by_hand { userhash = true }, nil, { from = "carol" }) })
  end)

  it("may be extended (RFC 7616 3.4)", function()
    local value = by_hand({ username = "J\u{E4}s\u{F8}n" }, function(text)
      return (text:gsub('username=".-"', "username*=UTF-8''J%%C3%%A4s%%C3%%B8n"))
    end)
    assert.is_true(judge(value))
  end)

  -- @rfc 7616 3.4 MUST C-227
  it("is not given twice", function()
    local value = by_hand({}, function(text)
      return text .. ", username*=UTF-8''bob"
    end)
    assert.same({ nil, "malformed credentials: two names" }, { judge(value) })
  end)
end)

describe("a nonce", function()
  -- @rfc 3261 22.4 MUST C-228
  it("too old, with the right password, is stale (C-228)", function()
    local value = by_hand {}
    now = 1299.999
    assert.is_true(judge(value))
    value = by_hand { nonce = guard.nonces:issue("biloxi.com", 1000, chance(8)) }
    now = 1300
    assert.same({ nil, "user bob: the nonce is too old", true }, { judge(value) })
  end)

  it("too old, with the wrong password, is not (C-228)", function()
    local value = by_hand { password = "tanzania" }
    now = 1300
    assert.same({ nil, "user bob: wrong password" }, { judge(value) })
    assert.same({ nil, "user bob: unknown" }, { judge(value, false) })
  end)

  -- As after a start with another secret: nobody has to type a password again.
  it("that is not ours, with the right password, wants another one", function()
    assert.same({ nil, "user bob: the nonce is not ours", true },
      { judge(by_hand { nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093" }) })
    assert.same({ nil, "user bob: wrong password" },
      { judge(by_hand { nonce = "x", password = "tanzania" }) })
    assert.same({ nil, "user bob: the nonce is not ours", true },
      { judge(by_hand { nonce = new({ secret = ("x"):rep(16) }).nonces
        :issue("biloxi.com", now, "saltsalt") }) })
  end)

  it("of another realm of ours is not that of this one", function()
    local nonce = guard.nonces:issue("chicago.com", now, "saltsalt")
    assert.same({ nil, "user bob: the nonce is not ours", true },
      { judge(by_hand { nonce = nonce }) })
  end)

  -- @rfc 7616 3.4 MUST C-229
  it("is used with each count once (C-229)", function()
    local nonce = guard.nonces:issue("biloxi.com", now, "saltsalt")
    local first = by_hand { nonce = nonce }
    assert.is_true(judge(first))
    assert.same({ nil, "user bob: the nonce was used with this count before", true },
      { judge(first) })
    assert.is_true(judge(by_hand { nonce = nonce, nc = 3 }))
    assert.is_true(judge(by_hand { nonce = nonce, nc = 2 }))
    assert.is_nil((judge(by_hand { nonce = nonce, nc = 2, cnonce = "another" })))
  end)

  it("is retried by our client without asking, and a wrong password is not", function()
    local client = client_of()
    local headers, attempt = answer(client,
      guard:challenges("biloxi.com", "WWW-Authenticate"))
    now = now + 300
    local proof = guard:read(request(headers), "biloxi.com")
    local _, _, stale = guard:verify(proof, "zanzibar")
    assert.is_true(stale)
    local again = guard:challenges("biloxi.com", "WWW-Authenticate", { stale = stale })
    assert.is_true(attempt:challenged {
      { header = again[1], value = again[2] }, { header = again[3], value = again[4] },
    })
    proof = guard:read(request(attempt:headers()), "biloxi.com")
    assert.is_true(guard:verify(proof, "zanzibar"))
    -- the same with another password ends
    headers, attempt = answer(client_of { username = "bob", password = "tanzania" },
      guard:challenges("biloxi.com", "WWW-Authenticate"))
    _, _, stale = guard:verify(guard:read(request(headers), "biloxi.com"), "zanzibar")
    again = guard:challenges("biloxi.com", "WWW-Authenticate", { stale = stale })
    assert.is_nil((attempt:challenged { { header = again[1], value = again[2] } }))
  end)
end)

describe("the URI of credentials (C-236)", function()
  local function at(uri, request_uri, method)
    return judge(by_hand { uri = uri, method = method or "INVITE" }, nil,
      { uri = request_uri, method = method or "INVITE" })
  end

  -- @rfc 8760 2.6 MUST C-236
  it("is that of the request, written in any way", function()
    assert.is_true(at("sip:carol@chicago.com", "sip:carol@chicago.com"))
    assert.is_true(at("sip:carol@CHICAGO.com", "sip:%63arol@chicago.com"))
    assert.is_true(at("tel:+1-212-555-0101", "tel:+12125550101"))
  end)

  it("or one that we accept requests for, which a proxy has replaced", function()
    assert.is_true(at("sip:bob@biloxi.com", "sip:bob@192.0.2.4"))
    assert.is_true(at("sip:biloxi.com", "sip:biloxi.com:5060;transport=tcp",
      "REGISTER"))
  end)

  it("and not another", function()
    assert.same({ nil, "the credentials are for sip:carol@chicago.com" },
      { at("sip:carol@chicago.com", "sip:expensive@chicago.com") })
    assert.same({ nil, "the credentials are for *" }, { at("*", "sip:bob@biloxi.com") })
    assert.same({ nil, "the credentials are for " }, { at("", "sip:bob@biloxi.com") })
  end)
end)

describe("several credentials", function()
  -- @rfc 3261 22.3 MUST C-234
  it("for several realms: ours is looked at (C-234)", function()
    local message = request {
      "Proxy-Authorization", 'Digest realm="atlanta.com", username="x", nonce="y", '
        .. 'uri="sip:a", response="z"',
      "Proxy-Authorization", by_hand {},
      "Proxy-Authorization", 'Digest realm="chicago.com", username="bob"',
    }
    local proof = guard:read(message, "biloxi.com")
    assert.equal("Proxy-Authorization", proof.header)
    assert.is_true(guard:verify(proof, "zanzibar"))
    assert.same({ nil, "none" }, { guard:read(message, "denver.com") })
    assert.same({ nil, "malformed credentials: nonce is missing" },
      { guard:read(message, "chicago.com") })
  end)

  it("for ours: the one with the best nonce", function()
    local good = by_hand { username = "carol" }
    local stale = by_hand { nonce = guard.nonces:issue("biloxi.com", 1, chance(8)) }
    local forged = by_hand { nonce = "x" }
    for _, list in ipairs {
      { good, stale, forged }, { forged, stale, good }, { stale, "Digest x", good },
    } do
      local proof = guard:read(request { "Authorization", list[1],
        "Proxy-Authorization", list[2], "Authorization", list[3] }, "biloxi.com")
      assert.equal("good", proof.nonce_state)
      assert.equal("carol", proof.username)
    end
  end)

  it("without end: the first eight are looked at", function()
    local headers = {}
    for _ = 1, 8 do
      headers[#headers + 1] = "Authorization"
      headers[#headers + 1] = by_hand { nonce = "x" }
    end
    headers[#headers + 1] = "Authorization"
    headers[#headers + 1] = by_hand {}
    assert.equal("forged", guard:read(request(headers), "biloxi.com").nonce_state)
  end)
end)

describe("garbage in credentials", function()
  -- @rfc 3261 22 MUST C-226
  it("is said, and never taken; Basic neither (C-226)", function()
    local function why(value)
      local proof, text = guard:read(request { "Authorization", value }, "biloxi.com")
      assert.is_nil(proof)
      return text
    end
    assert.equal("none", why "Basic Ym9iOnphbnppYmFy")
    assert.equal("none", why 'Basic realm="biloxi.com"')
    assert.equal("malformed credentials: scheme expected", why "")
    assert.equal("malformed credentials: quoted string does not end",
      why 'Digest realm="biloxi.com')
    assert.equal("malformed credentials: parameter is repeated",
      why 'Digest realm="biloxi.com", realm="biloxi.com"')
    assert.equal("malformed credentials: username is missing",
      why 'Digest realm="biloxi.com"')
  end)

  it("in any one parameter is a refusal", function()
    for change, wanted in pairs {
      [{ "username", nil }] = "username is missing",
      [{ "nonce", nil }] = "nonce is missing",
      [{ "uri", nil }] = "uri is missing",
      [{ "response", nil }] = "response is missing",
      [{ "cnonce", nil }] = "qop without nc and cnonce",
      [{ "nc", nil }] = "qop without nc and cnonce",
      [{ "nc", "1" }] = "nc is not a count of eight digits",
      [{ "nc", "00000000" }] = "nc is not a count of eight digits",
      [{ "nc", "0000000g" }] = "nc is not a count of eight digits",
      [{ "nc", "000000001" }] = "nc is not a count of eight digits",
      [{ "nc", "-0000001" }] = "nc is not a count of eight digits",
      [{ "qop", "auth-conf" }] = "qop is neither auth nor auth-int",
      [{ "qop", '"auth,auth-int"' }] = "qop is neither auth nor auth-int",
      [{ "algorithm", "SHA-1" }] = "the algorithm SHA-1 was not offered",
      [{ "algorithm", '""' }] = "the algorithm  was not offered",
    } do
      local name, value = change[1], change[2]
      local _, why = judge(by_hand({}, function(text)
        local with = value and (", %s=%s"):format(name, value) or ""
        local count
        text, count = (", " .. text:sub(8)):gsub(", " .. name .. "=[^,]+", with)
        assert.equal(1, count, name)
        return "Digest " .. text:sub(3)
      end))
      assert.equal("malformed credentials: " .. wanted, why, name)
    end
  end)

  -- Bytes changed, lost, doubled and moved: what is taken all the same says what the
  -- client said.
  it("by chance is never taken for what was not said", function()
    local state, taken = 7, 0
    local function random(n)
      state = (state * 1103515245 + 12345) % 2147483648
      return state // 65536 % n + 1
    end
    local function spoil(text)
      local at, to = random(#text), random(#text)
      local acts = {
        text:sub(1, at - 1) .. string.char(31 + random(96)) .. text:sub(at + 1),
        text:sub(1, at - 1) .. text:sub(at + 1),
        text:sub(1, at) .. text:sub(at),
        text:sub(1, at - 1) .. (" ,\"\\=;"):sub(random(6)):sub(1, 1) .. text:sub(at),
        text:sub(1, at) .. text:sub(to),
      }
      return acts[random(#acts)]
    end
    local said = { "username", "realm", "nonce", "uri", "cnonce", "nc" }
    for _ = 1, 4000 do
      local value = by_hand {}
      local spoilt = spoil(value)
      if judge(spoilt) then
        taken = taken + 1
        local before, after = params(value), params(spoilt)
        for _, name in ipairs(said) do
          assert.equal(before[name], after[name], spoilt)
        end
        assert.equal(before.response, after.response:lower(), spoilt)
      end
    end
    assert.is_true(taken > 10 and taken < 800)
  end)

  it("in the response is a wrong password", function()
    for _, length in ipairs { 0, 1, 63, 64, 65, 5000 } do
      local value = by_hand({}, function(text)
        return (text:gsub('response="%x+"', 'response="' .. ("0"):rep(length) .. '"'))
      end)
      assert.same({ nil, "user bob: wrong password" }, { judge(value) })
    end
  end)
end)

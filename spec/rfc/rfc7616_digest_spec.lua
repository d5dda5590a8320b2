-- Digest as computation and text: RFC 7616, RFC 8760, RFC 2617, RFC 3261 22.4.
-- C-227, C-230, C-231, C-236 (what a client writes).

local core = require "sip.core"

-- Values that are in no RFC, computed by another program, step by step: for bob of
-- biloxi.com and the fields below.
local md5 = {
  none = "635b5d941486fdc9d6b43c51ffa8f8b4",
  auth = "bc3468067522d974f98fef2de2820a14",
  sess = "c4e2ffb628f6db893b1a9f7384e89912",
  auth_int = "a3eaeed8cdc5b77c68529b785d5bc243",
  empty = "52b46f30d991f4043c6ff796df9b4347",
  rspauth = "0162fc6ad28aade24c240da211e8cb80",
  ha1 = "12af60467a33e8518da5c68bbff12b11",
}
local sha256 = {
  none = "028c1905bd5c0e3bd1098ea48887dc0b42d0dc7b20830e262309c811eb0e7b73",
  auth = "35ded9503c41bc78d7aead12d56a5e031cfccd8422a7d734218bc50d09c39e4f",
  sess = "66d860df527f0513c8370bcc5e8f253548c3d27c86b2060c0767bfc4ac6ca036",
  auth_int = "60ca19bde4d85fb20fbc9d727d659a3aca1776cb3a8b05681b35cf1fa3777469",
}

local function copy(t, changes)
  local new = {}
  for key, value in pairs(t) do
    new[key] = value
  end
  for key, value in pairs(changes) do
    new[key] = value
  end
  return new
end

describe("the examples of the RFCs", function()
  -- @rfc 7616 3.4.1 MUST C-227
  it("RFC 2617 3.5", function()
    assert.equal("6629fae49393a05397450978507c4ef1", core.digest_response {
      qop = "auth", username = "Mufasa", realm = "testrealm@host.com",
      password = "Circle Of Life", nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093",
      cnonce = "0a4f113b", nc = 1, method = "GET", uri = "/dir/index.html",
    })
  end)

  local mufasa = {
    qop = "auth", username = "Mufasa", realm = "http-auth@example.org",
    password = "Circle of Life", nc = 1, method = "GET", uri = "/dir/index.html",
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
  }

  it("RFC 7616 3.9.1, MD5", function()
    assert.equal("8ca523f5e9506fed4657c9700eebdbec",
      core.digest_response(copy(mufasa, { algorithm = "MD5" })))
  end)

  it("RFC 7616 3.9.1, SHA-256", function()
    assert.equal("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
      core.digest_response(copy(mufasa, { algorithm = "SHA-256" })))
  end)

  -- With the values of the erratum: those printed are not of SHA-512/256.
  it("RFC 7616 3.9.2, SHA-512-256 and a hashed name", function()
    local doe = {
      algorithm = "SHA-512-256", qop = "auth", realm = "api@example.org",
      username = "J\u{E4}s\u{F8}n Doe", password = "Secret, or not?",
      nc = 1, method = "GET", uri = "/doe.json", userhash = true,
      nonce = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
      cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
      opaque = "HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS",
    }
    local response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    assert.equal(response, core.digest_response(doe))
    local params = core.digest_parse(core.digest_credentials(doe))[1].params
    assert.equal("793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b",
      params.username)
    assert.equal("true", params.userhash)
    assert.equal(response, params.response)
  end)
end)

describe("a server that knows the password", function()
  local examples = {
    ["RFC 2617 3.5"] = {
      response = "6629fae49393a05397450978507c4ef1",
      username = "Mufasa", realm = "testrealm@host.com", password = "Circle Of Life",
      nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093", cnonce = "0a4f113b",
      uri = "/dir/index.html",
    },
    ["RFC 7616 3.9.1"] = {
      response = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
      algorithm = "SHA-256", username = "Mufasa", realm = "http-auth@example.org",
      password = "Circle of Life", uri = "/dir/index.html",
      nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
      cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    },
    ["RFC 7616 3.9.2"] = {
      response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
      algorithm = "SHA-512-256", username = "J\u{E4}s\u{F8}n Doe",
      realm = "api@example.org", password = "Secret, or not?", uri = "/doe.json",
      nonce = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
      cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    },
  }

  -- @rfc 7616 3.6 MUST C-227
  it("takes the examples of the RFCs, and nothing else (C-227)", function()
    for name, example in pairs(examples) do
      local fields = copy(example, { qop = "auth", nc = "00000001", method = "GET" })
      assert.same({ true, 1 }, { core.digest_verify(fields) }, name)
      for key, value in pairs {
        password = "circle of life", username = "mufasa", realm = "x", nonce = "x",
        cnonce = "x", uri = "/", method = "PUT", nc = "00000002", qop = "auth-int",
        response = ("0"):rep(#example.response),
      } do
        assert.is_false((core.digest_verify(copy(fields, { [key] = value }))), key)
      end
    end
  end)

  it("compares every digit", function()
    for _, example in pairs(examples) do
      local fields = copy(example, { qop = "auth", nc = "00000001", method = "GET" })
      for at = 1, #example.response do
        local digit = tonumber(example.response:sub(at, at), 16) ~ 1
        fields.response = example.response:sub(1, at - 1) .. ("%x"):format(digit)
          .. example.response:sub(at + 1)
        assert.is_false((core.digest_verify(fields)))
      end
      fields.response = example.response:upper()
      assert.is_true((core.digest_verify(fields)))
    end
  end)

  it("takes HA1 in its place", function()
    for _, example in pairs(examples) do
      local fields = copy(example, { qop = "auth", nc = "00000001", method = "GET" })
      fields.ha1 = core.digest_hash(example.algorithm or "MD5",
        ("%s:%s:%s"):format(example.username, example.realm, example.password))
      fields.password = nil
      assert.is_true((core.digest_verify(fields)))
    end
  end)

  it("wants a count of eight digits", function()
    local fields = copy(examples["RFC 2617 3.5"], { qop = "auth", method = "GET" })
    for _, nc in ipairs { "1", "00000000", "0000000x", "000000001", "" } do
      assert.same({ nil, "nc is not eight digits" },
        { core.digest_verify(copy(fields, { nc = nc })) })
    end
    assert.same({ nil, "algorithm is not known" },
      { core.digest_verify(copy(fields, { algorithm = "SHA-1" })) })
    assert.same({ nil, "algorithm is not known" }, { core.digest_hash("SHA-1", "x") })
    assert.error(function() core.digest_verify(fields) end)
  end)
end)

describe("a response (RFC 7616 3.4)", function()
  local bob = {
    username = "bob", realm = "biloxi.com", password = "zanzibar",
    nonce = "nonce+/=", cnonce = "cnonce", nc = 10, method = "INVITE",
    uri = "sip:carol@chicago.com", body = "v=0\r\n",
  }

  local function response(changes)
    return assert(core.digest_response(copy(bob, changes)))
  end

  it("without qop is that of RFC 2069", function()
    assert.equal(md5.none, response {})
    assert.equal(sha256.none, response { algorithm = "SHA-256" })
  end)

  it("with qop=auth holds nc and cnonce (C-227)", function()
    assert.equal(md5.auth, response { qop = "auth" })
    assert.equal(sha256.auth, response { qop = "auth", algorithm = "SHA-256" })
  end)

  -- @rfc 7616 3.4.2 MUST C-231
  it("of a -sess algorithm hashes A1 with the nonces (C-231)", function()
    assert.equal(md5.sess, response { qop = "auth", algorithm = "MD5-sess" })
    assert.equal(sha256.sess,
      response { qop = "auth", algorithm = "sha-256-SESS" })
  end)

  -- @rfc 8760 2.6 MUST C-230
  it("with qop=auth-int holds the body, an empty one too (C-230)", function()
    assert.equal(md5.auth_int, response { qop = "auth-int" })
    assert.equal(md5.empty, response { qop = "auth-int", body = "" })
    local nothing = copy(bob, { qop = "auth-int" })
    nothing.body = nil
    assert.equal(md5.empty, core.digest_response(nothing))
    assert.equal(sha256.auth_int, response { qop = "auth-int", algorithm = "SHA-256" })
  end)

  it("of a server has no method (RFC 7616 3.5)", function()
    assert.equal(md5.rspauth, response { qop = "auth", method = "" })
  end)

  it("may begin with the hash of name and password", function()
    local fields = copy(bob, { qop = "auth", ha1 = md5.ha1 })
    fields.password = nil
    assert.equal(md5.auth, core.digest_response(fields))
  end)

  it("is not there for an algorithm that is not known", function()
    local none, why = core.digest_response(copy(bob, { algorithm = "SHA-1" }))
    assert.is_nil(none)
    assert.equal("algorithm is not known", why)
    for name, known in pairs {
      ["MD5"] = true, ["md5-sess"] = true, ["SHA-256"] = true, ["SHA-512-256"] = true,
      ["SHA-512-256-sess"] = true, ["SHA-512"] = false, ["AKAv1-MD5"] = false,
      ["-sess"] = false, [""] = true,
    } do
      assert.equal(known, core.digest_supports(name))
    end
    assert.is_true(core.digest_supports())
  end)

  it("raises on what is a mistake of the caller", function()
    local function misuse(text, changes, without)
      local fields = copy(bob, changes)
      fields[without or ""] = nil
      local ok, message = pcall(core.digest_response, fields)
      assert.is_false(ok)
      assert.equal("digest: " .. text, message)
    end
    misuse("username is missing", {}, "username")
    misuse("password is missing", {}, "password")
    misuse("cnonce is missing", { qop = "auth" }, "cnonce")
    misuse("cnonce is missing", { algorithm = "MD5-sess" }, "cnonce")
    misuse("nc is missing or out of range", { qop = "auth" }, "nc")
    misuse("nc is missing or out of range", { qop = "auth", nc = 0 })
    misuse("nc is missing or out of range", { nc = 1 << 32 })
    misuse("qop is unknown", { qop = "auth-conf" })
    misuse("realm is not a string", { realm = 7 })
  end)
end)

describe("credentials (RFC 7616 3.4, RFC 3261 22.4)", function()
  local bob = {
    username = "bob", realm = "biloxi.com", password = "zanzibar", nonce = "nonce+/=",
    cnonce = "cnonce", nc = 10, method = "INVITE", uri = "sip:carol@chicago.com",
  }

  -- @rfc 7616 3.4 MUST C-236
  it("quote what is to be quoted and nothing else (C-236)", function()
    assert.equal('Digest username="bob", realm="biloxi.com", nonce="nonce+/=", '
      .. 'uri="sip:carol@chicago.com", response="' .. md5.auth .. '", algorithm=MD5, '
      .. 'cnonce="cnonce", qop=auth, nc=0000000a, opaque=""',
      core.digest_credentials(copy(bob, { qop = "auth", algorithm = "MD5",
        opaque = "" })))
  end)

  it("have no algorithm, cnonce, nc or opaque that was not asked for", function()
    assert.equal('Digest username="bob", realm="biloxi.com", nonce="nonce+/=", '
      .. 'uri="sip:carol@chicago.com", response="' .. md5.none .. '"',
      core.digest_credentials(bob))
  end)

  it("escape quotes and backslashes, and read back as they were", function()
    local odd = copy(bob, {
      username = [[DOMAIN\b"ob"]], realm = "a\\\"", nonce = "\\",
    })
    local value = assert(core.digest_credentials(odd))
    assert.truthy(value:find([[username="DOMAIN\\b\"ob\""]], 1, true))
    local params = core.digest_parse(value)[1].params
    assert.equal(odd.username, params.username)
    assert.equal(odd.realm, params.realm)
    assert.equal(odd.nonce, params.nonce)
    assert.equal(core.digest_response(odd), params.response)
  end)

  it("refuse control characters, CR and LF among them", function()
    for _, key in ipairs { "username", "realm", "nonce", "uri", "opaque", "cnonce" } do
      for _, byte in ipairs { "\r", "\n", "\0", "\127" } do
        local value, why = core.digest_credentials(copy(bob, {
          qop = "auth", [key] = "a" .. byte,
        }))
        assert.is_nil(value)
        assert.equal("credentials hold a control character", why)
      end
    end
  end)
end)

describe("a challenge (RFC 7235 2.1)", function()
  local function params(value)
    local challenges, refusal = core.digest_parse(value)
    assert.is_nil(refusal and refusal.why)
    assert.equal(1, #challenges)
    assert.equal("digest", challenges[1].scheme:lower())
    return challenges[1].params
  end

  it("is a scheme and its parameters", function()
    assert.same({
      realm = "biloxi.com", qop = "auth,auth-int", stale = "FALSE", algorithm = "MD5",
      nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque = "",
    }, params('Digest realm="biloxi.com", qop="auth,auth-int", stale=FALSE,'
      .. 'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",\r\n\topaque="", Algorithm = MD5'))
  end)

  it("unquotes with escapes", function()
    assert.same({ realm = [[a "b" \ c]], nonce = "" },
      params [[DIGEST realm="a \"b\" \\ \c",nonce=""]])
  end)

  it("is read where peers are sloppy: no quotes, empty elements", function()
    assert.same({ realm = "a.example", nonce = "MTIz+/==", opaque = "" },
      params "Digest ,, realm=a.example,,nonce=MTIz+/==, opaque=,")
  end)

  it("may stand behind another one in one value", function()
    local list = core.digest_parse('Digest realm="a", nonce="b", Basic realm="c", '
      .. 'Negotiate YII+/ab==, Other, Digest realm="d",nonce="e"')
    assert.same({
      { scheme = "Digest", params = { realm = "a", nonce = "b" } },
      { scheme = "Basic", params = { realm = "c" } },
      { scheme = "Negotiate", params = {}, token68 = "YII+/ab==" },
      { scheme = "Other", params = {} },
      { scheme = "Digest", params = { realm = "d", nonce = "e" } },
    }, list)
  end)

  it("that is malformed is refused, with the place", function()
    for value, expected in pairs {
      [""] = { 1, "scheme expected" },
      ["  "] = { 3, "scheme expected" },
      ['"Digest"'] = { 1, "scheme expected" },
      ["Digest=a"] = { 7, "blank expected after the scheme" },
      ['Digest realm="a'] = { 16, "quoted string does not end" },
      ['Digest realm="a\\'] = { 17, "quoted string does not end" },
      ['Digest realm="a\0"'] = { 16, "control character in a quoted string" },
      ['Digest realm="a\1"'] = { 16, "control character in a quoted string" },
      ['Digest realm="\\\127"'] = { 16, "control character in a quoted string" },
      ['Digest realm="a" nonce="b"'] = { 18, "comma expected" },
      ['Digest realm"a"'] = { 13, "= expected" },
      ['Digest ="a"'] = { 8, "name of a parameter expected" },
      ['Digest realm="a", Realm="b"'] = { 28, "parameter is repeated" },
    } do
      local list, refusal = core.digest_parse(value)
      assert.is_nil(list)
      assert.same({ at = expected[1], why = expected[2], status = 400 }, refusal)
    end
  end)

  it("never does worse than that, cut and changed anywhere", function()
    local value = 'Digest realm="a\\"b", nonce=x, qop="auth", '
      .. 'Negotiate YI==, Basic a="b"'
    for i = 0, #value do
      local list, refusal = core.digest_parse(value:sub(1, i))
      assert.truthy(list or refusal.why)
      for _, byte in ipairs { '"', "\\", ",", "=", " ", "\0", "\r", "a" } do
        list, refusal = core.digest_parse(
          value:sub(1, i) .. byte .. value:sub(i + 2))
        assert.truthy(list or refusal.at <= #value + 2)
      end
    end
  end)
end)

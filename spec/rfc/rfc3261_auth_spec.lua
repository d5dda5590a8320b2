-- Digest as a client: RFC 3261 22 and 8.1.3.5, RFC 8760 2.4, RFC 7616 3.3 to 3.6.
-- C-91 (401 and 407), C-228, C-229, C-231, C-232, C-234: the part that is pure.

local auth = require "sip.ua.auth"
local core = require "sip.core"

-- Repeatable "chance": r1xxxxxx..., r2xxxxxx...
local function random()
  local n = 0
  return function(length)
    n = n + 1
    return ("r%d"):format(n) .. ("x"):rep(length - #tostring(n) - 1)
  end
end

local function www(text)
  return { header = "WWW-Authenticate", value = "Digest " .. text }
end

local function proxy(text)
  return { header = "Proxy-Authenticate", value = "Digest " .. text }
end

local function params(value)
  return assert(core.digest_parse(value))[1].params
end

-- Is this what a server with that password expects?
local function right(value, password, method, body)
  local p = params(value)
  return p.response == core.digest_response {
    algorithm = p.algorithm, qop = p.qop, username = p.username, realm = p.realm,
    password = password, nonce = p.nonce, cnonce = p.cnonce,
    nc = p.nc and tonumber(p.nc, 16), method = method or "REGISTER", uri = p.uri,
    body = body,
  }
end

describe("a client that is challenged", function()
  local client
  local request = { method = "REGISTER", uri = "sip:biloxi.com" }

  before_each(function()
    client = auth.new {
      credentials = { username = "bob", password = "zanzibar" },
      random = random(),
    }
  end)

  it("adds nothing before anybody has asked", function()
    assert.same({}, client:attempt(request):headers())
  end)

  -- @rfc 3261 8.1.3.5 SHOULD C-91
  it("answers a 401 with Authorization (C-91)", function()
    local attempt = client:attempt(request)
    assert.is_true(attempt:challenged {
      www 'realm="biloxi.com", nonce="n1", opaque="o", qop="auth,auth-int"',
    })
    local headers = attempt:headers()
    assert.equal(2, #headers)
    assert.equal("Authorization", headers[1])
    assert.is_true(right(headers[2], "zanzibar"))
    local response = params(headers[2]).response
    assert.same({
      username = "bob", realm = "biloxi.com", nonce = "n1", uri = "sip:biloxi.com",
      opaque = "o", qop = "auth", nc = "00000001", cnonce = "r1xxxxxxxxxxxxxx",
      response = response,
    }, params(headers[2]))
  end)

  -- @rfc 3261 22.3 SHOULD C-91
  it("answers a 407 with Proxy-Authorization (C-91)", function()
    local attempt = client:attempt(request)
    assert.is_true(attempt:challenged { proxy 'realm="p", nonce="n", algorithm=MD5' })
    local headers = attempt:headers()
    assert.equal("Proxy-Authorization", headers[1])
    assert.equal("MD5", params(headers[2]).algorithm)
    assert.is_nil(params(headers[2]).cnonce) -- no qop, no cnonce (22.4, point 8)
    assert.is_true(right(headers[2], "zanzibar"))
  end)

  it("ignores the case of header names", function()
    local attempt = client:attempt(request)
    assert.is_true(attempt:challenged {
      { header = "www-AUTHENTICATE", value = 'digest realm="a",nonce="b"' },
    })
    assert.equal("Authorization", attempt:headers()[1])
  end)

  -- @rfc 7616 3.4 MUST C-229
  it("keeps nonce and counts for later requests (C-229)", function()
    local first = client:attempt(request)
    first:challenged { www 'realm="a", nonce="n", qop="auth"' }
    assert.equal("00000001", params(first:headers()[2]).nc)
    for n = 2, 17 do
      local later = client:attempt { method = "OPTIONS", uri = "sip:x" }
      local value = later:headers()[2]
      assert.equal(("%08x"):format(n), params(value).nc)
      assert.is_true(right(value, "zanzibar", "OPTIONS"))
    end
  end)

  it("starts counting again with a new nonce", function()
    local first = client:attempt(request)
    first:challenged { www 'realm="a", nonce="n1", qop="auth"' }
    first:headers()
    local second = client:attempt(request)
    second:headers()
    assert.is_true(second:challenged {
      www 'realm="a", nonce="n2", qop="auth", stale=true',
    })
    local p = params(second:headers()[2])
    assert.equal("n2", p.nonce)
    assert.equal("00000001", p.nc)
  end)

  it("takes the next nonce that a 2xx names (RFC 7616 3.5)", function()
    local first = client:attempt(request)
    first:challenged { www 'realm="a", nonce="n1", qop="auth"' }
    first:headers()
    first:info("Proxy-Authentication-Info", 'nextnonce="no"')
    first:info("Authentication-Info", 'nextnonce="n2", qop=auth')
    local p = params(client:attempt(request):headers()[2])
    assert.equal("n2", p.nonce)
    assert.equal("00000001", p.nc)
    first:info("Authentication-Info", 'nextnonce="cut')
    assert.equal("n2", params(client:attempt(request):headers()[2]).nonce)
  end)

  it("hashes the body when only auth-int is offered", function()
    local attempt = client:attempt {
      method = "INVITE", uri = "sip:x", body = "v=0\r\n",
    }
    attempt:challenged { www 'realm="a", nonce="n", qop="AUTH-INT,token"' }
    local value = attempt:headers()[2]
    assert.equal("auth-int", params(value).qop)
    assert.is_true(right(value, "zanzibar", "INVITE", "v=0\r\n"))
    assert.is_false(right(value, "zanzibar", "INVITE", "v=1\r\n"))
  end)

  it("sends its name hashed where the server can read it (RFC 7616 3.4.4)", function()
    local attempt = client:attempt(request)
    attempt:challenged { www 'realm="a", nonce="n", qop="auth", userhash=true' }
    local p = params(attempt:headers()[2])
    assert.equal("true", p.userhash)
    assert.equal(32, #p.username)
  end)

  -- @rfc 3261 13.2.2.4 MUST C-232
  it("remembers what the last request carried, for its ACK and CANCEL (C-232)",
    function()
      local attempt = client:attempt { method = "INVITE", uri = "sip:x" }
      assert.is_nil(attempt.sent)
      attempt:challenged { proxy 'realm="p", nonce="n", qop="auth"' }
      local headers = attempt:headers()
      assert.equal(headers, attempt.sent)
    end)
end)

describe("of several challenges (C-231)", function()
  local client
  local request = { method = "REGISTER", uri = "sip:biloxi.com" }

  before_each(function()
    client = auth.new {
      credentials = { ["a"] = { username = "amy", password = "1" },
        ["b"] = { username = "ben", password = "2" } },
      random = random(),
    }
  end)

  local function algorithm_of(...)
    local attempt = client:attempt(request)
    assert.is_true(attempt:challenged { ... })
    local headers = attempt:headers()
    assert.equal(2, #headers)
    assert.is_true(right(headers[2], "1"))
    return params(headers[2]).algorithm
  end

  -- @rfc 8760 2.4 SHOULD C-231
  it("the topmost of a realm is answered (RFC 8760 2.4)", function()
    local sha = www 'realm="a", nonce="n", qop="auth", algorithm=SHA-256'
    local md5 = www 'realm="a", nonce="n", qop="auth", algorithm=MD5'
    local sha512 = www 'realm="a", nonce="n", qop="auth", algorithm=SHA-512-256'
    assert.equal("SHA-256", algorithm_of(sha, md5))
    assert.equal("MD5", algorithm_of(md5, sha))
    assert.equal("SHA-512-256", algorithm_of(sha512, sha, md5))
  end)

  -- @rfc 8760 2.4 MUST C-231
  it("what is not understood is passed over", function()
    local md5 = www 'realm="a", nonce="n", qop="auth", algorithm=MD5'
    assert.equal("MD5", algorithm_of(
      www 'realm="a", nonce="n", qop="auth", algorithm=AKAv1-MD5',
      { header = "WWW-Authenticate", value = 'Basic realm="a"' },
      { header = "WWW-Authenticate", value = 'Digest realm="a' },
      { header = "Via", value = 'Digest realm="a", nonce="n"' },
      www 'realm="a", qop="auth", algorithm=SHA-256',
      www 'nonce="n", qop="auth", algorithm=SHA-256',
      www 'realm="a", nonce="n", qop="auth-conf", algorithm=SHA-256',
      www 'realm="a", nonce="n", algorithm=SHA-256-sess', md5))
  end)

  it("one that could not be written back is passed over", function()
    local md5 = www 'realm="a", nonce="n", algorithm=MD5'
    assert.equal("MD5", algorithm_of(www 'realm="a", nonce="n\1", algorithm=SHA-256',
      www 'realm="a", nonce="n", opaque="\127", algorithm=SHA-256', md5))
  end)

  it("-sess is answered when it comes with qop", function()
    assert.equal("SHA-256-sess",
      algorithm_of(www 'realm="a", nonce="n", qop="auth", algorithm=SHA-256-sess'))
  end)

  -- @rfc 3261 22.3 MUST C-234
  it("one of each realm is answered, and they are carried along (C-234)", function()
    local attempt = client:attempt(request)
    assert.is_true(attempt:challenged { proxy 'realm="a", nonce="n1", qop="auth"' })
    assert.equal("amy", params(attempt:headers()[2]).username)
    assert.is_true(attempt:challenged {
      proxy 'realm="b", nonce="n2", qop="auth"', www 'realm="a", nonce="n3"',
    })
    local headers = attempt:headers()
    assert.equal(6, #headers)
    assert.same({ "Proxy-Authorization", "Proxy-Authorization", "Authorization" },
      { headers[1], headers[3], headers[5] })
    assert.equal("00000002", params(headers[2]).nc)
    assert.is_true(right(headers[2], "1"))
    assert.is_true(right(headers[4], "2"))
    assert.is_true(right(headers[6], "1"))
    assert.equal("n3", params(headers[6]).nonce)
  end)

  it("a next nonce that could be of either realm is not taken", function()
    local attempt = client:attempt(request)
    attempt:challenged { www 'realm="a", nonce="n1"', www 'realm="b", nonce="n2"' }
    attempt:info("Authentication-Info", 'nextnonce="n3"')
    local headers = attempt:headers()
    assert.equal("n1", params(headers[2]).nonce)
    assert.equal("n2", params(headers[4]).nonce)
  end)

  it("a realm that nobody knows is left out, when another is known", function()
    local attempt = client:attempt(request)
    assert.is_true(attempt:challenged {
      www 'realm="c", nonce="n"', www 'realm="b", nonce="n"',
    })
    local headers = attempt:headers()
    assert.equal(2, #headers)
    assert.equal("ben", params(headers[2]).username)
  end)
end)

describe("where the name and the password come from:", function()
  local function user_for(credentials, realm)
    local client = auth.new { credentials = credentials, random = random() }
    local attempt = client:attempt { method = "OPTIONS", uri = "sip:x" }
    local ok, e = attempt:challenged { www(('realm="%s", nonce="n"'):format(realm)) }
    return ok and params(attempt:headers()[2]).username, e
  end

  it("one pair for all realms, or for one", function()
    assert.equal("bob", user_for({ username = "bob", password = "" }, "any"))
    local one = { username = "bob", password = "", realm = "here" }
    assert.equal("bob", user_for(one, "here"))
    assert.is_nil(user_for(one, "there"))
  end)

  it("a table by realm, with one for all others", function()
    local by_realm = {
      here = { username = "bob", password = "" },
      ["*"] = { username = "rob", password = "" },
    }
    assert.equal("bob", user_for(by_realm, "here"))
    assert.equal("rob", user_for(by_realm, "there"))
  end)

  it("a function", function()
    local function ask(realm)
      return realm == "here" and { username = "bob", ha1 = ("0"):rep(32) } or nil
    end
    assert.equal("bob", user_for(ask, "here"))
    assert.is_nil(user_for(ask, "there"))
  end)

  it("nowhere: the error says for which realm", function()
    local user, e = user_for(nil, "here")
    assert.is_nil(user)
    assert.equal("refused", e.name)
    assert.equal('no credentials for realm "here"', e.message)
  end)
end)

describe("a rejected password (C-228)", function()
  local client, password
  local request = { method = "REGISTER", uri = "sip:biloxi.com" }
  local challenge = www 'realm="a", nonce="n", qop="auth"'

  before_each(function()
    password = "wrong"
    client = auth.new {
      credentials = function() return { username = "bob", password = password } end,
      random = random(),
    }
  end)

  -- @rfc 3261 22.1 MUST C-228
  it("is not sent again", function()
    local attempt = client:attempt(request)
    assert.is_true(attempt:challenged { challenge })
    attempt:headers()
    local ok, e = attempt:challenged { www 'realm="a", nonce="other", qop="auth"' }
    assert.is_nil(ok)
    assert.equal("refused", e.name)
    assert.equal('user "bob" was rejected by realm "a"', e.message)
  end)

  it("is not sent with stale=false either", function()
    local attempt = client:attempt(request)
    attempt:challenged { challenge }
    attempt:headers()
    assert.is_nil(attempt:challenged { www 'realm="a", nonce="m", stale=false' })
  end)

  it("is not sent unasked with the next request", function()
    local attempt = client:attempt(request)
    attempt:challenged { challenge }
    attempt:headers()
    attempt:challenged { challenge }
    assert.same({}, client:attempt(request):headers())
  end)

  it("may be replaced by another one", function()
    local attempt = client:attempt(request)
    attempt:challenged { challenge }
    attempt:headers()
    password = "right"
    assert.is_true(attempt:challenged { challenge })
    assert.is_true(right(attempt:headers()[2], "right"))
  end)

  -- @rfc 7616 3.3 MUST C-228
  it("that is only stale is sent again without asking, but not for ever", function()
    local attempt = client:attempt(request)
    attempt:challenged { challenge }
    for n = 1, 3 do
      attempt:headers()
      assert.is_true(attempt:challenged {
        www(('realm="a", nonce="s%d", qop="auth", stale=TRUE'):format(n)),
      })
    end
    attempt:headers()
    assert.is_nil(attempt:challenged { www 'realm="a", nonce="s4", stale=true' })
  end)

  it("of an earlier request may be stale though the server does not say so", function()
    local first = client:attempt(request)
    first:challenged { challenge }
    first:headers()
    local second = client:attempt(request)
    second:headers() -- with the nonce of the first
    assert.is_true(second:challenged { www 'realm="a", nonce="m", qop="auth"' })
    assert.equal("m", params(second:headers()[2]).nonce)
    assert.is_nil(second:challenged { www 'realm="a", nonce="k", qop="auth"' })
  end)

  it("has no way on when no challenge can be answered", function()
    local attempt = client:attempt(request)
    local ok, e = attempt:challenged {}
    assert.is_nil(ok)
    assert.equal("no challenge that can be answered", e.message)
    assert.is_nil(attempt:challenged { www 'realm="a", nonce="n", algorithm=X' })
  end)
end)

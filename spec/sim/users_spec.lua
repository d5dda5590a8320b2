-- The options of sip.new that are about users, and those of a challenge: what makes no
-- sense is refused in a sentence.

local new_sim = require "sip.sim"

local SERVER = "192.0.2.1"

describe("the options about users", function()
  local sim, host

  before_each(function()
    sim = new_sim { seed = 1 }
    host = sim:host(SERVER)
  end)

  after_each(function()
    sim:assert_clean()
    sim:close()
  end)

  local function complaint(options)
    options.listen = "udp:" .. SERVER
    options.domain = options.domain ~= "none" and "biloxi.com" or nil
    local ok, why = pcall(host.sip.new, options)
    assert.is_false(ok)
    return why
  end

  it("are refused in a sentence when they make no sense", function()
    for _, case in ipairs {
      { { users = { [2001] = "x" } },
        'sip.new: users: the name 2001 is a number; write ["2001"]' },
      { { users = { bob = 7 } },
        'sip.new: users: what is known of "bob" is a number, not a password' },
      { { users = { bob = {} } },
        'sip.new: users: what is known of "bob" is neither a password nor an ha1' },
      { { users = { bob = { pass = "x" } } },
        'sip.new: users: what is known of "bob" is "pass", and not password or ha1' },
      { { users = { bob = { ha1 = "x" } } },
        'sip.new: users: what is known of "bob" is "ha1", and not password or ha1' },
      { { users = { bob = { ha1 = { SHA1 = "x" } } } },
        'sip.new: users: what is known of "bob" is ha1 of "SHA1", and not MD5, SHA-256 '
          .. "or SHA-512-256" },
      { { users = { bob = { ha1 = { MD5 = "x" } } } },
        'sip.new: users: what is known of "bob" is ha1 of MD5, which is 32 digits' },
      { { users = {}, domain = "none" }, "sip.new: users want a domain, or a realm: "
        .. "their passwords are good for it alone" },
      { { realm = "a\tb" }, "sip.new: realm: control characters have no place in it" },
      { { algorithms = { "SHA-1" } }, 'sip.new: algorithms: "SHA-1" is not known; '
        .. "there are SHA-256, SHA-512-256 and MD5, each also with -sess" },
      { { algorithms = { "MD5", "md5" } },
        "sip.new: algorithms: md5 stands there twice" },
      { { algorithms = {} }, "sip.new: algorithms: none is named" },
      { { trusted = { "192.0.2.0/33" } }, 'sip.new: trusted: "192.0.2.0/33" is no '
        .. 'network; write "192.0.2.0/24" or "2001:db8::/32"' },
      { { secret = "short" }, 'sip.new: option "secret" is "short", not a text of 16 '
        .. "bytes and more" },
    } do
      local why = complaint(case[1])
      assert.equal(case[2], why:sub(-#case[2]), why)
    end
  end)

  it("of a challenge, too", function()
    local said = {}
    local function try(...)
      said[#said + 1] = select(2, pcall(...)):gsub("^.-: ", "")
    end
    local ua = host.sip.new { listen = "udp:" .. SERVER, domain = "biloxi.com",
      users = {} }
    ua:on("MESSAGE", function(req)
      try(req.challenge, req, { status = 403 })
      try(req.challenge, req, { qop = "none" })
      try(req.challenge, req, { bogus = 1 })
      req:challenge()
      try(req.challenge, req)
      ua.guard = nil
      try(req.challenge, req)
    end)
    sim:host("192.0.2.9"):request { method = "MESSAGE", uri = "sip:bob@" .. SERVER }
    assert.same({
      "challenge: status is 401 or 407",
      'challenge: qop is "auth", "auth-int" or "auth,auth-int"',
      'challenge: unknown option "bogus" (known: headers, qop, reason, status)',
      "challenge: the request has been answered",
      "challenge: the endpoint has no users",
    }, said)
  end)
end)

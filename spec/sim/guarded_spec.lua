-- Who sends a request: challenges and their answers between phones and a server, in
-- virtual time (RFC 3261 22, RFC 8760). C-226 to C-229, C-231, C-233, C-234,
-- C-236.

local new_sim = require "sip.sim"
local simulated = require "spec.support.simulated"

local SERVER = "192.0.2.1"
local virtual = simulated(it, "IPv6")

describe("a server with users", function()
  local sim, host, ua, seen, given

  before_each(function()
    sim = new_sim { seed = 11, delay = 0.01 }
    host = sim:host(SERVER)
    seen, given = {}, {}
  end)

  after_each(function()
    sim:assert_clean()
    sim:close()
  end)

  -- The server of these specs: whoever is known is answered with who it is.
  local function serve(options, ask)
    local all = {
      listen = { "udp:" .. SERVER, "tcp:" .. SERVER }, domain = "biloxi.com",
      users = { bob = "zanzibar", alice = "wonderland" },
      log = function(_, text, fields)
        seen[#seen + 1] = text .. ": " .. tostring(fields.why)
      end,
    }
    for key, value in pairs(options or {}) do
      all[key] = value ~= "none" and value or nil
    end
    ua = host.sip.new(all)
    ask = ask or function(req)
      local who = req:trusted()
      if not who then
        return req:challenge()
      end
      req:reply(200, { headers = { ["X-Who"] = who, ["X-User"] = req.user or "none" } })
    end
    ua:on("*", function(req)
      given[#given + 1] = req:header "Proxy-Authorization" or req:header "Authorization"
      ask(req)
    end)
  end

  local function phone(user, password, options)
    local all = { aor = ("sip:%s@biloxi.com"):format(user), password = password,
      registrar = false }
    for key, value in pairs(options or {}) do
      all[key] = value
    end
    return sim:phone(all)
  end

  -- One that keeps its nonce from request to request, as within a dialog.
  local function lasting(user, password)
    local one = phone(user, password)
    local auth = one.ua:auth({ user = user, password = password }, "spec")
    one.ua.auth = function() return auth end
    return one
  end

  -- A request of a phone, and its answer.
  local function ask(from, options)
    options = options or {}
    options.method = options.method or "MESSAGE"
    options.uri = options.uri or "sip:bob@biloxi.com"
    return sim:wait(from.host, from.ua.request, from.ua, options)
  end

  -- How often a message with this start was sent.
  local function sent(what)
    return #sim:sent_at(what)
  end

  -- Headers of what passed, by the start of their messages.
  local function values(what, name)
    local found, line = {}, "\r\n" .. name:gsub("%-", "%%-") .. ": ([^\r]*)"
    for _, record in ipairs(sim.trace:list()) do
      if record.kind == "message" and record.text:sub(1, #what) == what then
        for value in record.text:gmatch(line) do
          found[#found + 1] = value
        end
      end
    end
    return found
  end

  -- @rfc 3261 22.3 MUST C-226
  it("asks with 407 what it would pass on, and takes the answer (C-226)", function()
    serve()
    local res = assert(ask(phone("bob", "zanzibar")))
    assert.equal(200, res:status())
    assert.equal("bob", res:header "X-Who")
    assert.equal("bob", res:header "X-User")
    assert.equal(2, sent "MESSAGE")
    assert.equal(1, sent(407))
    assert.equal(2, #values("SIP/2.0 407", "Proxy-Authenticate"))
    assert.equal(0, #values("SIP/2.0 407", "WWW-Authenticate"))
    assert.same({}, seen) -- the first request had no credentials: nothing to log
  end)

  -- @rfc 3261 22.2 MUST C-226
  it("asks with 401 what is for itself (C-226)", function()
    serve()
    local bob = phone("bob", "zanzibar")
    assert.equal(200, ask(bob, { uri = "sip:biloxi.com" }):status())
    assert.equal(1, sent(401))
    local register = { method = "REGISTER", uri = "sip:biloxi.com" }
    assert.equal(200, ask(bob, register):status())
    assert.equal(2, sent(401))
    local list = values("SIP/2.0 401", "WWW-Authenticate")
    assert.equal(4, #list)
    assert.truthy(list[1]:find('realm="biloxi.com"', 1, true))
    assert.truthy(list[1]:find("algorithm=SHA-256", 1, true))
    assert.truthy(list[2]:find("algorithm=MD5", 1, true))
    assert.equal(0, sent(407))
  end)

  it("takes what the script asks for", function()
    serve(nil, function(req)
      if not req:trusted() then
        return req:challenge { status = 401, qop = "auth-int", reason = "Who?",
          headers = { ["X-Hint"] = "none" } }
      end
      req:reply(200)
    end)
    assert.equal(200, ask(phone("bob", "zanzibar"), { body = "hi",
      content_type = "text/plain" }):status())
    assert.truthy(values("SIP/2.0 401 Who?", "WWW-Authenticate")[1]
      :find('qop="auth-int"', 1, true))
    assert.same({ "none" }, values("SIP/2.0 401", "X-Hint"))
    assert.truthy(given[1]:find("qop=auth-int", 1, true))
  end)

  -- @rfc 3261 22.1 MUST C-228
  it("rejects a wrong password like an unknown user, and ends (C-228)", function()
    serve()
    for i, user in ipairs { "bob", "nobody" } do
      local res, e = ask(phone(user, "tanzania"))
      assert.is_nil(res)
      assert.equal("refused", e.name)
      assert.equal(2 * i, sent "MESSAGE")
      assert.equal(2 * i, sent(407))
    end
    assert.same({ "not trusted: user bob: wrong password",
      "not trusted: user nobody: unknown" }, seen)
    assert.same({}, sim.errors)
    for _, value in ipairs(values("SIP/2.0 407", "Proxy-Authenticate")) do
      assert.is_nil(value:find "stale")
    end
  end)

  it("takes every algorithm, from a password and from HA1", function()
    for i, algorithm in ipairs {
      "MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess",
    } do
      local base = algorithm:gsub("%-sess$", "")
      local ha1 = require("sip.msg.digest").hash(base, "bob:biloxi.com:zanzibar")
      for j, secret in ipairs { "zanzibar", { ha1 = { [base] = ha1 } } } do
        serve { algorithms = { algorithm }, users = { bob = secret } }
        for _, password in ipairs { "zanzibar", "tanzania" } do
          local one = phone("bob", password, {
            host = ("198.51.100.%d%d"):format(i, j),
          })
          local res = ask(one)
          one.ua:close()
          assert.equal(password == "zanzibar", res ~= nil, algorithm)
        end
        ua:close()
      end
    end
  end)

  it("asks a function, which may wait", function()
    local asked = {}
    serve { users = function(user, realm)
      asked[#asked + 1] = user .. " " .. realm
      host.sip.sleep(2)
      return user == "bob" and "zanzibar" or nil
    end }
    assert.equal(200, ask(phone("bob", "zanzibar")):status())
    assert.is_nil((ask(phone("carol", "zanzibar"))))
    assert.same({ "bob biloxi.com", "carol biloxi.com" }, asked)
  end)

  it("fails its own request when the function gives nonsense", function()
    serve { users = function() return 7 end }
    local res, e = ask(phone("bob", "zanzibar"))
    assert.is_nil(res)
    assert.equal(500, e.status)
    assert.equal(1, #seen)
    assert.truthy(seen[1]:find "script failed")
    ua.options.users = { bob = 7 } -- a table that was changed behind our back
    assert.equal(500, select(2, ask(phone("bob", "zanzibar"))).status)
  end)

  it("looks at credentials once, however often it is asked", function()
    local users = function()
      host.sip.sleep(1)
      return "zanzibar"
    end
    serve({ users = users }, function(req)
      local one, two = {}, {}
      host.sip.all(function()
        one = { req:trusted() }
      end, function()
        two = { req:trusted() }
      end)
      local three = { req:trusted() }
      assert.same(one, two)
      assert.same(one, three)
      if not one[1] then
        return req:challenge()
      end
      req:reply(200)
    end)
    assert.equal(200, ask(phone("bob", "zanzibar")):status())
    assert.same({}, sim.errors)
  end)

  describe("nonces", function()
    -- @rfc 7616 3.4 MUST C-229
    it("serve for many requests, each with its count (C-229)", function()
      serve()
      local bob = lasting("bob", "zanzibar")
      for i = 1, 4 do
        assert.equal(200, ask(bob):status())
        assert.equal(i + 1, sent "MESSAGE")
      end
      local counts = {}
      for _, value in ipairs(given) do
        counts[#counts + 1] = value:match "nc=(%x+)"
      end
      assert.same({ "00000001", "00000002", "00000003", "00000004" }, counts)
    end)

    it("last for 300 seconds, to the millisecond before (C-228)", function()
      serve()
      local bob = lasting("bob", "zanzibar")
      local issued = sim:now() + 0.01 -- when the first request arrives
      assert.equal(200, ask(bob):status())
      sim:advance(issued + 300 - sim:now() - 0.011) -- arrives 1 ms before
      assert.equal(200, ask(bob):status())
      assert.equal(3, sent "MESSAGE")
      assert.same({}, seen)
    end)

    -- @rfc 3261 22.4 MUST C-228
    it("are stale at the very second, and renewed unasked (C-228)", function()
      serve()
      local bob = lasting("bob", "zanzibar")
      local issued = sim:now() + 0.01
      assert.equal(200, ask(bob):status())
      sim:advance(issued + 300 - sim:now() - 0.01) -- arrives at 300 s
      assert.equal(200, ask(bob):status())
      assert.equal(4, sent "MESSAGE")
      assert.same({ "not trusted: user bob: the nonce is too old" }, seen)
      local list = values("SIP/2.0 407", "Proxy-Authenticate")
      assert.equal(4, #list)
      assert.is_nil(list[1]:find "stale")
      assert.truthy(list[3]:find("stale=true", 1, true))
      assert.truthy(list[4]:find("stale=true", 1, true))
    end)

    it("of the server before a restart are renewed unasked", function()
      serve()
      local bob = lasting("bob", "zanzibar")
      assert.equal(200, ask(bob):status())
      ua:close()
      serve()
      assert.equal(200, ask(bob):status())
      assert.same({ "not trusted: user bob: the nonce is not ours" }, seen)
      ua:close()
      seen = {}
      for _ = 1, 2 do -- the same secret: ours, and still nobody knows the counts
        serve { secret = "0123456789abcdef" }
        assert.equal(200, ask(bob):status())
        ua:close()
        sim:advance(1)
      end
      assert.same({ "not trusted: user bob: the nonce is not ours",
        "not trusted: user bob: the nonce is too old" }, seen)
    end)

    it("are forgotten beyond their limit, and renewed unasked", function()
      serve { limits = { nonces = 2 } }
      local phones = {}
      for i = 1, 3 do
        local bob = lasting("bob", "zanzibar")
        phones[i] = bob
        assert.equal(200, ask(bob):status())
        sim:advance(1)
      end
      assert.equal(2, ua.guard.nonces:count())
      assert.same({}, seen)
      assert.equal(200, ask(phones[1]):status())
      assert.same({ "not trusted: user bob: the nonce is too old" }, seen)
    end)
  end)

  -- @rfc 7616 3.4 MUST C-229
  it("does not take what was overheard (C-229)", function()
    serve()
    assert.equal(200, ask(phone("bob", "zanzibar")):status())
    local value = given[1]
    local thief = phone("bob")
    for _, change in ipairs {
      {}, { method = "PUBLISH" }, { uri = "sip:carol@biloxi.com" },
    } do
      local res, e = ask(thief, { method = change.method, uri = change.uri,
        headers = { ["Proxy-Authorization"] = value } })
      assert.is_nil(res)
      assert.equal(407, e.status)
    end
    assert.same({
      "not trusted: user bob: the nonce was used with this count before",
      "not trusted: user bob: wrong password", -- of another method
      "not trusted: user bob: the nonce was used with this count before",
    }, seen)
  end)

  -- @rfc 8760 2.6 MUST C-236
  it("does not take what was meant for another place (C-236)", function()
    serve()
    local bob = phone("bob", "zanzibar")
    local there = { uri = "sip:carol@chicago.com", via = "sip:" .. SERVER }
    assert.equal(200, ask(bob, there):status())
    local value = given[1]
    local res, e = ask(phone("bob"), { uri = "sip:expensive@chicago.com",
      via = "sip:" .. SERVER, headers = { ["Proxy-Authorization"] = value } })
    assert.is_nil(res)
    assert.equal(407, e.status)
    assert.same({ "not trusted: the credentials are for sip:carol@chicago.com" }, seen)
  end)

  it("answers garbage in credentials with a challenge", function()
    serve()
    local bob = phone("bob")
    for _, value in ipairs {
      "Digest", "Digest \"", 'Digest realm="biloxi.com"', "Basic Ym9iOnphbnppYmFy",
      'Digest realm="biloxi.com", nonce=', ("x"):rep(4000), "\u{FF}\u{FE}", ",,,,",
      'Digest realm="biloxi.com", username="bob", nonce="x", uri="sip:bob@biloxi.com", '
        .. 'response="y", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=""',
      "Digest " .. ('realm="biloxi.com",'):rep(300),
    } do
      local _, e = ask(bob, { headers = { ["Proxy-Authorization"] = value } })
      assert.equal(407, e.status, value)
    end
    assert.same({}, sim.errors)
  end)

  describe("of several domains", function()
    -- @rfc 3261 22.1 MUST C-226
    it("has a realm for each, that of the sender (C-226)", function()
      local asked = {}
      serve { domain = { "biloxi.com", "chicago.com" }, users = function(user, realm)
        asked[#asked + 1] = user .. "@" .. realm
        return realm == "chicago.com" and "windy" or "zanzibar"
      end }
      assert.equal(200, ask(phone("bob", "zanzibar")):status())
      local chicago = { aor = "sip:bob@CHICAGO.com" }
      assert.equal(200, ask(phone("bob", "windy", chicago)):status())
      assert.is_nil((ask(phone("bob", "zanzibar", chicago))))
      assert.equal(200, ask(phone("bob", "windy", { aor = "sip:bob@elsewhere.com" }),
        { uri = "sip:carol@chicago.com" }):status())
      assert.same({ "bob@biloxi.com", "bob@chicago.com", "bob@chicago.com",
        "bob@chicago.com" }, asked)
    end)

    it("may have one realm for all", function()
      serve { domain = { "biloxi.com", "chicago.com" }, realm = 'the "phones"' }
      assert.equal(200, ask(phone("bob", "zanzibar", { aor = "sip:bob@chicago.com" }))
        :status())
      assert.truthy(values("SIP/2.0 407", "Proxy-Authenticate")[1]
        :find('realm="the \\"phones\\""', 1, true))
    end)
  end)

  -- @rfc 3261 22.3 MUST C-234
  it("takes its own credentials out, and leaves those of others (C-234)", function()
    local target = phone("carol", nil, { answer = true })
    serve(nil, function(req)
      if not req:trusted() then
        return req:challenge()
      end
      req:forward("sip:carol@" .. target.host.ip)
    end)
    target.ua:on("MESSAGE", function(req)
      local list = {}
      for name, value in req.message:fields() do
        if name:find "Authorization" then
          list[#list + 1] = name .. ": " .. value
        end
      end
      req:reply(200, { headers = { ["X-Seen"] = table.concat(list, " | ") } })
    end)
    local res = assert(ask(phone("bob", "zanzibar"), { headers = {
      "Proxy-Authorization", 'Digest realm="atlanta.com", x=1',
      "Authorization", 'Digest realm="biloxi.com", x=2',
      "Proxy-Authorization", 'Digest realm="chicago.com", x=3',
    } }))
    local passed = res:header "X-Seen"
    assert.equal('Authorization: Digest realm="biloxi.com", x=2 | '
      .. 'Proxy-Authorization: Digest realm="atlanta.com", x=1 | '
      .. 'Proxy-Authorization: Digest realm="chicago.com", x=3', passed)
  end)

  -- @rfc 3261 22.3 MUST C-234
  it("is one of two in a row, each with its own realm (C-234)", function()
    local carol = phone("carol", nil, { answer = true })
    local far, at_far = sim:host "192.0.2.2", {}
    local chicago = far.sip.new {
      listen = { "udp:192.0.2.2", "tcp:192.0.2.2" }, domain = "chicago.com",
      users = { bob = "zanzibar" },
    }
    chicago:on("*", function(req)
      local i, value = 1, req:header "Proxy-Authorization"
      while value do
        at_far[#at_far + 1] = value:match 'realm="([^"]*)"'
        i = i + 1
        value = req:header("Proxy-Authorization", i)
      end
      if not req:trusted() then
        return req:challenge()
      end
      req:forward("sip:carol@" .. carol.host.ip)
    end)
    serve(nil, function(req)
      if not req:trusted() then
        return req:challenge()
      end
      req:record_route()
      req:forward()
    end)
    local bob = phone("bob", "zanzibar")
    local call = assert(bob:dial("sip:carol@chicago.com", { via = "sip:" .. SERVER }))
    sim:advance(1)
    assert.same({ "chicago.com" }, at_far) -- that of biloxi.com ended at its proxy
    assert.equal(2, #given) -- at the first: its own, alone and with the other
    assert.truthy(given[1]:find('realm="biloxi.com"', 1, true))
    assert.truthy(given[2]:find("nc=00000002", 1, true))
    call:hangup()
    sim:advance(1)
    assert.equal("ended", carol.calls[1].call.state)
  end)

  describe("and calls", function()
    -- @rfc 3261 22.1 MUST C-233
    it("never challenges an ACK or a CANCEL (C-233)", function()
      local carol = phone("carol", nil, { answer = false })
      serve(nil, function(req)
        if not req:trusted() then
          return req:challenge()
        end
        req:record_route()
        req:forward("sip:carol@" .. carol.host.ip)
      end)
      local bob = phone("bob", "zanzibar")
      local res, e = bob:dial("sip:carol@biloxi.com", { timeout = 3 })
      assert.is_nil(res)
      assert.equal("no_answer", e.name)
      sim:advance(1)
      assert.equal(1, sent(407)) -- to the first INVITE alone
      assert.equal(2, sent "CANCEL") -- bob's and the server's
      assert.equal(2, sent(487))
      assert.equal(0, sent(401))
    end)

    it("lets the ACK to a 2xx and the BYE along without asking", function()
      local carol = phone("carol", nil, { answer = true })
      serve(nil, function(req)
        if not req:trusted() then
          return req:challenge()
        end
        req:record_route()
        req:forward("sip:carol@" .. carol.host.ip)
      end)
      local call = assert(phone("bob", "zanzibar"):dial "sip:carol@biloxi.com")
      sim:advance(1)
      call:hangup()
      sim:advance(1)
      assert.equal("ended", carol.calls[1].call.state)
      assert.equal(1, sent(407))
    end)

    it("answers a CANCEL while a function looks for the password", function()
      serve { users = function()
        host.sip.sleep(20)
        return "zanzibar"
      end }
      local bob = phone("bob", "zanzibar")
      local _, e = bob:dial("sip:carol@biloxi.com", { timeout = 3 })
      assert.equal("no_answer", e.name)
      sim:advance(30)
      assert.equal(1, sent(407))
      assert.equal(1, sent(487))
    end)

    it("may answer one itself", function()
      serve(nil, function(req)
        if not req:trusted() then
          return req:challenge { status = 401 }
        end
        local call = req:call()
        call:answer()
        call:wait()
      end)
      local call = assert(phone("bob", "zanzibar"):dial "sip:menu@biloxi.com")
      call:hangup()
      assert.equal(1, sent(401))
    end)
  end)

  pending("C-235: AKA (RFC 3310) is optional, and wants a SIM card's secrets")

  describe("and trusted networks", function()
    it("asks nobody from there", function()
      serve { trusted = { "198.51.100.0/25", "2001:db8::/32" } }
      local res = assert(ask(phone("bob")))
      assert.equal("198.51.100.0/25", res:header "X-Who")
      assert.equal("none", res:header "X-User")
      assert.equal(0, sent(407))
      assert.equal(407, select(2, ask(phone("bob", nil, { host = "198.51.100.200" })))
        .status)
    end)

    it("needs no users", function()
      serve({ users = "none", trusted = { "198.51.100.1" } }, function(req)
        local who, why = req:trusted()
        req:reply(who and 200 or 403, { reason = who or why })
      end)
      assert.equal("198.51.100.1", ask(phone("bob")):reason())
      local _, e = ask(phone("bob"))
      assert.equal(403, e.status)
      assert.equal("there are no users", e.response:reason())
    end)

    virtual("knows a network by IPv6", function()
      local six = sim:host "2001:db8::1"
      local there = six.sip.new { listen = "udp:[2001:db8::1]",
        trusted = { "2001:db8:1::/48" } }
      there:on("*", function(req)
        req:reply(req:trusted() and 200 or 403)
      end)
      for ip, status in pairs { ["2001:db8:1::9"] = 200, ["2001:db8:2::9"] = 403 } do
        local from = sim:host(ip)
        local res, e = from:request { method = "MESSAGE", uri = "sip:x@[2001:db8::1]" }
        assert.equal(status, res and res:status() or e.status)
      end
    end)
  end)
end)

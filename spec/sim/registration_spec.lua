-- Registering as a client: RFC 3261 10.2, 8.1.3, 22.1; waiting after failures as in
-- RFC 5626 4.5. The registrar is played by the spec. C-82, C-87, C-90, C-91, C-228.

local provider = require "spec.support.provider"

local S, AOR, REGISTRAR = provider.REGISTRAR, provider.AOR, "sip:192.0.2.9"

describe("a registration", function()
  local world, net, ua, sip

  before_each(function()
    world = provider.new()
    net, ua, sip = world.net, world.ua, world.sip
  end)

  after_each(function()
    world:clean()
  end)

  it("says what 10.2 wants of a REGISTER (C-82)", function()
    local server = world:registrar()
    local reg = world:register {
      expires = 600, q = 0.5, headers = { ["X-Site"] = "7" },
    }
    assert.equal("registering", reg.state)
    net:run(1)
    local req = server.seen[1]
    assert.equal(REGISTRAR, req:uri())
    assert.equal("<sip:2001@192.0.2.9>", req:header "To")
    assert.equal(AOR, req:from_uri())
    assert.equal("<sip:2001@192.0.2.1:5060>;q=0.500;expires=600", req:header "Contact")
    assert.equal("600", req:header "Expires")
    assert.equal("7", req:header "X-Site")
    assert.equal("registered", reg.state)
    assert.equal("sip:2001@192.0.2.1:5060", reg.contact)
    assert.equal(599, reg:expires_in())
  end)

  it("is refreshed before it ends, with one Call-ID and rising numbers", function()
    local server = world:registrar()
    local reg = world:register { expires = 600 }
    net:run(1200)
    assert.same({ 0, 540, 1080 }, server.at)
    for i, req in ipairs(server.seen) do
      assert.equal(i, (req:cseq()))
      assert.equal(server.seen[1]:call_id(), req:call_id())
      assert.equal(server.seen[1]:from_tag(), req:from_tag())
    end
    assert.equal(480, reg:expires_in())
  end)

  it("leaves time for another try, in proportion", function()
    for given, refresh in pairs {
      [3600] = 3240, [120] = 60, [60] = 30, [20] = 10, [8] = 5, [4] = 5,
    } do
      local server = world:registrar(function(_, req)
        return 200, { "Contact", ("<%s>;expires=%d"):format(req:contact_uri(), given) }
      end, "192.0.2." .. 10 + given % 61)
      local began = net.world:now()
      world:register { aor = "sip:a@" .. server.stranger.ip }
      net:run(began + refresh)
      assert.same({ began, began + refresh }, server.at)
    end
  end)

  describe("is given", function()
    -- What a REGISTER is answered with, and when the next one comes.
    for name, case in pairs {
      ["a shorter time"] = { { "Contact", "<%s>;expires=300" }, 240 },
      ["a time for all of them"] = { { "Contact", "<%s>", "Expires", "300" }, 240 },
      ["one for its own, which wins"] = {
        { "Contact", "<%s>;expires=300", "Expires", "1800" }, 240 },
      ["no time, so that what was asked for counts"] = { { "Contact", "<%s>" }, 540 },
      ["its own among others (19.1.4)"] = { {
        "Contact", "<sip:2001@198.51.100.7>;expires=20, <sip:2001@192.0.2.1>;expires=9",
        "Contact", "\"Own\" <SIP:%%32001@192.0.2.1:5060>;q=1;expires=300",
        "Contact", "<sip:2002@192.0.2.1:5060>;expires=11",
      }, 240 },
    } do
      it(name, function()
        local server = world:registrar(function(_, req)
          local headers = table.move(case[1], 1, #case[1], 1, {})
          for i, value in ipairs(headers) do
            headers[i] = value:find "%%s" and value:format(req:contact_uri())
              or value:gsub("%%%%", "%%")
          end
          return 200, headers
        end)
        world:register { expires = 600 }
        net:run(case[2])
        assert.same({ 0, case[2] }, server.at)
      end)
    end
  end)

  it("lists what the registrar has, with what is left of it", function()
    world:registrar(function(_, req)
      return 200, { "Contact", ("<sip:2001@198.51.100.7>;expires=20;q=0.3;+x=\"y\", "
        .. "<%s>;expires=600"):format(req:contact_uri()) }
    end)
    local reg = world:register()
    assert.same({}, reg:bindings())
    net:run(5)
    local other, own = table.unpack(reg:bindings())
    assert.same({ "sip:2001@198.51.100.7", 15, 0.3, false, "y" },
      { other.uri, other.expires_in, other.q, other.own, other.params["+x"] })
    assert.same({ "sip:2001@192.0.2.1:5060", 595, true },
      { own.uri, own.expires_in, own.own })
    net:run(30)
    assert.equal(1, #reg:bindings())
  end)

  it("believes a 200 that does not list it, and says so", function()
    local warned = {}
    ua.log = { info = function() end, warn = function(_, text)
      warned[#warned + 1] = text
    end }
    local server = world:registrar(function()
      return 200, { "Contact", "<sip:2001@203.0.113.4:1024>;expires=20",
        "Expires", "300" }
    end)
    local reg = world:register()
    net:run(240)
    assert.equal("registered", reg.state)
    assert.same({ 0, 240 }, server.at)
    assert.equal("the registrar does not list our contact", warned[1])
    ua.log = sip.runtime.log
  end)

  it("is none when the 200 gives no time", function()
    local server = world:registrar(function(n, req)
      return 200, { "Contact", ("<%s>;expires=%d"):format(req:contact_uri(),
        n == 1 and 0 or 300) }
    end)
    local reg = world:register()
    net:run(29)
    assert.same({ "registering", "rejected" }, { reg.state, reg.err.name })
    assert.is_nil(reg:expires_in())
    net:run(60)
    assert.equal(2, #server.seen)
    assert.same({ "registered" }, { reg.state, reg.err })
  end)

  it("asks for longer when that was too brief (10.2.8)", function()
    local server = world:registrar(function(n)
      if n == 1 then
        return 423, { "Min-Expires", "1800" }
      end
    end)
    local reg = world:register { expires = 60 }
    net:run(1620)
    assert.same({ 0, 0, 1620 }, server.at)
    assert.same({ "60", "1800", "1800" }, { server.seen[1]:header "Expires",
      server.seen[2]:header "Expires", server.seen[3]:header "Expires" })
    assert.equal(2, (server.seen[2]:cseq()))
    assert.equal(server.seen[1]:call_id(), server.seen[2]:call_id())
    assert.equal("registered", reg.state)
  end)

  it("is not led on by a 423 that always wants more, nor by one without a time",
    function()
      local server = world:registrar(function(n)
        return 423, { "Min-Expires", tostring(60 + n) }
      end)
      local reg = world:register { expires = 60 }
      local silent = world:registrar(function()
        return 423, {}
      end, "192.0.2.8")
      world:register { aor = "sip:a@192.0.2.8" }
      net:run(29)
      assert.equal(3, #server.seen)
      assert.equal(1, #silent.seen)
      assert.same({ "registering", 423 }, { reg.state, reg.err.status })
    end)

  describe("with a password", function()
    local CHALLENGE = 'Digest realm="r", nonce="%s", algorithm=MD5, qop="auth"%s'

    local function nonce_of(req)
      return (req:header "Authorization" or ""):match 'nonce="(.-)"'
    end

    it("answers the challenge, and remembers it (22.1, C-91)", function()
      local server = world:registrar(function(_, req)
        if nonce_of(req) ~= "n1" then
          return 401, { "WWW-Authenticate", CHALLENGE:format("n1", "") }
        end
      end)
      local reg = world:register { password = "secret", expires = 600 }
      net:run(1080)
      assert.same({ 0, 0, 540, 1080 }, server.at)
      for i = 2, 4 do
        local value = server.seen[i]:header "Authorization"
        assert.is_truthy(value:find('username="2001"', 1, true))
        assert.is_truthy(value:find(("nc=%08x"):format(i - 1), 1, true))
        assert.is_truthy(value:find('uri="sip:192.0.2.9"', 1, true))
        assert.equal(i, (server.seen[i]:cseq()))
      end
      assert.equal("registered", reg.state)
    end)

    it("takes a new nonce when the old one is stale (C-228)", function()
      local valid = "n1"
      local server = world:registrar(function(_, req)
        local nonce = nonce_of(req)
        if nonce ~= valid then
          return 401, { "WWW-Authenticate", CHALLENGE:format(valid,
            nonce and ", stale=true" or "") }
        end
      end)
      local reg = world:register { password = "secret", expires = 600 }
      net:run(1)
      valid = "n2"
      net:run(540)
      assert.same({ 0, 0, 540, 540 }, server.at)
      assert.equal("registered", reg.state)
    end)

    it("that is wrong has failed, and is not sent for half an hour (C-228)", function()
      local server = world:registrar(function(n)
        return 401, { "WWW-Authenticate", CHALLENGE:format("n" .. n, "") }
      end)
      local reg = world:register { password = "wrong", user = "someone" }
      local waiting = world:spawn(reg.wait, reg)
      net:run(1799)
      assert.equal(2, #server.seen)
      assert.same({ "failed", "refused", 401 },
        { reg.state, reg.err.name, reg.err.status })
      assert.same({ nil, reg.err, n = 2 }, waiting.values)
      assert.equal(0, waiting.at)
      assert.is_truthy(tostring(reg.err):find('"someone" was rejected', 1, true))
    end)

    it("uses that of the endpoint when it has none of its own", function()
      local host = "192.0.2.5"
      local server = world:registrar(function(_, req)
        if not nonce_of(req) then
          return 401, { "WWW-Authenticate", CHALLENGE:format("n", "") }
        end
      end)
      local other = net:endpoint(host, { auth = { user = "trunk", password = "p" } })
      local reg = other:register { aor = AOR }
      net:run(1)
      assert.equal("registered", reg.state)
      assert.is_truthy(server.seen[2]:header "Authorization":find('"trunk"', 1, true))
    end)
  end)

  it("that is refused has failed, asks again slowly, and comes back", function()
    local refused = true
    local server = world:registrar(function()
      if refused then
        return 403
      end
    end)
    local states = {}
    local reg = world:register { on_change = function(_, state)
      states[#states + 1] = { sip.now(), state }
    end }
    net:run(7200)
    local times = server.at
    assert.is_true(#times >= 3 and #times <= 5)
    for i = 2, #times do
      local wait = times[i] - times[i - 1]
      assert.is_true(wait >= 1800 and wait < 3600)
    end
    assert.same({ "failed", 403 }, { reg.state, reg.err.status })
    refused = false
    net:run(7200 + 3600)
    assert.same({ "registered" }, { reg.state, reg.err })
    times = server.at
    assert.same({ { 0, "failed" }, { states[2][1], "registered" } }, states)
    assert.is_true(states[2][1] > 7200 and times[#times] >= states[2][1])
  end)

  it("waits as long as Retry-After says", function()
    local server = world:registrar(function(n)
      if n <= 2 then
        return n == 1 and 503 or 404, { "Retry-After", "400 (maintenance);duration=9" }
      end
    end)
    local reg = world:register()
    net:run(399)
    assert.same({ "registering", "unreachable" }, { reg.state, reg.err.name })
    net:run(800)
    assert.same({ 0, 400, 800 }, server.at)
    assert.equal("registered", reg.state)
  end)

  it("follows a redirection, and begins anew the next time (C-90)", function()
    local second = world:registrar(nil, "192.0.2.8")
    local first = world:registrar(function()
      return 302, { "Contact", "<sip:192.0.2.8>" }
    end)
    local reg = world:register { expires = 600 }
    net:run(540)
    assert.equal("registered", reg.state)
    assert.same({ 0, 540 }, first.at)
    assert.same({ 0, 540 }, second.at)
    assert.equal("sip:192.0.2.8", second.seen[2]:uri())
    assert.equal(4, (second.seen[2]:cseq()))
  end)

  it("outlives an hour without its registrar, and does not hammer (C-87)", function()
    local server = world:registrar()
    local states = {}
    local reg = world:register { expires = 600, keep_alive = false,
      on_change = function(one, state)
        states[#states + 1] = state .. (one.err and " " .. one.err.name or "")
      end }
    net:run(1)
    server.stranger.driver:set_down(true)
    net:run(599)
    assert.same({ "registered", "no_answer" }, { reg.state, reg.err.name })
    net:run(600)
    assert.equal("registering", reg.state)
    net:run(3600)
    local asked = #net.trace:list()
    local branches = {}
    for _, record in ipairs(net.trace:list()) do
      branches[record.text:match "branch=(%w+)"] = true
    end
    local count = 0
    for _ in pairs(branches) do
      count = count + 1
    end
    -- After the first three bounds: one in 150 to 300 s and the 32 of its timer.
    assert.is_true(count >= 12 and count <= 24, tostring(count))
    assert.is_true(asked <= 24 * 11 + 1)
    server.stranger.driver:set_down(false)
    net:run(3600 + 332 + 1)
    assert.equal("registered", reg.state)
    assert.same({ "registered", "registered no_answer", "registering no_answer",
      "registered" }, states)
  end)

  it("waits longer with each failure, by chance between bounds (RFC 5626 4.5)",
    function()
      local server = world:registrar(function()
        return 500
      end)
      world:register()
      net:run(4000)
      local times, bounds = server.at, { 60, 120, 240, 300, 300, 300, 300 }
      local same = 0
      for i, bound in ipairs(bounds) do
        local wait = times[i + 1] - times[i]
        assert.is_true(wait >= bound / 2 and wait <= bound, ("%d: %g"):format(i, wait))
        same = same + (wait == bound and 1 or 0)
      end
      assert.is_true(same <= 1)
    end)

  it("stays registered where a fifth of the packets is lost", function()
    net.world:link { loss = 0.2 }
    local states = {}
    local server = world:registrar()
    local reg = world:register { expires = 600, keep_alive = false,
      on_change = function(_, state)
        states[#states + 1] = state
      end }
    net:run(86400)
    assert.same({ "registered" }, states)
    assert.is_true(#server.seen >= 160 and #server.seen <= 175)
    net.world:link { loss = 0 }
    assert.equal("registered", reg.state)
  end)

  it("goes to a registrar and a proxy of its own, with a contact of its own", function()
    local server = world:registrar()
    local reg = world:register {
      aor = '"Bob" <sip:bob@pbx.example>', registrar = "sip:pbx.example",
      contact = "sip:b@198.51.100.1:5070;transport=tcp", via = "sip:192.0.2.9",
    }
    net:run(1)
    local req = server.seen[1]
    assert.equal("sip:pbx.example", req:uri())
    assert.equal("<sip:192.0.2.9;lr>", req:header "Route")
    assert.equal('"Bob" <sip:bob@pbx.example>', req:header "To")
    assert.equal("<sip:b@198.51.100.1:5070;transport=tcp>;expires=3600",
      req:header "Contact")
    assert.equal("registered", reg.state)
  end)

  it("names the address that is reached by way of TCP", function()
    world:registrar()
    world:register { aor = "sip:2001@192.0.2.8;transport=tcp" }
    net:run(1)
    local text = net.trace:list()[1].text
    assert.is_truthy(text:find("^REGISTER sip:192.0.2.8;transport=tcp SIP/2.0\r\n"))
    assert.is_truthy(text:find("\nContact: <sip:2001@192.0.2.1:5060;transport=tcp>;", 1,
      true))
  end)

  it("is found by TCP where its endpoint has nothing else", function()
    local tcp = net:endpoint("192.0.2.3", { listen = "tcp:192.0.2.3:5070" })
    local host = net:endpoint "192.0.2.8"
    host:on("REGISTER", function(req)
      req:reply(200, { headers = { Contact = req:header "Contact" } })
    end)
    local reg = tcp:register { aor = "sip:2001@192.0.2.8" }
    net:run(1)
    assert.equal("registered", reg.state)
    assert.equal("sip:2001@192.0.2.3:5070;transport=tcp", reg.contact)
  end)

  it("tries a name again that nobody knows", function()
    local server = world:registrar()
    local reg = world:register { registrar = "sip:pbx.example" }
    net:run(1)
    assert.same({ "registering", "unreachable" }, { reg.state, reg.err.name })
    net.world:name("pbx.example", S)
    net:run(60)
    assert.equal("registered", reg.state)
    assert.equal(1, #server.seen)
  end)

  it("is one of several, on one endpoint and on others", function()
    local server = world:registrar()
    local other = net:endpoint "192.0.2.2"
    local list = {
      world:register { expires = 600 },
      world:register { aor = "sip:2002@192.0.2.9" },
      world:register { contact = "sip:2001@198.51.100.1" },
      other:register { aor = AOR },
    }
    net:run(1)
    local ids = {}
    for i, req in ipairs(server.seen) do
      assert.equal("registered", list[i].state)
      assert.is_nil(ids[req:call_id()])
      ids[req:call_id()] = true
    end
    assert.equal(4, #server.seen)
    world:spawn(list[2].remove, list[2])
    net:run(541)
    assert.equal(6, #server.seen)
    assert.equal(3, #ua.registrations + #other.registrations)
  end)

  it("happens the same way twice with one seed", function()
    local function flow(seed)
      local one = provider.new { seed = seed, loss = 0.3 }
      one:registrar(function()
        return one.net.world:now() < 1000 and 500 or 200
      end)
      one:register()
      one.net:run(5000)
      local list = one.net:flow()
      one:clean()
      return list
    end
    local first = flow(3)
    assert.is_true(#first > 10)
    assert.same(first, flow(3))
    assert.not_same(first, flow(4))
  end)

  it("that makes no sense raises", function()
    world:registrar()
    world:register()
    for text, options in pairs {
      ["is registered at sip:192.0.2.9 already"] = { aor = "sip:2001@192.0.2.9" },
      ["an aor, such as"] = { registrar = "sip:192.0.2.9" },
      ["unknown option \"pasword\""] = { aor = AOR, pasword = "x" },
      ["aor: \"tel:+123\" is no SIP URI"] = { aor = "tel:+123" },
      ["names a user"] = { aor = AOR, registrar = "sip:2001@192.0.2.9" },
      ["want a password"] = { aor = AOR, user = "x" },
      ["wants a user"] = { aor = "sip:192.0.2.9", password = "x" },
      ["q is a number"] = { aor = AOR, q = 2 },
      ["is not for scripts to set"] = { aor = AOR, headers = { CSeq = "1" } },
      ["option \"expires\" is 0"] = { aor = AOR, expires = 0 },
      ["contact: \"\" is no"] = { aor = AOR, contact = "" },
    } do
      local ok, why = pcall(ua.register, ua, options)
      assert.is_false(ok)
      assert.is_truthy(why:find(text, 1, true), why)
    end
    assert.equal(1, #ua.registrations)
  end)

  it("is an error of an endpoint that is closed", function()
    ua:shut()
    local reg, e = ua:register { aor = AOR }
    assert.is_nil(reg)
    assert.equal("ended", e.name)
  end)
end)

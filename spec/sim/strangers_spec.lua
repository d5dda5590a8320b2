-- What an endpoint says of who was stopped, and what scripts and other callers notice
-- of it: nothing. (RFC 3261 26.1.5, 26.3.2.4.)

local core = require "sip.core"
local new_sim = require "sip.sim"
local rig_of = require "spec.support.rig"
local simulated = require "spec.support.simulated"
local tree = require "spec.support.tree"

local SERVER = "192.0.2.1"
local virtual = simulated(it, "made-up addresses")

describe("an endpoint on the open Internet", function()
  local sim, host, ua, lines, stranger, number, raws

  -- A raw socket, closed in the end.
  local function raw(ip)
    raws[#raws + 1] = sim:host(ip).driver:raw { host = ip, port = 5060 }
    return raws[#raws]
  end

  before_each(function()
    sim = new_sim { seed = 5, delay = 0.01 }
    host = sim:host(SERVER)
    lines, number, raws = {}, 0, {}
    stranger = raw "192.0.2.66"
  end)

  after_each(function()
    for _, one in ipairs(raws) do
      one:close()
    end
    sim:assert_clean()
    sim:close()
  end)

  local function serve(options)
    local all = {
      listen = { "udp:" .. SERVER, "tcp:" .. SERVER },
      log = function(level, text)
        lines[#lines + 1] = level .. " " .. text
      end,
    }
    for key, value in pairs(options or {}) do
      all[key] = value
    end
    ua = host.sip.new(all)
  end

  local function flood(times, fields)
    for _ = 1, times do
      number = number + 1
      local all = { uri = "sip:x@" .. SERVER, sent_by = "192.0.2.66", number = number,
        branch = "z9hG4bK" .. number, call_id = "call-" .. number }
      for key, value in pairs(fields or {}) do
        all[key] = value
      end
      stranger:send(SERVER, 5060, rig_of.request(all))
    end
    sim:advance(0.05)
  end

  -- What the stranger has heard: how many of each status.
  local function heard()
    local found = {}
    for _, event in ipairs(stranger:take()) do
      if event.what == "bytes" then
        local status = core.parse(event.bytes):status()
        found[status] = (found[status] or 0) + 1
      end
    end
    return found
  end

  it("counts what it has dropped, and of whom", function()
    serve { limits = { source_invites = 1, source_others = 2, source_refusals = 1 } }
    flood(10, { method = "INVITE" })
    flood(20)
    flood(3, { extra = { "User-Agent: friendly-scanner" } })
    local stats = ua:stats()
    assert.same({ 6, 12, 3 }, { stats.over_invites, stats.over_others,
      stats.scanners })
    assert.equal(33, stats.received)
    assert.equal(0, stats.calls)
    local worst = stats.offenders[1]
    assert.same({ "192.0.2.66", "scanners", 21 },
      { worst.address, worst.rule, worst.count })
    assert.is_nil(stats.offenders[2])
    sim:advance(10)
    local later = ua:stats().offenders[1].ago
    assert.is_true(later > 10 and later < 10.1)
    assert.same({
      "warn 192.0.2.66: more than 1 INVITEs a second outside of calls: refused with "
        .. "503 (1 so far)",
      "warn 192.0.2.66: more than 2 requests a second outside of calls: dropped "
        .. "(7 so far)",
      "warn 192.0.2.66: the User-Agent of a scanner: dropped (19 so far)",
    }, lines)
    assert.same({ [503] = 4, [480] = 8 + 5 * 4 }, heard()) -- those of INVITEs repeat
  end)

  it("has a count for whatever its stack counts", function()
    serve()
    local stats, header = ua:stats(), tree.read "csrc/stack/stats.h"
    local count = 0
    for name in header:match("#define SIP_STACK_STAT_MAP(.-)/%* clang"):gmatch
      "X%(([%l_]+)%)" do
      assert.is_number(stats[name], name)
      count = count + 1
    end
    assert.is_true(count > 25)
  end)

  it("names the worst sixteen, the worst first", function()
    serve { limits = { source_others = 1 } }
    for i = 1, 20 do
      local one = raw("198.51.100." .. i)
      for n = 1, 4 + i do
        one:send(SERVER, 5060, rig_of.request { uri = "sip:x@" .. SERVER,
          sent_by = "198.51.100." .. i, branch = ("z9hG4bK%dx%d"):format(i, n),
          call_id = ("call-%d-%d"):format(i, n) })
      end
      sim:advance(0.05)
    end
    local list = ua:stats().offenders
    assert.equal(16, #list)
    assert.equal("198.51.100.20", list[1].address)
    assert.equal(20, list[1].count)
    for i = 2, 16 do
      assert.is_true(list[i - 1].count >= list[i].count)
    end
  end)

  it("shows in the ladder what was dropped, and why", function()
    serve { trace = true, limits = { source_others = 1, source_messages = 5,
      source_refusals = 0 } }
    flood(1, { extra = { "User-Agent: SIPVicious" } })
    flood(6)
    flood(30, { method = "MESSAGE" })
    sim:advance(10)
    stranger:send(SERVER, 5060, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP " .. SERVER
      .. ";branch=z9hG4bKnone\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n"
      .. "Call-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
    stranger:send(SERVER, 5060, "SIP/2.0 200 OK\r\n\r\n")
    sim:advance(60)
    local text = ua:ladder()
    assert.truthy(text:find("OPTIONS", 1, true))
    assert.truthy(text:find("192.0.2.66: the User-Agent of a scanner: dropped", 1,
      true), text)
    assert.truthy(text:find(
      "192.0.2.66: more than 1 requests a second outside of calls: refused with 503",
      1, true), text)
    assert.truthy(text:find("192.0.2.66: more than 5 messages a second: dropped", 1,
      true), text)
    assert.truthy(text:find("a response to nobody", 1, true), text)
    -- a trace is no place to flood either
    local _, notes = text:gsub(": dropped", "")
    assert.is_true(notes <= 20, tostring(notes))
  end)

  it("knows scanners by default, others when told, and none when told so", function()
    for given, agent in pairs { [1] = "friendly-scanner", [2] = "sipcli/v1.8",
      [3] = "VaxSIPUserAgent", [4] = "friendly-scanner", [5] = "sundayddr" } do
      local list
      if given == 3 then
        list = { "VaxSIP" }
      elseif given == 4 then
        list = false
      end
      serve { scanners = list }
      flood(1, { extra = { "User-Agent: " .. agent } })
      assert.same(given == 4 and { [480] = 1 } or {}, heard(), agent)
      ua:close()
    end
  end)

  it("stops nobody of whom it was told that he is trusted", function()
    serve { trusted = { "192.0.2.64/29" }, limits = { source_others = 1 } }
    flood(50)
    flood(10, { extra = { "User-Agent: friendly-scanner" } })
    assert.same({ [480] = 60 }, heard())
    assert.equal(0, ua:stats().sources)
  end)

  it("stops nobody on its own machine, unless it is told to", function()
    local mine = raw "127.0.0.9"
    for _, counted in ipairs { false, true } do
      serve { limits = { source_others = 1, loopback = counted } }
      for i = 1, 9 do
        mine:send(SERVER, 5060, rig_of.request { uri = "sip:x@" .. SERVER,
          sent_by = "127.0.0.9", branch = "z9hG4bKm" .. i, call_id = "m" .. i })
      end
      sim:advance(1)
      assert.equal(counted and 5 or 0, ua:stats().over_others)
      ua:close()
    end
  end)

  it("may do without any of it", function()
    for _, limits in ipairs { { sources = 0 }, { sources = false },
      { source_others = false, source_messages = false } } do
      serve { limits = limits }
      flood(300)
      assert.same({ [480] = 300 }, heard())
      ua:close()
    end
  end)

  it("raises for what is no bound and no scanner", function()
    local function fails(text, options)
      local ok, why = pcall(host.sip.new, options)
      assert.is_false(ok)
      assert.truthy(tostring(why):find(text, 1, true), why)
    end
    fails('is a boolean, not a whole number from 0 to 4294967295 or false',
      { limits = { source_invites = true } })
    fails('option "source_invites" is -1, not', { limits = { source_invites = -1 } })
    fails('option "source_invites" is 4294967296, not',
      { limits = { source_invites = 1 << 32 } })
    fails('scanners: "" is no part of a User-Agent', { scanners = { "" } })
    fails('scanners: "a\\\nb" is no part', { scanners = { "a\nb" } })
    fails('option "scanners" is a boolean, not a table or false', { scanners = true })
  end)

  it("goes on with its calls while it is flooded", function()
    serve { limits = { source_invites = 5, source_others = 5 } }
    ua:on_call(function(call)
      call:answer()
      call:wait(20)
    end)
    local phone = sim:phone()
    local call = assert(phone:dial("sip:anybody@" .. SERVER))
    for _ = 1, 100 do
      flood(20)
      flood(20, { method = "INVITE", extra = { "User-Agent: friendly-scanner" } })
    end
    local other = assert(sim:phone():dial("sip:anybody@" .. SERVER))
    assert.equal(2, ua.calls)
    call:hangup()
    other:hangup()
    sim:advance(1)
    assert.equal(0, ua.calls)
    assert.equal(2000, ua:stats().scanners)
  end)
end)

describe("passwords that are tried", function()
  local sim, host, ua

  before_each(function()
    sim = new_sim { seed = 11, delay = 0.01 }
    host = sim:host(SERVER)
  end)

  after_each(function()
    sim:assert_clean()
    sim:close()
  end)

  local function serve(limits)
    ua = host.sip.new {
      listen = { "udp:" .. SERVER, "tcp:" .. SERVER }, domain = "biloxi.com",
      users = { bob = "zanzibar" }, log = function() end, limits = limits,
    }
    ua:on("*", function(req)
      if not req:trusted() then
        return req:challenge()
      end
      req:reply(200)
    end)
  end

  local function phone(ip)
    return sim:phone { host = ip, aor = "sip:bob@biloxi.com", registrar = false }
  end

  local function ask(from, password, uri)
    local res, err = sim:wait(from.host, from.ua.request, from.ua, { method = "MESSAGE",
      uri = uri or "sip:bob@biloxi.com", auth = { user = "bob", password = password } })
    return res and res:status() or err.status
  end

  it("are taken so often in a minute of one address, and of all others", function()
    serve { source_failures = 3 }
    local guesser = phone "192.0.2.66"
    for _ = 1, 3 do
      assert.equal(407, ask(guesser, "guess"))
    end
    assert.equal(503, ask(guesser, "guess"))
    assert.equal(1, ua:stats().over_failures)
    assert.equal("failures", ua:stats().offenders[1].rule)
    assert.equal(200, ask(phone "192.0.2.20", "zanzibar"))
    sim:advance(20) -- a third of a minute: one more
    assert.equal(407, ask(guesser, "guess"))
    -- the right one is refused as well, so that nobody can try one after the other
    assert.equal(503, ask(guesser, "zanzibar"))
    sim:advance(20)
    assert.equal(200, ask(guesser, "zanzibar"))
  end)

  it("over a stream count, too", function()
    serve { source_failures = 3 }
    local guesser = phone "192.0.2.66"
    for _ = 1, 3 do
      assert.equal(407, ask(guesser, "guess", "sip:bob@biloxi.com;transport=tcp"))
    end
    assert.equal(503, ask(guesser, "guess", "sip:bob@biloxi.com;transport=tcp"))
  end)

  -- Whoever could fail in another's name could keep him out.
  it("in another's name do not count against him", function()
    serve { source_failures = 3 }
    local victim, guesser = phone "192.0.2.20", phone "192.0.2.66"
    ask(guesser, "guess")
    -- What the guesser has sent, as if it came from the victim: with a nonce that was
    -- given to the guesser.
    local bytes
    for record in sim.trace.records:each() do -- as it was: a list has no credentials
      if record.kind == "message" and record.text:find "^MESSAGE"
        and record.text:find "Proxy%-Authorization" then
        bytes = record.text
      end
    end
    local other = victim.host.driver:raw { host = "192.0.2.20", port = 5070 }
    local function forge(first, last)
      for i = first, last do
        other:send(SERVER, 5060, (bytes:gsub("192%.0%.2%.66", "192.0.2.20")
          :gsub("z9hG4bK%w+", "z9hG4bKforged" .. i)))
        sim:advance(0.1)
      end
    end
    forge(1, 3)
    assert.equal(200, ask(victim, "zanzibar"))
    forge(4, 9)
    assert.equal(200, ask(victim, "zanzibar"))
    assert.equal(0, ua:stats().over_failures)
    -- That was too much of it: such nonces are not looked at for a minute.
    local stale = 0
    for _, event in ipairs(other:take()) do
      stale = stale + (event.bytes and event.bytes:find "stale=true" and 1 or 0)
    end
    assert.equal(5, stale)
    other:close()
  end)

  -- A maddr has the challenge sent to him who forges it (RFC 3261 18.2.2): it was not
  -- given to whom he says to be.
  virtual("with a nonce that was asked for in another's name do not, either", function()
    serve { source_failures = 3 }
    local victim = phone "192.0.2.20"
    local guesser = sim:host("192.0.2.66").driver
    local ear = guesser:raw { host = "192.0.2.66", port = 5060 }
    local function forge(i, more)
      guesser:datagram("192.0.2.20", 5060, SERVER, 5060, rig_of.request {
        method = "MESSAGE", uri = "sip:bob@biloxi.com", branch = "z9hG4bKforged" .. i,
        via_more = ";maddr=192.0.2.66", call_id = "forged" .. i, extra = more })
      sim:advance(0.1)
    end
    forge(0)
    local nonce = ear:take()[1].bytes:match 'nonce="([^"]+)"'
    for i = 1, 9 do
      forge(i, { ('Proxy-Authorization: Digest username="bob", realm="biloxi.com", '
        .. 'nonce="%s", uri="sip:bob@biloxi.com", algorithm=SHA-256, qop=auth, '
        .. 'nc=%08x, cnonce="x", response="%s"'):format(nonce, i, ("0"):rep(64)) })
    end
    assert.equal(0, ua:stats().over_failures)
    assert.equal(200, ask(victim, "zanzibar"))
    ear:close()
  end)
end)

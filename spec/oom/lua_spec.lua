-- Lua's own allocator fails, at the first, the second, the third ... allocation of a
-- whole simulated call, each time in a fresh state: twice, because Lua collects and
-- asks again; then at several in a row. Nobody notices: scripts come to their ends,
-- nothing is left, the next OPTIONS is answered. What a script asks for beyond all
-- reserve ends its call, and nothing else (rule 9).

require "sip.core"

local heap = require("sip.test").heap

-- So many runs of each call at most: of two failures all, of more a sample.
local RUNS, SPELLS = 2000, 60

-- What a fresh state runs: it gives what is to be done in short memory, and what looks
-- at the state of things afterwards. `spell`: several allocations fail in a row; then
-- calls may be refused or come too late, and every script that has begun ends.
local FRAME = [[
package.path, package.cpath = %q, %q
local net_of = require "spec.support.net"
local SDP = net_of.SDP
local A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
local net = net_of.new { delay = 0.02 }
local alice, sip_a = net:endpoint(A)
local bob, sip_b = net:endpoint(B)
local uri, spell = "sip:bob@" .. B, %s
local begun, ends, wanted, errors = 0, 0, 0, {}
local function on_call(ua, script)
  wanted = wanted + 1
  ua:on_call(function(call)
    begun = begun + 1
    call:finally(function() ends = ends + 1 end)
    script(call)
  end)
end
local function spawn(script, sip)
  wanted = wanted + 1
  ;(sip or sip_a).spawn(function()
    begun = begun + 1
    script()
    ends = ends + 1
  end)
end
local function got(value, e)
  assert(value or spell, e)
  return value
end
bob:on_call(function() end)
%s
local function go()
  while net.world:step(300) do end
end
local function look()
  net:run(net.world:now() + 400)
  assert(#net.errors == #errors, table.concat(net.errors, "\n"))
  for i, text in ipairs(errors) do
    assert(net.errors[i]:find(text, 1, true), net.errors[i])
  end
  assert(ends == (spell and begun or wanted),
    ("scripts: %%d ended, %%d begun, %%d wanted"):format(ends, begun, wanted))
  local answered
  sip_a.spawn(function()
    answered = alice:request { method = "OPTIONS", uri = uri }
  end)
  net:run(net.world:now() + 40)
  assert(answered and answered:status() == 200, "the next OPTIONS is not answered")
  for _, sip in ipairs(net.facades) do
    local driver = sip.runtime.driver
    assert(driver:stats().script_errors == 0, "an error in a handler")
    assert(not driver:is_short(), "the reserve is low")
  end
  net:clean()
end
return go, look
]]

local function code(call, spell)
  return FRAME:format(package.path, package.cpath, spell or false, call)
end

local calls = {}

calls["that rings, is answered and hung up"] = [[
on_call(bob, function(call)
  call:ring()
  sip_b.sleep(1)
  call:answer { sdp = SDP }
  call:wait()
end)
spawn(function()
  got(alice:request { method = "OPTIONS", uri = uri })
  local peer <close> = got(alice:dial(uri, { sdp = SDP, timeout = 60 }))
  sip_a.sleep(1)
end)
]]

calls["that is cancelled"] = [[
on_call(bob, function(call)
  call:ring()
  call:wait()
end)
spawn(function()
  local peer, e = alice:dial(uri, { sdp = SDP, timeout = 3 })
  assert(not peer)
  assert(e.name == "no_answer" or spell and e.status == 503, e)
end)
]]

calls["that is challenged"] = [[
local CHALLENGE = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'
net:stranger(C, { request = function(tx, req)
  if req:method() == "BYE" then
    tx:respond(200)
  elseif not req:header "Proxy-Authorization" then
    tx:respond(407, { tag = "c", headers = { "Proxy-Authenticate", CHALLENGE } })
  else
    tx:respond(200, { tag = "c", body = SDP, headers = { "Contact", "<sip:" .. C .. ">",
      "Content-Type", "application/sdp" } })
  end
end })
spawn(function()
  local peer <close> = got(alice:dial("sip:c@" .. C,
    { sdp = SDP, auth = { user = "u", password = "p" } }))
  sip_a.sleep(1)
end)
]]

calls["with sound: a prompt, digits, a recording, a bridge"] = [[
local carol = net:endpoint(C)
on_call(carol, function(call)
  call:answer()
  call:wait()
end)
on_call(bob, function(call)
  call:answer()
  local digits = got(call:gather { play = "tone:beep", digits = 2, timeout = 5 })
  assert(digits == "42" or spell)
  got(call:record("message.wav", { max = 1 }))
  local peer = got(call:dial("sip:carol@" .. C))
  if peer then
    call:bridge(peer)
  end
end)
spawn(function()
  local peer <close> = got(alice:dial(uri))
  if peer then
    sip_a.sleep(1)
    got(peer:press "42")
    sip_a.sleep(4)
  end
end)
]]

calls["that a proxy forks, with another that rings and is cancelled"] = [[
local P = "192.0.2.4"
local carol = net:endpoint(C)
local proxy = net:endpoint(P, { domain = "pbx.example" })
proxy:on("INVITE", function(req)
  req:record_route()
  req:set("X-Routed-By", "proxy")
  req:forward({ uri, "sip:carol@" .. C }, { timeout = 60 })
end)
on_call(carol, function(call)
  call:ring()
  call:wait()
end)
on_call(bob, function(call)
  call:ring()
  sip_b.sleep(1)
  call:answer { sdp = SDP }
  call:wait()
end)
spawn(function()
  local peer <close> = got(alice:dial("sip:bob@pbx.example",
    { sdp = SDP, timeout = 60, via = "sip:" .. P }))
  sip_a.sleep(1)
end)
]]

calls["of a user who registers with a password"] = [[
local P = "192.0.2.4"
local sip_p = net:sip(P)
local proxy = net:endpoint(P, { domain = "pbx.example", users = { bob = "secret" },
  location = sip_p.location.memory() })
proxy:on("REGISTER", sip_p.registrar())
proxy:on("INVITE", function(req)
  req:forward(proxy.location:lookup(req.uri))
end)
on_call(bob, function(call)
  call:answer { sdp = SDP }
  call:wait()
end)
spawn(function()
  local registration = got(bob:register { aor = "sip:bob@pbx.example",
    registrar = "sip:" .. P, user = "bob", password = "secret", expires = 600 })
  got(registration and registration:wait(60))
end, sip_b)
spawn(function()
  sip_a.sleep(5)
  local peer <close> = got(alice:dial("sip:bob@pbx.example",
    { sdp = SDP, timeout = 60, via = "sip:" .. P }))
  sip_a.sleep(1)
end)
]]

-- A script that wants more than there is, in this line; another goes on meanwhile.
local GREEDY = [[
errors = { "not enough memory" }
on_call(bob, function(call)
  if call.from.uri:find "greedy" then
    wanted = wanted + 1
    %s
  end
  call:answer { sdp = SDP }
  call:wait()
end)
spawn(function()
  local peer <close> = assert(alice:dial(uri, { sdp = SDP }))
  local none, e = alice:dial(uri, { sdp = SDP, from = "sip:greedy@a" })
  assert(not none and e.status == 500, e)
  sip_a.sleep(1)
  assert(peer.state == "answered")
end)
]]

-- Fail so many allocations in a row, from each place on or from a sample of them.
local function series(name, text, count, runs)
  local total, why = heap.state(text, math.maxinteger - count, count)
  assert.is_nil(why, "with all memory")
  local step = (total + runs - 1) // runs
  for n = 1, total, step do
    local _, left = heap.state(text, n, count)
    assert.is_nil(left, ("%d from allocation %d"):format(count, n))
  end
  print(("oom: a call %s: %d in a row failed, from every %s of %d allocations of Lua")
    :format(name, count, step == 1 and "one" or step .. "th", total))
end

describe("a call for which Lua has no memory,", function()
  local names = {}
  for name in pairs(calls) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    it("one " .. name .. ", leaves nothing behind", function()
      series(name, code(calls[name]), 2, RUNS)
      series(name, code(calls[name], true), 50, SPELLS)
      series(name, code(calls[name], true), 500, SPELLS)
      series(name, code(calls[name], true), 10000, SPELLS)
    end)
  end

  it("one whose blocks are kept, gives all of them back", function()
    local text = code(calls["that rings, is answered and hung up"])
    local all, no = heap.state(text, math.maxinteger - 1)
    local some, why, left = heap.state(text, math.maxinteger - 1, 1, true)
    assert.is_nil(no or why)
    assert.equal(0, left)
    assert.is_true(some < all, ("%d of %d were asked for"):format(some, all))
  end)

  for what, line in pairs {
    string = [[local text = ("x"):rep(1 << 30)]],
    table = [[local list = {}; for i = 1, math.huge do list[i] = i end]],
    ["heap of small things"] = [[local list; while true do list = { list } end]],
  } do
    it("is refused with 500 when its script wants all of it: a " .. what, function()
      for _, keeps in ipairs { false, true } do
        local _, why, left = heap.state(code(GREEDY:format(line)), math.maxinteger - 1,
          1, keeps)
        assert.is_nil(why)
        assert.equal(0, left)
      end
    end)
  end

  it("is refused with 503 while the reserve is low", function()
    local _, why = heap.state(code [[
spawn(function()
  local res, e
  repeat
    res, e = alice:request { method = "OPTIONS", uri = uri }
  until not res
  assert(e.status == 503, e)
end)]], 1, 100000)
    assert.is_nil(why)
  end)
end)

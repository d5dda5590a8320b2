-- A flood beside calls that must go on: strangers from many addresses send whatever
-- they have, FLOOD messages in all (60,000), while phones call, talk and hang up. No
-- call fails or is late, nothing is left, and memory does not grow with the flood.

local new_sim = require "sip.sim"
local rig_of = require "spec.support.rig"

local FLOOD = tonumber(os.getenv "FLOOD") or 60000
local STRANGERS, CALLS = 60, 40
local SERVER = "192.0.2.1"

local kinds = {
  function(i, from)
    return rig_of.request { method = "INVITE", sent_by = from, branch = "z9hG4bKi" .. i,
      call_id = "i" .. i, uri = "sip:x@" .. SERVER }
  end,
  function(i, from)
    return rig_of.request { method = "REGISTER", sent_by = from,
      branch = "z9hG4bKr" .. i, call_id = "r" .. i, uri = "sip:" .. SERVER }
  end,
  function(i, from)
    return rig_of.request { sent_by = from, branch = "z9hG4bKs" .. i,
      call_id = "s" .. i, extra = { "User-Agent: friendly-scanner" } }
  end,
  function(i, from)
    return rig_of.request { sent_by = from, branch = "z9hG4bKm" .. i,
      cseq = "nonsense" }
  end,
  function(i)
    return ("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;"
      .. "tag=1\r\nTo: <sip:b@b>;tag=2\r\nCall-ID: %d\r\nCSeq: 1 INVITE\r\n"
      .. "Contact: <sip:c@198.51.100.1>\r\n\r\n"):format(SERVER, i, i)
  end,
  function(i, from)
    return rig_of.request { method = "BYE", sent_by = from, branch = "z9hG4bKb" .. i,
      call_id = "b" .. i, to_tag = "guessed" .. i }
  end,
  function()
    return "\0\0\0\0"
  end,
}

-- A run with so many messages; what its world holds in the end, in bytes: phones, their
-- recordings, and whatever the flood has left.
local function run(total, judge)
  local sim <close> = new_sim { seed = 3, delay = 0.01 }
  local host = sim:host(SERVER)
  local ua = host.sip.new { listen = "udp:" .. SERVER, log = function() end,
    limits = { source_invites = 1, source_registers = 1, source_others = 1 } }
  ua:on_call(function(call)
    if call.request:header("From"):find("sip:alice@192.0.2.1", 1, true) then
      return call:reject(403) -- a stranger, who never acknowledges that
    end
    call:answer()
    call:wait(30)
  end)
  local raws = {}
  for i = 1, STRANGERS do
    local ip = ("203.0.113.%d"):format(i)
    raws[i] = { ip = ip, socket = sim:host(ip).driver:raw { host = ip, port = 5060 } }
  end
  local sent = 0
  local function flood(count)
    for _ = 1, count do
      sent = sent + 1
      local one = raws[sent % STRANGERS + 1]
      one.socket:send(SERVER, 5060, kinds[sent // STRANGERS % #kinds + 1](sent, one.ip))
    end
    for _, one in ipairs(raws) do
      one.socket:take()
    end
  end

  local answered = 0
  for i = 1, CALLS do
    flood(total // CALLS)
    sim:advance(1)
    local phone = sim:phone()
    local began = sim:now()
    local call = assert(phone:dial("sip:anybody@" .. SERVER, { timeout = 5 }))
    answered = answered + 1
    assert.is_true(sim:now() - began < 0.1, "call " .. i .. " is late")
    call:hangup()
    sim:advance(1)
  end
  assert.equal(CALLS, answered)

  assert.equal(0, ua.calls)
  judge(ua:stats())
  for _, one in ipairs(raws) do
    one.socket:close()
  end
  sim:advance(64)
  local left = host.driver:stats().bytes
  sim:assert_clean()
  return left
end

describe("a flood from many addresses", function()
  it("harms no call, and leaves nothing", function()
    local without = run(0, function(stats)
      assert.same({}, stats.offenders)
    end)
    local with = run(FLOOD, function(stats)
      assert.is_true(stats.scanners > 0 and stats.over_invites > 0)
      assert.is_true(stats.malformed > 0 and stats.over_registers > 0)
      assert.is_true(stats.stray >= FLOOD // (2 * #kinds))
      assert.equal(16, #stats.offenders)
      assert.is_true(stats.sources <= STRANGERS + CALLS)
    end)
    -- Queues and tables keep the size that they once had.
    assert.is_true(with < without + 4194304,
      ("%d bytes, and %d after the flood"):format(without, with))
  end)
end)

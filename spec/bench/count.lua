-- count.lua KIND N: a server of this folder serves N calls or phones in virtual time,
-- to the end of their last transaction. Under callgrind, which collects only while the
-- server has the processor, that gives a count of instructions that no other load and
-- no hour of the day changes; spec/bench/counted.lua takes the difference of two runs.
--
--   valgrind --tool=callgrind --collect-atstart=no --toggle-collect=sip_stack_input
--     --toggle-collect=l_driver_turn lua5.4 spec/bench/count.lua register 500

local build = os.getenv "SIP_BUILD" or "build"
package.path = "./lua/?.lua;./lua/?/init.lua;./?.lua;" .. package.path
package.cpath = ("./%s/?.so;"):format(build) .. package.cpath

local core = require "sip.core"
local sim_of = require "sip.sim"

-- On loopback, as the other benches: no source has to share there (doc/internet.md).
local SERVER, CALLER, CALLEE = "127.0.0.10", "127.0.0.1", "127.0.0.2"
local GAP = 0.001   -- seconds between two calls
local SETTLED = 64  -- seconds after which nothing is left of any

local SDP = "v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
  .. "t=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"

local function fill(text, fields)
  return (text:gsub("\n *", "\r\n"):gsub("%[(%w+)%]", fields))
end

local REGISTER = [[REGISTER sip:bench.example SIP/2.0
  Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-count-[n]-[cseq]
  From: <sip:bench[n]@bench.example>;tag=17reg[n]
  To: <sip:bench[n]@bench.example>
  Call-ID: [n]-17@127.0.0.1
  CSeq: [cseq] REGISTER
  Contact: <sip:bench[n]@127.0.0.1:5060>
  Max-Forwards: 70
  Expires: 3600
  [credentials]Content-Length: 0

]]

local INVITE = [[INVITE sip:bench@127.0.0.10:5060 SIP/2.0
  Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-count-[n]-1
  From: <sip:caller@127.0.0.1:5060>;tag=17call[n]
  To: <sip:bench@127.0.0.10:5060>
  Call-ID: [n]-17@127.0.0.1
  CSeq: 1 INVITE
  Contact: <sip:caller@127.0.0.1:5060>
  Max-Forwards: 70
  Content-Type: application/sdp
  Content-Length: [len]

]]

local OPTIONS = [[OPTIONS sip:bench@127.0.0.10:5060 SIP/2.0
  Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-count-[n]-1;rport
  From: <sip:caller@192.0.2.1:5060>;tag=17call[n]
  To: <sip:bench@127.0.0.10:5060>
  Call-ID: [n]-17@192.0.2.1
  CSeq: 1 OPTIONS
  Contact: <sip:caller@192.0.2.1:5060>
  Max-Forwards: 70
  Accept: application/sdp
  Content-Length: 0

]]

local WITHIN = [[[method] [target] SIP/2.0
  Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-count-[n]-[branch]
  [routes]From: <sip:caller@127.0.0.1:5060>;tag=17call[n]
  To: [to]
  Call-ID: [n]-17@127.0.0.1
  CSeq: [cseq] [method]
  Max-Forwards: 70
  Content-Length: 0

]]

-- The values of a header, one to a line.
local function values(bytes, name)
  return bytes:gmatch("\r\n" .. name:gsub("%-", "%%-") .. ": ([^\r]*)")
end

local function value(bytes, name)
  return (values(bytes, name)())
end

local function lines(bytes, name)
  local list = {}
  for one in values(bytes, name) do
    list[#list + 1] = name .. ": " .. one .. "\r\n"
  end
  return table.concat(list)
end

local function answer(request, status, contact)
  local body = contact and request:find "^INVITE" and status:find "^200" and SDP or ""
  return "SIP/2.0 " .. status .. "\r\n" .. lines(request, "Via")
    .. lines(request, "Record-Route")
    .. lines(request, "From") .. "To: " .. value(request, "To")
    .. (value(request, "To"):find ";tag=" and "" or ";tag=18") .. "\r\n"
    .. lines(request, "Call-ID") .. lines(request, "CSeq")
    .. (contact and "Contact: <sip:127.0.0.2:5060>\r\n" or "")
    .. (body ~= "" and "Content-Type: application/sdp\r\n" or "")
    .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

-- What came in at a raw socket.
local function each(raw, fn)
  for _, note in ipairs(raw:take()) do
    if note.what == "bytes" then
      fn(note.bytes)
    end
  end
end

local function settle(world)
  while world.sim:now() < world.till and world.sim.world:step(world.till) do
    world.turn()
  end
end

-- What a caller does with an answer to its INVITE: ACK and BYE.
local function within(response, n)
  local to, routes = value(response, "To"), {}
  for route in values(response, "Record-Route") do
    table.insert(routes, 1, "Route: " .. route .. "\r\n")
  end
  local fields = {
    n = n, to = to, target = value(response, "Contact"):match "<([^>]*)>",
    routes = table.concat(routes),
  }
  local list = {}
  for cseq, method in ipairs { "ACK", "BYE" } do
    fields.method, fields.cseq, fields.branch = method, cseq, cseq + 1
    list[cseq] = fill(WITHIN, fields)
  end
  return list
end

local kinds = {}

local function registering(count, digest)
  return function(world)
    local function credentials(response)
      local challenge = core.digest_parse(value(response, "WWW-Authenticate"))[1].params
      return "Authorization: " .. core.digest_credentials {
        username = "bench", password = "secret", realm = challenge.realm,
        nonce = challenge.nonce, uri = "sip:bench.example", method = "REGISTER",
        qop = "auth", nc = 1, cnonce = "17", algorithm = challenge.algorithm,
      } .. "\r\n"
    end
    return {
      script = { "spec/bench/registrar.lua", "udp:127.0.0.10:5060", digest },
      first = function(n)
        return fill(REGISTER, { n = n, cseq = 1, credentials = "" })
      end,
      answered = function(response)
        if response:find "^SIP/2.0 401" then
          world.caller:send(SERVER, 5060, fill(REGISTER, {
            n = value(response, "Call-ID"):match "^%d+", cseq = 2,
            credentials = credentials(response),
          }))
        else
          assert(response:find "^SIP/2.0 200", response)
          world.done = world.done + 1
        end
      end,
      count = count,
    }
  end
end

local function calling(count, script, ...)
  local argv = { script, ... }
  return function(world)
    return {
      script = argv,
      first = function(n)
        return fill(INVITE, { n = n, len = #SDP }) .. SDP
      end,
      answered = function(response)
        local cseq = value(response, "CSeq")
        if response:find "^SIP/2.0 200" and cseq:find "INVITE" then
          local n = value(response, "Call-ID"):match "^%d+"
          for _, request in ipairs(within(response, n)) do
            world.caller:send(SERVER, 5060, request)
          end
        elseif response:find "^SIP/2.0 200" then
          world.done = world.done + 1
        else
          assert(response:find "^SIP/2.0 1", response)
        end
      end,
      count = count,
    }
  end
end

-- What every endpoint answers by itself.
function kinds.options(count)
  return function(world)
    return {
      script = { "spec/bench/options.lua", "udp:127.0.0.10:5060" },
      first = function(n)
        return fill(OPTIONS, { n = n })
      end,
      answered = function(response)
        assert(response:find "^SIP/2.0 200", response)
        world.done = world.done + 1
      end,
      count = count,
    }
  end
end

function kinds.register(count)
  return registering(count)
end

function kinds.register_digest(count)
  return registering(count, "digest")
end

function kinds.proxy_call(count)
  return calling(count, "spec/bench/proxy.lua", "udp:127.0.0.10:5060",
    "sip:127.0.0.2:5060")
end

function kinds.uas_call(count)
  return calling(count, "spec/bench/uas.lua", "udp:127.0.0.10:5060")
end

-- What the callee does, behind a proxy.
local function answering(callee)
  return function(request)
    if request:find "^INVITE" then
      callee:send(SERVER, 5060, answer(request, "180 Ringing", true))
      callee:send(SERVER, 5060, answer(request, "200 OK", true))
    elseif request:find "^BYE" then
      callee:send(SERVER, 5060, answer(request, "200 OK"))
    end
  end
end

-- One source says it all here, as on the loopback interface, whose sources have no
-- bounds.
local function unbounded(sip)
  local new = sip.new
  function sip.new(options)
    options.limits = { sources = 0 }
    return new(options)
  end
end

local function run(kind, count)
  collectgarbage("incremental", 0, 12) -- as sip.run leaves it
  local sim <close> = sim_of { trace = 0 }
  local world = { sim = sim, done = 0 }
  world.caller = sim.world:host(CALLER):raw { host = CALLER }
  local callee = sim.world:host(CALLEE):raw { host = CALLEE }
  local load = kinds[kind](count)(world)
  unbounded(sim:host(SERVER).sip)
  sim:host(SERVER):load(table.unpack(load.script))
  local answer_call = answering(callee)
  function world.turn()
    each(callee, answer_call)
    each(world.caller, load.answered)
  end
  for n = 1, count do
    world.caller:send(SERVER, 5060, load.first(n))
    world.till = sim:now() + GAP
    settle(world)
  end
  world.till = sim:now() + SETTLED
  settle(world)
  assert(world.done == count and not sim.errors[1],
    ("%d of %d were served; %s"):format(world.done, count, sim.errors[1] or ""))
end

run(arg[1], math.tointeger(tonumber(arg[2])))

-- The allocator of the stack fails, at the first, the second, the third ... call, while
-- requests and responses are passed on, in transactions and without, over UDP and TCP.
-- After each failure the next request is passed on, and nothing is left.

local heap = require("sip.test").heap
local relay_of = require "spec.support.relay"
local rig_of = require "spec.support.rig"

local request = rig_of.request

-- The next hop answers everything that it hears, wherever it hears it.
local function answer_all(rig, socket)
  for _, event in ipairs(rig:take(socket)) do
    local method = event.message and event.message:method()
    if method and method ~= "ACK" then
      for _, status in ipairs(method == "INVITE" and { 180, 200, 200 } or { 200 }) do
        local bytes = rig_of.response(event.message, status)
        if socket == rig.next then
          socket:send(rig_of.OURS, 5060, bytes)
        else
          socket:write(event.id, bytes)
        end
      end
      rig:run(rig.world:now())
    end
  end
end

local function run(n, options)
  local rig = relay_of.new(options)
  local function say(fields)
    rig:say(request(fields))
    pcall(answer_all, rig, rig.next) -- what the next hop cannot read is lost
    if rig.next_stream then
      pcall(answer_all, rig, rig.next_stream)
    end
  end
  heap.fail(n)
  say { method = "INVITE", via_more = ";rport" }
  say { method = "ACK", branch = "z9hG4bKack", to_tag = "b1", body = ("x"):rep(1300) }
  say { method = "MESSAGE", branch = "z9hG4bKbig", number = 2, body = ("x"):rep(1300) }
  say { method = "CANCEL", branch = "z9hG4bKcancel" }
  local failed = heap.failed()
  heap.fail(0)
  rig:run(rig.world:now() + 700)
  for _, event in ipairs(rig.events) do -- what could not be passed on
    if event.kind == "request" then
      event.object:respond(500)
    end
  end
  rig:run(rig.world:now() + 40)
  rig:take()
  say { branch = "z9hG4bKlast", number = 9 }
  assert.same({ "200 OPTIONS" }, { (rig:heard()[1]:gsub("^%S+ ", "")) })
  rig:clean()
  return failed
end

local function used()
  collectgarbage()
  collectgarbage()
  return { heap.used() }
end

describe("passing on in short memory", function()
  local edits = { "set", "X", "y", "first", "Record-Route", "<sip:us;lr>" }
  for name, options in pairs {
    ["in transactions"] = { edits = edits, up_edits = edits },
    ["in transactions, over TCP"] = { stream = true, next_stream = true },
    ["with UDP for TCP that is refused"] = { stream = true },
    ["without state"] = { stateless = true, relay = true, edits = edits },
  } do
    it("leaves nothing behind, whichever allocation fails, " .. name, function()
      local n, before = 0, used()
      repeat
        n = n + 1
        local fine, failed = pcall(run, n, options)
        heap.fail(0)
        if not fine then
          error(("allocation %d: %s"):format(n, tostring(failed)))
        end
        assert.same(before, used(), "bytes and blocks after failure " .. n)
      until not failed
      assert.is_true(n > 20)
      print(("oom: %d allocations failed in turn, %s"):format(n - 1, name))
    end)
  end
end)

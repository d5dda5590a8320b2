-- Every message there is, of the torture, the bench and the fuzzers, by a stream: what
-- the stack says and answers is the same however the bytes come. RFC 3261 7.5, 18.3.
-- C-5, C-18, C-30.

local rig_of = require "spec.support.rig"
local torture = require "spec.support.torture"

local STEP = 41 -- bytes between two places at which a message is cut

-- What is told and answered when these pieces come, one after the other.
local function outcome(pieces)
  local rig = rig_of.new { stream = true }
  rig.on.request = function(tx)
    tx:respond(200)
  end
  local id = rig.stream:connect(rig_of.OURS, 5060)
  rig:run(0)
  for _, piece in ipairs(pieces) do
    rig.stream:write(id, piece)
    rig:run(0)
  end
  local list = {}
  for _, event in ipairs(rig.events) do
    if event.kind ~= "ended" then -- sooner or later than the next one comes
      list[#list + 1] = event.kind .. " " .. (event.message and event.message:bytes()
        or tostring(event[1]))
    end
  end
  local said = {} -- what needs no script is sooner
  for _, event in ipairs(rig:take(rig.stream)) do
    if event.bytes ~= "\r\n" then -- empty lines may be a ping (RFC 5626 4.4.1)
      said[#said + 1] = event.bytes and event.bytes:gsub("rport=%d+", "rport")
        :gsub("(\nTo: [^\r]*;tag=)%w+\r", "%1\r") or event.what
    end
  end
  table.sort(said)
  list[#list + 1] = table.concat(said)
  rig:clean()
  return list
end

local function bytes_of(text)
  local list = {}
  for i = 1, #text do
    list[i] = text:sub(i, i)
  end
  return list
end

describe("a message by a stream", function()
  local every, behind = torture.every(), rig_of.request { transport = "TCP",
    branch = "z9hG4bKbehind", call_id = "behind" }

  local function each(visit)
    for _, one in ipairs(every) do
      visit(one.name, one.bytes .. behind)
    end
  end

  -- @rfc 3261 18.3 MUST C-30
  it("is the same byte by byte", function()
    each(function(name, text)
      if #text < 3000 then
        assert.same(outcome { text }, outcome(bytes_of(text)), name)
      end
    end)
  end)

  -- @rfc 3261 18.3 MUST C-30
  it("is the same wherever it is cut", function()
    each(function(name, text)
      local whole = outcome { text }
      for at = 1, math.min(#text - 1, 1000), STEP do
        assert.same(whole, outcome { text:sub(1, at), text:sub(at + 1) }, name)
      end
    end)
  end)
end)

--- What the specs of the real wire share: a bare wire that is polled until something
--- has come, and no longer than a deadline after which nothing will.

local test = require "sip.test"

local DEADLINE = 60 -- seconds; a spec that gets there has failed

---@class spec.Wire
---@field net table      the userdata of sip.test
---@field events table[] everything that came and was not taken
local Wire = {}
local wire_mt = { __name = "spec.Wire", __index = Wire }

local M = {}

---@param limits table?
---@return spec.Wire
function M.new(limits)
  return setmetatable({ net = test.net.new(limits or {}), events = {} }, wire_mt)
end

--- Is there a ::1 on this machine?
---@return boolean
function M.has_ipv6()
  local net = test.net.new {}
  local id = net:listen("UDP", "::1", 0)
  net:close()
  return id ~= nil
end

local function matches(event, wanted)
  for key, value in pairs(wanted) do
    if event[key] ~= value then
      return false
    end
  end
  return true
end

--- Poll once, and keep what came.
---@param seconds number?
function Wire:poll(seconds)
  for _, event in ipairs(self.net:poll(seconds)) do
    self.events[#self.events + 1] = event
  end
end

--- The first event with these fields, taken out; polls until it is there.
---@param wanted table
---@return table
function Wire:expect(wanted)
  local ends = self.net:now() + DEADLINE
  while true do
    for i, event in ipairs(self.events) do
      if matches(event, wanted) then
        return table.remove(self.events, i)
      end
    end
    local left = ends - self.net:now()
    if left <= 0 then
      local seen = {}
      for i, event in ipairs(self.events) do
        seen[i] = event.kind .. " " .. tostring(event.why or event.from)
      end
      error(("no %s came; but: %s"):format(wanted.kind, table.concat(seen, ", ")), 2)
    end
    self:poll(left)
  end
end

--- All the bytes of one connection, until there are so many.
---@param id integer
---@param len integer
---@return string
function Wire:expect_bytes(id, len)
  local got, have = {}, 0
  while have < len do
    local event = self:expect { kind = "bytes", id = id }
    got[#got + 1] = event.bytes
    have = have + #event.bytes
  end
  return table.concat(got)
end

--- A connection from us to a listener of ours: both ends.
---@param port integer
---@param host string?
---@return integer ours
---@return integer theirs
---@return table opened  the listener's event
function Wire:connect(port, host)
  local ours = assert(self.net:open("TCP", host or "127.0.0.1", port))
  self:expect { kind = "opened", id = ours }
  local opened = self:expect { kind = "opened" }
  return ours, opened.id, opened
end

--- Close everything; every byte must have been given back.
function Wire:close()
  assert(self.net:close() == 0, "the loop has kept memory")
end

return M

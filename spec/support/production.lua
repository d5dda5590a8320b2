--- The facade on the loop of production, and what its log has said.

local core = require "sip.core"
local facade = require "sip"

local assert = require "luassert"

local M = {}

---@class spec.Production
---@field loop sip.Loop
---@field sip sip.Facade
---@field warned string[]  what the log has warned of
---@field errors string[]  of scripts, with their tracebacks
local Production = {}
local production_mt = { __index = Production }

---@return spec.Production
function M.new()
  local warned, errors = {}, {}
  local loop = core.loop()
  local function log(level, text, fields)
    if level == "warn" then
      warned[#warned + 1] = text
    elseif level == "error" then
      errors[#errors + 1] = text .. ": " .. tostring(fields and fields.traceback)
    end
  end
  return setmetatable({ loop = loop, sip = facade.with { driver = loop, log = log },
    warned = warned, errors = errors }, production_mt)
end

--- Ends it; no script may have failed.
function Production:close()
  self.loop:close()
  assert.same({}, self.errors)
end

--- In a script: until this is so, or a minute.
---@param ready fun(): any
function Production:wait_for(ready)
  local ends = self.loop:now() + 60
  while not ready() and self.loop:now() < ends do
    self.sip.sleep(0.005)
  end
end

--- The port of its first listener.
---@param ua sip.Endpoint
---@return integer
function M.port(ua)
  return tonumber(ua.listening[1]:match ":(%d+)$") --[[@as integer]]
end

return M

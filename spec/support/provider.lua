--- An endpoint that registers, and registrars played by the spec.

local net_of = require "spec.support.net"

local assert = require "luassert"

local M = { OURS = "192.0.2.1", REGISTRAR = "192.0.2.9", AOR = "sip:2001@192.0.2.9" }

---@class spec.Registering
---@field net spec.Net
---@field ua sip.Endpoint
---@field sip table
---@field errors string[]  what scripts are expected to fail with
local Registering = {}
local registering_mt = { __index = Registering }

---@param options? table  of the network
---@return spec.Registering
function M.new(options)
  local self = setmetatable({ net = net_of.new(options), errors = {} }, registering_mt)
  self.ua, self.sip = self.net:endpoint(M.OURS)
  return self
end

--- A registrar that answers the n-th REGISTER with what `answer(n, req)` gives: a
--- status and headers; 200 with what was asked for when it gives nothing, and nothing
--- at all for false. `seen` has what came, without repetitions.
---@param answer? fun(n: integer, req: sip.Message): (integer|false)?, string[]?
---@param ip? string
function Registering:registrar(answer, ip)
  local server = { seen = {}, at = {} }
  local copies = {}
  server.stranger = self.net:stranger(ip or M.REGISTRAR, { request = function(tx, req)
    local seen = server.seen
    assert.equal("REGISTER", req:method())
    assert.is_nil(copies[req:branch()])
    copies[req:branch()] = true
    seen[#seen + 1] = req
    server.at[#server.at + 1] = self.net.world:now()
    local status, headers
    if answer then
      status, headers = answer(#seen, req)
    end
    if status ~= false then
      tx:respond(status or 200, { headers = headers
        or { "Contact", req:header "Contact" } })
    end
  end })
  return server
end

--- A registration of the endpoint.
---@param options? table
---@return sip.Registration
function Registering:register(options)
  local all = { aor = M.AOR }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  return assert(self.ua:register(all))
end

--- Run a function in a task; its `values`, and when it was done, as they come.
function Registering:spawn(fn, ...)
  local results = {}
  self.sip.spawn(function(...)
    results.values = table.pack(fn(...))
    results.at = self.sip.now()
  end, ...)
  return results
end

--- End it: nothing may be left.
function Registering:clean()
  self.net.world:link { loss = 0, delay = 0 }
  self.net:clean()
  assert.same(self.errors, self.net.errors)
  assert.same({}, self.ua.registrations)
end

return M

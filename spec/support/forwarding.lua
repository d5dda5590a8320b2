--- A proxy between a client and servers that do as they are told, in virtual time: for
-- specs of what is forwarded.

local net_of = require "spec.support.net"

local assert = require "luassert"

local M = {
  PROXY = "192.0.2.10",
  CLIENT = "192.0.2.1",
  ONE = "192.0.2.21",
  TWO = "192.0.2.22",
  THREE = "192.0.2.23",
  NOBODY = "198.51.100.99", -- an address where nobody is
  AOR = "sip:bob@example.org",
}

---@class spec.Forwarding
---@field net spec.Net
---@field proxy sip.Endpoint
---@field client table       a stranger
---@field servers table<string, table>
---@field outcome? table     what the last `forward` of `forward_to` gave
local Forwarding = {}
local forwarding_mt = { __index = Forwarding }

--- The URI of bob at a server.
function M.at(ip)
  return "sip:bob@" .. ip
end

--- What one can do as functions: of whichever there is when they are called.
---@param rig fun(): spec.Forwarding
---@param ... string  the names of its methods
---@return function ...
function M.verbs(rig, ...)
  local list = { ... }
  for i, name in ipairs(list) do
    list[i] = function(...)
      return rig()[name](rig(), ...)
    end
  end
  return table.unpack(list)
end

---@param options? table  of the proxy
---@return spec.Forwarding
function M.new(options)
  local net = net_of.new { delay = 0.01 }
  local self = setmetatable({ net = net, servers = {}, due = {} }, forwarding_mt)
  options = options or { domain = "example.org" }
  self.proxy = net:endpoint(M.PROXY, options)
  self.client = net:stranger(M.CLIENT)
  for _, ip in ipairs { M.ONE, M.TWO, M.THREE } do
    self.servers[ip] = net:stranger(ip)
  end
  return self
end

--- Requests outside of dialogs are forwarded there; `before` sees them first.
function Forwarding:forward_to(targets, options, before)
  self.proxy:on("*", function(req)
    if before then
      before(req)
    end
    self.outcome = table.pack(req:forward(targets, options))
  end)
end

--- A request of the client, as one would be sent through a proxy.
function Forwarding:send(fields)
  fields = fields or {}
  fields.method = fields.method or "INVITE"
  fields.uri = fields.uri or M.AOR
  fields.to = fields.to or "<" .. M.AOR .. ">"
  return self.client.request(M.PROXY, fields)
end

--- A server answers after so many seconds, with a status or { status, tag, headers }.
function Forwarding:later(ip, after, tx, answer)
  table.insert(self.due, { at = self.net.world:now() + after, ip = ip, tx = tx,
    answer = type(answer) == "table" and answer or { answer } })
end

--- It answers each request so: seconds, answer, seconds, answer ...
function Forwarding:answers(ip, ...)
  local script = table.pack(...)
  self.servers[ip].on.request = function(tx)
    for i = 1, script.n, 2 do
      self:later(ip, script[i], tx, script[i + 1])
    end
  end
end

--- What it does when its INVITE is cancelled.
function Forwarding:gives_up(ip, after)
  self.servers[ip].on.cancel = function(tx)
    self:later(ip, after or 0, tx, 487)
  end
end

--- Let time pass, up to an instant.
function Forwarding:run(till)
  local due, world = self.due, self.net.world
  while true do
    table.sort(due, function(x, y)
      return x.at < y.at
    end)
    local item = due[1]
    if not world:step(item and math.min(item.at, till) or till) then
      if not item or item.at > till then
        return
      end
      table.remove(due, 1)
      item.tx:respond(item.answer[1], {
        tag = item.answer.tag,
        headers = item.answer.headers or { "Contact", "<" .. M.at(item.ip) .. ">" },
        record_route = true,
      })
    end
  end
end

--- The requests that a server got: all, or those of a method.
function Forwarding:requests(ip, method)
  local list = {}
  for _, event in ipairs(self.servers[ip].got) do
    if (event.kind == "request" or event.kind == "cancel" or event.kind == "ack")
      and (not method or event.message:method() == method) then
      list[#list + 1] = event.message
    end
  end
  return list
end

--- What the client got.
function Forwarding:statuses()
  return self.client.statuses()
end

---@return sip.Message
function Forwarding:last_response()
  return (self.client.last "response")
end

--- Everything has ended, and nothing of it is left.
function Forwarding:finish()
  local net, proxy = self.net, self.proxy
  net:run(net.world:now() + 1000)
  assert.same({}, net.errors)
  local stats = proxy.stack:stats()
  if stats then
    assert.same({ 0, 0 }, { stats.transactions, stats.timers })
  end
  assert.same({ 0, 0, 0 }, { proxy.pending, proxy.calls, proxy.sched.armed })
  assert.is_nil(next(proxy.servers))
  assert.is_nil(next(proxy.clients))
  assert.is_nil(next(proxy.queries))
  net.world:close()
end

return M

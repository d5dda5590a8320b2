--- The end of an endpoint: nothing new is begun, what there is ends in order, and after
--- a while the stack is closed.

local registration = require "sip.app.registration"

---@class sip.Endpoint
local Endpoint = {}

--- Something has ended: whoever waits for the end of everything may be done.
---@private
function Endpoint:settled()
  if self.state == "closing" and self:idle() then
    self.quiet:notify(true)
  end
end

--- Whether nothing new is begun: it gets 503.
---@return boolean
---@private
function Endpoint:refuses()
  return self.state ~= "open" or self.runtime:is_short()
end

--- Whether nothing is under way: no call, no request without its answer, no
--- recording that is not yet a file.
---@return boolean
---@private
function Endpoint:idle()
  return self.calls == 0 and self.pending == 0 and self.sounds == 0
end

--- Refuse what comes in, hang up and unregister what there is. Never waits.
---@private
function Endpoint:refuse_all()
  if self.state ~= "open" then
    return
  end
  self.state = "closing"
  self.quiet = self.sched:event()
  self.lingers = self.calls > 0
  local list = {}
  for call in pairs(self.call_set) do
    list[#list + 1] = call
  end
  table.sort(list, function(a, b)
    return a.id < b.id
  end)
  for _, call in ipairs(list) do
    call:hangup()
  end
  registration.retire_all(self)
end

--- End the endpoint: calls are hung up, registrations removed, and after at most
--- `limits.drain` seconds it listens no more. Inside a script it waits for that.
function Endpoint:close()
  if self.state == "closed" then
    return
  end
  self:refuse_all()
  self.runtime:drain(self)
  self:shut()
end

local function in_order(set, key)
  local list = {}
  for name, value in pairs(set) do
    list[#list + 1] = { key = key and key(name) or name, name = name, value = value }
  end
  table.sort(list, function(a, b)
    return a.key < b.key
  end)
  return list
end

--- Close the stack, at once. Who still waits for an answer is told.
---@private
function Endpoint:shut()
  if self.state == "closed" then
    return
  end
  local by_id = function(tx)
    return tx:id()
  end
  for _, item in ipairs(in_order(self.servers, by_id)) do
    if item.value.abandon then
      item.value:abandon()
    end
  end
  self.state = "closed"
  self.stack:close()
  local clients, queries, servers = self.clients, self.queries, self.servers
  self.clients, self.servers, self.queries = {}, {}, {}
  for _, item in ipairs(in_order(servers, by_id)) do
    if item.value.scope then
      item.value.scope:cancel "closed"
    end
  end
  for _, item in ipairs(in_order(queries)) do
    item.value:give_up(item.name)
  end
  for _, item in ipairs(in_order(clients, by_id)) do
    item.value:failed(item.name, "wire", "the endpoint is closed")
    item.value:ended(item.name)
  end
  registration.end_all(self)
  self.runtime:left(self)
end

return Endpoint

--- A rig whose stack passes on what it hears, by its primitives alone: requests of
--- the peer (192.0.2.1) go to a second raw socket, the next hop (192.0.2.9), responses
--- back.

local rig_of = require "spec.support.rig"

local M = { NEXT = "192.0.2.9" }

--- Requests in transactions of their own, an ACK to a 2xx without one.
---@param options? table  of the rig; `edits`, `up_edits`, `tail`, `uri`, `by`, `port`:
---  of what is forwarded; `stateless`: without transactions; `next_stream`: the next
---  hop listens on TCP
function M.new(options)
  options = options or {}
  local rig = rig_of.new(options)
  rig.next = rig.far:raw { host = M.NEXT, port = 5060 }
  if options.next_stream then
    rig.next_stream = rig.far:raw { transport = "tcp", host = M.NEXT, port = 5060 }
  end
  rig.refused = {}
  local server_of, client_of = {}, {}

  local function spec(message, more)
    local all = { message = message, uri = options.uri, edits = options.edits,
      tail = options.tail, transport = options.by, host = M.NEXT, port = options.port }
    for key, value in pairs(more or {}) do
      all[key] = value
    end
    return all
  end

  local function note(ok, name, why)
    if not ok then
      rig.refused[#rig.refused + 1] = name .. ": " .. tostring(why)
    end
    return ok
  end

  local function pass(message)
    local branch = assert(rig.stack:stateless_branch(message))
    return note(rig.stack:pass(spec(message, { branch = branch })))
  end

  function rig.on.request(tx, message)
    rig.sources = { message:source() }
    rig.sources[4] = nil -- the socket, by the world's count
    if options.stateless then
      return pass(message) and note(tx:drop())
    end
    local client = note(rig.stack:forward(spec(message)))
    if client then
      server_of[client:id()], client_of[tx:id()] = tx, client
    end
  end

  function rig.on.cancel(tx)
    local client = client_of[tx:id()]
    if client then
      note(client:cancel())
    end
  end

  function rig.on.ack(_, message)
    if options.stateless then
      return pass(message)
    end
    note(rig.stack:pass(spec(message, { branch = "z9hG4bK" .. rig.stack:seal "ack" })))
  end

  function rig.on.response(tx, message)
    local server = server_of[tx:id()]
    if server then
      note(server:forward(message, options.up_edits))
    end
  end

  --- The next hop answers the last request that it has heard of this method.
  function rig.answer(request, status, fields)
    assert(rig.next:send(rig_of.OURS, 5060, rig_of.response(request, status, fields)))
    rig:run(rig.world:now())
  end

  return rig
end

return M

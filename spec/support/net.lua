--- A simulated network for specs: endpoints with scripts, strangers that do as they
--- are told, and the flow of messages between them with its instants.

local core = require "sip.core"
local facade = require "sip"
local trace_of = require "sip.rt.trace"

local assert = require "luassert"

local M = {}

---@class spec.Net
---@field world any
---@field trace sip.Trace
---@field errors string[]   what scripts failed with
local Net = {}
local net_mt = { __index = Net }

--- A session description that says nothing in particular.
M.SDP = table.concat({
  "v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0",
  "m=audio 4000 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "" }, "\r\n")

---@param options? { seed?: integer, delay?: number, loss?: number }  of links
function M.new(options)
  options = options or {}
  local self = setmetatable({
    world = core.world { seed = options.seed or 1 },
    trace = trace_of.new { bound = 100000 },
    errors = {},
    facades = {},
    endpoints = {},
    strangers = {},
  }, net_mt)
  self.world:link {
    delay = options.delay or 0, loss = options.loss or 0,
    duplicate = options.duplicate or 0, reorder = options.reorder or 0,
  }
  return self
end

--- The facade of a host; the first time it may be given more addresses.
function Net:sip(ip, ...)
  local sip = self.facades[ip]
  if not sip then
    sip = facade.with {
      driver = self.world:host(ip, ...),
      name = ip,
      trace = self.trace,
      log = function(level, text, fields)
        if level == "error" then
          self.errors[#self.errors + 1] = text .. ": " .. tostring(fields.traceback)
        end
      end,
    }
    self.facades[ip] = sip
    self.facades[#self.facades + 1] = sip
  end
  return sip
end

--- An endpoint at a host, traced.
function Net:endpoint(ip, options)
  local sip = self:sip(ip)
  local all = { listen = { "udp:" .. ip .. ":5060", "tcp:" .. ip .. ":5060" } }
  all.trace = true
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  local ua = sip.new(all)
  self.endpoints[#self.endpoints + 1] = ua
  return ua, sip
end

--- An endpoint with a certificate, at TLS and UDP.
function Net:certified(ip, options)
  local all = { listen = { "tls:" .. ip, "udp:" .. ip },
    tls = { cert = "cert.pem", key = "key.pem" } }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  return self:endpoint(ip, all)
end

--- Someone who speaks SIP message by message. `on` is told of what comes, as
--- `on.request(tx, req)` and so on; what has no handler is noted in `got`.
---@param ip string
---@param on? table<string, function>
---@param options? table  of its stack: `trying`
function Net:stranger(ip, on, options)
  local stranger = { ip = ip, on = on or {}, got = {}, driver = self.world:host(ip) }
  stranger.driver:set_dispatch(function() end)
  stranger.stack = stranger.driver:stack {
    watch = true,
    trying = options and options.trying,
    dispatch = function(kind, object, message, ...)
      if kind == "message" then
        local sent, _, own, remote, bytes = ...
        if sent then
          self.trace:message {
            at = self.world:now(), from = own, to = remote, text = bytes,
            call_id = bytes:match "Call%-ID: ([^\r]+)",
            cseq = bytes:match "CSeq: ([^\r]+)",
          }
        end
        return
      end
      local handler = stranger.on[kind]
      if message then
        message:keep()
      end
      stranger.got[#stranger.got + 1] = { kind = kind, object = object,
        message = message, at = self.world:now(), ... }
      if handler then
        handler(object, message, ...)
      end
    end,
  }
  assert(stranger.stack:listen { transport = "udp", host = ip, port = 5060 })
  self.strangers[#self.strangers + 1] = stranger
  --- Send a request to a host; `fields.headers` come after the usual ones.
  function stranger.request(to, fields)
    local headers = {
      "From", fields.from or ("<sip:stranger@" .. ip .. ">;tag=s1"),
      "To", fields.to or ("<sip:someone@" .. to .. ">"),
      "Call-ID", fields.call_id or "stranger-call",
      "CSeq", (fields.cseq or 1) .. " " .. fields.method,
      "Contact", "<sip:" .. ip .. ">",
    }
    table.move(fields.headers or {}, 1, #(fields.headers or {}), #headers + 1, headers)
    if fields.body then
      headers[#headers + 1] = "Content-Type"
      headers[#headers + 1] = fields.content_type or "application/sdp"
    end
    return assert(stranger.stack[fields.send and "send" or "request"](stranger.stack, {
      method = fields.method,
      uri = fields.uri or ("sip:someone@" .. to),
      headers = headers,
      body = fields.body,
      transport = "udp",
      host = to,
      port = 5060,
    }))
  end
  --- Send any bytes, from its port.
  function stranger.bytes(to, text)
    stranger.driver:datagram(ip, 5060, to, 5060, text)
  end
  --- Send a response to a request as a fork of its own would, past the transaction.
  function stranger.fork(req, status, tag, body)
    local text = { ("SIP/2.0 %d Fork\r\n"):format(status) }
    for _, name in ipairs { "Via", "From", "Call-ID", "CSeq" } do
      for _, value in ipairs(req:values(name)) do
        text[#text + 1] = name .. ": " .. value .. "\r\n"
      end
    end
    text[#text + 1] = ("To: %s;tag=%s\r\nContact: <sip:%s@%s>\r\n"):format(
      req:header "To", tag, tag, ip)
    body = body or ""
    text[#text + 1] = "Content-Type: application/sdp\r\n"
    text[#text + 1] = ("Content-Length: %d\r\n\r\n%s"):format(#body, body)
    stranger.bytes(req:via(1).host, table.concat(text))
  end
  --- The responses it got.
  function stranger.statuses()
    local list = {}
    for _, event in ipairs(stranger.got) do
      if event.kind == "response" then
        list[#list + 1] = event.message:status()
      end
    end
    return list
  end
  function stranger.last(kind)
    for i = #stranger.got, 1, -1 do
      if stranger.got[i].kind == kind then
        return stranger.got[i].message, stranger.got[i].object
      end
    end
  end
  return stranger
end

--- Let time pass up to an instant, or until nothing is armed.
function Net:run(till)
  local steps = 0
  while self.world:step(till) do
    steps = steps + 1
    assert(steps < 2000000, "the world does not come to rest")
  end
end

--- Run a script of a facade, and let time pass for 200 s.
---@return any ...  what it returned
function Net:script(sip, script, ...)
  local results
  sip.spawn(function(...)
    results = table.pack(script(...))
  end, ...)
  self:run(self.world:now() + 200)
  return table.unpack(results, 1, results.n)
end

--- Do something at an instant: the world is run up to it first.
function Net:at(instant, fn, ...)
  self:run(instant)
  return fn(...)
end

--- What went over the wire, as "0.500 192.0.2.1 INVITE" by its sender; of one host
--- or of all, without the bodies and without 100.
function Net:flow(ip)
  local list = {}
  for _, record in ipairs(self.trace:list()) do
    if record.kind == "message" then
      local from = record.from:match "^(.*):%d+$"
      local line = record.text:match "^[^\r\n]*"
      local method = record.cseq and record.cseq:match "%a+$"
      local what = line:match "^SIP/2.0 (%d+)"
      what = what and what .. " " .. method or line:match "^%a+"
      if (not ip or ip == from) and not what:find "^100" then
        list[#list + 1] = ("%.3f %s %s"):format(record.at, from, what)
      end
    end
  end
  return list
end

--- End what is left, let everything expire, and count: nothing may be alive.
function Net:clean()
  for _, ua in ipairs(self.endpoints) do
    ua:refuse_all()
  end
  self:run(self.world:now() + 200)
  for _, ua in ipairs(self.endpoints) do
    assert.same({ 0, 0, 0, 0, true }, {
      ua.calls, ua.pending, ua.invites, ua.dialogs.count, next(ua.clients) == nil,
    }, tostring(ua))
    assert.is_nil(next(ua.servers), "a server transaction is still kept")
    assert.is_nil(next(ua.queries), "a query is still kept")
    ua:shut()
  end
  for _, sip in ipairs(self.facades) do
    local sched = sip.runtime.sched
    assert.same({ 0, 0 }, { sched.live, sched.armed }, tostring(sched))
    assert.is_nil(next(sip.runtime.sessions), "a media session is still kept")
  end
  for _, stranger in ipairs(self.strangers) do
    stranger.stack:close()
  end
  self:run(self.world:now() + 10)
  local pending = self.world:pending()
  self.world:close()
  assert.equal(0, pending)
end

return M

--- What an endpoint hands to the trace: the messages that pass, and the verbs of
--- its calls.

local trace_of = require "sip.rt.trace"

local M = {}

---@class sip.Tracer
---@field trace sip.Trace
---@field private ua sip.Endpoint
---@field private shared boolean
---@field private columns table<string, string>  by IP address of ours
local Tracer = {}
local tracer_mt = { __name = "sip.Tracer", __index = Tracer }

--- A tracer of an endpoint.
---@param ua sip.Endpoint
---@param shared? sip.Trace  one that other endpoints write to as well
---@param bound? integer     how many records are kept
---@return sip.Tracer
---@private
function M.new(ua, shared, bound)
  return setmetatable({
    ua = ua,
    shared = shared ~= nil,
    columns = {},
    trace = shared or trace_of.new { bound = bound, origin = ua.sched:now() },
  }, tracer_mt)
end

local function header(bytes, long, short)
  return bytes:match("\r\n" .. long .. "[ \t]*:[ \t]*([^\r\n]+)")
    or short and bytes:match("\r\n" .. short .. "[ \t]*:[ \t]*([^\r\n]+)")
end

-- What scripts do stands in the column of our address, though they began before it
-- was known; all our ports at one address are one column.
---@private
function Tracer:place(own)
  local ip = own:match "^(.*):%d+$"
  if not self.here and not self.shared then
    self.trace:name(self:listening(), own)
  end
  self.here = own
  if not self.shared then
    self.columns[ip] = self.columns[ip] or own
    self.trace:name(own, self.columns[ip])
  end
end

-- Where we listen, as long as nothing better is known.
---@private
function Tracer:listening()
  return self.ua.listening[1]:match "^%a+:(.*)$"
end

--- A message has passed (called by the stack's dispatch). Where several endpoints
--- share a trace, the sender's word is enough.
---@private
function Tracer:message(sent, _, own, remote, bytes)
  self:place(own)
  if self.shared and not sent then
    return
  end
  self.trace:message {
    at = self.ua.sched:now(),
    from = sent and own or remote,
    to = sent and remote or own,
    text = bytes,
    call_id = header(bytes, "[Cc][Aa][Ll][Ll]%-[Ii][Dd]", "i"),
    cseq = header(bytes, "[Cc][Ss][Ee][Qq]"),
  }
end

--- Why the last message is not answered.
---@private
function Tracer:note(text, own)
  self:place(own)
  self.trace:note { at = self.ua.sched:now(), from = own, text = text }
end

--- A verb of a script, or a digit.
---@param call sip.Call
---@param text string
---@private
function Tracer:verb(call, text)
  local kind = text:match "^digit" and "digit" or "verb"
  self.trace[kind](self.trace, {
    at = self.ua.sched:now(),
    from = self.here or self:listening(),
    text = text,
    call_id = call.id,
  })
end

--- The ladder so far.
---@return string
---@private
function Tracer:text()
  return self.trace:text()
end

return M

--- The recorder: what went over the wire and what scripts did meanwhile, the
--- last so many of it. Shown as a ladder, as text or SVG, or saved as a capture.
--- Records keep texts as they were; credentials are masked on the way out.

local ladder = require "sip.rt.ladder"
local mask = require "sip.rt.mask"
local pcap = require "sip.rt.pcap"
local queue = require "sip.rt.queue"

local M = {}

---@class sip.TraceRecord
---@field at number        seconds, on the driver's clock
---@field kind "message"|"verb"|"digit"|"note"
---@field from string      an address; of what is no message, where it happened
---@field to? string       the other address of a message
---@field text string      the message, or its first line; or the words to show
---@field call_id? string
---@field cseq? string     number and method
---@field retransmission? boolean  as the sender knows it; else found by comparing

---@class sip.TraceFilter
---@field call_id? string  only that call's records, and those of no call

---@class sip.Trace
---@field origin number    the instant that is shown as 0
---@field dropped integer  records that had to make room
---@field private records sip.Queue
---@field private labels table<string, string>
local Trace = {}
local trace_mt = { __name = "sip.Trace", __index = Trace }

local defaults = { bound = 1000, origin = 0 }

--- An empty trace.
---@param options? { bound?: integer, origin?: number }  how many records are kept
---@return sip.Trace
function M.new(options)
  options = options or {}
  for key in pairs(options) do
    if defaults[key] == nil then
      error(("unknown option %q"):format(tostring(key)), 2)
    end
  end
  return setmetatable({
    origin = options.origin or defaults.origin,
    records = queue.new(options.bound or defaults.bound),
    labels = {},
    dropped = 0,
  }, trace_mt)
end

function trace_mt:__len()
  return #self.records
end

function trace_mt:__tostring()
  return ("sip.Trace{%d records; %d dropped}"):format(#self.records, self.dropped)
end

local function add(self, kind, record)
  record.kind = kind
  if self.records:force(record) then
    self.dropped = self.dropped + 1
  end
end

--- Record a message. The table becomes the record: do not use it again.
---@param record sip.TraceRecord  at, from, to, text; call_id, cseq, retransmission
function Trace:message(record)
  assert(record.at and record.from and record.to and record.text,
    "a message wants at, from, to and text")
  add(self, "message", record)
end

local function words(self, kind, record)
  assert(record.at and record.from and record.text,
    "a " .. kind .. " wants at, from and text")
  add(self, kind, record)
end

--- Record a verb of a script. The table becomes the record.
---@param record sip.TraceRecord  at, from, text; call_id
function Trace:verb(record)
  words(self, "verb", record)
end

--- Record a digit pressed. The table becomes the record.
---@param record sip.TraceRecord  at, from, text; call_id
function Trace:digit(record)
  words(self, "digit", record)
end

--- Record a remark. The table becomes the record.
---@param record sip.TraceRecord  at, from, text; call_id
function Trace:note(record)
  words(self, "note", record)
end

--- Show an address under a name. Addresses of one name share a column.
---@param address string
---@param label string
function Trace:name(address, label)
  self.labels[address] = label
end

--- Forget what was recorded; names stay.
function Trace:clear()
  self.records:clear()
  self.dropped = 0
end

-- What a record is told from another by: a repetition has the same.
local function identity(record)
  return table.concat({ record.from, record.to, record.text }, "\0")
end

--- The records as they may be shown: copies, oldest first, masked, times counted
--- from the origin, repetitions marked.
---@param filter? sip.TraceFilter
---@return sip.TraceRecord[]
function Trace:list(filter)
  local wanted, seen, list = filter and filter.call_id, {}, {}
  for record in self.records:each() do
    local again = record.retransmission
    if record.kind == "message" then
      local id = identity(record)
      if again == nil then
        again = seen[id] or false
      end
      seen[id] = true
    end
    if not wanted or not record.call_id or record.call_id == wanted then
      list[#list + 1] = {
        at = record.at - self.origin,
        kind = record.kind,
        from = record.from,
        to = record.to,
        text = mask.text(record.text),
        call_id = record.call_id,
        cseq = record.cseq,
        retransmission = again,
      }
    end
  end
  return list
end

--- The ladder as text: a column for each host, a line for each record.
---@param filter? sip.TraceFilter
---@return string
function Trace:text(filter)
  return ladder.text(ladder.layout(self:list(filter), self.labels))
end

--- The ladder as a picture.
---@param filter? sip.TraceFilter
---@return string
function Trace:svg(filter)
  return ladder.svg(ladder.layout(self:list(filter), self.labels))
end

--- The messages as a capture file (libpcap), each in an IP and a UDP header made
--- up for it, whatever they came by.
---@param filter? sip.TraceFilter
---@return string bytes
function Trace:pcap(filter)
  return pcap.file(self:list(filter))
end

return M

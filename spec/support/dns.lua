--- A name server of a few lines, on sockets of the spec: answers what it is told to,
--- or lies, or keeps silent.

local M = {}

local TYPES = { [1] = "A", [5] = "CNAME", [6] = "SOA", [28] = "AAAA", [33] = "SRV",
  [35] = "NAPTR" }
local NUMBERS = {}
for number, name in pairs(TYPES) do
  NUMBERS[name] = number
end

---@param query string
---@return string id
---@return string name    in lower case
---@return string? type
---@return string question
function M.read(query)
  local labels, at = {}, 13
  while true do
    local label = string.unpack("s1", query, at)
    at = at + 1 + #label
    if label == "" then
      break
    end
    labels[#labels + 1] = label
  end
  local qtype = string.unpack(">I2", query, at)
  return query:sub(1, 2), table.concat(labels, "."):lower(), TYPES[qtype],
    query:sub(13, at + 3)
end

local function address(text)
  local bytes = {}
  for n in text:gmatch "%d+" do
    bytes[#bytes + 1] = string.char(tonumber(n))
  end
  return table.concat(bytes)
end

local function address6(text)
  local head, tail = text:match "^(.-)::(.*)$"
  local function words(part)
    local out = {}
    for word in part:gmatch "%x+" do
      out[#out + 1] = string.pack(">I2", tonumber(word, 16))
    end
    return table.concat(out)
  end
  head, tail = words(head), words(tail)
  return head .. ("\0"):rep(16 - #head - #tail) .. tail
end

--- A name as it is written, uncompressed.
---@param name string
---@return string
function M.name(name)
  local out = {}
  for label in name:gmatch "[^.]+" do
    out[#out + 1] = string.pack("s1", label)
  end
  return table.concat(out) .. "\0"
end

local data = {}
function data.A(r) return address(r.host) end
function data.AAAA(r) return address6(r.host) end
function data.CNAME(r) return M.name(r.target) end
function data.SRV(r)
  return string.pack(">I2I2I2", r.priority or 0, r.weight or 0, r.port or 5060)
    .. M.name(r.target)
end
function data.NAPTR(r)
  return string.pack(">I2I2s1s1s1", r.order or 0, r.preference or 0, r.flags or "s",
    r.service, r.regexp or "") .. M.name(r.target)
end
function data.SOA(r)
  return M.name "ns" .. M.name "root" .. string.pack(">I4I4I4I4I4", 1, 2, 3, 4, r.least)
end

local function write(record, owner)
  return (record.name and M.name(record.name) or owner)
    .. string.pack(">I2I2I4s2", NUMBERS[record.type], 1, record.ttl or 60,
      record.raw or data[record.type](record))
end

--- A reply to a query, of any records; they are of the name that was asked for when
--- they name none.
---@param query string
---@param answers table[]
---@param options { rcode?: integer, soa?: table, cut?: boolean, id?: string,
---   question?: string }?  cut: it says that it does not fit (TC), and holds nothing
---@return string
function M.reply(query, answers, options)
  options = options or {}
  local id, _, _, question = M.read(query)
  if options.cut then
    answers = {}
  end
  local out = {
    options.id or id,
    string.pack(">I2I2I2I2I2", 0x8180 + (options.rcode or 0)
      + (options.cut and 0x200 or 0), 1, #answers, options.soa and 1 or 0, 0),
    options.question or question,
  }
  for _, record in ipairs(answers) do
    out[#out + 1] = write(record, "\xC0\x0C")
  end
  if options.soa then
    out[#out + 1] = write(options.soa, "\xC0\x0C")
  end
  return table.concat(out)
end

--- The answer to a query: `hosts` are the addresses, `rcode` 3 says no such name.
---@param query string
---@param hosts string[]
---@param options { rcode: integer?, ttl: integer? }?
---@return string
function M.answer(query, hosts, options)
  local id, _, qtype, question = M.read(query)
  local rcode, ttl = options and options.rcode or 0, options and options.ttl or 60
  local out = { id, string.pack(">I2I2I2I2I2", 0x8180 + rcode, 1, #hosts, 0, 0),
    question }
  for _, host in ipairs(hosts) do
    out[#out + 1] = write({ type = qtype, host = host, ttl = ttl }, "\xC0\x0C")
  end
  return table.concat(out)
end

return M

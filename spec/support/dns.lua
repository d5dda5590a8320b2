--- A name server of a few lines, on a datagram socket of the spec: answers A and AAAA
--- from a table, or lies, or keeps silent.

local M = {}

local TYPES = { [1] = "A", [28] = "AAAA" }

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
    local data = qtype == "A" and address(host) or address6(host)
    out[#out + 1] = string.pack(">I2I2I2I4s2", 0xC00C, qtype == "A" and 1 or 28, 1, ttl,
      data)
  end
  return table.concat(out)
end

return M

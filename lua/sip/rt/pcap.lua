--- Messages as a capture file that every analyser opens (libpcap, link type 101:
--- raw IP). The IP and UDP headers are made up; what does not fit into a datagram
--- is cut, and the record says how long it was.

local M = {}

local UDP = 17
local TTL = 64
local PAYLOAD_MAX = 65535 - 40 - 8

-- "192.0.2.1:5060" and "[2001:db8::1]:5060", the port at will.
local function split(address)
  local host, port = address:match "^%[([^%]]*)%]:?(%d*)$"
  if not host then
    host, port = address:match "^([^:]*):?(%d*)$"
  end
  return host or address, tonumber(port) or 0
end

---@return string? four
local function v4(host)
  local a, b, c, d = host:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  if a and math.max(a + 0, b + 0, c + 0, d + 0) <= 255 then
    return string.char(a, b, c, d)
  end
end

-- Groups of four hexadecimal digits; the last may be an IPv4 address.
local function groups(text)
  local out = {}
  for group in text:gmatch "[^:]+" do
    local value, four = tonumber(group, 16), v4(group)
    if four then
      out[#out + 1] = four
    elseif value and #group <= 4 then
      out[#out + 1] = (">I2"):pack(value)
    else
      return nil
    end
  end
  return table.concat(out)
end

---@return string? sixteen
local function v6(host)
  host = host:gsub("%%.*$", "")
  if not host:find(":", 1, true) then
    return nil
  end
  local before, after = host:match "^(.-)::(.*)$"
  local head, tail = groups(before or host), groups(after or "")
  if not head or not tail then
    return nil
  end
  local missing = 16 - #head - #tail
  if missing < 0 or (not before and missing > 0) then
    return nil
  end
  return head .. ("\0"):rep(missing) .. tail
end

--- An address as bytes: four or sixteen of them, all zero for what is none.
---@param address string
---@return string bytes
---@return integer port
function M.address(address)
  local host, port = split(address)
  return v4(host) or v6(host) or v6(address) or "\0\0\0\0", port & 0xffff
end

-- The ones' complement sum of RFC 1071.
local function checksum(bytes)
  local sum = 0
  if #bytes % 2 == 1 then
    bytes = bytes .. "\0"
  end
  for at = 1, #bytes, 2 do
    sum = sum + (bytes:byte(at) << 8) + bytes:byte(at + 1)
  end
  while sum > 0xffff do
    sum = (sum & 0xffff) + (sum >> 16)
  end
  return ~sum & 0xffff
end

local function as_v6(bytes)
  return #bytes == 16 and bytes or ("\0"):rep(10) .. "\xff\xff" .. bytes
end

local function udp(from, from_port, to, to_port, payload)
  local length = 8 + #payload
  local pseudo = from .. to .. (">I4I4"):pack(length, UDP)
  local header = (">I2I2I2"):pack(from_port, to_port, length)
  local sum = checksum(pseudo .. header .. "\0\0" .. payload)
  return header .. (">I2"):pack(sum == 0 and 0xffff or sum) .. payload
end

local function ip4(from, to, payload)
  local function header(sum)
    return (">BBI2I2I2BBI2"):pack(0x45, 0, 20 + #payload, 0, 0x4000, TTL, UDP, sum)
      .. from .. to
  end
  return header(checksum(header(0))) .. payload
end

local function ip6(from, to, payload)
  return (">I4I2BB"):pack(6 << 28, #payload, UDP, TTL) .. from .. to .. payload
end

--- One message as an IP packet.
---@param from string
---@param to string
---@param payload string
---@return string
function M.packet(from, to, payload)
  local source, source_port = M.address(from)
  local target, target_port = M.address(to)
  local build = ip4
  if #source ~= #target or #source == 16 then
    source, target, build = as_v6(source), as_v6(target), ip6
  end
  return build(source, target,
    udp(source, source_port, target, target_port, payload))
end

--- A capture of the messages among the records.
---@param records sip.TraceRecord[]
---@return string
function M.file(records)
  -- Magic, version 2.4, UTC, no accuracy, snap length, raw IP.
  local out = { ("<I4I2I2I4I4I4I4"):pack(0xa1b2c3d4, 2, 4, 0, 0, 262144, 101) }
  for _, record in ipairs(records) do
    if record.kind == "message" then
      local packet = M.packet(record.from, record.to, record.text:sub(1, PAYLOAD_MAX))
      local cut = math.max(0, #record.text - PAYLOAD_MAX)
      local micros = math.floor(math.max(record.at, 0) * 1000000 + 0.5)
      out[#out + 1] = ("<I4I4I4I4"):pack(micros // 1000000 & 0xffffffff,
        micros % 1000000, #packet, #packet + cut)
      out[#out + 1] = packet
    end
  end
  return table.concat(out)
end

return M

--- Networks by their addresses: "192.0.2.0/24", "2001:db8::/32", or one address.

local address = require "sip.msg.address"

local M = {}

---@class (private) sip.Network
---@field text string   as it was given
---@field bytes string  of its address
---@field bits integer  how many of them count
---@field whole integer how many bytes of it count
---@field mask integer  which bits of the next one do

---@class sip.Networks
---@field private list sip.Network[]
local Networks = {}
local networks_mt = { __name = "sip.Networks", __index = Networks }

local function parse(text)
  local host, prefix = tostring(text):match "^([^/]+)/?(%d*)$"
  local bytes = host and address.bytes(host)
  if not bytes or text:sub(-1) == "/" then
    return nil
  end
  local bits = prefix == "" and #bytes * 8 or tonumber(prefix)
  if #prefix > 3 or bits > #bytes * 8 then
    return nil
  end
  return {
    text = text,
    bytes = bytes,
    bits = bits,
    whole = bits // 8,
    mask = 0xff00 >> bits % 8 & 0xff,
  }
end

--- Networks of a list.
---@param list string[]
---@return sip.Networks? networks
---@return string? wrong  the text that is none
function M.new(list)
  local self = setmetatable({ list = {} }, networks_mt)
  for i, text in ipairs(list) do
    local network = type(text) == "string" and parse(text)
    if not network then
      return nil, tostring(text)
    end
    self.list[i] = network
  end
  return self
end

local function holds(network, bytes)
  local own, whole = network.bytes, network.whole
  if #own ~= #bytes or own:sub(1, whole) ~= bytes:sub(1, whole) then
    return false
  end
  return network.mask == 0
    or own:byte(whole + 1) & network.mask == bytes:byte(whole + 1) & network.mask
end

--- The same as numbers: the bytes of each address, and how many bits of them count.
---@return (string|integer)[]  bytes, bits, bytes, bits ...
function Networks:ranges()
  local list = {}
  for _, network in ipairs(self.list) do
    list[#list + 1] = network.bytes
    list[#list + 1] = network.bits
  end
  return list
end

--- The network that an address is of, as it was given.
---@param ip string
---@return string? network
function Networks:find(ip)
  local bytes = self.list[1] and address.bytes(ip)
  for _, network in ipairs(bytes and self.list or {}) do
    if holds(network, bytes) then
      return network.text
    end
  end
end

return M

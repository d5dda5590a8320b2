--- WebSocket frames and handshakes as a stranger writes and reads them, good ones and
--- bad: bytes, without the codecs that are tried.

local M = {}

--- The example of RFC 6455 1.3.
M.KEY, M.ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

M.CONTINUATION, M.TEXT, M.BINARY = 0, 1, 2
M.CLOSE, M.PING, M.PONG = 8, 9, 10

local function masked(bytes, mask)
  local out = {}
  for i = 1, #bytes do
    out[i] = string.char(bytes:byte(i) ~ mask:byte((i - 1) % 4 + 1))
  end
  return table.concat(out)
end

--- A frame. `options`: mask (4 bytes, those of a client), more (it is not the last of
--- its message), bits (reserved ones), length ("126" or "127": written that long), says
--- (the length that it announces).
---@param opcode integer
---@param bytes string
---@param options? table
---@return string
function M.frame(opcode, bytes, options)
  options = options or {}
  local len = options.says or #bytes
  local form = options.length or len < 126 and "7" or len < 65536 and "126" or "127"
  local mask_bit = options.mask and 0x80 or 0
  local head = string.char((options.more and 0 or 0x80) | (options.bits or 0) | opcode)
  if form == "7" then
    head = head .. string.char(mask_bit | len)
  elseif form == "126" then
    head = head .. string.char(mask_bit | 126) .. string.pack(">I2", len)
  else
    head = head .. string.char(mask_bit | 127) .. string.pack(">I8", len)
  end
  if not options.mask then
    return head .. bytes
  end
  return head .. options.mask .. masked(bytes, options.mask)
end

--- A frame as a client sends it.
function M.client(opcode, bytes, options)
  options = options or {}
  options.mask = options.mask or "\x37\xfa\x21\x3d"
  return M.frame(opcode, bytes, options)
end

-- A head of HTTP: its first line, its fields by name and value, and what of them is
-- other or not there at all (false).
local function head(first, fields, changes)
  local lines = { changes.line or first }
  for _, field in ipairs(fields) do
    local value = changes[field[1]]
    if value == nil then
      value = field[2]
    end
    if value then
      lines[#lines + 1] = field[1] .. ": " .. value
    end
  end
  lines[#lines + 1] = changes.extra
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

--- What a client asks with; `changes` by header name, false for without; `line` is its
--- first line, `extra` goes behind.
---@param changes? table
---@return string
function M.request(changes)
  return head("GET / HTTP/1.1", {
    { "Host", "192.0.2.1" }, { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
    { "Sec-WebSocket-Key", M.KEY }, { "Sec-WebSocket-Version", "13" },
    { "Sec-WebSocket-Protocol", "sip" }, { "Origin" },
  }, changes or {})
end

--- What a server answers with; the same changes.
---@param changes? table
---@return string
function M.response(changes)
  return head("HTTP/1.1 101 Switching Protocols", {
    { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
    { "Sec-WebSocket-Accept", M.ACCEPT }, { "Sec-WebSocket-Protocol", "sip" },
  }, changes or {})
end

--- The frame that bytes begin with, of a server or unmasked.
---@param bytes string
---@return table? frame  { opcode, bytes, code, final, masked }
---@return string rest
function M.read(bytes)
  if #bytes < 2 then
    return nil, bytes
  end
  local first, second = bytes:byte(1, 2)
  local len, at = second & 0x7f, 3
  if len >= 126 then
    local size = len == 126 and 2 or 8
    if #bytes < 2 + size then
      return nil, bytes
    end
    len, at = string.unpack(">I" .. size, bytes, 3)
  end
  local mask = second & 0x80 ~= 0 and bytes:sub(at, at + 3)
  at = at + (mask and 4 or 0)
  if #bytes < at + len - 1 then
    return nil, bytes
  end
  local payload = bytes:sub(at, at + len - 1)
  payload = mask and masked(payload, mask) or payload
  local frame = { opcode = first & 15, bytes = payload, final = first & 0x80 ~= 0,
    masked = mask and true or false }
  if frame.opcode == M.CLOSE and #payload >= 2 then
    frame.code = string.unpack(">I2", payload)
  end
  return frame, bytes:sub(at + len)
end

--- What a stranger at a bare wire hears on this connection, up to this end of it.
---@param w spec.Wire
---@param id integer
---@param ending string
---@return string
function M.hear(w, id, ending)
  local text = ""
  while not text:find(ending, 1, true) do
    text = text .. w:expect({ kind = "bytes", id = id }).bytes
  end
  return text
end

--- The same for one frame, and no more than that.
---@param w spec.Wire
---@param id integer
---@return table frame  as `read` gives it
function M.hear_frame(w, id)
  local text = ""
  while true do
    text = text .. w:expect({ kind = "bytes", id = id }).bytes
    local got, rest = M.read(text)
    if got then
      assert(rest == "", "there is something behind it")
      return got
    end
  end
end

--- A text as pieces of one byte each.
function M.bytewise(text)
  local pieces = {}
  for i = 1, #text do
    pieces[i] = text:sub(i, i)
  end
  return pieces
end

return M

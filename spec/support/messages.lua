--- Messages for specs: real ones, of the project's own wording, and small builders.

local M = {}

--- Lines joined by CRLF, with the empty line and a body.
---@param lines string[]
---@param body? string
---@return string
function M.join(lines, body)
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

--- A good OPTIONS whose lines can be changed: `change[name]` is another value, false
--- leaves the header out, `change[1]` the start line, `change.extra` more lines.
---@param change? table
---@param body? string
---@return string
function M.request(change, body)
  change = change or {}
  local lines = { change[1] or "OPTIONS sip:bob@192.0.2.4 SIP/2.0" }
  local defaults = {
    { "Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport" },
    { "Max-Forwards", "70" },
    { "From", "\"Alice\" <sip:alice@example.com>;tag=1928301774" },
    { "To", "<sip:bob@example.com>" },
    { "Call-ID", "a84b4c76e66710@192.0.2.1" },
    { "CSeq", "314159 OPTIONS" },
    { "Content-Length", tostring(#(body or "")) },
  }
  for _, field in ipairs(defaults) do
    local value = change[field[1]]
    if value == nil then
      value = field[2]
    end
    if value then
      lines[#lines + 1] = field[1] .. ": " .. value
    end
  end
  for _, line in ipairs(change.extra or {}) do
    lines[#lines + 1] = line
  end
  return M.join(lines, body)
end

--- Read a file, or nil.
---@param path string
---@return string?
function M.read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local bytes = file:read "a"
  file:close()
  return bytes
end

--- The five messages of the bench, in order.
---@return string[]
function M.bench()
  local all = {}
  for _, name in ipairs {
    "1_options", "2_register", "3_invite", "4_invite_proxied", "5_200",
  } do
    all[#all + 1] = assert(M.read("spec/bench/messages/" .. name .. ".sip"))
  end
  return all
end

return M

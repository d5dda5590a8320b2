--- Who calls and who is called, as scripts read it: `call.from.user`.

local address = require "sip.msg.address"

local M = {}

---@class sip.Party
---@field uri string       as it was written
---@field display? string
---@field scheme? string
---@field user? string     escapes decoded
---@field host? string
local party_mt = { __name = "sip.Party" }

function party_mt:__tostring()
  return self.uri
end

---@param uri string
---@param display? string
---@return sip.Party
---@private
function M.new(uri, display)
  local parsed = address.uri(uri) or {}
  return setmetatable({
    uri = uri,
    display = display ~= "" and display or nil,
    scheme = parsed.scheme,
    user = parsed.user_text or parsed.user,
    host = parsed.host,
  }, party_mt)
end

return M

--- Who calls and who is called, as scripts read it: `call.from.user`. Taken apart
--- when it is first looked at.

local address = require "sip.msg.address"

local M = {}

---@class sip.Party
---@field uri string       as it was written
---@field display? string
---@field scheme? string
---@field user? string     escapes decoded
---@field host? string
---@field private message? sip.Message  where it stands
---@field private side? "from"|"to"|"uri"
local party_mt = { __name = "sip.Party" }

local readers = {
  from = function(req)
    return req:from_uri(), req:from_display()
  end,
  to = function(req)
    return req:to_uri(), req:to_display()
  end,
  uri = function(req)
    return req:uri()
  end,
}

local function fill(self, uri, display)
  local parsed = address.uri(uri) or {}
  rawset(self, "uri", uri)
  rawset(self, "display", display ~= "" and display or nil)
  rawset(self, "scheme", parsed.scheme)
  rawset(self, "user", parsed.user_text or parsed.user)
  rawset(self, "host", parsed.host)
end

function party_mt:__index(key)
  local message = rawget(self, "message")
  if message then
    self.message = nil
    fill(self, readers[self.side](message))
    return rawget(self, key)
  end
end

function party_mt:__tostring()
  return self.uri
end

--- The party of a request.
---@param message sip.Message  kept
---@param side "from"|"to"|"uri"
---@return sip.Party
---@private
function M.of(message, side)
  return setmetatable({ message = message, side = side }, party_mt)
end

--- A party by its URI.
---@param uri string
---@param display? string
---@return sip.Party
---@private
function M.new(uri, display)
  local self = setmetatable({}, party_mt)
  fill(self, uri, display)
  return self
end

return M

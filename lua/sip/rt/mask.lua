--- Credentials out of texts that people will read or send around: header values
--- of authorization, passwords in URIs, keys of media. Better too much than too
--- little.

local M = {}

local STARS = "***"

-- "Authorization" as a pattern that does not mind the case.
local function any_case(word)
  return (word:gsub("%a", function(letter)
    return ("[%s%s]"):format(letter:upper(), letter:lower())
  end):gsub("%-", "%%-"))
end

-- Where the value of each header begins.
local headers = {}
for i, name in ipairs { "Authorization", "Proxy-Authorization" } do
  headers[i] = "\n" .. any_case(name) .. "[ \t]*:"
end

local scheme = any_case "sip" .. "[sS]?:[^:]*:"
local secret_keys = { "password", "passwd", "secret", "authorization", "credential" }

-- A value goes on as long as its lines begin with white space.
local function mask_header(text, header)
  local parts, at = {}, 1
  local first, last = text:find(header)
  while first do
    local stop = text:find("\n[^ \t]", last + 1) or #text + 1
    local value = text:sub(last + 1, stop - 1)
    local blank, word, rest = value:match "^([ \t]*)([^%s]*)(.*)$"
    parts[#parts + 1] = text:sub(at, last) .. blank
      .. (rest:find "%S" and word .. " " or "") .. STARS .. value:match "\r?$"
    at = stop
    first, last = text:find(header, at)
  end
  parts[#parts + 1] = text:sub(at)
  return table.concat(parts)
end

-- A word, and whether it ends in the @ of a URI.
local function mask_user(word, at)
  local _, last = word:find(scheme)
  return last and at ~= "" and word:sub(1, last) .. STARS .. at or nil
end

--- The text without its credentials.
---@param text string
---@return string
function M.text(text)
  if text:find "[uU][tT][hH][oO][rR][iI][zZ]" then
    text = "\n" .. text
    for _, header in ipairs(headers) do
      text = mask_header(text, header)
    end
    text = text:sub(2)
  end
  if text:find("@", 1, true) then
    text = text:gsub('([^%s@<>"]+)(@?)', mask_user)
  end
  if text:find("inline:", 1, true) then -- RFC 4568
    text = text:gsub("inline:[^%s|]*", "inline:" .. STARS)
  end
  text = text:gsub("(\nk=)[^\r\n]*", "%1" .. STARS)
  return (text:gsub("(" .. any_case "rspauth" .. '%s*=%s*")[^"]*', "%1" .. STARS))
end

--- Whether the value of a key with this name is a secret as a whole.
---@param key string
---@return boolean
function M.is_secret(key)
  key = key:lower()
  for _, word in ipairs(secret_keys) do
    if key:find(word, 1, true) then
      return true
    end
  end
  return false
end

return M

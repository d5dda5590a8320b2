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

-- For each header: its value, and the joint before a continuation line.
local headers = {}
for i, name in ipairs { "Authorization", "Proxy-Authorization" } do
  local start = "\n" .. any_case(name) .. "[ \t]*:"
  headers[i] = {
    value = "(" .. start .. "[ \t]*)([^ \t\r\n]*)([^\r\n]*)",
    joint = "(" .. start .. "[^\r\n]*)\r?\n[ \t]+",
  }
end

local uri = "(" .. any_case "sip" .. "[sS]?:[^%s@:<>\"]*:)[^%s@<>\"]*@"
local secret_keys = { "password", "passwd", "secret", "authorization", "credential" }

local function masked_value(start, scheme, rest)
  return start .. (rest == "" and STARS or scheme .. " " .. STARS)
end

local function mask_header(text, header)
  local count
  repeat -- until the value is one line
    text, count = text:gsub(header.joint, "%1 ")
  until count == 0
  return (text:gsub(header.value, masked_value))
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
    text = text:gsub(uri, "%1" .. STARS .. "@")
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

--- Options tables: an unknown key, or a value of the wrong type, is a bug in the
--- script and raises where the script called.

local M = {}

local function kind_of(value)
  local kind = type(value)
  return kind == "number" and math.type(value) == "integer" and "integer" or kind
end

local function fits(value, wanted)
  local kind = kind_of(value)
  for one in wanted:gmatch "%a+" do
    if one == kind or one == "number" and kind == "integer" then
      return true
    end
  end
  return false
end

local function known(schema)
  local names = {}
  for name in pairs(schema) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Check a table of options.
---@param options table|nil
---@param schema table<any, string>  name to its types: "string|table"
---@param what string     whose options they are, for the error
---@param level? integer  whose fault it is: 1 is the caller of check; 3
---@return table options
---@private
function M.check(options, schema, what, level)
  level = level or 3
  if options == nil then
    return {}
  elseif type(options) ~= "table" then
    error(("%s wants a table of options, not a %s"):format(what, type(options)),
      level)
  end
  for key, value in pairs(options) do
    local wanted = schema[key]
    if not wanted then
      error(("%s: unknown option %q (known: %s)"):format(what, tostring(key),
        known(schema)), level)
    elseif not fits(value, wanted) then
      error(("%s: option %q is a %s, not a %s"):format(what, tostring(key),
        type(value), wanted:gsub("|", " or a ")), level)
    end
  end
  return options
end

-- What would end a line, or a string in C, is no part of a header.
local function writable(name, value)
  if type(name) ~= "string" or not name:find "^[%w!%%*_+`'~.-]+$" then
    error(("headers: %q is no name"):format(tostring(name)), 5)
  elseif type(value) ~= "string" or value:find "[\r\n\0]" then
    error(("headers: the value of %s is no text of one line"):format(name), 5)
  end
end

--- A reason phrase, or a text in its place: one line.
---@param reason? string
---@return string?
---@private
function M.reason(reason)
  if reason and reason:find "[\r\n\0]" then
    error("reason: a text of one line", 4)
  end
  return reason
end

--- Headers as scripts give them: `{ ["X-Name"] = "value" }`, where a value may be
--- an array, or in a fixed order `{ "X-Name", "value", ... }`. Given back in that
--- second form; names of the first are sorted. What no header may hold raises.
---@param headers table|nil
---@return string[]?
---@private
function M.headers(headers)
  if headers == nil then
    return nil
  elseif headers[1] ~= nil then
    for i = 1, #headers, 2 do
      writable(headers[i], headers[i + 1])
    end
    return headers
  end
  local names = {}
  for name in pairs(headers) do
    names[#names + 1] = name
  end
  table.sort(names)
  local flat = {}
  for _, name in ipairs(names) do
    local values = headers[name]
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      flat[#flat + 1] = name
      flat[#flat + 1] = tostring(value)
      writable(name, flat[#flat])
    end
  end
  return flat
end

return M

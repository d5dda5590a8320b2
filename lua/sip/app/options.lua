--- Options tables: an unknown key, or a value that makes no sense, is a bug in the
--- script and raises where the script called.

local misuse = require "sip.rt.misuse"
local stream = require "sip.ua.stream"

local M = {}

local find = string.find

local LONG = 1e9 -- seconds: longer than any timer

-- What a value may be: the Lua type, what else it must fulfil, and how that reads.
local kinds = {
  string = { "string", nil, "a string" },
  table = { "table", nil, "a table" },
  headers = { "table", nil, "a table" },
  callheaders = { "table", nil, "a table" },
  allheaders = { "table", nil, "a table" },
  boolean = { "boolean", nil, "true or false" },
  ["function"] = { "function", nil, "a function" },
  number = { "number", nil, "a number" },
  integer = { "number", function(value)
    return math.type(value) == "integer"
  end, "a whole number" },
  count = { "number", function(value)
    return math.type(value) == "integer" and value > 0
  end, "a whole number from 1 on" },
  bound = { "number", function(value)
    return math.type(value) == "integer" and value >= 0 and value < 1 << 32
  end, "a whole number from 0 to 4294967295" },
  off = { "boolean", function(value)
    return not value
  end, "false" },
  seconds = { "number", function(value)
    return value >= 0 and value <= LONG
  end, "a number of seconds, at most 1e9" },
  span = { "number", function(value)
    return value > 0 and value <= LONG
  end, "a number of seconds above 0, at most 1e9" },
  line = { "string", function(value)
    return not value:find "[\r\n\0]"
  end, "a text of one line" },
  path = { "string", function(value)
    return value ~= "" and not value:find("\0", 1, true)
  end, "the path of a file" },
  digits = { "string", function(value)
    return value:match "^[%d*#A-D]*$" ~= nil
  end, "digits from 0-9 * # A-D" },
  codecs = { "table", function(value)
    for _, name in ipairs(value) do
      if not stream.codecs[name] then
        return false
      end
    end
    return value[1] ~= nil
  end, "a list of codecs (\"PCMU\", \"PCMA\")" },
  provisional = { "number", function(value)
    return math.type(value) == "integer" and value > 100 and value < 200
  end, "a status from 101 to 199" },
  failure = { "number", function(value)
    return math.type(value) == "integer" and value >= 400 and value < 700
  end, "a status from 400 to 699" },
  status = { "number", function(value)
    return math.type(value) == "integer" and value >= 100 and value < 700
  end, "a status from 100 to 699" },
  order = { "string", function(value)
    return value == "q" or value == "parallel" or value == "sequential"
  end, "\"q\", \"parallel\" or \"sequential\"" },
  secret = { "string", function(value)
    return #value >= 16
  end, "a text of 16 bytes and more" },
  location = { "table", function(value)
    return (getmetatable(value) or {}).__name == "sip.Location"
  end, "a location service, as sip.location.memory() gives" },
  redirection = { "number", function(value)
    return math.type(value) == "integer" and value >= 300 and value < 400
  end, "a status from 300 to 399" },
}

-- A value, for an error.
local function show(value)
  if type(value) == "string" then
    return (("%q"):format(value):gsub("\\\n", "\\n"))
  end
  return type(value) == "number" and tostring(value) or "a " .. type(value)
end

-- "string|table" as its kinds, taken apart once.
local alternatives = setmetatable({}, { __index = function(self, wanted)
  local list = {}
  for name in wanted:gmatch "%a+" do
    list[#list + 1] = kinds[name]
  end
  self[wanted] = list
  return list
end })

local function fits(value, kind)
  return type(value) == kind[1] and (not kind[2] or kind[2](value))
end

-- Why a value is none of the wanted kinds; nil when it is one.
local function trouble(value, wanted)
  local list = alternatives[wanted]
  for i = 1, #list do
    if fits(value, list[i]) then
      return nil
    end
  end
  local shown, words = "a " .. type(value), {}
  for i, kind in ipairs(list) do
    if type(value) == kind[1] then
      shown = show(value)
    end
    words[i] = kind[3]
  end
  return ("is %s, not %s"):format(shown, table.concat(words, " or "))
end

local function known(schema)
  local names = {}
  for name in pairs(schema) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  return table.concat(names, ", ")
end

-- One body has one type.
local function one_type(options, what)
  local headers = options.content_type and options.headers
    and M.headers(options.headers, what, "all")
  for i = 1, #(headers or {}), 2 do
    local name = headers[i]:lower()
    if name == "content-type" or name == "c" then
      misuse.raise("%s: content_type, or %s among the headers", what, headers[i])
    end
  end
end

local header_kinds = { headers = "own", callheaders = "call", allheaders = "all" }

--- Check a table of options.
---@param options table|nil
---@param schema table<any, string>  name to its kinds: "string|table"
---@param what string     whose options they are, for the error
---@return table options
---@private
function M.check(options, schema, what)
  if options == nil then
    return {}
  elseif type(options) ~= "table" then
    misuse.raise("%s wants a table of options, not a %s", what, type(options))
  end
  for key, value in pairs(options) do
    local wanted = schema[key]
    if not wanted then
      misuse.raise("%s: unknown option %q (known: %s)", what, tostring(key),
        known(schema))
    end
    local why = trouble(value, wanted)
    if why then
      misuse.raise("%s: option %q %s", what, tostring(key), why)
    elseif header_kinds[wanted] then
      M.headers(value, what, header_kinds[wanted])
    end
  end
  one_type(options, what)
  return options
end

--- Check one argument; nil is fine where `default` is given, and becomes that.
---@param value any
---@param wanted string  its kinds
---@param what string    the verb, and what the argument is called: "digit: timeout"
---@param default? any
---@return any value
---@private
function M.argument(value, wanted, what, default)
  if value == nil and default ~= nil then
    return default
  end
  local why = trouble(value, wanted)
  if why then
    misuse.raise("%s %s", what, why)
  end
  return value
end

-- What the stack and the dialog write themselves.
local reserved = {
  via = true, v = true, from = true, f = true, to = true, t = true,
  ["call-id"] = true, i = true, cseq = true, ["content-length"] = true, l = true,
}

-- What a call writes besides, and what may stand once.
local of_call = {
  contact = true, m = true, ["content-type"] = true, c = true,
}

-- Three searches for one byte each, as memchr makes them, are far cheaper than one for
-- a class of bytes.
local function breaks_lines(text)
  return find(text, "\n", 1, true) or find(text, "\r", 1, true)
    or find(text, "\0", 1, true)
end

-- What would end a line, or a string in C, is no part of a header.
local function writable(verb, name, value, whose)
  local known_name = type(name) == "string" and name:lower()
  if type(name) ~= "string" or not name:find "^[%w!%%*_+`'~.-]+$" then
    misuse.raise("%s: headers: %q is no name", verb, tostring(name))
  elseif whose ~= "all"
    and (reserved[known_name] or whose == "call" and of_call[known_name]) then
    misuse.raise("%s: headers: %s is not for scripts to set", verb, name)
  elseif type(value) ~= "string" or breaks_lines(value) then
    misuse.raise("%s: headers: the value of %s is no text of one line", verb, name)
  end
end

--- Headers as scripts give them: `{ ["X-Name"] = "value" }`, where a value may be
--- an array, or in a fixed order `{ "X-Name", "value", ... }`. Given back in that
--- second form; names of the first are sorted. What no header may hold raises.
---@param headers table|nil
---@param verb string  for the error
---@param whose? "own"|"call"|"all"  "call": of a message that has our Contact and our
---   description; "all": whatever they are
---@return string[]?
---@private
function M.headers(headers, verb, whose)
  if headers == nil then
    return nil
  elseif headers[1] ~= nil then
    for i = 1, #headers, 2 do
      writable(verb, headers[i], headers[i + 1], whose)
    end
    return headers
  end
  local names = {}
  for name in pairs(headers) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b)
    return tostring(a) < tostring(b)
  end)
  local flat = {}
  for _, name in ipairs(names) do
    local values = headers[name]
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      value = type(value) == "number" and tostring(value) or value
      writable(verb, name, value, whose)
      flat[#flat + 1] = name
      flat[#flat + 1] = value
    end
  end
  return flat
end

--- The headers of a script with the type of its body, flat.
---@param options { headers?: table, body?: string, content_type?: string }
---@return string[]?
---@private
function M.body_headers(options)
  local headers = M.headers(options.headers)
  if options.content_type then
    headers = table.move(headers or {}, 1, #(headers or {}), 1, {})
    headers[#headers + 1] = "Content-Type"
    headers[#headers + 1] = options.content_type
  end
  return headers
end

return M

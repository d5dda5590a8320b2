--- Bodies that scripts make: of several parts (RFC 5621), and fragments of messages
--- (RFC 3420), as REFER reports them.

local body = require "sip.msg.body"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"

local M = {}

---@class sip.PartSpec  one part; with `parts`, it has parts itself
---@field type? string         its Content-Type: "application/sdp"
---@field body? string         any bytes
---@field parts? sip.MultipartSpec
---@field disposition? string  what it is for: "session" of a description, else "render"
---@field handling? "required"|"optional"  whether who does not understand it may go on
---@field id? string           its Content-ID, without angle brackets
---@field headers? table       more of its own: { ["Content-Language"] = "en" }

---@class sip.MultipartSpec: { [integer]: sip.PartSpec }
---@field subtype? string      "mixed"; "alternative": the last part that is understood
---@field boundary? string     one that no part holds is made otherwise

---@class sip.FragmentOptions  with a method or a status, or with headers alone
---@field method? string
---@field uri? string          the Request-URI
---@field status? integer
---@field reason? string       the standard phrase otherwise
---@field headers? table       any
---@field content_type? string of the body
---@field body? string

local multipart_schema = { subtype = "string", boundary = "line" }

local part_schema = {
  type = "line", body = "string", parts = "table", disposition = "string",
  handling = "string", id = "line", headers = "allheaders",
}

local fragment_schema = {
  method = "line", uri = "line", status = "status", reason = "line",
  headers = "allheaders", content_type = "line", body = "string",
}

local TOKEN = "^[%w!%%*_+`'~.-]+$"
local handlings = { required = true, optional = true }
local own_headers = {
  ["content-type"] = true, ["content-disposition"] = true, ["content-id"] = true,
}

-- What is checked of a part, and its headers in order.
local function part_headers(part, kind, what)
  local session = kind:lower():find "^application/sdp" ~= nil
  local disposition = part.disposition or session and "session" or "render"
  local handling = part.handling or "required"
  misuse.unless(disposition:find(TOKEN), "%s: disposition: %q is no token", what,
    disposition)
  misuse.unless(handlings[handling],
    "%s: handling is \"required\" or \"optional\", not %q", what, handling)
  local flat = { "Content-Type", kind, "Content-Disposition",
    ("%s;handling=%s"):format(disposition, handling) }
  if part.id then
    misuse.unless(not part.id:find "[<>%s]", "%s: id: %q goes into <>", what, part.id)
    flat[#flat + 1] = "Content-ID"
    flat[#flat + 1] = "<" .. part.id .. ">"
  end
  local more = option.headers(part.headers, what, "all") or {}
  for i = 1, #more, 2 do
    misuse.unless(not own_headers[more[i]:lower()], "%s: headers: %s has a field of "
      .. "its own", what, more[i])
  end
  return table.move(more, 1, #more, #flat + 1, flat), disposition
end

-- Alternatives are one thing said in several ways (RFC 5621 6.2, 8.2): for one use, and
-- descriptions of sessions each in another format.
local function check_alternatives(parts, dispositions, what)
  local types = {}
  for i, disposition in ipairs(dispositions) do
    misuse.unless(disposition == dispositions[1],
      "%s: alternatives have one disposition, not %q and %q", what, dispositions[1],
      disposition)
    local kind = parts[i].headers[2]:lower():match "^[^%s;]+"
    misuse.unless(not types[kind] or not disposition:find "session$",
      "%s: two alternatives of the type %s", what, kind)
    types[kind] = true
  end
end

local write

local function written_part(part, alternative, depth, what)
  misuse.unless(type(part) == "table", "%s is no table", what)
  option.check(part, part_schema, what)
  local kind, bytes = part.type, part.body
  if part.parts then
    misuse.unless(not kind and not bytes, "%s: parts, or a type and a body", what)
    bytes, kind = write(part.parts, depth + 1, what)
  end
  misuse.unless(kind and bytes, "%s: a type and a body", what)
  misuse.unless(kind:find "^[%w!%%*_+`'~.-]+/[%w!%%*_+`'~.-]+", "%s: %q is no media "
    .. "type", what, kind)
  if alternative and not part.handling then
    part = setmetatable({ handling = "optional" }, { __index = part })
  end
  local headers, disposition = part_headers(part, kind, what)
  return { headers = headers, body = bytes }, disposition
end

function write(spec, depth, what)
  misuse.unless(type(spec) == "table", "%s: a table of parts", what)
  misuse.unless(depth <= 4, "%s: parts in parts, too deep", what)
  local parts, given, dispositions = {}, {}, {}
  for key, value in pairs(spec) do
    if math.type(key) ~= "integer" then
      given[key] = value
    end
  end
  option.check(given, multipart_schema, what)
  local subtype = (given.subtype or "mixed"):lower()
  misuse.unless(subtype:find(TOKEN), "%s: subtype: %q is no token", what, subtype)
  misuse.unless(spec[1], "%s: at least one part", what)
  for i, part in ipairs(spec) do
    parts[i], dispositions[i] = written_part(part, subtype == "alternative", depth,
      ("%s: part %d"):format(what, i))
  end
  if subtype == "alternative" then
    check_alternatives(parts, dispositions, what)
  end
  parts.boundary = given.boundary
  local ok, bytes, boundary = pcall(body.write_parts, parts)
  misuse.unless(ok, "%s: %s", what, bytes)
  return bytes, ("multipart/%s;boundary=\"%s\""):format(subtype, boundary)
end

--- A body of several parts, and the Content-Type that goes with it.
---@param spec sip.MultipartSpec
---@return string bytes
---@return string content_type
---@private
function M.multipart(spec)
  return write(spec, 1, "multipart")
end

--- The text of a fragment.
---@param options sip.FragmentOptions
---@return string
---@private
function M.fragment(options)
  options = option.check(options, fragment_schema, "fragment")
  local spec = {}
  for key, value in pairs(options) do
    spec[key] = value
  end
  spec.headers = option.headers(options.headers, "fragment", "all") or {}
  if options.content_type then
    spec.headers = table.move(spec.headers, 1, #spec.headers, 1, {})
    table.insert(spec.headers, "Content-Type")
    table.insert(spec.headers, options.content_type)
  end
  misuse.unless(not spec.method == not spec.uri, "fragment: a method and its uri")
  local ok, text = pcall(body.write_fragment, spec)
  misuse.unless(ok, "fragment: %s", text)
  local read, refusal = body.parse_fragment(text)
  misuse.unless(read, "fragment: %s", refusal and refusal.why)
  return text
end

--- Read a fragment.
---@param text string
---@return sip.Message? fragment
---@return sip.Refusal? refusal
---@private
function M.read_fragment(text)
  misuse.unless(type(text) == "string", "read_fragment: a text")
  return body.parse_fragment(text)
end

return M

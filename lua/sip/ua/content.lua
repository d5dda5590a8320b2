--- What a message carries, and what of it a method understands (RFC 3261 8.2.3, 20.11,
--- RFC 5621): a body is one part, or a tree of parts. Pure.

local address = require "sip.msg.address"

local M = {}

local lower, match = string.lower, string.match

---@class sip.BodyRule  what a method understands
---@field types table<string, true|table<string, true>>  by media type: every
---   disposition, or these
---@field accept string[]  the Accept header of a 415

--- By method; bodies of the others are nothing to us.
---@type table<string, sip.BodyRule>
M.rules = {
  INVITE = {
    types = { ["application/sdp"] = { session = true } },
    accept = { "Accept", "application/sdp, multipart/mixed, multipart/alternative" },
  },
  INFO = {
    types = { ["application/dtmf-relay"] = true, ["application/dtmf"] = true },
    accept = { "Accept", "application/dtmf-relay, application/dtmf, multipart/mixed, "
      .. "multipart/alternative" },
  },
}

--- The media type of a Content-Type or of a range of Accept, in small letters.
---@param value string
---@return string
function M.media_type(value)
  return lower(match(value, "^%s*([^%s;]+)") or "")
end

--- Whether a Content-Disposition says that its body need not be understood (20.11).
---@param disposition string
---@return boolean
function M.says_optional(disposition)
  local handling = address.params(match(disposition, ";.*") or "").handling
  return type(handling) == "string" and lower(handling) == "optional"
end

--- A body that need not be understood.
---@param message sip.Message
---@return boolean
function M.is_optional(message)
  local disposition = message:header "Content-Disposition"
  return disposition ~= nil and M.says_optional(disposition)
end

local function understands(rule, part)
  local dispositions = not part.encoding and rule.types[part.type]
  return dispositions == true
    or dispositions ~= nil and dispositions ~= false
    and dispositions[part.disposition] == true
end

local take

-- The last one that is understood is the best one; how each is to be handled does not
-- matter (RFC 5621 6.1, 8.3).
local function take_one(rule, parts, lenient)
  for i = #parts, 1, -1 do
    local taken = take(rule, parts[i], lenient)
    if taken then
      return taken
    end
  end
end

-- Each for itself: of any other kind of multipart too (RFC 5621 4.2, 7.3).
local function take_each(rule, parts, lenient)
  local all = {}
  for _, part in ipairs(parts) do
    local taken = take(rule, part, lenient)
    if taken then
      table.move(taken, 1, #taken, #all + 1, all)
    elseif not lenient and part.handling == "required" then
      return nil
    end
  end
  return all
end

-- The parts that are understood, in order; nil when one is not that has to be.
function take(rule, part, lenient)
  local parts = part.parts
  if not parts then
    return understands(rule, part) and { part } or nil
  elseif part.type == "multipart/alternative" then
    return take_one(rule, parts, lenient)
  end
  return take_each(rule, parts, lenient)
end

-- Most bodies: one description, and no word on how to handle it.
local function is_plain(rule, message)
  local kind = message:header "Content-Type"
  return kind and rule.types[M.media_type(kind)]
    and not message:header "Content-Disposition"
    and not message:header "Content-Transfer-Encoding"
end

--- What is wrong with the body of a request; nil when it can be processed.
---@param req sip.Message
---@param method string
---@return integer? status   415, or 400 and 413 of a multipart body
---@return string[]? headers
---@return string? reason
function M.trouble(req, method)
  local rule = M.rules[method]
  if not rule or req:body() == "" or is_plain(rule, req) or M.is_optional(req) then
    return nil
  end
  local root, refusal = req:content()
  if not root then
    return refusal.status, nil, refusal.why
  elseif not take(rule, root) then
    return 415, rule.accept
  end
end

--- The first part of a message that this method understands. Of a response or an ACK,
--- which nobody can refuse, whatever else is in it.
---@param message sip.Message
---@param method string
---@return string? body
function M.of(message, method)
  local rule, body = M.rules[method], message:body()
  if body == "" then
    return nil
  elseif is_plain(rule, message) then
    return body
  end
  local root = message:content()
  local refusable = message:is_request() and message:method() ~= "ACK"
  local taken = root and take(rule, root, not refusable)
  return taken and taken[1] and taken[1].body or nil
end

return M

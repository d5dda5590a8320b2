--- What is wrong with a request, in the order of RFC 3261 8.2: its method, where
--- it wants to go, what it requires, what it carries. Pure: a status and headers
--- come back, and whoever keeps the transaction answers.

local address = require "sip.msg.address"
local content = require "sip.ua.content"

local M = {}

local find, lower = string.find, string.lower

--- What our user agents do, as an Allow header says it.
M.ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO"

local handled = {
  INVITE = true,
  ACK = true,
  CANCEL = true,
  BYE = true,
  OPTIONS = true,
  INFO = true,
}

-- Registered, and not for a user agent of this kind (8.2.1).
local registered = {
  REGISTER = true,
  PRACK = true,
  SUBSCRIBE = true,
  NOTIFY = true,
  PUBLISH = true,
  REFER = true,
  MESSAGE = true,
  UPDATE = true,
}

--- Methods that mean something inside a dialog only.
M.in_dialog_only = {
  BYE = true,
  INFO = true,
  PRACK = true,
  UPDATE = true,
  NOTIFY = true,
}

--- Capabilities, for OPTIONS and 2xx to it (11.2).
---@param more? table<string, any>  methods that scripts take besides; "*" is none
---@return string[] headers  Allow first
function M.capabilities(more)
  local methods = {}
  for method in pairs(more or {}) do
    if method ~= "*" and not handled[method] then
      methods[#methods + 1] = ", " .. method
    end
  end
  table.sort(methods)
  return {
    "Allow", M.ALLOW .. table.concat(methods),
    content.rules.INVITE.accept[1], content.rules.INVITE.accept[2],
    "Accept-Encoding", "identity",
    "Accept-Language", "*",
    "Supported", "",
  }
end

--- Those of an endpoint without such scripts.
M.CAPABILITIES = M.capabilities()

local NOT_ALLOWED = { "Allow", M.ALLOW }
local ACCEPT_PLAIN = { "Accept-Encoding", "identity" }

local function is_sip(uri)
  return find(uri, "^[sS][iI][pP][sS]?:") ~= nil
end

-- 8.2.2.3: nothing that may be required is supported; Proxy-Require is not ours.
local function unsupported(req)
  local tags = req:values "Require"
  if #tags > 0 then
    return 420, { "Unsupported", table.concat(tags, ", ") }
  end
end

-- 8.2.3
local function body_trouble(req, method)
  local encoding = req:header "Content-Encoding"
  if encoding and lower(encoding) ~= "identity" and req:body() ~= ""
    and not content.is_optional(req) then
    return 415, ACCEPT_PLAIN
  end
  return content.trouble(req, method)
end

-- 20.1: an INVITE whose sender would not take our description.
local function refuses_sdp(req)
  for _, range in ipairs(req:values "Accept") do
    local kind = content.media_type(range)
    if kind == "application/sdp" or kind == "application/*" or kind == "*/*" then
      return false
    end
  end
  return true
end

--- The status of a refusal, with its headers; nil when nothing is wrong.
---@param req sip.Message
---@param method string
---@param is_ours? fun(host: string): boolean  of the Request-URI's host; none: any
---@param allow? string  what Allow says, when scripts take more methods
---@return integer? status
---@return string[]? headers
---@return string? reason  another than the standard phrase
function M.request(req, method, is_ours, allow)
  if not handled[method] then
    return registered[method] and 405 or 501, { "Allow", allow or M.ALLOW }
  end
  local uri = req:uri()
  if not is_sip(uri) then
    return 416
  elseif is_ours and not is_ours(uri) then
    return 404
  end
  if req:header "Require" then
    local status, headers = unsupported(req)
    if status then
      return status, headers
    end
  end
  local status, headers, reason = body_trouble(req, method)
  if status then
    return status, headers, reason
  elseif method == "INVITE" and req:header "Accept" and refuses_sdp(req) then
    return 406, content.rules.INVITE.accept
  end
end

local REGISTER_ONLY = { "Allow", "REGISTER" }
local ACCEPT_NONE = { "Accept", "" }

-- What a registrar does not support of what is required.
local function unsupported_there(req)
  local unknown = {}
  for _, tag in ipairs(req:values "Require") do
    if lower(tag) ~= "path" then
      unknown[#unknown + 1] = tag
    end
  end
  if unknown[1] then
    return 420, { "Unsupported", table.concat(unknown, ", ") }
  end
end

--- The same for what a registrar is sent (10.3): it accepts REGISTER only, and reads
--- no body. Whether the Request-URI is of its domain is for the registrar to say.
---@param req sip.Message
---@return integer? status
---@return string[]? headers
---@return string? reason
function M.register(req)
  if req:method() ~= "REGISTER" then
    return 405, REGISTER_ONLY
  end
  if not is_sip(req:uri()) then
    return 416
  elseif req:header "Require" then
    local status, headers = unsupported_there(req)
    if status then
      return status, headers
    end
  end
  if (req:body() or "") ~= "" and not content.is_optional(req) then
    return 415, ACCEPT_NONE
  elseif not is_sip(req:to_uri()) then -- RFC 4475 3.3.4
    return 400, nil, "To is no sip or sips URI"
  end
end

--- The same for a request inside a dialog, where the Request-URI is our own
--- Contact and needs no look (12.2.2).
---@param req sip.Message
---@param method string
---@return integer? status
---@return string[]? headers
---@return string? reason
function M.in_dialog(req, method)
  if not handled[method] then
    return registered[method] and 405 or 501, NOT_ALLOWED
  elseif req:header "Require" then
    local status, headers = unsupported(req)
    if status then
      return status, headers
    end
  end
  return body_trouble(req, method)
end

--- The session description that a message carries, alone or among other parts.
---@param message sip.Message
---@return string? sdp
function M.description(message)
  return content.of(message, "INVITE")
end

--- The digits of an INFO, as their media type writes them.
---@param message sip.Message
---@return string? text
function M.digits(message)
  return content.of(message, "INFO")
end

--- Whether who answers must name itself by a sips URI (12.1.1).
---@param req sip.Message
---@return boolean
function M.wants_sips(req)
  if address.is_sips(req:uri()) then
    return true
  end
  local uri
  if req:header "Record-Route" then
    local first = address.parse(req:values("Record-Route")[1])
    uri = first and first.uri
  else
    uri = req:contact_uri()
  end
  return uri ~= nil and address.is_sips(uri)
end

return M

--- The messages of RFC 4475 and RFC 5118: the project's own wording of each case in
--- spec/data/torture, and the exact ones when SIP_TORTURE_DIR names the folder that
--- holds them (rfc4475/ and rfc5118-crlf/).

local core = require "sip.core"
local messages = require "spec.support.messages"

local M = {}

---@param folder string  of the exact ones
---@param name string
---@return table<string, string> bytes  by "own" and "exact"
function M.load(folder, name)
  local both = { own = assert(messages.read("spec/data/torture/" .. name .. ".sip")) }
  local exact = os.getenv "SIP_TORTURE_DIR"
  if exact and exact ~= "" then
    both.exact = assert(messages.read(("%s/%s/%s.dat"):format(exact, folder, name)))
  end
  return both
end

--- Parse and judge as an element does.
---@param bytes string
---@return integer|string verdict  "ok", a status, or "discard"
---@return sip.Message?
---@return sip.Refusal?
function M.judge(bytes)
  local message, refusal, malformed = core.parse(bytes)
  if message then
    local _, why = message:check()
    refusal = why
  end
  if refusal then
    return refusal.status or "discard", message or malformed, refusal
  end
  return "ok", message
end

return M

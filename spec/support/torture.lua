--- The messages of RFC 4475 and RFC 5118: the project's own wording of each case in
--- spec/data/torture, and the exact ones when SIP_TORTURE_DIR names the folder that
--- holds them (rfc4475/ and rfc5118-crlf/).

local core = require "sip.core"
local messages = require "spec.support.messages"
local tree = require "spec.support.tree"

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

--- Every message that there is: the torture, the bench, what the fuzzers begin with and
--- what they have found.
---@return { name: string, bytes: string }[]
function M.every()
  local paths = tree.files({ "spec/data/torture", "spec/bench/messages" }, { ".sip" })
  for _, folder in ipairs { "spec/fuzz/corpus/message", "spec/fuzz/corpus/frame",
    "spec/fuzz/corpus/forward", "spec/data/fuzz" } do
    table.move(tree.files { folder }, 1, 1000, #paths + 1, paths)
  end
  local exact = os.getenv "SIP_TORTURE_DIR"
  if exact and exact ~= "" then
    table.move(tree.files({ exact }, { ".dat" }), 1, 1000, #paths + 1, paths)
  end
  local list = {}
  for i, path in ipairs(paths) do
    local bytes = assert(messages.read(path))
    if path:find "corpus/forward/" then -- the edits are in front
      bytes = bytes:match "[%u]+ sips?:.*$" or bytes:match "SIP/2%.0 %d.*$" or bytes
    end
    list[i] = { name = path, bytes = bytes }
  end
  return list
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

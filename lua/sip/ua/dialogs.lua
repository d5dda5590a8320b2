--- The dialogs of an endpoint, found by the tags of a message. Local tags are
--- ours and unique, so they alone are the key; forks of one INVITE share theirs
--- and hang behind each other. Spread over shards, because one Lua table that
--- grows past a million entries stalls everything while it does.

local M = {}

local byte = string.byte
local SHARDS = 64

---@class sip.Dialogs
---@field count integer
---@field private shards table<string, sip.Dialog>[]
local Dialogs = {}
local dialogs_mt = { __name = "sip.Dialogs", __index = Dialogs }

function dialogs_mt:__tostring()
  return ("sip.Dialogs{%d}"):format(self.count)
end

---@return sip.Dialogs
function M.new()
  local shards = {}
  for i = 0, SHARDS - 1 do
    shards[i] = {}
  end
  return setmetatable({ count = 0, shards = shards }, dialogs_mt)
end

local function shard_of(self, tag)
  return self.shards[byte(tag, -1) % SHARDS]
end

--- Keep a dialog.
---@param dialog sip.Dialog
function Dialogs:add(dialog)
  local tag = dialog.local_tag
  local shard = shard_of(self, tag)
  dialog.sibling = shard[tag]
  shard[tag] = dialog
  self.count = self.count + 1
end

--- The dialog that a message names, from our side.
---@param call_id string
---@param local_tag? string
---@param remote_tag? string
---@return sip.Dialog?
function Dialogs:find(call_id, local_tag, remote_tag)
  if not local_tag or local_tag == "" then
    return nil
  end
  local dialog = shard_of(self, local_tag)[local_tag]
  while dialog do
    if dialog.remote_tag == remote_tag and dialog.call_id == call_id then
      return dialog
    end
    dialog = dialog.sibling
  end
end

--- Forget a dialog; the second time it does nothing.
---@param dialog sip.Dialog
function Dialogs:remove(dialog)
  local tag = dialog.local_tag
  local shard = shard_of(self, tag)
  local at, before = shard[tag], nil
  while at and at ~= dialog do
    at, before = at.sibling, at
  end
  if not at then
    return
  elseif before then
    before.sibling = dialog.sibling
  else
    shard[tag] = dialog.sibling
  end
  dialog.sibling = nil
  self.count = self.count - 1
end

return M

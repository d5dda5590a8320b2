--- An INVITE of ours and the dialogs that come of it (RFC 3261 13.2). Answers
--- of several forks make a dialog each; the first 2xx wins; every 2xx is
--- acknowledged, and what is not wanted (a later fork, or an answer that crossed
--- our CANCEL, 9.1) is ended by a BYE at once.
---
--- The owner is told: `on_provisional(dialog, res)`, then either `on_answer(
--- dialog, res)` once or `on_failed(err, res)` once, and `on_over()` when nothing
--- is left to be done. It may say `cancel` at any time before the answer.

local dialog_of = require "sip.ua.dialog"
local exchange_of = require "sip.ua.exchange"
local resolve = require "sip.ua.resolve"
local err = require "sip.rt.err"

local M = {}

---@class sip.InviteOwner
---@field on_provisional fun(self, dialog?: sip.Dialog, res: sip.Message)
---@field on_answer fun(self, dialog: sip.Dialog, res: sip.Message): sip.Error?
---@field on_failed fun(self, e: sip.Error, res?: sip.Message)
---@field on_over fun(self)

---@class sip.Invite
---@field line sip.Line
---@field owner sip.InviteOwner
---@field winner? sip.Dialog
---@field private exchange sip.Exchange
---@field private dialogs sip.Dialog[]  forks, as they came
---@field private ended? boolean
local Invite = {}
local invite_mt = { __name = "sip.Invite", __index = Invite }

function invite_mt:__tostring()
  return ("sip.Invite{%s; %d dialogs}"):format(self.exchange.source.request_uri,
    #self.dialogs)
end

---@class sip.InviteFields
---@field line sip.Line
---@field owner sip.InviteOwner
---@field source sip.Opening
---@field lines? string
---@field headers? string[]
---@field body? string
---@field auth? sip.ClientAuth
---@field redirects? integer
---@field keep? boolean  keep-alives are offered (RFC 6223)

---@param fields sip.InviteFields
---@return sip.Invite
function M.new(fields)
  local self = setmetatable({
    line = fields.line,
    owner = fields.owner,
    dialogs = {},
  }, invite_mt)
  self.exchange = exchange_of.new {
    line = fields.line,
    owner = self,
    source = fields.source,
    method = "INVITE",
    lines = fields.lines,
    headers = fields.headers,
    body = fields.body,
    auth = fields.auth,
    redirects = fields.redirects,
    keep = fields.keep,
    contact = true,
  }
  return self
end

function Invite:start()
  self.line.invites = self.line.invites + 1
  self.exchange:start()
end

-- The fork that a response belongs to.
local function find(self, res)
  local tag = res:to_tag()
  for _, dialog in ipairs(self.dialogs) do
    if dialog.remote_tag == tag then
      return dialog
    end
  end
end

local function keep(self, dialog)
  dialog.owner = self.owner
  self.dialogs[#self.dialogs + 1] = dialog
  self.line.dialogs:add(dialog)
end

-- All dialogs that have not been answered are gone (13.2.2.3, 13.2.2.4).
local function forget_early(self)
  local kept = {}
  for _, dialog in ipairs(self.dialogs) do
    if dialog.state == "early" then
      dialog.state = "terminated"
      self.line.dialogs:remove(dialog)
    else
      kept[#kept + 1] = dialog
    end
  end
  self.dialogs = kept
end

--- Of the exchange: a 101-199. With a To tag it makes an early dialog (12.1).
function Invite:provisional(res)
  local dialog = find(self, res)
  if not dialog and res:to_tag() then
    dialog = dialog_of.uac(res, self.exchange.source.hop)
    if dialog then
      keep(self, dialog)
    end
  elseif dialog and dialog.state == "early" then
    dialog:refresh(res)
  end
  if not self.winner and not self.exchange.cancelled then
    self.owner:on_provisional(dialog, res)
  end
end

--- Send the ACK of a dialog, again if it has been sent (13.2.2.4). It carries the
--- credentials of its INVITE.
---@param line sip.Line
---@param dialog sip.Dialog
---@param credentials? string
---@param number? integer  the INVITE's, if not the one that made the dialog
---@param body? string
function M.acknowledge(line, dialog, credentials, number, body)
  local hop, raw = dialog.hop, dialog:ack(number)
  local uri = dialog.request_uri
  resolve.start(line, hop, function(places)
    local place = places[1]
    if place then
      dialog.ack_sent = line.stack:send {
        method = "ACK",
        uri = uri,
        raw = raw .. (credentials or ""),
        headers = body and { "Content-Type", "application/sdp" },
        body = body,
        transport = place.transport,
        host = place.host,
        port = place.port,
        server_name = place.name,
        flow = place.flow,
        own = place.own,
      }
    end
  end)
end

-- Nobody listens to what becomes of it.
local quiet = {
  provisional = function() end,
  success = function() end,
  failure = function() end,
  again = function() end,
  over = function() end,
}

--- End a dialog that nobody wants (15): a BYE, and the dialog is gone.
---@param line sip.Line
---@param dialog sip.Dialog
---@param fields? { owner?: table, lines?: string, auth?: sip.ClientAuth }
function M.bye(line, dialog, fields)
  fields = fields or {}
  dialog.state = "terminated"
  line.dialogs:remove(dialog)
  exchange_of.new {
    line = line,
    owner = fields.owner or quiet,
    source = dialog,
    method = "BYE",
    lines = fields.lines,
    auth = fields.auth,
  }:start()
end

--- Of the exchange: a 2xx.
function Invite:success(res)
  local dialog = find(self, res)
  if dialog and dialog.state ~= "early" then
    if dialog.ack_sent then
      dialog.ack_sent:again()
    end
    return
  end
  local made = dialog
  if dialog then
    made = dialog:confirm(res, self.exchange.source.hop)
  else
    dialog = dialog_of.uac(res, self.exchange.source.hop)
    if dialog then
      keep(self, dialog)
      made = true
    end
  end
  if not made then
    return self:spoiled(res)
  end
  M.acknowledge(self.line, dialog, self.exchange.credentials)
  if self.winner or self.exchange.cancelled then
    M.bye(self.line, dialog, { auth = self.exchange.auth })
    return self:settle(self.exchange.cancelled, res)
  end
  self.winner = dialog
  self.owner:on_answer(dialog, res)
end

--- A 2xx whose Contact or Record-Route nobody can send to: there is no way to
--- acknowledge it, so the call has failed.
function Invite:spoiled(res)
  if not self.winner then
    self:settle(err.new("rejected", {
      status = res:status(),
      message = "the answer names no usable Contact",
    }), res)
  end
end

--- Tell the owner that there will be no answer, once.
function Invite:settle(e, res)
  if e and not self.winner and not self.ended then
    self.ended = true
    self.owner:on_failed(e, res)
  end
end

--- Of the exchange: a final failure.
function Invite:failure(e, res)
  forget_early(self)
  self:settle(e, res)
end

--- Of the exchange: it is tried again, and the early dialogs are gone.
function Invite:again()
  forget_early(self)
end

--- Of the exchange: the transaction has ended.
function Invite:over()
  forget_early(self)
  if not self.closed then
    self.closed = true
    self.line.invites = self.line.invites - 1
    for _, dialog in ipairs(self.dialogs) do
      dialog.ack_sent = nil
    end
    self.dialogs = {}
    self.owner:on_over()
  end
end

--- Give up: CANCEL, and BYE for an answer that crosses it (9.1, 15).
---@param e sip.Error  what the owner is told when it is settled
function Invite:cancel(e)
  if not self.winner then
    self.exchange:cancel(e)
  end
end

--- A 2xx for which no transaction is left (called by the line): acknowledged
--- from what it says itself; ended by a BYE if there is no dialog (RFC 6026 7.2).
---@param line sip.Line
---@param res sip.Message
function M.stray(line, res)
  local number, method = res:cseq()
  if method ~= "INVITE" or not res:to_tag() then
    return
  end
  local dialog = line.dialogs:find(res:call_id(), res:from_tag(), res:to_tag())
  if dialog then
    if dialog.ack_sent then
      dialog.ack_sent:again()
    else
      M.acknowledge(line, dialog, nil, number)
    end
    return
  end
  dialog = dialog_of.uac(res)
  if dialog then
    M.acknowledge(line, dialog, nil, number)
    M.bye(line, dialog)
  end
end

return M

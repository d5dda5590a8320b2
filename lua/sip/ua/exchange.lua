--- One request of ours and everything it takes to get its final answer: the
--- places of its target one after the other (RFC 3263 4.3), credentials (RFC
--- 3261 22), what can be left out when it is refused (8.1.3.5), and redirection where
--- it is wanted (8.1.3.4). Each attempt is a new transaction with the next CSeq number.
---
--- The owner is told, in this order: `provisional(res)` for every 101-199,
--- `success(res)` for every 2xx (an INVITE may have several), or `failure(err,
--- res)` once; `again()` before a further attempt; `over()` when the last
--- transaction has ended. None of them may wait.

local address = require "sip.msg.address"
local err = require "sip.rt.err"
local resolve = require "sip.ua.resolve"
local retry = require "sip.ua.retry"

local M = {}

---@class sip.Line  what an endpoint lends to those who send
---@field stack any
---@field sched sip.Scheduler
---@field clients table<any, sip.Exchange>  by client transaction
---@field queries table<any, sip.Names>     by the token of a question
---@field bound { transport: string }[]     what it listens on
---@field transports? string[]             those of them, best first; kept by ua/resolve
---@field names? sip.Names                  what it knows; made when it is first asked
---@field names_max? integer
---@field token fun(self, n: integer): string
---@field dialogs sip.Dialogs
---@field contact fun(self, place: sip.Place, secure: boolean): string?, string?
---@field pending integer                   exchanges without a final answer
---@field settled fun(self)                 one of them has got it

---@alias sip.LateBody
---| fun(place: sip.Place, secure: boolean): string?, sip.Error|string|nil

---@class sip.ExchangeFields
---@field line sip.Line
---@field owner table
---@field source sip.Opening|sip.Dialog
---@field method string
---@field lines? string       further header lines, each with its CRLF
---@field headers? string[]   the script's: name, value, name, value ...
---@field body? string|sip.LateBody  a function is asked once, with the first place
---@field contact? boolean|sip.LateBody  put a Contact in; a function makes its value
---@field auth? sip.Auth
---@field redirects? integer  how many further targets may be tried; none
---@field keep? boolean       keep-alives are offered (RFC 6223)

---@class sip.Exchange: sip.ExchangeFields
---@field tx? any
---@field state "new"|"resolving"|"waiting"|"done"
---@field credentials string  the header lines of the last attempt
---@field private places sip.Place[]
---@field private at integer
local Exchange = {}
local exchange_mt = { __name = "sip.Exchange", __index = Exchange }

function exchange_mt:__tostring()
  return ("sip.Exchange{%s %s; %s}"):format(self.method,
    self.source.request_uri, self.state)
end

---@param fields sip.ExchangeFields  becomes the exchange: do not use it again
---@return sip.Exchange
function M.new(fields)
  fields.state = "new"
  fields.lines = fields.lines or ""
  fields.credentials = ""
  return setmetatable(fields, exchange_mt)
end

local function done(self)
  self.state = "done"
  self.line.pending = self.line.pending - 1
  self.line:settled()
end

local function fail(self, e, res)
  if self.state ~= "done" then
    done(self)
    self.owner:failure(e, res)
    if not self.tx then
      self.owner:over()
    end
  end
end

-- The credentials that the realms asked for so far want to see, as lines.
local function credentials(self)
  local auth = self.auth
  if not auth then
    return ""
  end
  local uri = self.source.request_uri
  if not self.attempt or self.attempt_uri ~= uri then
    self.attempt_uri = uri
    self.attempt = auth:attempt { method = self.method, uri = uri, body = self.body }
  end
  local headers, lines = self.attempt:headers(), {}
  for i = 1, #headers, 2 do
    lines[#lines + 1] = headers[i] .. ": " .. headers[i + 1] .. "\r\n"
  end
  return table.concat(lines)
end

-- Send to the present place; false and the reason if nothing could be sent.
local function attempt(self)
  local line, source, place = self.line, self.source, self.places[self.at]
  local secure = source.hop.secure or false -- 8.1.1.8
  if type(self.body) == "function" then
    local body, e = self.body(place, secure)
    if not body then
      return false, tostring(e)
    end
    self.body = body
  end
  self.credentials = credentials(self)
  local lines = self.lines
  if self.contact then
    local contact, why
    if self.contact == true then
      contact, why = line:contact(place, secure)
    else
      contact, why = self.contact(place, secure)
    end
    if not contact then
      return false, why
    end
    lines = "Contact: " .. contact .. "\r\n" .. lines
  end
  local tx, name, why = line.stack:request {
    method = self.method,
    uri = source.request_uri,
    raw = source:request(self.method) .. lines .. self.credentials,
    headers = self.headers,
    body = self.body,
    transport = place.transport,
    host = place.host,
    port = place.port,
    server_name = place.name,
    flow = place.flow,
    own = place.own,
    keep = self.keep,
  }
  if not tx then
    return false, why ~= "" and why or name
  end
  self.tx, self.state = tx, "waiting"
  line.clients[tx] = self
  return true
end

-- The next place that takes it; false when there is none left.
local function next_place(self)
  local why = "no address"
  while self.at < #self.places do
    self.at = self.at + 1
    local ok, reason = attempt(self)
    if ok then
      return true
    end
    why = tostring(reason)
  end
  return false, why
end

local function resolved(self, places)
  self.query = nil
  self.places, self.at = places, 0
  if self.cancelled then
    return fail(self, self.cancelled)
  end
  local ok, why = next_place(self)
  if not ok then
    fail(self, err.new("unreachable", { message = why }))
  end
end

--- Begin. The owner may be told of a failure before this returns.
function Exchange:start()
  self.source:ready()
  if self.state == "new" then
    self.line.pending = self.line.pending + 1
  end
  self.state = "resolving"
  self.query = resolve.start(self.line, self.source.hop, function(places)
    resolved(self, places)
  end)
end

-- The targets of a 3xx that have not been tried, best first (8.1.3.4).
local function add_contacts(self, res)
  local tried = self.tried or { [self.source.request_uri] = true }
  self.tried = tried
  local found = {}
  local secure = address.is_sips(self.source.request_uri)
  for i = 1, #(res:header "Contact" and res:values "Contact" or {}) do
    local contact = res:name_addr("Contact", i)
    -- What was to be secure stays so (RFC 5630 5.1.1).
    if contact and not tried[contact.uri]
      and (not secure or address.is_sips(contact.uri)) then
      tried[contact.uri] = true
      found[#found + 1] = {
        uri = contact.uri,
        q = tonumber(contact.params.q) or 1,
        order = i,
      }
    end
  end
  table.sort(found, function(a, b)
    if a.q ~= b.q then
      return a.q > b.q
    end
    return a.order < b.order
  end)
  local targets = self.targets or {}
  for i, target in ipairs(found) do
    table.insert(targets, i, target.uri)
  end
  self.targets = targets
end

-- Go to the next target of a redirection; false when there is none.
local function next_target(self)
  while self.targets and #self.targets > 0 and self.redirects > 0 do
    self.redirects = self.redirects - 1
    if self.source:redirect(table.remove(self.targets, 1)) then
      self.owner:again()
      self:start()
      return true
    end
  end
  return false
end

-- Another attempt at the same target, now with credentials (22.1).
local function answer_challenge(self, res)
  if not self.attempt then
    return false
  end
  local challenges = {}
  for _, name in ipairs { "WWW-Authenticate", "Proxy-Authenticate" } do
    local i = 1
    local value = res:header(name, i)
    while value do
      challenges[#challenges + 1] = { header = name, value = value }
      i = i + 1
      value = res:header(name, i)
    end
  end
  local ok, e = self.attempt:challenged(challenges)
  if not ok then
    return false, e
  end
  self.owner:again()
  return (attempt(self))
end

-- Another attempt with what was refused left out (8.1.3.5).
local function answer_refusal(self, res, status)
  local source = self.source
  local change, why = retry.after(res, status, {
    method = self.method,
    uri = source.request_uri,
    hop = source.hop,
    headers = self.headers,
    body = self.body,
  })
  if not change then
    return false, why
  elseif change.uri then -- a dialog has no other target
    if not source.redirect or not source:redirect(change.uri) then
      return false, why
    end
  else
    self.headers, self.body = change.headers, change.body
    self.attempt_uri = nil -- a digest may be of the body
  end
  self.owner:again()
  return attempt(self), why
end

local function final(self, res, status)
  if self.cancelled then
    return fail(self, self.cancelled, res)
  end
  local sent, why
  if status == 401 or status == 407 then
    local e
    sent, e = answer_challenge(self, res)
    why = e and e.message
  else
    sent, why = answer_refusal(self, res, status)
  end
  if sent then
    return
  end
  if status == 503 then
    local seconds = retry.seconds(res)
    if seconds then
      resolve.failed(self.line, self.places[self.at], seconds)
    end
    if next_place(self) then
      return
    end
  end
  if self.redirects then
    if status < 400 then
      add_contacts(self, res)
    end
    if status < 600 and next_target(self) then
      return
    end
  end
  fail(self, err.from_status(status, res:reason(), {
    cause = why,
    retry_after = retry.seconds(res),
  }), res)
end

--- A response has come (called by the line). Unknown codes are their class
--- (8.1.3.2).
---@param res sip.Message
function Exchange:response(tx, res)
  if tx ~= self.tx then
    return
  end
  local status = res:status()
  if status < 200 then
    if status > 100 then
      self.owner:provisional(res)
    end
  elseif status < 300 then
    if self.state ~= "done" then
      done(self)
    end
    self.owner:success(res)
  elseif self.state ~= "done" then
    final(self, res, status)
  end
end

--- The transaction has failed (called by the line): a timeout is a 408, an error
--- of the wire a 503 (8.1.3.1).
---@param name string
---@param why? string
function Exchange:failed(tx, name, why)
  if tx ~= self.tx or self.state == "done" then
    return
  elseif self.cancelled then
    return fail(self, self.cancelled)
  end
  resolve.failed(self.line, self.places[self.at])
  if next_place(self) or self.redirects and next_target(self) then
    return
  elseif name == "timeout" then
    return fail(self, err.new("no_answer", { status = 408, cause = why }))
  end
  if not why or why == "" then
    why = name == "wire" and "nobody listens there, or no way leads there" or name
  end
  fail(self, err.new("unreachable", { message = why }))
end

--- A transaction has ended (called by the line).
function Exchange:ended(tx)
  if tx == self.tx then
    self.tx = nil
    self.owner:over()
  end
end

--- Give an INVITE up (9.1). The owner hears `failure(e)` when that is settled,
--- or `success` if the other side was faster.
---@param e sip.Error
function Exchange:cancel(e)
  if self.cancelled or self.state == "done" then
    return
  end
  self.cancelled = e
  if self.state == "new" then
    self.state = "done"
  elseif self.state == "waiting" then
    self.tx:cancel()
  else
    if self.query then
      self.query:cancel()
    end
    fail(self, e)
  end
end

return M

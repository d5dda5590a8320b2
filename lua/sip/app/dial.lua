--- Calling someone: one INVITE for each target, at once; the first answer wins and
--- the others are cancelled. All of it happens in the task that dials: what comes
--- from the legs waits in a mailbox.

local err = require "sip.rt.err"
local inspect = require "sip.ua.inspect"
local invite_of = require "sip.ua.invite"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"
local party = require "sip.app.party"

local M = {}

local verbs = {}

--- What a call can do.
M.verbs = verbs

local RING_TIME = 60
local RINGBACK = "tone:us"

---@class sip.DialOptions
---@field from? string       who we say we are; a call's own caller otherwise
---@field display? string
---@field auth? { user: string, password: string, realm?: string }
---@field via? string        an outbound proxy
---@field headers? table
---@field timeout? number    how long it may ring: 60
---@field codecs? string[]
---@field sdp? string        our offer, when the media is kept elsewhere
---@field redirects? integer how many redirections are followed: none
---@field keep_alive? boolean  offers keep-alives for as long as the call lives (RFC
---   6223): behind a NAT, where no registration keeps it open
---@field ringback? string|false  what an answered caller hears meanwhile
---@field on_progress? fun(leg: sip.Call, response: sip.Message)

local schema = {
  from = "line", display = "line", auth = "table", via = "line",
  headers = "callheaders", timeout = "seconds", codecs = "codecs", sdp = "string",
  redirects = "integer", keep_alive = "boolean", ringback = "string|boolean",
  on_progress = "function",
}

local STATIC = "Allow: " .. inspect.ALLOW .. "\r\nSupported: \r\n"

-- One leg, not yet sent: its offer and its INVITE.
local function prepare(ua, target, options, mailbox)
  local source, e = ua:opening(target, options)
  if not source then
    return nil, e
  end
  local auth = ua:auth(options.auth, "dial")
  local leg = ua:new_leg(source)
  leg.watcher = mailbox
  leg.auth = auth
  leg.offers_keep = options.keep_alive
  leg.to = party.new(source.request_uri)
  leg.uri = leg.to
  leg.from = party.new(source.from_uri, options.display)
  leg.own_sdp = options.sdp
  leg.invite = invite_of.new {
    line = ua,
    owner = leg,
    source = source,
    lines = STATIC .. "Content-Type: application/sdp\r\n",
    headers = option.headers(options.headers),
    body = options.sdp or function(place, secure)
      local own, named = ua:own_address(place)
      if not own then
        local _, why = ua:contact(place, secure)
        return nil, why or "no address of ours"
      end
      local sound, why = leg:audio_leg(options, own, named)
      if not sound then
        return nil, why
      end
      return sound:first_offer()
    end,
    auth = leg.auth,
    redirects = options.redirects,
    keep = options.keep_alive,
  }
  return leg
end

-- What an error without a status stands for. Our own ring timeout is a 408, as a
-- proxy's is (16.8).
local stands_for = { no_answer = 408, not_acceptable = 488 }

-- Among several failures the most telling one, as a proxy chooses (16.7 step 6): 6xx
-- first, else the lowest class; of the 4xx, which are most, what the called party has
-- said before what it has not. What never was an answer comes last.
local function weight(e)
  local status = e.status or stands_for[e.name] or 0
  if status >= 600 then
    return 7
  elseif status >= 500 or status == 0 then
    return status == 0 and 0 or 1
  elseif status < 400 then
    return 6
  elseif status == 486 then
    return 5
  elseif status == 480 then
    return 4
  end
  return (status == 408 or status == 487) and 2 or 3
end

local function telling(best, e)
  return best and weight(best) >= weight(e) and best or e
end

---@class sip.Dialling
---@field package ua sip.Endpoint
---@field package caller? sip.Call
---@field package legs sip.Call[]
---@field package mailbox sip.Mailbox
---@field private ringing? boolean      the caller hears ringback, or cannot
---@field private player? sip.Player    of it
local Dialling = {}
local dialling_mt = { __name = "sip.Dialling", __index = Dialling }

-- However it ends, by an answer, an error or a hangup: no leg but the winner lives on.
function dialling_mt:__close()
  for _, leg in ipairs(self.legs) do
    leg.watcher = nil
    if leg ~= self.winner then
      leg:hangup()
    end
  end
  if self.player then
    self.player:stop()
  end
end

-- What the caller is told meanwhile (rule 5: an answered one hears ringback, an
-- unanswered one is relayed 180 and 183).
---@private
function Dialling:relay(leg, res)
  local caller, options = self.caller, self.options
  if options.on_progress then
    options.on_progress(leg, res)
  end
  if not caller or caller.state == "ended" then
    return
  elseif caller.state == "answered" then
    self:ringback()
  elseif leg.sound and leg.sound.previewed and #self.legs == 1
    and not caller.own_sdp then
    if not self.early and caller:progress() then
      self.early = true
      caller.sound:join(leg.sound)
    end
  elseif not self.early and (caller.state == "new" or res:status() ~= 183
    and caller.last and caller.last.status ~= res:status()) then
    caller:ring { status = res:status() }
  end
end

-- Begun once, and no reason to end the call when it cannot be heard.
---@private
function Dialling:ringback()
  local caller, tone = self.caller, self.options.ringback
  if tone == false or self.ringing or not caller.sound then
    return
  end
  local function silent(why)
    caller.ua.log:warn("ringback cannot be played", { call = caller.id, why = why })
  end
  self.ringing = true
  local player, e = caller:play {
    type(tone) == "string" and tone or RINGBACK, background = true, loop = true,
  }
  if player then
    self.player, player.watcher = player, silent
  else
    silent(tostring(e))
  end
end

-- A leg for this target, not yet sent.
---@private
function Dialling:add(target)
  local caller = self.caller
  local leg, e = prepare(self.ua, target, self.options, self.mailbox)
  if not leg then
    self.failure = telling(self.failure, e)
    return
  end
  table.insert(self.legs, leg)
  self.open = self.open + 1
  if caller then
    leg.owner = caller
    caller.legs = caller.legs or {}
    table.insert(caller.legs, leg)
  end
end

-- Until one leg has answered, or none can any more.
---@private
function Dialling:run()
  local sched, best = self.ua.sched, self.failure
  local deadline = sched:now() + (self.options.timeout or RING_TIME)
  while self.open > 0 do
    local event, e = self.mailbox:receive(sched:left(deadline))
    if not event then
      return nil, telling(best, err.new("no_answer", { cause = e }))
    elseif event.kind == "answered" then
      self.winner = event.leg
      return event.leg
    elseif event.kind == "failed" then
      self.open = self.open - 1
      best = telling(best, event.why)
    else
      self:relay(event.leg, event.response)
    end
  end
  return nil, best
end

--- Dial, for an endpoint or for a call of it.
---@param ua sip.Endpoint
---@param caller? sip.Call
---@param targets string|sip.Target|(string|sip.Target)[]
---@param options? sip.DialOptions
---@return sip.Call? peer
---@return sip.Error? err
---@private
function M.place(ua, caller, targets, options)
  options = option.check(options, schema, "dial")
  if type(targets) == "string" or type(targets) == "table" and targets.uri then
    targets = { targets }
  elseif type(targets) ~= "table" or #targets == 0 then
    misuse.raise("dial: a target, or an array of them")
  end
  ua.sched:enter()
  if ua.state ~= "open" then
    return nil, err.new("ended", { message = "the endpoint is closing" })
  end
  local dialling <close> = setmetatable({
    ua = ua,
    caller = caller,
    options = options,
    legs = {},
    mailbox = ua.sched:mailbox(),
    open = 0,
  }, dialling_mt)
  for _, target in ipairs(targets) do
    local places, e = ua:whereabouts(target)
    if not places then
      dialling.failure = telling(dialling.failure, e)
    end
    for _, place in ipairs(places or {}) do
      dialling:add(place)
    end
  end
  for _, leg in ipairs(dialling.legs) do
    ua:verb(leg, "dial " .. leg.to.uri)
    leg.invite:start()
  end
  return dialling:run()
end

--- Call someone from this call: the new leg belongs to it and ends with it.
---@param targets string|sip.Target|(string|sip.Target)[]
---@param options? sip.DialOptions
---@return sip.Call? peer
---@return sip.Error? err
function verbs:dial(targets, options)
  options = option.check(options, schema, "dial")
  local ok, e = self:enter()
  if not ok then
    return nil, e
  end
  if self.direction == "in" and not self.ua.options.from
    and not options.from then
    local copy = { from = self.from.uri, display = self.from.display }
    for key, value in pairs(options) do
      copy[key] = value
    end
    options = copy
  end
  return M.place(self.ua, self, targets, options)
end

return M

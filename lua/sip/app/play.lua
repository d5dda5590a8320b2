--- Playing files and tones to the other side, and waiting for their end or not.

local err = require "sip.rt.err"
local misuse = require "sip.rt.misuse"
local option = require "sip.app.options"

local M = {}

---@class sip.Player  something that plays
---@field id integer
---@field why? sip.MediaEnd  how it ended
---@field message? string    what went wrong with a file
---@field package watcher? fun(message?: string)  told when a file cannot be played
---@field private sound sip.Sound
local Player = {}
local player_mt = { __name = "sip.Player", __index = Player }

function player_mt:__tostring()
  return ("sip.Player{%d; %s}"):format(self.id, self.why or "playing")
end

--- Stop playing. Never waits.
function Player:stop()
  if not self.why and not self.stopping then
    self.stopping = true
    self.sound.session:stop(self.id)
  end
end

--- `local player <close> = call:play { ..., background = true }` stops with its
--- block.
function player_mt:__close()
  self:stop()
end

--- Of the sound: it has ended.
---@private
function Player:ended(why, message)
  self.why, self.message = why, message
  if self.event then
    self.event:notify(true)
  end
  if why == "failed" and self.watcher then
    self.watcher(message)
  end
  self.sound.call:changed()
end

--- Wait until everything has been played.
---@param timeout? number
---@return true? ok
---@return sip.Error? err  ended, timeout, or rejected: a file that cannot be played
function Player:wait(timeout)
  local sched = self.sound.call.ua.sched
  if timeout then
    option.argument(timeout, "seconds", "wait: the timeout")
  end
  sched:enter()
  if not self.why then
    self.event = self.event or sched:event()
    local ok, e = self.event:wait(timeout)
    if not ok then
      return nil, e
    end
  end
  local why = self.why
  if why == "finished" or why == "stopped" then
    return true
  elseif why == "closed" then
    return nil, err.new("ended")
  end
  return nil, err.new("rejected", { op = "play", message = self.message })
end

local ITEMS_MAX = 64
local play_options = { background = "boolean", loop = "boolean" }

-- `play "a.wav"`, `play { "a.wav", "tone:beep" }`.
local function parse_play(what)
  if type(what) == "string" then
    return { option.argument(what, "path", "play: the path") }, {}
  elseif type(what) ~= "table" then
    misuse.raise("play: a file, a tone, or a list of them")
  end
  local items, options = {}, {}
  for key, value in pairs(what) do
    if math.type(key) ~= "integer" then
      options[key] = value
    end
  end
  for i, item in ipairs(what) do
    items[i] = option.argument(item, "path", ("play: item %d"):format(i))
  end
  if #items == 0 or #items > ITEMS_MAX then
    misuse.raise("play: from 1 to %d files and tones", ITEMS_MAX)
  end
  return items, option.check(options, play_options, "play")
end

--- Play files and tones one after the other; waits for the end, unless in the
--- background.
---@param what string|table  { "a.wav", "tone:busy", background = true, loop = true }
---@return true|sip.Player? done
---@return sip.Error? err
function M:play(what)
  local items, options = parse_play(what)
  local sound, e = self:speaking "play"
  if not sound then
    return nil, e
  end
  local names = table.concat(items, " ")
  self.ua:verb(self, "play " .. names)
  items.loop = options.loop
  local id, why = sound.session:play(items)
  if not id then
    return nil, err.new("rejected", { op = "play", message = names .. ": " .. why })
  end
  local player = setmetatable({ id = id, sound = sound }, player_mt)
  sound.players[id] = player
  if options.background then
    return player
  end
  local scoped <close> = player
  return scoped:wait()
end

return M

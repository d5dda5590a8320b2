--- A calendar: keys that fall due at instants, any number of them behind one timer of
--- the scheduler. Instants are whole milliseconds, and each is kept exactly.
---
--- Keys of one second share a page, keyed by their millisecond; a heap has the seconds
--- in order. So a million keys make no big table, and one that is put off is crossed
--- out at once: nothing stale stays behind, however often it is put off.

local M = {}

local SECOND = 1000

---@class sip.Calendar
---@field count integer     keys in it
---@field private sched sip.Scheduler
---@field private due fun(keys: string[])
---@field private pages table<integer, table|false>  by second; false: nothing is left
---@field private heap integer[]  every second of `pages`, the earliest first
---@field private live integer  pages that are tables
---@field private timer? integer
---@field private armed_at? integer
local Calendar = {}
local calendar_mt = { __name = "sip.Calendar", __index = Calendar }

function calendar_mt:__tostring()
  return ("sip.Calendar{%d keys}"):format(self.count)
end

--- A calendar, asleep. `due` is told the keys of an instant, sorted, when it comes; it
--- must not wait.
---@param sched sip.Scheduler
---@param due fun(keys: string[])
---@return sip.Calendar
function M.new(sched, due)
  return setmetatable({
    sched = sched,
    due = due,
    count = 0,
    pages = {},
    heap = {},
    live = 0,
    awake = false,
  }, calendar_mt)
end

--- The scheduler's time in whole milliseconds.
---@return integer
function Calendar:now()
  return math.floor(self.sched:now() * SECOND + 0.5)
end

local function push(heap, second)
  local i = #heap + 1
  while i > 1 do
    local above = heap[i // 2]
    if above <= second then
      break
    end
    heap[i] = above
    i = i // 2
  end
  heap[i] = second
end

local function pop(heap)
  local n = #heap
  local last = heap[n]
  heap[n] = nil
  n = n - 1
  if n == 0 then
    return
  end
  local i = 1
  while 2 * i <= n do
    local child = 2 * i
    if child < n and heap[child + 1] < heap[child] then
      child = child + 1
    end
    if heap[child] >= last then
      break
    end
    heap[i] = heap[child]
    i = child
  end
  heap[i] = last
end

-- Seconds whose pages were emptied stay in the heap until they are most of it.
local function tidy(self)
  if #self.heap <= 2 * self.live + 64 then
    return
  end
  local heap, pages = {}, self.pages
  for _, second in ipairs(self.heap) do
    if pages[second] then
      push(heap, second)
    else
      pages[second] = nil
    end
  end
  self.heap = heap
end

local function page_of(self, second)
  local page = self.pages[second]
  if not page then
    if page == nil then
      push(self.heap, second)
    end
    page = { count = 0 }
    self.pages[second] = page
    self.live = self.live + 1
  end
  return page
end

local function arm(self, at)
  if self.awake and (not self.armed_at or at < self.armed_at) then
    if self.timer then
      self.sched:disarm(self.timer)
    end
    self.armed_at = at
    self.timer = self.sched:arm(math.max(at - self:now(), 0) / SECOND, self)
  end
end

--- Note a key for an instant. It is there once however often it is noted for that.
---@param key string
---@param at integer  in milliseconds
function Calendar:add(key, at)
  local page, place = page_of(self, at // SECOND), at % SECOND
  local here = page[place]
  if not here then
    page[place] = key
  elseif here == key or type(here) == "table" and here[key] then
    return
  elseif type(here) == "table" then
    here[key] = true
  else
    page[place] = { [here] = true, [key] = true }
  end
  page.count = page.count + 1
  self.count = self.count + 1
  arm(self, at)
end

--- Cross a key out at an instant; fine when it is not there.
---@param key string
---@param at integer
function Calendar:remove(key, at)
  local second, place = at // SECOND, at % SECOND
  local page = self.pages[second]
  local here = page and page[place]
  if here == key then
    page[place] = nil
  elseif type(here) == "table" and here[key] then
    here[key] = nil
    if next(here) == nil then
      page[place] = nil
    end
  else
    return
  end
  page.count = page.count - 1
  self.count = self.count - 1
  if page.count == 0 then
    self.pages[second] = false
    self.live = self.live - 1
    tidy(self)
  end
end

-- Take what a page has up to this place; the first place after it that has something.
local function take(page, last, keys)
  for place = 0, SECOND - 1 do
    local here = page[place]
    if here and place > last then
      return place
    elseif type(here) == "table" then
      for key in pairs(here) do
        keys[#keys + 1] = key
        page.count = page.count - 1
      end
    elseif here then
      keys[#keys + 1] = here
      page.count = page.count - 1
    end
    page[place] = nil
  end
end

-- All that is due by now, and when the next is.
local function collect(self, now)
  local keys, next_at = {}, nil
  local heap, pages = self.heap, self.pages
  while heap[1] and not next_at do
    local second = heap[1]
    local page = pages[second]
    local place = page and take(page, now - second * SECOND, keys)
    if place then
      next_at = second * SECOND + place
    else
      pop(heap)
      pages[second] = nil
      self.live = self.live - (page and 1 or 0)
    end
  end
  self.count = self.count - #keys
  table.sort(keys)
  return keys, next_at
end

--- The timer has fired (called by the scheduler).
function Calendar:expired()
  self.timer, self.armed_at = nil, nil
  local keys, next_at = collect(self, self:now())
  if next_at then
    arm(self, next_at)
  end
  if keys[1] then
    self.due(keys)
  end
end

--- Tell of what falls due from here on, and of what has meanwhile.
function Calendar:wake()
  if not self.awake then
    self.awake = true
    if self.count > 0 then
      arm(self, self:now())
    end
  end
end

--- Keep what there is, and no timer.
function Calendar:rest()
  self.awake = false
  if self.timer then
    self.sched:disarm(self.timer)
    self.timer, self.armed_at = nil, nil
  end
end

return M

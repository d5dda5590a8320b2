--- The state of a simulated host as a string: everything that Lua holds, walked from
--- its runtime, and what lies below Lua (`host:fingerprint`). Equal strings mean equal
--- futures.
---
--- The walk goes through tables, closures with their variables, and the stacks of
--- coroutines; an object is named by when it was first met, so that which of them are
--- the same is in the string. What is only a name, and grows with every use, is named
--- by what it stands for: timers by their order, the ticket of a wait by whether it is
--- still good. What a coroutine has on its stack between its variables is left out: in
--- code whose waits are statements it is a function of them.

local M = {}

local concat, sort = table.concat, table.sort
local getinfo, getlocal, getupvalue = debug.getinfo, debug.getlocal, debug.getupvalue

-- Counters that nothing is decided by without a processor clock (sip.rt.sched).
local COUNTERS = { slices = true }
local TIMERS = { timer = true, limit_timer = true }

---@class spec.Fingerprint
---@field fixed table<any, integer>  what was there before, and does not change
local Fingerprint = {}
local fingerprint_mt = { __index = Fingerprint }

local function mark(fixed, value)
  local kind = type(value)
  if (kind ~= "table" and kind ~= "function" and kind ~= "userdata")
    or fixed[value] then
    return
  end
  fixed.n = fixed.n + 1
  fixed[value] = fixed.n
  if kind ~= "function" then
    mark(fixed, debug.getmetatable(value))
  end
  if kind == "table" then
    for k, v in next, value do
      mark(fixed, k)
      mark(fixed, v)
    end
  elseif kind == "function" then
    local i = 1
    while true do
      local name, v = getupvalue(value, i)
      if not name then
        break
      end
      mark(fixed, v)
      i = i + 1
    end
  end
end

--- All modules, classes and functions that there are now are taken for constants, and
--- so is what is given.
---@param ... any
---@return spec.Fingerprint
function M.new(...)
  local fixed = { n = 0 }
  mark(fixed, debug.getregistry()[2]) -- _G
  mark(fixed, package.loaded)
  for _, value in pairs(debug.getregistry()) do -- the classes of C
    if type(value) == "table" and rawget(value, "__name") then
      mark(fixed, value)
    end
  end
  for i = 1, select("#", ...) do
    mark(fixed, (select(i, ...)))
  end
  return setmetatable({ fixed = fixed }, fingerprint_mt)
end

-- Each step appends to `out`; `ids` knows what has been met.
local function walk(self, roots, timers)
  local fixed, out, n, ids, count = self.fixed, {}, 0, {}, 0
  local visit

  local function put(text)
    n = n + 1
    out[n] = text
  end

  local function rank_of(id)
    return timers[id] and "t" .. timers[id] or "t-"
  end

  -- Keys that are objects have no order of their own: by what is known of them.
  local function weight(key)
    if fixed[key] then
      return ("a%09d"):format(fixed[key])
    elseif ids[key] then
      return ("b%09d"):format(ids[key])
    elseif type(key) == "userdata" then
      return "c" .. tostring(key)
    end
    return "d" .. tostring(rawget(key, "id") or rawget(key, "key") or "")
  end

  -- Numbers, names, and then objects.
  local function keys_of(value)
    local names, objects, keys, count_of_names = {}, {}, {}, 0
    for key in next, value do
      local kind = type(key)
      if kind == "string" then
        count_of_names = count_of_names + 1
        names[count_of_names] = key
      elseif kind == "number" then
        keys[#keys + 1] = key
      elseif kind == "boolean" then
        error "a table with truth for a key"
      else
        objects[#objects + 1] = { weight(key), key }
      end
    end
    sort(keys)
    sort(names)
    local first = #keys
    for i = 1, count_of_names do
      keys[first + i] = names[i]
    end
    if objects[2] then
      sort(objects, function(x, y)
        return x[1] < y[1]
      end)
    end
    for i, item in ipairs(objects) do
      assert(i == 1 or objects[i - 1][1] ~= item[1], "objects without an order")
      keys[#keys + 1] = item[2]
    end
    return keys
  end

  local function table_(value)
    if next(value) == nil and not debug.getmetatable(value) then
      return put "."
    end
    local is_timers = value == self.timers_of
    visit(debug.getmetatable(value))
    for _, key in ipairs(keys_of(value)) do
      local item = value[key]
      if is_timers then
        put(rank_of(key))
        visit(item)
      elseif TIMERS[key] and math.type(item) == "integer" then
        put(rank_of(item))
      elseif key == "serial" and value.state and value.scope then
        put "serial" -- a task's ticket: see variable
      elseif not COUNTERS[key] then
        visit(key)
        visit(item)
      end
    end
    put "."
  end

  -- A ticket is good or not; which number it has says nothing.
  local function variable(name, value, task)
    if name == "serial" and type(task) == "table" and task.serial then
      put(task.serial == value and "good" or "void")
    else
      visit(value)
    end
  end

  local function function_(value)
    local info = getinfo(value, "S")
    put(info.short_src .. ":" .. info.linedefined)
    local i, task = 1, nil
    while true do
      local name, item = getupvalue(value, i)
      if not name then
        break
      elseif name == "task" then
        task = item
      end
      i = i + 1
    end
    for k = 1, i - 1 do
      local name, item = getupvalue(value, k)
      local key = name ~= "" and debug.upvalueid(value, k)
      if key and not ids[key] then
        count = count + 1
        ids[key] = count
      end
      put("v" .. (key and ids[key] or ""))
      variable(name, item, task)
    end
    put "."
  end

  local function thread_(value)
    put(coroutine.status(value))
    local level = 0
    while true do
      local info = getinfo(value, level, "lf")
      if not info then
        break
      end
      visit(info.func)
      put("@" .. info.currentline)
      for _, step in ipairs { 1, -1 } do
        local i, task = step, nil
        while true do
          local name, item = getlocal(value, level, i)
          if not name then
            break
          elseif name == "task" then
            task = item
          end
          if name:sub(1, 1) ~= "(" or step < 0 then
            variable(name, item, task)
          end
          i = i + step
        end
      end
      level = level + 1
    end
    put "."
  end

  local function userdata_(value)
    local class = (debug.getmetatable(value) or {}).__name or "?"
    put(class)
    if class == "sip.Message" then
      put(value:kept() and value:bytes() or "gone")
    elseif class == "sip.ServerTx" or class == "sip.ClientTx" then
      put(tostring(value))
    end
  end

  local kinds = { table = table_, ["function"] = function_, thread = thread_,
    userdata = userdata_ }

  function visit(value)
    local kind = type(value)
    local by = kinds[kind]
    if kind == "string" then
      put(#value .. ":" .. value)
    elseif not by then
      put(tostring(value))
    elseif fixed[value] then
      put("S" .. fixed[value])
    elseif ids[value] then
      put("#" .. ids[value])
    else
      count = count + 1
      ids[value] = count
      put(kind:sub(1, 1))
      by(value)
    end
  end

  for _, root in ipairs(roots) do
    visit(root)
  end
  return concat(out, " ", 1, n)
end

--- The state of a host.
---@param driver sip.SimHost
---@param runtime sip.Runtime
---@param ... any  what its scripts have of their own
---@return string
function Fingerprint:of(driver, runtime, ...)
  local ids, timers = {}, {}
  for id in pairs(runtime.sched.timers) do
    ids[#ids + 1] = id
  end
  sort(ids)
  for i, id in ipairs(ids) do
    timers[id] = i
  end
  self.timers_of = runtime.sched.timers
  local below = assert(driver:fingerprint(), "the host is not at rest")
  return below .. walk(self, { runtime, ... }, timers)
end

return M

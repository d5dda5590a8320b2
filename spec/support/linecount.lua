--- Count the lines that run (`make cover`), in every coroutine, and let the hooks of
--- others go on beside. Written at exit: path, line and count, one per row.

local M = {}

--- Start counting; the counts go to `path` when the state closes.
---@param path string
function M.start(path)
  local counts = {}
  local of_function = setmetatable({}, { __mode = "k" }) -- false: none of ours
  local getinfo = debug.getinfo
  local sethook, create = debug.sethook, coroutine.create

  local function count(line)
    local running = getinfo(3, "f").func
    local lines = of_function[running]
    if lines == nil then
      local source = getinfo(3, "S").source
      lines = source:find "^@%.?/?lua/" and (counts[source] or {})
      of_function[running], counts[source] = lines, lines or nil
    end
    if lines then
      lines[line] = (lines[line] or 0) + 1
    end
  end

  local function on_line(_, line)
    count(line)
  end

  -- luacheck: push globals debug coroutine
  function debug.sethook(thread, hook, mask, stride)
    if type(thread) ~= "thread" then
      thread, hook, mask, stride = coroutine.running(), thread, hook, mask
    end
    if not hook then
      return sethook(thread, on_line, "l")
    end
    sethook(thread, function(event, line)
      if event == "line" then
        count(line)
      else
        return hook(event, line)
      end
    end, mask .. "l", stride)
  end

  function coroutine.create(body)
    local thread = create(body)
    sethook(thread, on_line, "l")
    return thread
  end

  function coroutine.wrap(body)
    local thread = coroutine.create(body)
    return function(...)
      local results = table.pack(coroutine.resume(thread, ...))
      if not results[1] then
        error(results[2], 0)
      end
      return table.unpack(results, 2, results.n)
    end
  end
  -- luacheck: pop

  M.at_exit = setmetatable({}, {
    __gc = function()
      sethook()
      local file <close> = assert(io.open(path, "w"))
      for source, lines in pairs(counts) do
        for line, times in pairs(lines) do
          file:write(source, " ", line, " ", times, "\n")
        end
      end
    end,
  })
  sethook(on_line, "l")
end

return M

-- The output of a run: the seed of the shuffle, each failure with its trace, what was
-- skipped and why, and as the last line, alone:
--
--   42 passed, 0 failed
--   asan: 42 passed, 0 failed, 1 skipped      (SIP_RUN=asan)
--
-- An error, in a test or outside of one, counts as failed.

local busted = require "busted"
local base = require "busted.outputHandlers.base"

local function text_of(message)
  if message == nil then
    return "nil error"
  end
  return type(message) == "string" and message or require("pl.pretty").write(message)
end

local function place_of(item)
  local trace = item.element.trace
  if trace and trace.short_src then
    return ("%s:%d: "):format(trace.short_src, trace.currentline)
  end
  return ""
end

local function print_failure(item, word)
  print(("\n%s  %s%s"):format(word, place_of(item), item.name))
  print(text_of(item.message))
  local trace = item.trace and item.trace.traceback
  if trace then
    print((trace:gsub("^%s*stack traceback:%s*\n", "")))
  end
end

return function()
  local handler = base()
  local prefix = os.getenv "SIP_RUN"

  local function closing_line()
    local failed = handler.failuresCount + handler.errorsCount
    local line = ("%d passed, %d failed"):format(handler.successesCount, failed)
    if handler.pendingsCount > 0 then
      line = line .. (", %d skipped"):format(handler.pendingsCount)
    end
    return (prefix and prefix .. ": " or "") .. line, failed
  end

  busted.subscribe({ "suite", "start" }, function(suite)
    print("seed " .. tostring(suite.randomseed or busted.randomseed))
    return nil, true
  end)

  busted.subscribe({ "suite", "end" }, function()
    for _, item in ipairs(handler.pendings) do
      local why = item.message and ": " .. text_of(item.message) or ""
      print(("skipped  %s%s%s"):format(place_of(item), item.name, why))
    end
    for _, item in ipairs(handler.failures) do
      print_failure(item, "FAILED")
    end
    for _, item in ipairs(handler.errors) do
      print_failure(item, "ERROR")
    end
    return nil, true
  end)

  busted.subscribe({ "exit" }, function()
    local line, failed = closing_line()
    if handler.successesCount + failed + handler.pendingsCount == 0 then
      print "no specs were found"
      failed = 1
    end
    io.stdout:write(line, "\n")
    io.stdout:flush()
    if failed > 0 then
      os.exit(1, true) -- busted's own status is the count, modulo 256
    end
    return nil, true
  end)

  return handler
end

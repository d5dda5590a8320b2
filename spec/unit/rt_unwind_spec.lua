-- Telling a closer's wait from a script's wait by the stack.

local unwind = require "sip.rt.unwind"

-- Runs a body under xpcall as the scheduler does, and notes for every yield
-- whether a closer was running.
local function seen(body, ...)
  local thread = coroutine.create(function(...)
    xpcall(body, function(e) return e end, ...)
  end)
  local notes = {}
  local _, tag = coroutine.resume(thread, ...)
  while coroutine.status(thread) ~= "dead" do
    notes[#notes + 1] = tag .. (unwind.closing(thread) and "+" or "-")
    _, tag = coroutine.resume(thread)
  end
  return table.concat(notes, " ")
end

local function closer(tag)
  return setmetatable({}, { __close = function()
    coroutine.yield(tag)
  end })
end

local function tail_closer(tag)
  return setmetatable({}, { __close = function()
    return coroutine.yield(tag)
  end })
end

local function vararg_closer(tag)
  return setmetatable({}, { __close = function(...)
    coroutine.yield(tag, ...)
  end })
end

describe("unwind.closing", function()
  it("is false in a body, whatever protected calls are around it", function()
    assert.equal("a- b- c- d- e- f-", seen(function(...)
      coroutine.yield "a"
      pcall(coroutine.yield, "b")
      pcall(function() coroutine.yield "c" end)
      pcall(function(_, ...) coroutine.yield("d", ...) end, 1, 2, 3)
      xpcall(function(...) coroutine.yield("e", ...) end, print, 1, 2)
      pcall(function(...) return pcall(coroutine.yield, "f", ...) end, ...)
    end, 1, 2, 3))
  end)

  it("is true in a closer run by the end of its block", function()
    assert.equal("a- b+ c-", seen(function()
      do
        local _ <close> = closer "b"
        coroutine.yield "a"
      end
      coroutine.yield "c"
    end))
  end)

  it("is true in a closer of a loop", function()
    assert.equal("a- b+", seen(function()
      local function once(_, i) return not i and 1 or nil end
      for _ in once, nil, nil, closer "b" do
        coroutine.yield "a"
      end
    end))
  end)

  it("is true in every closer that an error unwinds", function()
    assert.equal("c+ b+ a+", seen(function()
      local _ <close> = closer "a"
      local _ <close> = tail_closer "b"
      local _ <close> = vararg_closer "c"
      error "x"
    end))
  end)

  it("is true only until the pcall that caught the error returns", function()
    assert.equal("b+ c- a+ d-", seen(function()
      pcall(function()
        local _ <close> = tail_closer "a"
        pcall(function(...)
          local _ <close> = closer "b"
          error(...)
        end, "x")
        coroutine.yield "c"
        error "y"
      end)
      coroutine.yield "d"
    end))
  end)

  it("is true below a protected call of the closer itself", function()
    assert.equal("a+", seen(function()
      local _ <close> = setmetatable({}, { __close = function()
        pcall(function() coroutine.yield "a" end)
      end })
      error "x"
    end))
  end)

  it("answers for the running coroutine too, from any depth", function()
    local answers = {}
    local function ask(...)
      answers[#answers + 1] = unwind.closing(coroutine.running())
      return ...
    end
    local function deep(...)
      local n = select("#", ask(...))
      return n
    end
    local function asking(fn)
      return setmetatable({}, { __close = fn })
    end
    seen(function(...)
      deep(1, 2, 3)
      local _ <close> = asking(function(...) deep(...) end)
      local _ <close> = asking(function() deep(1, 2, 3) end)
      local _ <close> = asking(function() ask() end)
      pcall(function(...) ask(...) end, 1, 2, 3)
      pcall(deep, 1, 2, 3)
      error(...)
    end, "x")
    assert.same({ false, false, false, true, true, true }, answers)
  end)
end)

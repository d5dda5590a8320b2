-- The search of all orders (spec/support/search.lua): that it finds what is broken on
-- purpose, and that hosts run apart do what they do together. `make search` searches
-- more, for longer.

local branch_of = require "sip.ua.branch"
local crossings = require "spec.search.crossings"
local invite_of = require "sip.ua.invite"
local search = require "spec.support.search"
local simulated = require "spec.support.simulated"

local virtual = simulated(describe, "messages that are held")

virtual("a search of all orders", function()
  local ANSWERED = { proxies = 1, callees = { 200, 200 }, firings = 0 }
  local RINGING = { proxies = 1, callees = { false }, quiet = false, firings = 0,
    caller = { "hangs up" } }

  -- With a method of a class replaced meanwhile.
  local function without(class, name, other, fn)
    local real = class[name]
    class[name] = other(real)
    local ok, e = pcall(fn)
    class[name] = real
    assert(ok, e)
  end

  local function found(spec, pattern)
    local result = search.new(crossings.new(spec)):run(20000)
    assert.is_false(result.complete)
    assert.matches(pattern, result.why)
    assert.truthy(#result.way > 0)
  end

  local Branch = getmetatable(branch_of.new({}, {}, 1)).__index

  it("ends where there is nothing to be found, and says what it visited", function()
    for _, spec in ipairs { ANSWERED, RINGING } do
      local result = search.new(crossings.new(spec)):run()
      assert.is_nil(result.why)
      assert.is_true(result.complete)
      assert.truthy(result.states > 100 and result.ends > 3)
    end
  end)

  it("is not complete when it was bounded", function()
    local result = search.new(crossings.new(ANSWERED)):run(100)
    assert.is_nil(result.why)
    assert.is_false(result.complete)
  end)

  it("finds that a second 2xx is not passed on", function()
    without(Branch, "let_go", function()
      return function(self)
        self:retire()
      end
    end, function()
      found(ANSWERED, "never acknowledged")
    end)
  end)

  it("finds that a branch is not cancelled whose 1xx comes after", function()
    without(Branch, "cancel", function(real)
      return function(self)
        if self.heard then
          return real(self)
        end
        self.cancelled = true
      end
    end, function()
      found(RINGING, "still armed")
    end)
  end)

  it("finds a timer that was forgotten", function()
    without(Branch, "let_go", function(real)
      return function(self)
        self.timer = nil
        return real(self)
      end
    end, function()
      found({ proxies = 1, callees = { 200 }, firings = 0 }, "still armed")
    end)
  end)

  it("finds that an answer that crossed a CANCEL is not ended", function()
    without(invite_of, "bye", function()
      return function(line, dialog)
        line.dialogs:remove(dialog)
      end
    end, function()
      found({ proxies = 1, callees = { 200 }, firings = 0, caller = { "hangs up" } },
        "has a dialog")
    end)
  end)

  it("runs hosts apart as they run together", function()
    for _, spec in ipairs { ANSWERED, RINGING,
      { proxies = 2, callees = { 200, 603 }, quiet = false, firings = 0,
        caller = { "hangs up" } } } do
      search.new(crossings.new(spec)).apart:confirm(5, 100)
    end
  end)
end)

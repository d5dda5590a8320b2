-- Random scripts in random trouble: whatever they do, every closer runs exactly
-- once, no wait gets another's answer, nothing is left, no error is reported that
-- no script raised, and the same seed gives the same run. Worlds of even seeds are
-- gentle: nobody catches a cancellation and closers are quick; there no task may
-- have to be killed, and every closer runs to its end.

local fake_driver = require "spec.support.fake_driver"
local new_sched = require("sip.rt.sched").new

local WORLDS = 300

-- A generator of its own: the suite's must not be disturbed.
local function chance(seed)
  local state = seed * 2654435761 + 12345
  return function(n)
    state = (state * 6364136223846793005 + 1442695040888963407)
    return (state >> 33) % n + 1
  end
end

local CATCH -- the act that gentle worlds leave out: the last

local World = {}
World.__index = World

local function new_world(seed)
  local driver = fake_driver.new()
  local self = setmetatable({
    random = chance(seed),
    driver = driver,
    gentle = seed % 2 == 0,
    kills = 0,
    opened = 0,
    closed = 0,
    through = 0,
    finals = 0,
    boxes = {},
    tickets = {},
    scopes = {},
    history = {},
    stray = {},
  }, World)
  self.sched = new_sched(driver, { pool = 3, on_error = function(traceback)
    if not traceback:find "planned" then
      self.stray[#self.stray + 1] = traceback
    end
    self:note "error"
  end, on_kill = function()
    self.kills = self.kills + 1
  end })
  driver.sched = self.sched
  return self
end

function World:note(what)
  self.history[#self.history + 1] = what .. "@" .. self.driver.clock
end

-- A resource whose closer may wait, or raise, or both.
function World:resource()
  local mood = self.random(6)
  self.opened = self.opened + 1
  local open = true
  return setmetatable({}, { __close = function()
    assert(open, "closed twice")
    open = false
    self.closed = self.closed + 1
    self:note "close"
    if mood == 4 then
      self.through = self.through + 1
      error "planned, in a closer"
    elseif mood == 1 then
      self.sched:sleep(1)
    elseif mood == 2 then
      self.sched:timeout(2, self.sched.sleep, self.sched, 3)
    elseif mood == 3 and not self.gentle then
      self.sched:sleep(20) -- longer than the time for cleanup
    end
    self.through = self.through + 1
  end })
end

-- An answer of a wait is its own, or its timeout.
local function own(wanted, value, e, ...)
  local late = value == nil and type(e) == "table" and e.name == "timeout"
  assert(value == wanted or late, "another wait's answer")
  assert(select("#", ...) == 0)
end

local function child(self, depth)
  return function()
    return self:script(depth + 1)
  end
end

local acts = {
  function(self) own(true, self.sched:sleep(self.random(4) - 1)) end,
  function(self)
    local mark = {}
    own(mark, self.sched:await(function(done)
      self.tickets[#self.tickets + 1] = function() done(mark) end
    end, { timeout = self.random(2) == 1 and self.random(9) or nil }))
  end,
  function(self, depth)
    self.sched:timeout(self.random(5), self.script, self, depth + 1)
  end,
  function(self, depth) self.sched:any(child(self, depth), child(self, depth)) end,
  function(self, depth) self.sched:all(child(self, depth), child(self, depth)) end,
  function(self, depth) self.sched:spawn(self.script, self, depth + 1) end,
  function() error "planned" end,
  function(self)
    local done = self.tickets[1]
    if done then
      done()
    end
  end,
  function(self) self.scopes[self.random(#self.scopes)]:cancel "random" end,
  function(self)
    local i = self.random(#self.boxes)
    self.boxes[i]:send(i)
  end,
  function(self)
    local i = self.random(#self.boxes)
    own(i, self.boxes[i]:receive(self.random(3) == 1 and 2 or nil))
  end,
  function(self) self.sched:checkpoint() end,
  function(self, depth)
    self.sched:spawn(self.script, self, depth + 1):wait(self.random(5))
  end,
  function(self, depth) pcall(self.script, self, depth + 1) end,
}
CATCH = #acts

function World:script(depth)
  local _ <close> = self.random(2) == 1 and self:resource() or nil
  for _ = 1, self.random(4) do
    self:note(depth)
    if depth > 4 then
      self.sched:sleep(1)
    else
      acts[self.random(self.gentle and CATCH - 1 or CATCH)](self, depth)
    end
  end
end

function World:run()
  for i = 1, 3 do
    self.boxes[i] = self.sched:mailbox(2)
  end
  for i = 1, 4 do
    local parent = i > 2 and self.scopes[i - 2] or nil
    self.scopes[i] = self.sched:scope("call", parent)
    self.scopes[i]:finally(function()
      self.finals = self.finals + 1
      self:note "finally"
    end)
    for _ = 1, self.random(3) do
      self.scopes[i]:spawn(self.script, self, 1)
    end
  end
  for _ = 1, 20 do
    self.driver:advance(self.random(10) / 4)
    local done = self.tickets[self.random(#self.tickets + 1)]
    if done then
      done()
    end
  end
  self.scopes[self.random(4)]:cancel "hangup"
  self.driver:advance(5)
  for _, scope in ipairs(self.scopes) do
    scope:cancel "end"
  end
  self.driver:advance(200)
end

describe("random scripts", function()
  it("leave nothing behind and lose no closer", function()
    local kinds = {}
    for seed = 1, WORLDS do
      local where = "SEED=" .. seed
      local world = new_world(seed)
      world:run()
      local sched = world.sched
      assert.same({}, world.stray, where)
      assert.equal(0, sched.live, where)
      assert.equal(0, sched.armed, where)
      assert.equal(0, world.driver.count, where)
      assert.equal(0, sched.root.live, where)
      assert.is_nil(sched.root.tasks, where)
      assert.is_nil(sched.root.scopes, where)
      assert.equal(world.opened, world.closed, where)
      assert.equal(4, world.finals, where)
      if world.gentle then
        assert.equal(0, world.kills, where)
        assert.equal(world.opened, world.through, where)
      end
      for _, line in ipairs(world.history) do
        local kind = line:match "^%a+" or "step"
        kinds[kind] = (kinds[kind] or 0) + 1
      end
    end
    -- The dice have not left anything out.
    for _, kind in ipairs { "step", "close", "error", "finally" } do
      assert.is_true(kinds[kind] > WORLDS, kind)
    end
  end)

  it("run the same way again", function()
    for seed = 1, 20 do
      local first, second = new_world(seed), new_world(seed)
      first:run()
      second:run()
      assert.same(first.history, second.history, "SEED=" .. seed)
    end
  end)

  it("are ended by closing the scheduler at any time", function()
    for seed = 1, WORLDS do
      local where = "SEED=" .. seed
      local world = new_world(seed)
      world.driver.advance = function(driver, seconds)
        if driver.clock < seed % 7 then
          fake_driver.advance(driver, seconds)
        end
      end
      world:run()
      world.sched:close()
      assert.same({}, world.stray, where)
      assert.equal(0, world.sched.live, where)
      assert.equal(0, world.driver.count, where)
      assert.equal(world.opened, world.closed, where)
    end
  end)
end)

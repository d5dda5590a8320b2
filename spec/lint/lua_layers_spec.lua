-- Who may require whom in lua/, that it is done in the open, and what only the
-- scheduler and the stack may ask of Lua.

local tree = require "spec.support.tree"

-- The layer of a module is its folder, or its own name at the top.
local ANY = { "rt", "msg", "ua", "app", "store", "init", "sim", "features" }
local LAYERS = {
  version = {},
  rt = { "rt" },
  msg = { "rt", "msg" },
  ua = { "rt", "msg", "ua" },
  store = { "rt", "store" },
  app = { "rt", "msg", "ua", "app", "store" },
  features = { "rt" },
  init = ANY,
  sim = ANY,
  cli = { "cli", table.unpack(ANY) },
  meta = {},
}
-- The only ones that see the C side.
local CORE = {
  "^sip%.msg", "^sip%.store", "^sip%.sim", "^sip$", "^sip%.features$",
}

-- Names of Lua's own that belong to a few: patterns of modules that may use them.
local KEPT = {
  ["coroutine.create"] = "^sip%.rt%.", ["coroutine.resume"] = "^sip%.rt%.",
  ["coroutine.yield"] = "^sip%.rt%.", ["coroutine.wrap"] = "^sip%.rt%.",
  ["coroutine.close"] = "^sip%.rt%.",
  ["os.time"] = "^sip%.cli", ["os.clock"] = "^sip%.cli", ["os.date"] = "^sip%.cli",
  ["math.random"] = "^never$", ["math.randomseed"] = "^never$",
  ["os.exit"] = "^never$", ["os.execute"] = "^never$", ["io.popen"] = "^never$",
}

local function module_name(path)
  return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

local function layer_of(module)
  return module == "sip" and "init" or module:match "^sip%.([%w_]+)"
end

local function modules()
  local found = {}
  for _, path in ipairs(tree.files({ "lua" }, { ".lua" })) do
    local text = tree.read(path)
    found[module_name(path)] = { path = path, text = text, requires = {} }
  end
  return found
end

-- The requires of a module in the one allowed form; what has another is `odd`.
local function scan(module, odd)
  local bare = tree.bare_lua(module.text)
  for at in bare:gmatch "()%f[%w_.:]require%f[^%w_]" do
    local start = #module.text:sub(1, at):gsub("[^\n]*$", "") + 1
    local line = module.text:match("[^\n]*", start)
    local name = line:match '^local [%w_, <>]+ = require %(?"([%w_.]+)"'
      or line:match '^local [%w_, <>]+ = require%("([%w_.]+)"%)'
      or line:match '^local [%w_, <>]+ = pcall%(require, "([%w_.]+)"%)$'
    if name then
      module.requires[#module.requires + 1] = name
    else
      odd[#odd + 1] = tree.place(module.path, module.text, at, line)
    end
  end
end

local function contains(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then
      return true
    end
  end
  return false
end

describe("the layers of lua", function()
  local found, odd

  setup(function()
    found, odd = modules(), {}
    for _, module in pairs(found) do
      scan(module, odd)
    end
  end)

  it("are the folders of the table", function()
    for name, module in pairs(found) do
      assert.is_truthy(LAYERS[layer_of(name)], module.path)
    end
  end)

  it("require with one literal string, at the top level", function()
    assert.same({}, odd)
  end)

  it("require only what lies below them", function()
    local wrong = {}
    for name, module in pairs(found) do
      for _, target in ipairs(module.requires) do
        local layer = target == "sip" and "init" or target:match "^sip%.([%w_]+)"
        local c_side = layer == "core" or layer == "codec" or layer == "test"
        local fine = layer == nil or layer == "version"
          or contains(LAYERS[layer_of(name)], layer)
        if c_side then
          fine = false
          for _, pattern in ipairs(CORE) do
            fine = fine or name:find(pattern) ~= nil
          end
        end
        if not fine then
          wrong[#wrong + 1] = ("%s: %s"):format(module.path, target)
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("have no cycles", function()
    local state, cycles = {}, {}
    local function visit(name, path)
      if state[name] == "open" then
        cycles[#cycles + 1] = path .. " -> " .. name
      elseif not state[name] and found[name] then
        state[name] = "open"
        for _, target in ipairs(found[name].requires) do
          visit(target, path .. " -> " .. name)
        end
        state[name] = "done"
      end
    end
    for name in pairs(found) do
      visit(name, "")
    end
    assert.same({}, cycles)
  end)

  it("leave coroutines to the scheduler, clock and chance to the stack", function()
    local wrong = {}
    for name, module in pairs(found) do
      local bare = tree.bare_lua(module.text)
      for at, used in bare:gmatch "()%f[%w_.](%l+%.%l+)%f[^%w_]" do
        if KEPT[used] and not name:find(KEPT[used]) then
          wrong[#wrong + 1] = tree.place(module.path, module.text, at, used)
        end
      end
    end
    assert.same({}, wrong)
  end)
end)

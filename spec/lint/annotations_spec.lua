-- Annotations are the one source of the reference, so they are held to what is there:
-- in the modules that scripts see, and on the C side, which lua/sip/meta describes.

local annotations = require "tools.annotations"
local doc_api = require "tools.doc_api"

local function each_function(visit)
  for _, module in ipairs(annotations.all()) do
    if doc_api.shown(module) or module.path:find "/meta/" then
      for _, item in ipairs(module.functions) do
        if not item.private then
          visit(item, ("%s:%d: %s"):format(module.path, item.line, item.name), module)
        end
      end
    end
  end
end

local function names_of(params)
  local names = {}
  for i, param in ipairs(params) do
    names[i] = (param.name:gsub("%?$", ""))
  end
  return names
end

describe("a function that scripts see", function()
  it("says what it is for", function()
    local wrong = {}
    each_function(function(item, place)
      if item.text == "" then
        wrong[#wrong + 1] = place
      end
    end)
    assert.same({}, wrong)
  end)

  it("has a type for every parameter, in order", function()
    local wrong = {}
    each_function(function(item, place)
      local given = table.concat(names_of(item.params), ", ")
      local taken = table.concat(item.parameters, ", ")
      if given ~= taken then
        wrong[#wrong + 1] = ("%s(%s) is annotated (%s)"):format(place, taken, given)
      end
    end)
    assert.same({}, wrong)
  end)

  it("is there when its module is required", function()
    local wrong = {}
    each_function(function(item, place, module)
      local exports = not module.path:find "/meta/" and require(module.name)
      if exports and item.owner == "M" and type(exports[item.name]) ~= "function" then
        wrong[#wrong + 1] = place
      end
    end)
    assert.same({}, wrong)
  end)
end)

describe("doc/api.md", function()
  it("forgets no module that scripts may see", function()
    assert.same({}, doc_api.forgotten())
  end)
end)

describe("lua/sip/meta", function()
  local core = require "sip.core"

  -- "core.parse" of a class named core; "sip.Message:header" of a class with a name.
  local function annotated()
    local found = {}
    for _, module in ipairs(annotations.all()) do
      local names = { core = "core" }
      for _, class in ipairs(module.classes) do
        if class.owner then
          names[class.owner] = class.name:gsub("^sip%.core$", "core")
        end
      end
      for _, item in ipairs(module.path:find "/meta/" and module.functions or {}) do
        found[(names[item.owner] or item.owner) .. "." .. item.name] = true
      end
    end
    return found
  end

  local function exported()
    local found = {}
    for name, value in pairs(core) do
      if type(value) == "function" then
        found["core." .. name] = true
      end
    end
    for name, metatable in pairs(debug.getregistry()) do
      local is_class = type(name) == "string" and name:find "^sip%.%u"
        and type(metatable) == "table"
      local methods = is_class and rawget(metatable, "__index")
      for method in pairs(type(methods) == "table" and methods or {}) do
        if not method:find "^__" then
          found[name .. "." .. method] = true
        end
      end
    end
    return found
  end

  local function missing(from, of)
    local names = {}
    for name in pairs(from) do
      if not of[name] then
        names[#names + 1] = name
      end
    end
    table.sort(names)
    return names
  end

  it("types every function of the C side", function()
    assert.same({}, missing(exported(), annotated()))
  end)

  it("types nothing that is not there", function()
    assert.same({}, missing(annotated(), exported()))
  end)
end)

-- What README.md and doc/ show is what happens: their Lua runs here, in virtual time,
-- their commands and links lead somewhere.
--
-- A block with `require "sip.sim"` is a test and runs as it is. One with `require
-- "sip"` is a script: it runs on a host, and is called once. Any other is the body of a
-- script of a call, with `sip`, `ua` and `call`.

local new_sim = require "sip.sim"
local simulated = require "spec.support.simulated"
local tree = require "spec.support.tree"

local HOST = "192.0.2.1"
local GENERATED = {
  ["doc/api.md"] = true, ["doc/rfc.md"] = true, ["doc/fsm.md"] = true,
}

local function pages()
  local list = { "README.md", "CONTRIBUTING.md" }
  for _, path in ipairs(tree.files({ "doc" }, { ".md" })) do
    list[#list + 1] = not GENERATED[path] and path or nil
  end
  return list
end

-- The blocks of Lua that show scripts and tests, with the line that they start at.
local function blocks()
  local list = {}
  for _, path in ipairs(pages()) do
    local open
    for number, line in tree.lines(tree.read(path)) do
      if open and line:find "^```" then
        open.code = table.concat(open.lines, "\n") .. "\n"
        list[#list + 1], open = open, nil
      elseif open then
        open.lines[#open.lines + 1] = line
      elseif line == "```lua" and path ~= "CONTRIBUTING.md" then
        open = { name = ("%s:%d"):format(path, number), page = path, lines = {} }
      end
    end
  end
  return list
end

-- Prompts that a block names and nobody has made.
local function give_prompts(host, code)
  local bytes = tree.read "examples/sounds/hello.wav"
  for path in code:gmatch "\"([%w/_-]+%.wav)\"" do
    local real = io.open(path)
    if real then
      real:close()
    else
      host:write(path, bytes)
    end
  end
end

local function load_on(sim, code)
  local host = sim:host(HOST)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(code)
  file:close()
  give_prompts(host, code)
  local ok, why = pcall(host.load, host, path)
  os.remove(path)
  assert(ok, why)
  return host
end

local CALL_SCRIPT = [[
local sip = require "sip"
local ua <close> = sip.new { listen = { "udp:%s:5060", "tcp:%s:5060" } }
ua:on_call(function(call)
%s
end)
sip.run()
]]

local function run_script(code)
  local sim <close> = new_sim { seed = 1 }
  load_on(sim, code)
  assert(sim:phone():dial("sip:anybody@" .. HOST, { timeout = 60 }))
  sim:advance(30)
  sim:assert_clean()
end

local function run_block(block)
  local code = block.code
  if code:find("require \"sip.sim\"", 1, true) then
    assert(load(code, "=" .. block.name, "t"))()
  elseif code:find("require \"sip\"", 1, true) then
    run_script(code)
  else
    run_script(CALL_SCRIPT:format(HOST, HOST, code))
  end
end

-- Scripts print; a run of the specs does not.
local printed = print

local function hush()
  rawset(_G, "print", function() end)
end

local function unhush()
  rawset(_G, "print", printed)
end

describe("the Lua of", function()
  before_each(hush)
  after_each(unhush)

  for _, block in ipairs(blocks()) do
    local where = (block.page == "doc/tls.md" or block.page == "doc/addresses.md")
        and simulated(it, "certificates")
      or block.page == "doc/websocket.md" and simulated(it, "WebSocket") or it
    where(block.name .. " runs", function()
      run_block(block)
    end)
  end

  it("every page is among it", function()
    local found = {}
    for _, block in ipairs(blocks()) do
      found[block.page] = true
    end
    assert.is_true(found["README.md"])
    assert.is_true(found["doc/testing.md"])
  end)
end)

describe("the script of README.md", function()
  local sim, host, code

  before_each(function()
    hush()
    code = assert(blocks()[1]).code
    sim = new_sim { seed = 2, delay = 0.01 }
    host = load_on(sim, code)
    for _, name in ipairs { "menu", "busy", "unavailable" } do
      host:write(name .. ".wav", tree.read("examples/sounds/" .. name .. ".wav"))
    end
  end)

  after_each(function()
    unhush()
    sim:assert_clean()
    sim:close()
  end)

  local function press(digit)
    local call = assert(sim:phone():dial("sip:anybody@" .. HOST))
    call:expect_heard "examples/sounds/menu.wav"
    call:press(digit)
    return call
  end

  it("has fifteen lines", function()
    local _, lines = code:gsub("\n%s*[^%s%-]", "")
    assert.is_true(lines + 1 <= 15, lines + 1)
  end)

  it("takes a message", function()
    press("1"):expect_ended()
    assert.is_true(#assert(host:read "message.wav") > 8000)
  end)

  it("connects to the other phone, until one side leaves", function()
    local other = sim:phone {
      host = "192.0.2.20", aor = "sip:2001@pbx.example", answer = 2,
    }
    local call = press "2"
    sim:advance(3)
    local peer = assert(other.calls[1])
    peer:play "examples/sounds/hello.wav"
    call:expect_heard "examples/sounds/hello.wav"
    peer:hangup()
    call:expect_ended()
  end)

  it("says that the other phone is busy", function()
    sim:phone {
      host = "192.0.2.20",
      answer = function(call)
        call:reject(486)
      end,
    }
    press "2":expect_heard "examples/sounds/busy.wav"
  end)
end)

describe("a page", function()
  it("names targets that the Makefile has", function()
    local makefile, wrong = tree.read "Makefile", {}
    local function known(target)
      return makefile:find("\n" .. target:gsub("%-", "%%-") .. ":")
        or #tree.files { "spec/" .. target } > 0
    end
    for _, path in ipairs(pages()) do
      for target in ("\n" .. tree.read(path)):gmatch "[\n`]make ([%l-]+)" do
        if not known(target) then
          wrong[#wrong + 1] = ("%s: make %s"):format(path, target)
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("links to what is there", function()
    local wrong = {}
    for _, path in ipairs(pages()) do
      local folder = path:match "^.*/" or ""
      for target in tree.read(path):gmatch "%]%(([^)#:]+)%)" do
        if #tree.files { folder .. target } == 0 then
          wrong[#wrong + 1] = ("%s: %s"):format(path, target)
        end
      end
    end
    assert.same({}, wrong)
  end)
end)

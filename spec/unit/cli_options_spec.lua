-- Command lines as `luasip` reads them.

local options = require "sip.cli.options"

local spec = {
  usage = "luasip try [OPTION...] THING",
  about = "Tries.",
  options = {
    { "--play", "FILE", "plays", many = true, action = true },
    { "--press", "DIGITS", "presses", many = true, action = true },
    { "--timeout", "SECONDS", "waits", number = true },
    { "--trace", "", "shows\nmuch" },
  },
  least = 1,
  most = 1,
}

local function why(...)
  local args, complaint = options.parse(spec, { ... })
  assert.is_nil(args)
  return complaint
end

describe("a command line", function()
  it("has options anywhere, with = or without", function()
    local args = options.parse(spec, { "--timeout=2.5", "thing", "--trace" })
    assert.same({ "thing", actions = {}, timeout = 2.5, trace = true }, args)
    assert.equal(3, options.parse(spec, { "thing", "--timeout", "3" }).timeout)
  end)

  it("keeps the order of what is to be done", function()
    local args = options.parse(spec,
      { "--press", "1", "--play", "a.wav", "thing", "--press=#" })
    assert.same({ { "press", "1" }, { "play", "a.wav" }, { "press", "#" } },
      args.actions)
    assert.same({ "1", "#" }, args.press)
  end)

  it("has no options after --", function()
    assert.equal("--trace", options.parse(spec, { "--", "--trace" })[1])
  end)

  it("leaves to a script what follows its name", function()
    local script = { usage = "", about = "", options = spec.options, least = 1,
      most = math.huge, script = true }
    local args = options.parse(script,
      { "x.lua", "--timeout", "--help", "-x", "--trace" })
    assert.same({ "x.lua", "--timeout", "--help", "-x", actions = {}, trace = true },
      args)
    args = options.parse(script, { "--timeout=1", "x.lua", "--", "--trace" })
    assert.same({ "x.lua", "--trace", actions = {}, timeout = 1 }, args)
  end)

  it("says what is wrong with it", function()
    assert.equal("unknown option '--what'", why "--what")
    assert.equal("--timeout wants a value: SECONDS", why("thing", "--timeout"))
    assert.equal("--timeout wants a number of seconds, not 'soon'",
      why("thing", "--timeout", "soon"))
    assert.equal("--timeout wants a number of seconds, not '0'", why("--timeout=0"))
    assert.equal("--timeout wants a number of seconds, not 'nan'", why("--timeout=nan"))
    assert.equal("--trace takes no value", why("thing", "--trace=1"))
    assert.equal("something is missing", why())
    assert.equal("'more' is too much", why("thing", "more"))
  end)

  it("asks for help, whatever else it says", function()
    assert.is_true(options.parse(spec, { "--help" }).help)
    assert.is_true(options.parse(spec, { "-h", "a", "b", "c" }).help)
  end)

  it("is explained by the same table", function()
    assert.equal([[
usage: luasip try [OPTION...] THING

Tries.

  --play FILE        plays
  --press DIGITS     presses
  --timeout SECONDS  waits
  --trace            shows
                     much
  --help             print this
]], options.help(spec))
  end)
end)

-- What a binding of ours is, as far as it needs no waiting: RFC 3261 10.2.

local binding_of = require "sip.ua.registration"
local core = require "sip.core"
local err = require "sip.rt.err"

describe("a binding of ours", function()
  local chance, binding

  before_each(function()
    chance = 0
    binding = binding_of.new { expires = 600, random = function()
      return chance
    end }
  end)

  local function answer(status, ...)
    local lines = { ("SIP/2.0 %d X"):format(status),
      "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "From: <sip:a@b>;tag=1",
      "To: <sip:a@b>;tag=2", "Call-ID: c", "CSeq: 1 REGISTER", ... }
    lines[#lines + 1] = "\r\n"
    return assert(core.parse(table.concat(lines, "\r\n")))
  end

  local function fail(status, ...)
    return binding:failed(err.from_status(status, "X"), answer(status, ...))
  end

  it("moves with our address, in one request", function()
    assert.equal("<sip:a@192.0.2.1>;expires=600", binding:contact "sip:a@192.0.2.1")
    assert.equal(540, (binding:accepted(answer(200,
      "Contact: <sip:a@192.0.2.1>;expires=600"), 0)))
    assert.equal("<sip:a@192.0.2.1>;expires=600", binding:contact "sip:a@192.0.2.1")
    assert.equal("<sip:a@192.0.2.5>;expires=600, <sip:a@192.0.2.1>;expires=0",
      binding:contact "sip:a@192.0.2.5")
    binding:accepted(answer(200, "Contact: <sip:a@192.0.2.5>;expires=600"), 540)
    assert.equal("<sip:a@192.0.2.5>;expires=0", (binding:removal()))
    assert.is_true(binding:holds(1139))
    assert.is_false(binding:holds(1140))
  end)

  it("keeps its old address in mind until the new one is taken", function()
    binding:contact "sip:a@192.0.2.1"
    binding:accepted(answer(200), 0)
    binding:contact "sip:a@192.0.2.5"
    assert.equal("later", (fail(500)))
    assert.equal("<sip:a@192.0.2.1>;expires=0", (binding:removal()))
  end)

  it("is not put off by what a registrar should not say", function()
    binding:contact "sip:a@192.0.2.1"
    local delay, unlisted = binding:accepted(answer(200, "Contact: *",
      "Contact: <sip:a@192.0.2.1>;expires=soon", "Expires: soon"), 0)
    assert.same({ 540, false }, { delay, unlisted })
    delay, unlisted = binding:accepted(answer(200,
      "Contact: <sip:a@192.0.2.1>;expires=4294967295", "Contact: <bad"), 0)
    assert.same({ 86400, false }, { delay, unlisted })
    assert.same({ "later", 86400 }, { fail(503, "Retry-After: 99999999999") })
    assert.same({ "later", 60 }, { fail(503, "Retry-After: soon") })
    assert.same({ "later", 120 }, { fail(503, "Retry-After: 0") })
  end)

  it("is refused for good by some answers, and only for now by others", function()
    for status, verdict in pairs {
      [302] = "later", [400] = "refused", [401] = "refused", [403] = "refused",
      [404] = "refused", [407] = "refused", [408] = "later", [420] = "refused",
      [423] = "later", [430] = "later", [480] = "later", [486] = "refused",
      [491] = "later", [500] = "later", [501] = "refused", [503] = "later",
      [504] = "later", [505] = "refused", [513] = "refused", [599] = "later",
      [600] = "refused", [603] = "refused", [699] = "refused",
    } do
      assert.equal(verdict, (fail(status)), status)
    end
    assert.equal("later", (binding:failed(err.new("unreachable"))))
  end)

  it("waits between half of a bound and all of it (RFC 5626 4.5)", function()
    local low, high = {}, {}
    for i = 1, 6 do
      chance = 0
      low[i] = select(2, fail(500))
      binding.failures = i - 1
      chance = 1
      high[i] = select(2, fail(500))
    end
    assert.same({ 30, 60, 120, 150, 150, 150 }, low)
    assert.same({ 60, 120, 240, 300, 300, 300 }, high)
    binding.failures = 1e6
    assert.same({ "later", 300 }, { fail(500) })
    chance = 0
    assert.same({ "refused", 1800 }, { fail(403) })
    chance = 1
    assert.same({ "refused", 3600 }, { fail(403) })
    binding:contact "sip:a@192.0.2.1"
    binding:accepted(answer(200), 0)
    assert.same({ "later", 60 }, { fail(500) })
  end)

  it("asks for more time twice at most, and never for less", function()
    binding:contact "sip:a@192.0.2.1"
    assert.same({ "later", 30 }, { fail(423, "Min-Expires: 600") })
    assert.same({ "again", 0 }, { fail(423, "Min-Expires: 601") })
    assert.equal("Expires: 601\r\n", binding:lines())
    assert.same({ "again", 0 }, { fail(423, "Min-Expires: 602") })
    assert.same({ "later", 60 }, { fail(423, "Min-Expires: 603") })
    assert.same({ "again", 0 }, { fail(423, "Min-Expires: 603") })
  end)
end)

-- G.711 against its own definition: segments of 16 equal steps, each step twice that of
-- the segment before. RFC 3551 4.5.14.

local media = require("sip.test").media
local pcm = require "spec.support.pcm"

local function code(law, value)
  return media.encode(law, string.pack("=i2", value)):byte()
end

local function value(law, octet)
  return (string.unpack("=i2", media.decode(law, string.char(octet))))
end

-- The magnitudes of one sign, rising, with the upper decision value of each, both in
-- the law's own units (mu-law 14 bits, A-law 13 bits in steps of half).
local function definition(law)
  local out = {}
  local low, step = 0, law == "ulaw" and 2 or 2
  if law == "ulaw" then
    -- The first interval is half a step: -1 ... 1 decodes to 0.
    low = -1
  end
  for segment = 0, 7 do
    for _ = 1, 16 do
      out[#out + 1] = { value = low + step // 2, upper = low + step }
      low = low + step
    end
    if law == "ulaw" or segment > 0 then
      step = step * 2
    end
  end
  return out
end

local UNIT = { ulaw = 4, alaw = 8 }

describe("G.711", function()
  for _, law in ipairs { "ulaw", "alaw" } do
    it("decodes each octet of " .. law .. " as defined", function()
      for i, step in ipairs(definition(law)) do
        local plus = law == "ulaw" and 0xff - (i - 1) or (0x80 + i - 1) ~ 0x55
        assert.equal(step.value * UNIT[law], value(law, plus))
        assert.equal(-step.value * UNIT[law], value(law, plus ~ 0x80))
      end
    end)

    it("encodes every sample to its interval of " .. law, function()
      local steps = definition(law)
      local all = {}
      for x = 0, 32767 do
        all[x + 1] = string.pack("=i2i2", x, ~x)
      end
      local octets = media.encode(law, table.concat(all))
      local at = 1
      for x = 0, 32767 do
        while at < 128 and x >= steps[at].upper * UNIT[law] do
          at = at + 1
        end
        local plus = law == "ulaw" and 0xff - (at - 1) or (0x80 + at - 1) ~ 0x55
        local got, negative = octets:byte(2 * x + 1, 2 * x + 2)
        if plus ~= got or plus ~ 0x80 ~= negative then
          assert.equal(plus, got, "sample " .. x)
          assert.equal(plus ~ 0x80, negative, "sample " .. ~x)
        end
      end
    end)

    it("keeps what it decoded in " .. law, function()
      for octet = 0, 255 do
        if not (law == "ulaw" and octet == 0x7f) then -- the other zero
          assert.equal(octet, code(law, value(law, octet)))
        end
      end
    end)
  end

  it("has its well known octets", function()
    assert.same({ 0xff, 0x7f, 0x80, 0x00 }, { code("ulaw", 0), code("ulaw", -1),
      code("ulaw", 32767), code("ulaw", -32768) })
    assert.same({ 0xd5, 0x55, 0xaa, 0x2a }, { code("alaw", 0), code("alaw", -1),
      code("alaw", 32767), code("alaw", -32768) })
    assert.same({ 32124, -32124, 32256, -32256 }, { value("ulaw", 0x80),
      value("ulaw", 0x00), value("alaw", 0xaa), value("alaw", 0x2a) })
  end)
end)

describe("mixing", function()
  it("adds, and stays within 16 bits", function()
    local a = string.pack("=i2i2i2i2", 1000, 32000, -32000, 32767)
    local b = string.pack("=i2i2i2i2", -3000, 1000, -1000, -32768)
    assert.same({ -2000, 32767, -32768, -1 }, pcm.table(media.mix(a, b)))
  end)
end)

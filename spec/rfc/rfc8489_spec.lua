-- STUN on the SIP port (RFC 5626 4.4.2, 5.4, 8; RFC 8489): what comes is answered.  The
-- messages of RFC 5769 are in it.  C-33.

local rig_of = require "spec.support.rig"

local COOKIE = "\x21\x12\xa4\x42"
local ID = "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"

local function u16(n)
  return (">I2"):pack(n)
end

local function attribute(kind, value)
  return u16(kind) .. u16(#value) .. value .. ("\0"):rep(-#value % 4)
end

-- A message of these attributes.
local function stun(kind, ...)
  local body = table.concat { ... }
  return u16(kind) .. u16(#body) .. COOKIE .. ID .. body
end

-- CRC-32 as ITU-T V.42 has it, and what RFC 8489 14.7 mixes it with.
local function fingerprint(bytes)
  local crc = 0xffffffff
  for i = 1, #bytes do
    crc = crc ~ bytes:byte(i)
    for _ = 1, 8 do
      crc = crc >> 1 ~ (crc & 1) * 0xedb88320
    end
  end
  return (crc ~ 0xffffffff) ~ 0x5354554e
end

-- The same with a fingerprint behind it.
local function sealed(kind, ...)
  local body = table.concat { ... }
  local head = u16(kind) .. u16(#body + 8) .. COOKIE .. ID .. body
  return head .. attribute(0x8028, (">I4"):pack(fingerprint(head)))
end

local REQUEST, ANSWER, REFUSAL, INDICATION = 0x0001, 0x0101, 0x0111, 0x0011

-- RFC 5769 2.1, but for PRIORITY and ICE-CONTROLLED, which SIP knows nothing of.
local SAMPLE = "\x00\x01\x00\x58" .. COOKIE .. ID
  .. "\x80\x22\x00\x10STUN test client"
  .. "\x00\x24\x00\x04\x6e\x00\x01\xff"
  .. "\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
  .. "\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20"
  .. "\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49"
  .. "\xc1\xb5\x71\xa2"
  .. "\x80\x28\x00\x04\xe5\x7a\x3b\xcf"

describe("STUN on the SIP port", function()
  local rig

  before_each(function()
    rig = rig_of.new()
  end)

  after_each(function()
    rig:clean()
  end)

  local function ask(bytes, port)
    rig:say(bytes, port)
    local list = {}
    for _, event in ipairs((port and rig.sockets[port] or rig.peer):take()) do
      list[#list + 1] = event.bytes
    end
    assert.is_true(#list <= 1)
    return list[1]
  end

  -- What the answer says we are seen as.
  local function mapped(port)
    return u16(0x0020) .. u16(8) .. "\0\1" .. u16(port ~ 0x2112)
      .. (">I4"):pack(0xc0000201 ~ 0x2112a442) -- 192.0.2.1
  end

  -- @rfc 5626 5.4 MUST C-33
  -- @rfc 8489 6.3.1.1 MUST C-33
  it("C-33 is answered with the address that it came from", function()
    assert.equal(stun(ANSWER, mapped(5060)), ask(stun(REQUEST)))
    assert.equal(stun(ANSWER, mapped(40001)), ask(stun(REQUEST), 40001))
    assert.equal(2, rig.stack:stats().stun)
    assert.same({}, rig:told())
  end)

  -- @rfc 8489 14.7 MUST
  it("C-33 with a fingerprint when it has one, and not at all when that is wrong",
    function()
      local request = sealed(REQUEST)
      assert.equal(sealed(ANSWER, mapped(5060)), ask(request))
      local wrong = request:sub(1, -2) .. string.char(request:byte(-1) ~ 1)
      assert.is_nil(ask(wrong))
      -- it is the last attribute
      assert.is_nil(ask(stun(REQUEST, attribute(0x8028, "\0\0\0\0"), attribute(0x8022,
        "soft"))))
    end)

  -- @rfc 8489 14 MUST
  it("C-33 whatever attributes it has that may be ignored", function()
    assert.equal(stun(ANSWER, mapped(5060)), ask(stun(REQUEST, attribute(0x8022, "a"),
      attribute(0xfffe, "what is this"), attribute(0x0006, "user"))))
  end)

  -- @rfc 8489 6.3.1 MUST
  it("C-33 420 and their names when there are others", function()
    assert.equal(stun(REFUSAL, attribute(0x0009, "\0\0\4\20"),
      attribute(0x000a, "\x00\x03\x7f\xff")),
      ask(stun(REQUEST, attribute(0x0003, "\0\0\0\6"), attribute(0x7fff, ""))))
    assert.equal(stun(REFUSAL, attribute(0x0009, "\0\0\4\20"),
      attribute(0x000a, "\x00\x03")), ask(stun(REQUEST, attribute(0x0003, ""))))
  end)

  it("C-33 reads the request of RFC 5769, fingerprint and all", function()
    assert.equal(sealed(REFUSAL, attribute(0x0009, "\0\0\4\20"),
      attribute(0x000a, "\x00\x24")), ask(SAMPLE))
    assert.is_nil(ask((SAMPLE:gsub("test", "tast"))))
  end)

  it("C-33 never answers with much more than it was sent", function()
    for count = 0, 60 do
      local answer = ask(stun(REQUEST, ("\x7f\x01\0\0"):rep(count)))
      assert.is_true(#answer <= 20 + 4 * count + 24, count)
    end
    assert.is_nil(ask(stun(REQUEST, attribute(0x8022, ("x"):rep(600)))))
  end)

  -- @rfc 8489 6.3.2 MUST
  it("C-33 does not answer an indication, an answer, or another method", function()
    for _, kind in ipairs { INDICATION, ANSWER, REFUSAL, 0x0002, 0x0003, 0x3fff } do
      assert.is_nil(ask(stun(kind, mapped(5060))), kind)
    end
  end)

  it("C-33 drops what is none", function()
    local good = stun(REQUEST)
    local bad = { "\0", "\1", "\0\1\0\0", good:sub(1, 19), good .. "\0",
      good .. "\0\0\0\0", good:gsub("\x21\x12", "\x21\x13"),
      stun(REQUEST, u16(0x8022) .. u16(5) .. "abcd"),
      stun(REQUEST, u16(0x8022) .. u16(65535)),
      stun(ANSWER, u16(0x20) .. u16(3) .. "\0\1\0\0"),
      ("\0"):rep(548), ("\0"):rep(5000) }
    for i, bytes in ipairs(bad) do
      assert.is_nil(ask(bytes), i)
    end
    assert.equal(#bad, rig.stack:stats().malformed)
    assert.equal(stun(ANSWER, mapped(5060)), ask(good))
  end)

  it("C-33 lies beside SIP on the same port", function()
    assert.equal(stun(ANSWER, mapped(5060)), ask(stun(REQUEST)))
    rig:say(rig_of.request())
    rig:last("request"):respond(200)
    rig:run(rig.world:now())
    assert.same({ "0.000 200 OPTIONS" }, rig:heard())
  end)
end)

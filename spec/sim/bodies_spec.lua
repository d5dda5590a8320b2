-- Bodies are bytes: every octet, NUL and line ends among them, goes through scripts,
-- requests, responses, proxies and fragments as it is. RFC 3261 7.4, RFC 5621 3.2.

local net_of = require "spec.support.net"

local A, P, B = "192.0.2.1", "192.0.2.2", "192.0.2.3"

local octets = {}
for byte = 0, 255 do
  octets[#octets + 1] = string.char(byte)
end
local ALL = table.concat(octets)
local BODIES = {
  ALL, ALL:reverse(), "\0", "\0\0", "\r\n\r\n", "a\0b\r\n.\r\n", ("\0\255"):rep(500),
  "OPTIONS sip:a@b SIP/2.0\r\n\r\n", "x" .. ("\r\n"):rep(3),
}
local KIND = "application/octet-stream"

describe("a body of any bytes", function()
  local net, alice, bob, sip

  before_each(function()
    net = net_of.new()
    alice, sip = net:endpoint(A)
    bob = net:endpoint(B)
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function run(fn)
    local result
    sip.spawn(function()
      result = table.pack(fn())
    end)
    net:run(net.world:now() + 5)
    assert(result, "it still waits")
    return table.unpack(result, 1, result.n)
  end

  -- Bob gives back what he gets, backwards.
  local function echo()
    bob:on("MESSAGE", function(req)
      local content = req.message:content()
      assert(content.type == KIND and content.body == req.message:body())
      req:reply(200, { body = content.body:reverse(), content_type = KIND })
    end)
  end

  local function message(uri, body)
    local res, e = alice:request { method = "MESSAGE", uri = uri, body = body,
      content_type = KIND }
    return assert(res, tostring(e)):body()
  end

  for _, transport in ipairs { "udp", "tcp" } do
    -- @rfc 3261 7.4 MUST
    -- @rfc 5621 3.2 SHOULD
    it("goes there and comes back by " .. transport, function()
      echo()
      for _, body in ipairs(BODIES) do
        local came = run(function()
          return message(("sip:b@%s;transport=%s"):format(B, transport), body)
        end)
        assert.equal(body:reverse(), came)
      end
    end)

    -- @rfc 3261 16.6 MUST
    it("goes through a proxy by " .. transport, function()
      echo()
      local proxy = net:endpoint(P)
      proxy:on("*", function(req)
        req:set("X-Seen", "yes")
        req:forward(("sip:b@%s;transport=%s"):format(B, transport))
      end)
      for _, body in ipairs(BODIES) do
        local came = run(function()
          return message(("sip:b@%s;transport=%s"):format(P, transport), body)
        end)
        assert.equal(body:reverse(), came)
      end
    end)
  end

  it("goes both ways inside a call", function()
    local got = {}
    bob:on_call(function(call)
      call:answer { sdp = net_of.SDP }
      local res, e = call:send { method = "MESSAGE", body = ALL, content_type = KIND }
      got.error = not res and e.status
      call:wait()
    end)
    run(function()
      local peer = assert(alice:dial("sip:b@" .. B, { sdp = net_of.SDP }))
      local res, e = peer:send { method = "INFO", body = ALL, content_type = KIND,
        headers = { ["Content-Disposition"] = "render;handling=optional" } }
      got.info = res and res:status() or e.status
      sip.sleep(1)
      peer:hangup()
    end)
    assert.same({ info = 200, error = 405 }, got)
    local count = 0
    for _, record in ipairs(net.trace:list()) do
      if record.kind == "message" and record.text:sub(-#ALL) == ALL then
        count = count + 1
      end
    end
    assert.equal(2, count)
  end)

  it("is the body of a failure, too, which the caller reads", function()
    bob:on("*", function(req)
      req:reply(480, { body = ALL, content_type = KIND })
    end)
    local status, body = run(function()
      local _, e = alice:dial("sip:b@" .. B, { sdp = net_of.SDP })
      return e.status, e.response:body()
    end)
    assert.same({ 480, ALL }, { status, body })
  end)

  it("is a part among others, and that of a fragment", function()
    echo()
    bob:on("NOTIFY", function(req)
      local parts = req.message:content().parts
      local fragment = sip.read_fragment(parts[2].body)
      req:reply(200, { content_type = fragment:header "Content-Type",
        body = fragment:body() .. parts[1].body })
    end)
    local came = run(function()
      local body, kind = sip.multipart {
        { type = KIND, body = ALL },
        { type = "message/sipfrag", body = sip.fragment { status = 200,
          content_type = KIND, body = ALL:reverse() } },
      }
      local res, e = alice:request { method = "NOTIFY", uri = "sip:b@" .. B,
        body = body, content_type = kind }
      return assert(res, tostring(e)):body()
    end)
    assert.equal(ALL:reverse() .. ALL, came)
  end)
end)

-- Sessions of TLS that are resumed: whose certificate was verified once is not verified
-- again, so nothing else may follow from it.  C-38, C-39.

local certificates = require "spec.support.certificates"
local wire = require "spec.support.wire"

describe("a session of TLS", function()
  local made, w

  setup(function()
    made = certificates.new()
  end)

  teardown(function()
    made:remove()
  end)

  before_each(function()
    w = wire.new()
  end)

  after_each(function()
    w:close()
  end)

  local function open(transport, port, name)
    return assert(w.net:open(transport, "127.0.0.1", port, nil, name))
  end

  -- @rfc 5922 7.2 MUST NOT C-39
  -- @rfc 9325 3.4 MUST C-39
  it("with a web server is none with a SIP server of the same name (C-39)", function()
    local pair = made:issue { san = "DNS:*.d.example,DNS:e.example" }
    assert(w.net:tls { ca = made.ca, pairs = { pair } })
    local listener, port = assert(w.net:listen("WSS", "127.0.0.1", 0))
    local first = open("WSS", port, "x.d.example") -- a wildcard is good for the web
    w:expect { kind = "opened", id = first }
    w:expect { kind = "opened" }
    w.net:shut(first)
    w:expect { kind = "closed", id = first }
    w.net:unlisten(listener)
    assert(w.net:listen("TLS", "127.0.0.1", port))
    local second = open("TLS", port, "x.d.example")
    assert.equal(("the certificate of x.d.example (127.0.0.1:%d) is for e.example")
      :format(port), w:expect({ kind = "closed", id = second }).why)
  end)

  -- @rfc 9325 3.4 MUST C-39
  it("that comes when trust has changed is not kept (C-39)", function()
    local function read(path)
      local file <close> = assert(io.open(path, "rb"))
      return file:read "a"
    end
    local ca = made:file("trusted.pem", read(made.ca))
    local pair = made:issue { san = "DNS:a.example" }
    local server = wire.new() -- in which nothing changes
    assert(server.net:tls { pairs = { pair } })
    local port = select(2, assert(server.net:listen("TLS", "127.0.0.1", 0)))
    function w:poll()
      server:poll(0)
      getmetatable(w).__index.poll(self, 0.01)
    end
    assert(w.net:tls { ca = ca })
    local first = open("TLS", port, "a.example")
    w:expect { kind = "opened", id = first } -- its tickets are still to come
    made:file("trusted.pem", read(made:authority "other"))
    for _ = 1, 2 do
      local next = open("TLS", port, "a.example")
      assert.matches("is signed by /CN=ca, who is not among those of tls.ca$",
        w:expect({ kind = "closed", id = next }).why)
    end
    server:close()
  end)
end)

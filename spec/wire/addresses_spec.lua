-- The right source address on real sockets: several listeners on loopback, and in a
-- namespace of its own a machine between two networks.  C-22, C-23.

local core = require "sip.core"
local facade = require "sip"
local namespace = require "spec.support.namespace"
local wire = require "spec.support.wire"

local assert = require "luassert"

-- Two namespaces, two networks between them.  The inner shells end with this one.
local NETWORKS = [[
  ip link set lo up
  unshare -n sleep 120 & peer=$!
  while [ "$(readlink /proc/$peer/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do
    sleep 0.01
  done
  for n in 1 2; do
    ip link add here$n type veth peer name there$n
    ip link set there$n netns $peer
    ip addr add 10.64.$n.1/24 dev here$n
    ip link set here$n up
    nsenter -t $peer -n ip addr add 10.64.$n.2/24 dev there$n
    nsenter -t $peer -n ip link set there$n up
  done
  nsenter -t $peer -n lua5.4 spec/support/two_networks.lua peer >/dev/null 2>&1 &
  answers=$!
  lua5.4 spec/support/two_networks.lua we "$@" 2>&1
  kill $answers $peer
]]

describe("an endpoint with several addresses", function()
  local w, loop, sip

  before_each(function()
    w = wire.new()
    loop = core.loop()
    sip = facade.with { driver = loop }
  end)

  after_each(function()
    loop:close()
    w:close()
  end)

  -- Run a script of the endpoint's while the raw peers are polled.
  local function run(fn)
    local over
    sip.spawn(function()
      fn()
      over = true
    end)
    local ends = loop:now() + 60
    while not over and loop:now() < ends do
      loop:step(0.005)
      w:poll(0)
    end
    assert.is_true(over)
  end

  local function options(to, via)
    return table.concat({ "OPTIONS sip:x@" .. to .. " SIP/2.0",
      "Via: SIP/2.0/UDP " .. via .. ";branch=z9hG4bKa" .. to:gsub("%D", ""),
      "Max-Forwards: 70", "From: <sip:s@127.0.0.1>;tag=1", "To: <sip:x@127.0.0.1>",
      "Call-ID: s" .. to, "CSeq: 1 OPTIONS", "Content-Length: 0", "", "" }, "\r\n")
  end

  -- @rfc 3261 18.2.2 MUST C-23
  it("answers from the address that was asked", function()
    local list = { "udp:127.0.0.2:0", "udp:127.0.0.3:0", "udp:0.0.0.0:0" }
    local ua = sip.new { listen = list }
    ua:on_call(function() end)
    local peer, port = w.net:listen("UDP", "127.0.0.1", 0)
    local asked = { ua.listening[1]:sub(5), ua.listening[2]:sub(5),
      "127.0.0.9:" .. ua.listening[3]:match ":(%d+)$" }
    for _, at in ipairs(asked) do
      local host, to = at:match "^(.*):(%d+)$"
      assert.is_true(w.net:send(peer, options(at, "127.0.0.1:" .. port), 1, host,
        tonumber(to)))
      local event
      run(function()
        repeat
          sip.sleep(0.01)
          event = table.remove(w.events, 1)
        until event
      end)
      assert.matches("^SIP/2.0 200 OK", event.bytes)
      assert.equal(at, event.from)
    end
    ua:shut()
  end)

  -- @rfc 3261 18.1.1 MUST C-22
  it("asks from the listener at the address that the kernel would use, else from the "
    .. "first", function()
      for _, case in ipairs {
        { { "127.0.0.2", "127.0.0.1" }, "127.0.0.1" },
        { { "127.0.0.2", "127.0.0.3" }, "127.0.0.2" },
        { { "127.0.0.2", "0.0.0.0" }, "127.0.0.1" },
      } do
        local listen = {}
        for i, host in ipairs(case[1]) do
          listen[2 * i - 1] = "udp:" .. host .. ":0"
          listen[2 * i] = "tcp:" .. host .. ":0"
        end
        local ua = sip.new { listen = listen }
        local _, port = w.net:listen("UDP", "127.0.0.1", 0)
        local _, stream = w.net:listen("TCP", "127.0.0.1", 0)
        for transport, to in pairs { udp = port, tcp = stream } do
          w.events = {}
          local event
          sip.spawn(function() -- nobody answers
            ua:request { method = "OPTIONS",
              uri = ("sip:x@127.0.0.1:%d;transport=%s"):format(to, transport) }
          end)
          run(function()
            repeat
              sip.sleep(0.001)
              event = table.remove(w.events)
            until event and event.kind == "bytes"
          end)
          assert.equal(case[2], event.from:match "^[^:]+", transport)
          local _, own = event.bytes:match "Via: SIP/2.0/(%u+) ([^:;]+)"
          assert.equal(case[2], own, transport)
        end
        ua:shut()
      end
    end)

  namespace.it("speaks to each network by its own address there", function()
    local expected = table.concat({
      "10.64.1.2\tudp\t10.64.1.1 10.64.1.1", "10.64.1.2\ttcp\t10.64.1.1 10.64.1.1",
      "10.64.2.2\tudp\t10.64.2.1 10.64.2.1", "10.64.2.2\ttcp\t10.64.2.1 10.64.2.1",
      "called at\t10.64.1.1\t10.64.1.1", "called at\t10.64.2.1\t10.64.2.1", "",
    }, "\n")
    assert.equal(expected, namespace.run(NETWORKS, "udp:10.64.1.1:5060",
      "tcp:10.64.1.1:5060", "udp:10.64.2.1:5060", "tcp:10.64.2.1:5060"))
    assert.equal(expected, namespace.run(NETWORKS, "udp:0.0.0.0:5060",
      "tcp:0.0.0.0:5060"))
  end)
end)

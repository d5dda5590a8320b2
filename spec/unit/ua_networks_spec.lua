-- Networks by their addresses: which of them an address is of.

local networks_of = require "sip.ua.networks"

local function find(list, ip)
  return assert(networks_of.new(list)):find(ip)
end

describe("a network", function()
  it("holds its addresses, and not those beside them", function()
    for network, cases in pairs {
      ["192.0.2.0/24"] = { ["192.0.2.0"] = true, ["192.0.2.255"] = true,
        ["192.0.3.0"] = false, ["192.0.1.255"] = false },
      ["192.0.2.128/25"] = { ["192.0.2.128"] = true, ["192.0.2.127"] = false },
      ["10.0.0.0/8"] = { ["10.255.255.255"] = true, ["11.0.0.0"] = false },
      ["172.16.0.0/12"] = { ["172.31.255.255"] = true, ["172.32.0.0"] = false,
        ["172.15.255.255"] = false },
      ["192.0.2.7"] = { ["192.0.2.7"] = true, ["192.0.2.6"] = false },
      ["192.0.2.7/32"] = { ["192.0.2.7"] = true, ["192.0.2.6"] = false },
      ["192.0.2.7/31"] = { ["192.0.2.7"] = true, ["192.0.2.6"] = true,
        ["192.0.2.8"] = false },
      ["0.0.0.0/0"] = { ["255.255.255.255"] = true, ["::1"] = false },
      ["2001:db8::/32"] = { ["2001:db8:ffff::1"] = true, ["2001:db9::"] = false },
      ["2001:db8::/33"] = { ["2001:db8:7fff::1"] = true, ["2001:db8:8000::"] = false },
      ["2001:db8::1"] = { ["2001:DB8:0::1"] = true, ["[2001:db8::1]"] = true,
        ["2001:db8::2"] = false },
      ["::/0"] = { ["fe80::1"] = true, ["192.0.2.1"] = false },
      ["fe80::/10"] = { ["febf::1"] = true, ["fec0::1"] = false },
    } do
      for ip, is_in in pairs(cases) do
        assert.equal(is_in and network or nil, find({ network }, ip),
          network .. " " .. ip)
      end
    end
  end)

  it("of IPv4 holds its addresses inside of IPv6", function()
    assert.equal("192.0.2.0/24", find({ "192.0.2.0/24" }, "::ffff:192.0.2.9"))
    assert.equal("192.0.2.0/24", find({ "192.0.2.0/24" }, "[::ffff:192.0.2.9]"))
  end)

  it("is the first of a list", function()
    local list = { "192.0.2.1", "192.0.2.0/24", "0.0.0.0/0" }
    assert.equal("192.0.2.1", find(list, "192.0.2.1"))
    assert.equal("192.0.2.0/24", find(list, "192.0.2.2"))
    assert.is_nil(find({}, "192.0.2.2"))
    assert.is_nil(find(list, "example.com"))
  end)

  it("is an address and a length", function()
    for _, text in ipairs {
      "example.com", "192.0.2.0/33", "192.0.2/24", "192.0.2.0/", "192.0.2.0/x", "/24",
      "2001:db8::/129", "", "192.0.2.0/24/24", "192.0.2.0/-1", "192.0.2.0/0024",
      "::ffff:192.0.2.0/120",
    } do
      assert.same({ nil, text }, { networks_of.new { "192.0.2.1", text } })
    end
    assert.same({ nil, "7" }, { networks_of.new { 7 } })
  end)
end)

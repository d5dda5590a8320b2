-- Servers found by what dnsmasq says: RFC 3263 4. C-42, C-43, C-44, C-45.

local process = require "spec.support.process"
local strangers = require "spec.support.strangers"

local DNS, ONE, TWO, OURS = 17001, 17010, 17020, 17030

describe("dnsmasq", function()
  local one, two

  before_each(function()
    local argv = { "/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
      "--pid-file=", "--user=", "--no-resolv", "--no-hosts", "--local=/test/",
      "--listen-address=127.0.0.1", "--bind-interfaces", "--port=" .. DNS,
      "--log-facility=-", "--local-ttl=60",
      "--host-record=one.test,127.0.0.1", "--host-record=two.test,127.0.0.1,::1",
      "--naptr-record=naptr.test,50,50,S,SIP+D2T,,_sip._tcp.naptr.test",
      "--naptr-record=naptr.test,50,90,S,SIP+D2U,,_sip._udp.naptr.test",
      "--srv-host=_sip._tcp.naptr.test,two.test," .. TWO .. ",10,0",
      "--srv-host=_sip._udp.naptr.test,one.test," .. ONE .. ",10,0",
      -- nobody is at the first of these
      "--srv-host=_sip._udp.srv.test,one.test,17099,10,0",
      "--srv-host=_sip._udp.srv.test,one.test," .. ONE .. ",20,0",
      "--srv-host=_sip._tcp.alias.test,two.test," .. TWO .. ",10,0",
    }
    for i = 1, 30 do -- more than a datagram holds
      local name = ("a-rather-long-name-%d.test"):format(i)
      argv[#argv + 1] = ("--srv-host=_sip._udp.many.test,%s,%d,%d,0"):format(name, ONE,
        i)
      argv[#argv + 1] = ("--host-record=%s,127.0.0.1"):format(name)
    end
    process.start("dnsmasq", argv):listens("udp", DNS):listens("tcp", DNS)
    local server = "127.0.0.1:" .. DNS
    one = strangers.luasip("names.lua", { server, "udp:127.0.0.1:" .. ONE })
    two = strangers.luasip("names.lua", { server, "tcp:127.0.0.1:" .. TWO })
    one:listens("udp", ONE)
    two:listens("tcp", TWO)
  end)

  after_each(function()
    strangers.end_all()
  end)

  it("tells us transports, ports and hosts", function()
    local asking = strangers.luasip("names.lua", { "127.0.0.1:" .. DNS,
      "udp:127.0.0.1:" .. OURS, "tcp:127.0.0.1:" .. OURS, "--", "sip:naptr.test",
      "sip:srv.test", "sip:many.test", "sip:alias.test;transport=tcp",
      "sip:one.test:" .. ONE, "sip:nobody.test" })
    local status, said = asking:wait()
    assert.equal(0, status, said)
    for _, uri in ipairs { "naptr.test", "srv.test", "many.test",
      "alias.test;transport=tcp", "one.test:" .. ONE } do
      assert.is_truthy(said:find("sip:" .. uri .. "\t200", 1, true), said)
    end
    assert.is_truthy(said:find("sip:nobody.test\tthe other side cannot be reached", 1,
      true), said)
    local udp = "asked over udp for sip:"
    assert.equal(udp .. "srv.test\n" .. udp .. "many.test\n"
      .. udp .. "one.test:" .. ONE .. "\n", one:output())
    assert.equal("asked over tcp for sip:naptr.test\n"
      .. "asked over tcp for sip:alias.test;transport=tcp\n", two:output())
  end)
end)

-- The self-check on this machine: what a start says in the log or raises, what
-- `ua:check` finds, what `luasip check` prints.  What it makes of all other machines is
-- in spec/unit/ua_check_spec.lua.

local certificates = require "spec.support.certificates"
local production = require "spec.support.production"

local assert = require "luassert"

describe("the self-check", function()
  local made, good, real, sip, warned

  setup(function()
    made = certificates.new()
    good = made:issue { san = "DNS:a.example,IP:127.0.0.1" }
  end)

  teardown(function()
    made:remove()
  end)

  before_each(function()
    real = production.new()
    sip, warned = real.sip, real.warned
  end)

  after_each(function()
    real:close()
  end)

  local function refused(options)
    local ok, e = pcall(sip.new, options)
    assert.is_false(ok)
    return (tostring(e):gsub("^.-sip%.new: ", ""))
  end

  local function findings(options)
    local list = {}
    sip.run(function()
      local ua <close> = sip.new(options)
      for i, finding in ipairs(ua:check()) do
        list[i] = tostring(finding)
      end
    end)
    return list
  end

  it("says who has the port", function()
    local name <close> = io.open "/proc/self/comm"
    local program = name:read "l"
    for _, transport in ipairs { "udp", "tcp" } do
      local first = sip.new { listen = transport .. ":127.0.0.1:0" }
      local at = first.listening[1]
      assert.equal(("cannot listen at %s: %s is in use already, by %s (process "
        .. "%d): "
        .. "end that, or listen at another port"):format(at, at:match ":(.*)$", program,
        tonumber(io.open("/proc/self/stat"):read "n")), refused { listen = at })
      first:shut()
    end
  end)

  it("says when it is its own list that has the port twice", function()
    for _, case in ipairs { { "udp:127.0.0.1", "udp:127.0.0.1" },
      { "tcp:0.0.0.0", "ws:127.0.0.1" } } do
      local free = sip.new { listen = case[1] .. ":0" }
      local port = free.listening[1]:match ":(%d+)$"
      free:shut()
      local first, second = case[1] .. ":" .. port, case[2] .. ":" .. port
      assert.equal(("cannot listen at %s: 127.0.0.1:%s is in use already, by %s of "
        .. "this endpoint: leave one out"):format(second, port, first),
        refused { listen = { first, second } })
    end
  end)

  it("says what is missing from a link-local address", function()
    assert.equal("cannot listen at udp:[fe80::1]:5060: [fe80::1]:5060 is link-local, "
      .. "and means another machine on each interface: listen at [::]",
      refused { listen = "udp:[fe80::1]:5060" })
  end)

  it("says what addresses there are", function()
    assert.matches("^cannot listen at udp:192%.0%.2%.77:5060: 192%.0%.2%.77:5060 is "
      .. "not "
      .. "an address of this machine, which has 127%.0%.0%.1.*: listen at one of "
      .. "these, "
      .. "or at all by 0%.0%.0%.0$", refused { listen = "udp:192.0.2.77:5060" })
  end)

  it("warns in the log at the start", function()
    os.execute("chmod 644 " .. good.key)
    local ua = sip.new { listen = "tls:127.0.0.1:0", domain = "b.example",
      tls = { cert = good.cert, key = good.key, ca = made.ca } }
    os.execute("chmod 600 " .. good.key)
    assert.same({
      "cert: " .. good.cert .. ": is for a.example, 127.0.0.1, and not for the domain "
        .. "b.example: who calls that by TLS hangs up (RFC 5922)",
      "key: " .. good.key .. ": others than its owner may read or change it (mode "
        .. "0644): "
        .. "chmod 600 " .. good.key,
    }, warned)
    ua:shut()
  end)

  it("says nothing of what is right, but what is good to know", function()
    assert.same({ "note: tls:127.0.0.1:0 is reached from this machine alone" },
      findings { listen = "tls:127.0.0.1:0", domain = "a.example",
        tls = { cert = good.cert, key = good.key, ca = made.ca } })
    assert.same({}, warned)
  end)

  it("takes the certificate of a domain for that domain", function()
    local other = made:issue { san = "DNS:b.example" }
    findings { listen = "tls:127.0.0.1:0", domain = { "a.example", "b.example" },
      tls = { cert = good.cert, key = good.key, ca = made.ca,
        domains = { ["b.example"] = other } } }
    assert.same({}, warned)
  end)

  it("finds a certificate that is about to expire", function()
    local old = made:issue { san = "DNS:a.example",
      till = os.date("!%Y%m%d", os.time() + 5 * 86400) }
    findings { listen = "tls:127.0.0.1:0", domain = "a.example",
      tls = { cert = old.cert, key = old.key, ca = made.ca } }
    assert.equal(1, #warned)
    assert.matches("^cert: .*: expires on %d+ %a+ %d+, in [45] days: renew it;",
      warned[1])
  end)

  it("asks for the names that others are told", function()
    sip.name_servers { "127.0.0.1:9" } -- nobody is there
    assert.same({ "warning: no name server has answered for gate.example, which "
      .. "udp:127.0.0.1:0 tells others: see /etc/resolv.conf, or sip.name_servers",
      "note: udp:127.0.0.1:0 is reached from this machine alone" },
      findings { listen = "udp:127.0.0.1:0", advertise = { sip = "gate.example" } })
  end)

  describe("luasip check", function()
    local function run(words, as)
      local pipe = assert(io.popen((as or "") .. "lua5.4 bin/luasip check " .. words
        .. " 2>&1; echo $?"))
      local text = pipe:read "a"
      pipe:close()
      local output, status = text:match "^(.-)(%d+)\n$"
      return output, tonumber(status)
    end

    it("makes an endpoint by its options", function()
      local output, status = run "--listen udp:127.0.0.1:0"
      assert.matches("^listening at udp:127.0.0.1:%d+\n"
        .. "note: udp:127.0.0.1:0 is reached from this machine alone\n"
        .. "nothing is wrong\n$", output)
      assert.equal(0, status)
      output, status = run(("--listen tls:127.0.0.1:0 --domain b.example --cert %s "
        .. "--key %s --ca %s"):format(good.cert, good.key, made.ca))
      assert.matches("\nwarning: cert: .*: is for a.example, 127.0.0.1, and not for "
        .. "the "
        .. "domain b.example", output)
      assert.equal(1, status)
    end)

    it("says in a sentence why an endpoint cannot be made", function()
      local output, status = run(("--listen tls:127.0.0.1:0 --cert %s --key /none")
        :format(good.cert))
      assert.equal("luasip check: tls: key: /none: no such file or directory\n", output)
      assert.equal(1, status)
    end)

    it("says which file it is not allowed to read", function()
      local is_root = os.execute '[ "$(id -u)" = 0 ]'
      local as = is_root and "setpriv --reuid 65534 --regid 65534 --clear-groups " or ""
      local shut = made:file("shut", "")
      local listed = made.folder .. "/listed" -- a folder nobody may enter
      os.execute("chmod 755 " .. made.folder .. "; chmod 644 " .. good.key
        .. "; chmod 000 " .. shut .. "; mkdir " .. listed .. "; chmod 444 " .. listed)
      for _, case in ipairs {
        { "cert", shut, good.key, made.ca }, { "key", good.cert, shut, made.ca },
        { "ca", good.cert, good.key, shut }, { "ca", good.cert, good.key, listed },
      } do
        local denied = case[2] == shut and shut or case[3] == shut and shut or case[4]
        local output, status = run(("--listen tls:127.0.0.1:0 --cert %s --key %s "
          .. "--ca %s"):format(table.unpack(case, 2)), as)
        assert.equal(("luasip check: tls: %s: %s: permission denied\n"):format(case[1],
          denied), output)
        assert.equal(1, status)
      end
      os.execute("chmod 600 " .. good.key)
    end)

    it("goes through a script up to its sip.run, and says what it finds", function()
      local path = made:file("script.lua", [[
        local sip = require "sip"
        local one <close> = sip.new { listen = arg[1] }
        local two <close> = sip.new { listen = "udp:127.0.0.1:0",
          advertise = "0.0.0.0" }
        sip.run()
        error "not reached"
      ]])
      local output, status = run(path .. " tcp:127.0.0.1:0")
      assert.matches("^listening at tcp:127.0.0.1:%d+\nnote: tcp.*\n"
        .. "listening at udp:127.0.0.1:%d+\nerror: udp:127.0.0.1:0 tells others "
        .. "0.0.0.0 as "
        .. "its address, which is no address to be reached at: ", output)
      assert.equal(1, status)
      output, status = run(path .. " tcp:nowhere")
      assert.matches("^luasip check: cannot listen at \"tcp:nowhere\"", output)
      assert.equal(1, status)
      output = run(made:file("idle.lua", "local x = 1"))
      assert.matches("idle.lua ended without sip.run%(%): nothing was checked\n$",
        output)
    end)
  end)
end)

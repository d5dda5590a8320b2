-- Who may register: RFC 3261 10.3 steps 3 to 5.  C-181, C-182.

local new_registrar = require("spec.support.registrar").new

local USERS = { alice = "secret", bob = "word", ["dave@example.com"] = "long" }

describe("a registrar with users", function()
  local reg

  local function open(options, endpoint)
    local given = { users = USERS }
    for key, value in pairs(endpoint or {}) do
      given[key] = value
    end
    reg = new_registrar(options, given)
  end

  after_each(function()
    reg:clean()
  end)

  -- Register as somebody for somebody; the status, and the realm of the refusal.
  local function register(user, password, aor, contact)
    local client = reg.sim:host "192.0.2.7"
    local res, e = client:request { method = "REGISTER", uri = "sip:example.com",
      to = "<" .. aor .. ">", from = aor, auth = { user = user, password = password },
      headers = { Contact = contact or "<sip:phone@192.0.2.7>" } }
    return res and res:status() or e.status
  end

  it("C-181 asks who it is, and binds nothing before", function()
    open()
    local res = reg:ask { contact = "<sip:a@192.0.2.9>" }
    assert.equal(401, res:status())
    assert.matches('^Digest realm="example.com"', res:header "WWW-Authenticate")
    assert.is_nil(res:header "Contact")
    assert.same({}, reg:bound())
    assert.equal(401, reg:status {}) -- nor shows anybody where alice is
  end)

  it("C-181 takes the right password, for oneself", function()
    open()
    assert.equal(200, register("alice", "secret", "sip:alice@example.com"))
    assert.equal(200, register("alice", "secret", "sip:%61lice@EXAMPLE.com"))
    assert.equal(200, register("dave@example.com", "long", "sip:dave@example.com"))
    assert.same({ "sip:phone@192.0.2.7" }, reg:bound())
    assert.equal(401, register("alice", "wrong", "sip:alice@example.com"))
    assert.equal(401, register("nobody", "secret", "sip:nobody@example.com"))
  end)

  it("C-181 says 403 to one user who would be another", function()
    open()
    for _, aor in ipairs { "sip:bob@example.com", "sip:Alice@example.com",
      "sip:nobody@example.com", "sip:alice%00@example.com" } do
      assert.equal(403, register("alice", "secret", aor), aor)
    end
    assert.same({ 0, 0 }, { reg.location:count() })
  end)

  it("C-181 asks a function of the script, which may wait", function()
    local asked = {}
    local sip
    open { authorize = function(user, aor)
      asked[#asked + 1] = user .. " " .. aor
      sip.sleep(1)
      return aor ~= "sip:boss@example.com"
    end }
    sip = reg.sip
    assert.equal(200, register("alice", "secret", "sip:%62ob@example.com"))
    assert.equal(403, register("alice", "secret", "sip:boss@example.com"))
    assert.same({ "alice sip:bob@example.com", "alice sip:boss@example.com" }, asked)
  end)

  it("C-182 says 404 for a user it does not know, to whoever may know", function()
    open { authorize = function()
      return true
    end }
    assert.equal(404, register("alice", "secret", "sip:nobody@example.com"))
    assert.equal(404, register("alice", "secret", "sip:alice@example.org"))
    assert.equal(404, register("alice", "secret", "sip:example.com"))
    assert.equal(200, register("alice", "secret", "sip:bob@example.com"))
  end)

  it("C-181 asks nobody of a network that it trusts, nor whose phone it is", function()
    open(nil, { trusted = { "192.0.2.8/31" } })
    assert.equal("200 <sip:a@192.0.2.9>;expires=3600",
      reg:answer { contact = "<sip:a@192.0.2.9>" })
    assert.equal(200, reg:status { to = "<sip:bob@example.com>",
      contact = "<sip:b@192.0.2.9>" })
    assert.equal(404, reg:status { to = "<sip:nobody@example.com>",
      contact = "<sip:b@192.0.2.9>" })
    assert.equal(401, register("alice", "wrong", "sip:alice@example.com"))
  end)

  it("looks at the domain and at Require before it asks (steps 1, 2)", function()
    open()
    assert.equal(403, reg:status { uri = "sip:example.org" })
    assert.equal(420, reg:status { extra = { "Require: x" } })
  end)

  it("does what overtakes a slow directory in the order of CSeq", function()
    local waits, sip = { 5, 1 }, nil
    open(nil, { users = function()
      sip.sleep(table.remove(waits, 1) or 0)
      return "secret"
    end })
    sip = reg.sip
    local client = reg.sim:host "192.0.2.7"
    local ua = client:endpoint()
    local statuses = {}
    for i, contact in ipairs { "<sip:a@192.0.2.7>", "<sip:b@192.0.2.7>" } do
      client.sip.spawn(function()
        local res = ua:request { method = "REGISTER", uri = "sip:example.com",
          to = "<sip:alice@example.com>", from = "sip:alice@example.com",
          auth = { user = "alice", password = "secret" },
          headers = { Contact = contact } }
        statuses[i] = ("%.0f %d"):format(client.sip.now(), res:status())
      end)
    end
    reg.sim:advance(10)
    assert.same({ "5 200", "1 200" }, statuses)
    assert.same({ "sip:b@192.0.2.7", "sip:a@192.0.2.7" }, reg:bound())
  end)
end)

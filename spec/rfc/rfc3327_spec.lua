-- Path: RFC 3327 5.3 at the registrar, 5.4 as far as targets carry it.  C-189.

local new_registrar = require("spec.support.registrar").new

local AOR = "sip:alice@example.com"

describe("a registrar that is sent a Path", function()
  local reg

  before_each(function()
    reg = new_registrar()
  end)

  after_each(function()
    reg:clean()
  end)

  it("C-189 stores it with the Contact, in order, and returns it", function()
    local res = reg:ask { contact = "<sip:a@192.0.2.9>", extra = {
      "Supported: gruu, Path",
      "Path: <sip:p1.example;lr>,<sip:tok%41@p2.example;lr;x=y>;z=\"1,2\"",
      "Path: <sip:p3.example>" } }
    local path = { "<sip:p1.example;lr>", "<sip:tok%41@p2.example;lr;x=y>;z=\"1,2\"",
      "<sip:p3.example>" }
    assert.equal(200, res:status())
    assert.same(path, res:values "Path")
    assert.same(path, reg.location:lookup(AOR)[1].path)
  end)

  it("C-189 for each Contact its own, that of its last refresh", function()
    local function put(contact, path)
      return reg:ask { contact = contact, extra = { "Supported: path",
        path and "Path: " .. path or "X: y" } }
    end
    local function paths()
      local list = {}
      for i, target in ipairs(reg.location:lookup(AOR)) do
        list[i] = target.contact .. " " .. table.concat(target.path, ",")
      end
      return list
    end
    put("<sip:a@192.0.2.9>", "<sip:p1.example;lr>")
    put("<sip:b@192.0.2.9>", "<sip:p2.example;lr>")
    assert.same({ "sip:a@192.0.2.9 <sip:p1.example;lr>",
      "sip:b@192.0.2.9 <sip:p2.example;lr>" }, paths())
    put("<sip:a@192.0.2.9>", "<sip:p3.example;lr>")
    assert.is_nil(put("<sip:b@192.0.2.9>"):header "Path")
    assert.same({ "sip:a@192.0.2.9 <sip:p3.example;lr>", "sip:b@192.0.2.9 " }, paths())
  end)

  it("C-189 which the phone does not support: 420", function()
    for _, supported in ipairs { "X: y", "Supported:", "Supported: gruu" } do
      local res = reg:ask { contact = "<sip:a@192.0.2.9>",
        extra = { supported, "Path: <sip:p.example;lr>" } }
      assert.equal("420 path", res:status() .. " " .. res:header "Unsupported")
    end
    assert.same({}, reg:bound())
  end)

  it("C-189 or takes it all the same, when it is told to, and keeps quiet", function()
    reg:clean()
    reg = new_registrar { any_path = true }
    local res = reg:ask { contact = "<sip:a@192.0.2.9>",
      extra = { "Path: <sip:p.example;lr>" } }
    assert.equal(200, res:status())
    assert.is_nil(res:header "Path")
    assert.same({ "<sip:p.example;lr>" }, reg.location:lookup(AOR)[1].path)
  end)

  it("C-189 and may be required to know it", function()
    assert.equal(200, reg:status { contact = "<sip:a@192.0.2.9>", extra = {
      "Supported: path", "Require: path", "Path: <sip:p.example;lr>" } })
  end)

  it("refuses one that leads nowhere", function()
    for _, path in ipairs { "<tel:+1>", "nonsense", "<sip:>",
      "<sip:p.example;lr>, <>" } do
      assert.equal(400, reg:status { contact = "<sip:a@192.0.2.9>",
        extra = { "Supported: path", "Path: " .. path } }, path)
    end
    assert.same({}, reg:bound())
  end)
end)

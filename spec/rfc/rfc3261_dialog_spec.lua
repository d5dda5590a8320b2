-- Dialogs: RFC 3261 12. C-92..95, C-97, C-98, C-101, C-103 as far as state goes.

local core = require "sip.core"
local dialog_of = require "sip.ua.dialog"
local dialogs_of = require "sip.ua.dialogs"

local function message(lines)
  local text = table.concat(lines, "\r\n") .. "\r\nContent-Length: 0\r\n\r\n"
  return assert(core.parse(text))
end

-- The INVITE of Alice as Bob gets it, with further lines.
local function invite(...)
  return message {
    "INVITE sip:bob@192.0.2.2 SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
    'From: "Alice" <sip:alice@a.example>;tag=a1',
    "To: <sip:bob@b.example>",
    "Call-ID: c1",
    "CSeq: 7 INVITE",
    "Max-Forwards: 70",
    ...,
  }
end

-- Bob's answer to it as Alice gets it.
local function answer(status, tag, ...)
  return message {
    "SIP/2.0 " .. status .. " Whatever",
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
    'From: "Alice" <sip:alice@a.example>;tag=a1',
    "To: <sip:bob@b.example>" .. (tag and ";tag=" .. tag or ""),
    "Call-ID: c1",
    "CSeq: 7 INVITE",
    ...,
  }
end

-- A dialog of ours that is ready to send.
local function callee(req, tag)
  local dialog, why = dialog_of.uas(req, tag)
  if dialog then
    assert(dialog:ready())
  end
  return dialog, why
end

local CONTACT = "Contact: <sip:alice@192.0.2.1:5070>"
local LOOSE = "Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>"

describe("the dialog of a callee", function()
  it("takes its route set in order and its target from Contact (12.1.1, C-92)",
    function()
      local dialog = assert(callee(invite(CONTACT, LOOSE), "b1"))
      assert.same({ "<sip:p1.example;lr>", "<sip:p2.example;lr>" }, dialog.route_set)
      assert.equal("sip:alice@192.0.2.1:5070", dialog.remote_target)
      assert.equal("sip:alice@192.0.2.1:5070", dialog.request_uri)
      assert.equal("p1.example", dialog.hop.host)
    end)

  it("turns the addresses round, and counts from one (12.2.1.1, C-95)", function()
    local dialog = assert(callee(invite(CONTACT), "b1"))
    assert.equal(table.concat({
      "From: <sip:bob@b.example>;tag=b1",
      'To: "Alice" <sip:alice@a.example>;tag=a1',
      "Call-ID: c1",
      "CSeq: 1 BYE", "" }, "\r\n"), dialog:request "BYE")
    assert.equal("CSeq: 2 INFO\r\n", dialog:request("INFO"):match "CSeq.*$")
    assert.equal("192.0.2.1", dialog.hop.host)
    assert.equal(5070, dialog.hop.port)
    assert.is_true(dialog:retarget "sip:192.0.2.77")
    assert.equal("192.0.2.77", dialog.hop.host)
    assert.is_nil(dialog.hop.port)
  end)

  it("writes its routes in front of the target (12.2.1.1)", function()
    local dialog = assert(callee(invite(CONTACT, LOOSE), "b1"))
    assert.equal("Route: <sip:p1.example;lr>\r\nRoute: <sip:p2.example;lr>\r\n",
      dialog:request("BYE"):match "Route.-\r\nRoute.-\r\n")
  end)

  it("puts a strict router into the Request-URI (12.2.1.1, C-95)", function()
    local dialog = assert(callee(invite(CONTACT,
      "Record-Route: <sip:p1.example:5080>, <sip:p2.example;lr>"), "b1"))
    assert.equal("sip:p1.example:5080", dialog.request_uri)
    assert.equal("p1.example", dialog.hop.host)
    assert.equal(5080, dialog.hop.port)
    assert.equal(
      "Route: <sip:p2.example;lr>\r\nRoute: <sip:alice@192.0.2.1:5070>\r\n",
      dialog:request("BYE"):match "Route.-\r\nRoute.-\r\n")
  end)

  it("takes gaps in the numbers, and nothing that falls back (12.2.2, C-98)",
    function()
      local dialog = assert(callee(invite(CONTACT), "b1"))
      assert.is_true(dialog:receive(9))
      assert.is_true(dialog:receive(1000))
      assert.is_false(dialog:receive(999))
      assert.is_true(dialog:receive(1001))
    end)

  it("follows a new Contact with its route set as it was (12.2.2, C-97)", function()
    local dialog = assert(callee(invite(CONTACT, LOOSE), "b1"))
    local moved = invite("Contact: <sip:alice@192.0.2.99>",
      "Record-Route: <sip:elsewhere.example;lr>")
    assert.is_true(dialog:refresh(moved))
    assert.equal("sip:alice@192.0.2.99", dialog.request_uri)
    assert.equal("<sip:p1.example;lr>", dialog.route_set[1])
    assert.is_nil(dialog:request("BYE"):find("elsewhere", 1, true))
  end)

  it("keeps the old target when the new one cannot be sent to", function()
    local dialog = assert(callee(invite(CONTACT), "b1"))
    assert.is_nil((dialog:refresh(invite "Contact: <tel:+4930123456>")))
    assert.equal("sip:alice@192.0.2.1:5070", dialog.request_uri)
    assert.is_truthy(dialog:request("BYE"):find("CSeq: 1 BYE", 1, true))
  end)

  it("has no remote tag with a peer of RFC 2543 (12.1.1, C-101)", function()
    local old = message {
      "INVITE sip:bob@192.0.2.2 SIP/2.0",
      "Via: SIP/2.0/UDP 192.0.2.1",
      "From: <sip:alice@a.example>",
      "To: <sip:bob@b.example>",
      "Call-ID: c1",
      "CSeq: 7 INVITE",
      CONTACT,
    }
    local dialog = assert(callee(old, "b1"))
    local dialogs = dialogs_of.new()
    dialogs:add(dialog)
    assert.is_nil(dialog.remote_tag)
    assert.equal(dialog, dialogs:find("c1", "b1", nil))
    assert.is_nil(dialogs:find("c1", "b1", "a1"))
    assert.is_nil(dialog:request("BYE"):find("To: [^\r]*tag="))
  end)
end)

describe("the dialog of a caller", function()
  it("takes its route set reversed (12.1.2, C-93)", function()
    local dialog = assert(dialog_of.uac(answer(200, "b1",
      "Contact: <sip:bob@192.0.2.2>", LOOSE)))
    assert.same({ "<sip:p2.example;lr>", "<sip:p1.example;lr>" }, dialog.route_set)
    assert.equal("p2.example", dialog.hop.host)
    assert.equal("sip:bob@192.0.2.2", dialog.request_uri)
  end)

  it("is early with a provisional answer, confirmed by the 2xx (12.1, C-94)",
    function()
      local dialog = assert(dialog_of.uac(answer(180, "b1",
        "Contact: <sip:bob@192.0.2.2>")))
      assert.equal("early", dialog.state)
      assert.is_true(dialog:confirm(answer(200, "b1",
        "Contact: <sip:bob@192.0.2.22>", "Record-Route: <sip:p1.example;lr>")))
      assert.equal("confirmed", dialog.state)
      assert.equal("sip:bob@192.0.2.22", dialog.request_uri)
      assert.same({ "<sip:p1.example;lr>" }, dialog.route_set)
    end)

  it("acknowledges with the number of the INVITE (13.2.2.4, C-103)", function()
    local dialog = assert(dialog_of.uac(answer(200, "b1",
      "Contact: <sip:bob@192.0.2.2>")))
    assert.equal("CSeq: 8 INFO\r\n", dialog:request("INFO"):match "CSeq.*$")
    assert.equal("CSeq: 7 ACK\r\n", dialog:ack():match "CSeq.*$")
    assert.equal("CSeq: 9 BYE\r\n", dialog:request("BYE"):match "CSeq.*$")
  end)

  it("is ended by 481 and 408, and by nothing else (12.2.1.2, C-96)", function()
    local ending = {}
    for status = 200, 699 do
      if dialog_of.ends(status) then
        ending[#ending + 1] = status
      end
    end
    assert.same({ 408, 481 }, ending)
  end)

  it("without a usable Contact is none", function()
    local dialog, why = dialog_of.uac(answer(200, "b1",
      "Contact: <mailto:bob@b.example>"))
    assert.is_nil(dialog)
    assert.equal("cannot send to a mailto URI", why)
  end)
end)

describe("the dialogs of an endpoint", function()
  it("are found by Call-ID and both tags, forks apart (12)", function()
    local dialogs = dialogs_of.new()
    local first = assert(dialog_of.uac(answer(180, "b1",
      "Contact: <sip:bob@192.0.2.2>")))
    local second = assert(dialog_of.uac(answer(180, "b2",
      "Contact: <sip:bob@192.0.2.3>")))
    dialogs:add(first)
    dialogs:add(second)
    assert.equal(first, dialogs:find("c1", "a1", "b1"))
    assert.equal(second, dialogs:find("c1", "a1", "b2"))
    assert.is_nil(dialogs:find("c1", "a1", "b3"))
    assert.is_nil(dialogs:find("c2", "a1", "b1"))
    assert.is_nil(dialogs:find("c1", nil, "b1"))
    dialogs:remove(second)
    dialogs:remove(second)
    assert.equal(first, dialogs:find("c1", "a1", "b1"))
    assert.equal(1, dialogs.count)
    dialogs:remove(first)
    assert.is_nil(dialogs:find("c1", "a1", "b1"))
    assert.equal(0, dialogs.count)
  end)
end)

-- Forks of an INVITE, early dialogs, targets one after the other: RFC 3261 8.1.3.4,
-- 12.1, 13.2.2.4; RFC 6026 7.2. C-82, C-86, C-90, C-94, C-104.

local net_of = require "spec.support.net"

local SDP = net_of.SDP
local A, S = "192.0.2.1", "192.0.2.9"

describe("an INVITE that is forked", function()
  local net, alice, sip, stranger

  before_each(function()
    net = net_of.new()
    alice, sip = net:endpoint(A)
    stranger = net:stranger(S)
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  -- Answer as the fork with this tag.
  local function answer(tx, status, tag)
    assert(tx:respond(status, {
      tag = tag, body = status == 200 and SDP or nil,
      headers = { "Contact", "<sip:" .. tag .. "@192.0.2.9>" },
    }))
  end

  -- What alice sent in this dialog, as "METHOD uri To-tag".
  local function sent()
    local list = {}
    for _, event in ipairs(stranger.got) do
      local req = event.message
      if (event.kind == "request" or event.kind == "ack") and req:to_tag() then
        list[#list + 1] = ("%s %s %s"):format(req:method(), req:uri(), req:to_tag())
        if event.kind == "request" then
          event.object:respond(200)
        end
      end
    end
    return list
  end

  it("has an early dialog for each tag, gone with the final (C-94)", function()
    stranger.on.request = function(tx)
      answer(tx, 180, "x")
      answer(tx, 183, "y")
      answer(tx, 180, "x")
    end
    local e
    sip.spawn(function()
      local _
      _, e = alice:dial("sip:bob@" .. S, { sdp = SDP })
    end)
    net:run(0.5)
    assert.equal(2, alice.dialogs.count)
    stranger.got[1].object:respond(486, { tag = "z" })
    net:run(1)
    assert.equal("busy", e.name)
    assert.equal(0, alice.dialogs.count)
  end)

  it("is one call: each 2xx is acknowledged, the later ones are ended (C-104)",
    function()
      local bye
      stranger.on.request = function(tx, req)
        if req:method() == "INVITE" then
          answer(tx, 180, "x")
          stranger.fork(req, 200, "y", SDP)
          stranger.fork(req, 200, "x", SDP)
          stranger.fork(req, 200, "z", SDP)
        else
          bye = (bye or "") .. req:to_tag()
          tx:respond(200)
        end
      end
      local peer
      sip.spawn(function()
        peer = alice:dial("sip:bob@" .. S, { sdp = SDP })
        sip.sleep(3)
        peer:hangup()
      end)
      net:run(2)
      assert.equal("answered", peer.state)
      assert.equal("y", peer.response:to_tag())
      local list = sent()
      table.sort(list)
      assert.same({
        "ACK sip:x@192.0.2.9 x", "ACK sip:y@192.0.2.9 y", "ACK sip:z@192.0.2.9 z",
        "BYE sip:x@192.0.2.9 x", "BYE sip:z@192.0.2.9 z",
      }, list)
      net:run(4)
      assert.equal("xzy", bye)
    end)

  it("ends a fork that answers after its transaction is gone (RFC 6026 7.2)",
    function()
      stranger.on.request = function(tx, req)
        if req:method() == "INVITE" then
          answer(tx, 200, "y")
        else
          tx:respond(200)
        end
      end
      sip.spawn(function()
        local peer = alice:dial("sip:bob@" .. S, { sdp = SDP })
        sip.sleep(40)
        peer:hangup()
      end)
      net:run(35)
      local invite = stranger.got[1].message
      stranger.fork(invite, 200, "late")
      net:run(36)
      local acks = {}
      for _, event in ipairs(stranger.got) do
        if event.message and event.kind ~= "response"
          and event.message:to_tag() == "late" then
          acks[#acks + 1] = event.message:method() .. " " .. event.message:uri()
        end
      end
      assert.same({ "ACK sip:late@192.0.2.9", "BYE sip:late@192.0.2.9" }, acks)
      net:run(45)
    end)

  it("is redirected only when asked to, best target first, none twice (C-90)",
    function()
      local uris, numbers, ids = {}, {}, {}
      stranger.on.request = function(tx, req)
        uris[#uris + 1] = req:uri()
        numbers[#numbers + 1] = (req:cseq())
        ids[req:call_id()] = true
        if #uris == 1 then
          tx:respond(302, { tag = "x", headers = {
            "Contact", "<sip:c@192.0.2.9>;q=0.1, <sip:b@192.0.2.9>;q=0.9",
            "Contact", "<sip:bob@192.0.2.9>;q=0.5, <sip:d@192.0.2.9>;q=0.4" } })
        elseif req:uri() == "sip:b@192.0.2.9" then
          tx:respond(301, { tag = "y", headers = {
            "Contact", "<sip:bob@192.0.2.9>, <sip:e@192.0.2.9>" } })
        else
          tx:respond(486, { tag = "z" })
        end
      end
      local e
      sip.spawn(function()
        local _
        _, e = alice:dial("sip:bob@" .. S, { sdp = SDP })
        assert.equal(302, e.status)
        uris, numbers, ids = {}, {}, {}
        _, e = alice:dial("sip:bob@" .. S, { sdp = SDP, redirects = 4 })
      end)
      net:run(40)
      assert.equal("busy", e.name)
      assert.same({ "sip:bob@192.0.2.9", "sip:b@192.0.2.9", "sip:e@192.0.2.9",
        "sip:d@192.0.2.9", "sip:c@192.0.2.9" }, uris)
      assert.same({ 1, 2, 3, 4, 5 }, numbers)
      assert.is_truthy(next(ids))
      assert.is_nil(next(ids, next(ids)))
    end)

  it("goes by way of an outbound proxy, loose or strict (C-86)", function()
    local got
    stranger.on.request = function(tx, req)
      got = { req:uri(), req:to_uri(), req:header "Route" }
      tx:respond(486)
    end
    sip.spawn(function()
      alice:dial("sip:bob@b.example", { sdp = SDP, via = "sip:192.0.2.9" })
    end)
    net:run(1)
    assert.same({ "sip:bob@b.example", "sip:bob@b.example", "<sip:192.0.2.9;lr>" }, got)
  end)
end)

describe("several targets at once", function()
  local net, alice, sip

  before_each(function()
    net = net_of.new()
    alice, sip = net:endpoint(A)
  end)

  after_each(function()
    assert.same({}, net.errors)
    net:clean()
  end)

  local function phone(ip, script)
    local ua, host = net:endpoint(ip)
    ua:on_call(function(call)
      script(call, host)
    end)
  end

  it("are an INVITE each: the first to answer wins, the others are cancelled",
    function()
      local ended = {}
      for i = 1, 3 do
        phone("192.0.2.1" .. i, function(call, host)
          call:finally(function()
            ended[i] = { host.now(), call.why and call.why.name }
          end)
          call:ring()
          host.sleep(i == 2 and 3 or 5)
          call:answer { sdp = SDP }
          host.sleep(1)
        end)
      end
      local peer
      sip.spawn(function()
        peer = alice:dial({ "sip:a@192.0.2.11", "sip:b@192.0.2.12",
          "sip:c@192.0.2.13" }, { sdp = SDP })
      end)
      net:run(20)
      assert.equal("sip:b@192.0.2.12", peer.uri.uri)
      assert.same({ { 3, "cancelled" }, { 4 }, { 3, "cancelled" } }, ended)
    end)

  it("that answer in the same instant leave one call (rule 5)", function()
    for i = 1, 3 do
      phone("192.0.2.1" .. i, function(call, host)
        call:ring()
        host.sleep(1)
        call:answer { sdp = SDP }
        call:wait()
      end)
    end
    local peer
    sip.spawn(function()
      peer = alice:dial({ "sip:a@192.0.2.11", "sip:b@192.0.2.12",
        "sip:c@192.0.2.13" }, { sdp = SDP })
      assert.equal(1, alice.calls)
      sip.sleep(2)
      peer:hangup()
    end)
    net:run(20)
    local count = {}
    for _, line in ipairs(net:flow(A)) do
      local method = line:match "%a+$"
      count[method] = (count[method] or 0) + 1
    end
    assert.equal(3, count.ACK)
    assert.equal(3, count.BYE)
  end)

  -- Dial phones that answer with these statuses; 0 rings for ever, false is not there.
  local function dial_all(statuses)
    local targets = {}
    for i, status in ipairs(statuses) do
      local ip = "192.0.2.1" .. i
      targets[i] = "sip:x@" .. (status and ip or "nowhere.example")
      if status then
        net:stranger(ip, { request = function(tx)
          tx:respond(status == 0 and 180 or status)
        end, cancel = function(tx)
          tx:respond(487)
        end })
      end
    end
    local e, at
    sip.spawn(function()
      local _
      _, e = alice:dial(targets, { sdp = SDP, timeout = 20 })
      at = sip.now()
    end)
    net:run(60)
    return e, at
  end

  -- As a proxy would choose (16.7 step 6), in either order of coming.
  for _, case in ipairs {
    { 603, 302 }, { 302, 486 }, { 486, 480 }, { 480, 404 }, { 404, 487 },
    { 407, 500 }, { 486, 503 }, { 487, 500 }, { 503, false },
  } do
    it(("that all fail: %s is more telling than %s (rule 5)"):format(case[1], case[2]),
      function()
        assert.equal(case[1], dial_all(case).status)
      end)

    it(("that all fail: %s is also told after %s (rule 5)"):format(case[1], case[2]),
      function()
        assert.equal(case[1], dial_all({ case[2], case[1] }).status)
      end)
  end

  for _, status in ipairs { 486, 404, 603 } do
    it(("that ring for ever are outweighed by a %d"):format(status), function()
      local e, at = dial_all { 0, status, 0 }
      assert.equal(status, e.status)
      assert.equal(20, at)
    end)
  end

  for _, status in ipairs { 500, false } do
    it(("that ring for ever outweigh %s"):format(status or "nobody"), function()
      local e, at = dial_all { 0, status }
      assert.equal("no answer: the time is over", tostring(e))
      assert.equal(20, at)
    end)
  end
end)

-- Phones and a registrar over links that lose, repeat and reorder: the bindings end
-- right.  C-185, C-187.

local new_registrar = require("spec.support.registrar").new
local new_sim = require "sip.sim"

local AOR = "sip:alice@example.com"

describe("a registrar in a bad network", function()
  -- Phones that register, refresh, move and leave, each request after the answer to the
  -- one before, as 10.2 wants it. What they were told last is what there must be.
  local function storm(seed)
    local sim = new_sim { seed = seed, delay = 0.02, loss = 0.15, duplicate = 0.15,
      reorder = 0.3, reorder_by = 1.5 }
    local host = sim:host "192.0.2.1"
    local location = host.sip.location.memory()
    local ua = host.sip.new { listen = "udp:192.0.2.1", domain = "example.com",
      location = location }
    ua:on("REGISTER", host.sip.registrar())
    local told = {}
    location:watch(function(aor, list)
      told[aor] = #list
    end)
    local expected, answers = {}, 0
    for i = 1, 6 do
      local phone = sim:host("192.0.2." .. 10 + i)
      local from = phone:endpoint()
      local aor = ("sip:u%d@example.com"):format(i // 2) -- two phones for most users
      expected[aor] = expected[aor] or {}
      phone.sip.spawn(function()
        local at = 5060
        for step = 1, 8 do
          local kind = (step * 7 + i * 3 + seed) % 4
          local old = ("<sip:u@192.0.2.%d:%d>"):format(10 + i, at)
          local contact, mine = old, old
          if kind == 1 then
            at = at + 1
            mine = ("<sip:u@192.0.2.%d:%d>"):format(10 + i, at)
            contact = old .. ";expires=0, " .. mine
          elseif kind == 2 then
            contact, mine = old .. ";expires=0", nil
          end
          local res
          repeat -- without an answer nobody knows what it did
            res = from:request { method = "REGISTER", uri = "sip:example.com",
              to = "<" .. aor .. ">", from = aor,
              headers = { Contact = contact, Expires = "3600" } }
          until res
          answers = answers + 1
          expected[aor][i] = mine or false
          phone.sip.sleep(3)
        end
      end)
    end
    sim:advance(600)
    local wanted, found, count = {}, {}, 0
    for aor, phones in pairs(expected) do
      local uris = {}
      for _, uri in pairs(phones) do
        uris[#uris + 1] = uri or nil
      end
      table.sort(uris)
      wanted[aor] = table.concat(uris, " ")
      local list = {}
      for i, b in ipairs(location:bindings(aor)) do
        list[i] = "<" .. b.uri .. ">"
      end
      table.sort(list)
      found[aor] = table.concat(list, " ")
      count = count + #list
      assert.equal(#list, told[aor] or 0)
    end
    assert.same(wanted, found)
    assert.equal(6 * 8, answers)
    assert.equal(count, (location:count()))
    sim:advance(3600)
    assert.same({ 0, 0 }, { location:count() })
    for aor in pairs(expected) do
      assert.equal(0, told[aor])
    end
    sim:assert_clean()
    sim:close()
  end

  for seed = 1, 8 do
    it("C-185 ends with what the phones were told last, seed " .. seed, function()
      storm(seed)
    end)
  end

  it("C-185 heeds no request that was overtaken", function()
    local reg = new_registrar()
    local first = reg:request { contact = "<sip:a@192.0.2.9>", cseq = 1 }
    local second = reg:request { contact = "<sip:a@192.0.2.9>", cseq = 2, expires = 0 }
    local third = reg:request { contact = "<sip:a@192.0.2.9>", cseq = 3, expires = 900 }
    reg.peer:send("192.0.2.1", 5060, third)
    reg.sim:advance(1)
    for _, late in ipairs { second, first, second, third } do
      reg.peer:send("192.0.2.1", 5060, late)
      reg.sim:advance(1)
    end
    reg.sim:advance(40) -- the transactions have forgotten it too
    reg.peer:send("192.0.2.1", 5060, third)
    reg.peer:send("192.0.2.1", 5060, first)
    reg.sim:advance(1)
    local seen = {}
    for i, res in ipairs(reg:heard()) do
      seen[i] = res:cseq() .. " " .. res:status()
    end
    assert.same({ "3 200", "2 500", "1 500", "2 500", "3 200", "3 500", "1 500" }, seen)
    assert.equal(900 - 46, reg.location:bindings(AOR)[1].expires_in)
    reg:clean()
  end)
end)

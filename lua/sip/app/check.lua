--- What an endpoint finds out about itself and its machine: at its start what can be
--- had at once, for the log; by `check` all of it, names too.

local address = require "sip.msg.address"
local check = require "sip.ua.check"
local misuse = require "sip.rt.misuse"
local names_of = require "sip.ua.names"
local sips = require "sip.ua.sips"

local M = {}

-- The simulator has no machine: what is there has been made for the test.
local function machine_of(self)
  local driver = self.runtime.driver
  return driver.machine and driver:machine()
end

local function tls_facts(self, machine)
  local tls = self.tls
  if not tls then
    return nil
  end
  local facts = { pairs = {}, verify = tls.verify ~= false, listens = false }
  facts.trusts, facts.file, facts.folder = machine.trusts()
  facts.trusts = facts.trusts or tls.ca ~= nil
  for _, at in ipairs(self.bound) do
    facts.listens = facts.listens or sips.is_secure(at.transport)
  end
  for i, pair in ipairs(tls.pairs) do
    facts.pairs[i] = {
      domain = pair.domain, cert = pair.cert, key = pair.key,
      file = machine.certificate(pair.cert), mode = machine.mode(pair.key),
    }
  end
  return facts
end

local function facts_of(self, machine)
  local facts = {
    listeners = self.bound,
    advertise = self.advertise,
    domains = self.domains,
    addresses = machine.addresses(),
    files = machine.files(),
    now = self.runtime.driver:unix(),
    tls = tls_facts(self, machine),
  }
  -- The certificate for all others need not name a domain that has one of its own.
  for _, pair in ipairs(facts.tls and facts.tls.pairs or {}) do
    if pair.domain and facts.domains and facts.domains[pair.domain:lower()] then
      local rest = {}
      for domain in pairs(facts.domains) do
        rest[domain] = domain ~= pair.domain:lower() and true or nil
      end
      facts.domains = rest
    end
  end
  return facts
end

-- The names that others are told, and ours.
local function told_names(self)
  local set, list = {}, {}
  local function add(name)
    name = name and address.bare(name):lower()
    if name and not set[name] and not address.is_numeric(name) then
      set[name], list[#list + 1] = true, name
    end
  end
  add(self.advertise.sip)
  for _, at in ipairs(self.bound) do
    add(at.advertise and at.advertise.sip)
  end
  return list
end

-- The addresses of a name; false: nobody has answered.
local function look_up(self, name)
  self.names = self.names or names_of.new(self, self.names_max)
  local found, answered = {}, false
  for _, family in ipairs { "A", "AAAA" } do
    local records = self.sched:await(function(done)
      self.names:ask(name, family, function(records)
        done(records or false)
      end)
    end)
    answered = answered or records ~= false
    for _, record in ipairs(records or {}) do
      found[#found + 1] = record
    end
  end
  return answered and found
end

--- At the start: warnings for the log, none of which wants to be waited for.
---@private
function M:check_start()
  local machine = not self.runtime.checking and machine_of(self)
  for _, finding in ipairs(machine and check.judge(facts_of(self, machine)) or {}) do
    if finding.level ~= "note" then
      self.log:warn(finding.text)
    end
  end
end

-- One before it in the list that has the same port, if there is one.
local function rival(list, i)
  local at = list[i]
  for n = 1, i - 1 do
    local other = list[n]
    local alike = (other.transport == "udp") == (at.transport == "udp")
    if alike and other.port == at.port then
      return other
    end
  end
end

--- Why it cannot listen at one of its addresses, and what to do.
---@param i integer  which one; it does at those before it
---@param why string
---@return string
---@private
function M:why_not(i, why)
  local machine, at = machine_of(self), self.bound[i]
  local other = why:find("is in use already", 1, true) and rival(self.bound, i)
  if other then
    return ("%s, by %s of this endpoint: leave one out"):format(why, other.text)
  elseif not machine then
    return why
  elseif at.host:find "^[fF][eE][89aAbB]%x:" then
    return ("%s is link-local, and means another machine on each interface: listen at "
      .. "[::]"):format(address.bracket(at.host) .. ":" .. at.port)
  elseif why:find("not an address of this machine", 1, true) then
    local list = {}
    for _, one in ipairs(machine.addresses()) do
      list[#list + 1] = one.address
    end
    return ("%s, which has %s: listen at one of these, or at all by %s"):format(why,
      table.concat(list, ", "), at.host:find(":", 1, true) and "[::]" or "0.0.0.0")
  elseif why:find("is in use already", 1, true) then
    local name, pid, uid = machine.holder(at)
    local who = pid and pid > 0 and ("%s (process %d)"):format(name, pid)
      or name and ("a program of user %d"):format(uid) or "another program"
    return ("%s, by %s: end that, or listen at another port"):format(why, who)
  elseif why:find("not allowed", 1, true) and at.port > 0 and at.port < 1024 then
    return why .. ": ports below 1024 are for root; listen above, or give the right: "
      .. "setcap cap_net_bind_service=+ep on the program that runs the script"
  end
  return why
end

--- Look for what is wrong with addresses, ports, certificates, names and the clock,
--- before a peer finds out. May wait for name servers. What must work for the endpoint
--- to be made has been seen to: `sip.new` raises.
---@return sip.Finding[] findings  each with its level, "error", "warning" or "note",
---  and
---   its text; empty when all is well
function M:check()
  misuse.unless(self.state == "open", "check: the endpoint is closed")
  self.sched:enter()
  local machine = machine_of(self)
  if not machine then
    return {}
  end
  local facts = facts_of(self, machine)
  facts.names = {}
  for _, name in ipairs(told_names(self)) do
    facts.names[name] = look_up(self, name)
  end
  return check.judge(facts)
end

return M

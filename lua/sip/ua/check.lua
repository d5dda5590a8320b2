--- What is wrong with the addresses, certificates and names of an endpoint, before a
--- peer finds out. Pure: facts in, findings out, each a sentence that says what to do.

local address = require "sip.msg.address"
local date = require "sip.msg.date"
local networks = require "sip.ua.networks"

local M = {}

local SOON, DAY = 30, 86400
local NOT_SET = 1700000000 -- a clock that says less has never been set
local FILES = 4096 -- fewer are soon used up

-- RFC 1918, 6598, 3927, 4193, and what is this machine's alone.
local private = networks.new { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
  "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1" }

---@class sip.Finding
---@field level "error"|"warning"|"note"  does not work; will not, or not for all;
---   to be known
---@field text string
local Finding = {}
local finding_mt = { __name = "sip.Finding", __index = Finding }

function finding_mt:__tostring()
  return self.level .. ": " .. self.text
end

---@class (private) sip.Facts
---@field listeners sip.Listener[]
---@field advertise sip.Advertised
---@field domains? table<string, true>
---@field addresses? sip.MachineAddress[]
---@field now number              seconds since 1970
---@field files? integer           that may be open at once; 0: not known
---@field tls? sip.TlsFacts       none: it has nothing to do with TLS
---@field names? table<string, string[]|false>  addresses of names; false: no answer

---@class (private) sip.TlsFacts
---@field pairs { domain?: string, cert: string, key: string, file?:
---  sip.CertificateFile,
---  mode?: integer }[]
---@field trusts boolean         there is somebody who is trusted
---@field file string            where the system says whom
---@field folder string
---@field verify boolean
---@field listens boolean

local function is_private(host)
  return private:find(host) ~= nil
end

local function is_wide(host)
  return host:find(":", 1, true) ~= nil
end

local function is_any(host)
  return host == "0.0.0.0" or host == "::"
end

-- The addresses of this machine that a listener is at, without those that nobody else
-- reaches.
local function places(at, facts)
  if not is_any(at.host) then
    return { at.host }
  end
  local list = {}
  for _, one in ipairs(facts.addresses or {}) do
    local linked = one.address:find("^[fF][eE]80:") ~= nil
    if not one.internal and not linked and is_wide(one.address) == is_wide(at.host) then
      list[#list + 1] = one.address
    end
  end
  return list
end

local function public_of(list)
  for _, host in ipairs(list) do
    if not is_private(host) then
      return host
    end
  end
end

-- An address that others are told.
local function judge_told(say, at, host, what, public)
  if is_any(host) then
    say("error", "%s tells others %s as its %s, which is no address to be reached at: "
      .. "advertise the one that they see", at.text, host, what)
  elseif is_wide(host) ~= is_wide(at.host) then
    say("warning", "%s is IPv%d and tells others %s, which is IPv%d: advertise an "
      .. "address of its own family", at.text, is_wide(at.host) and 6 or 4, host,
      is_wide(host) and 6 or 4)
  elseif is_private(host) and public then
    say("warning", "%s tells others %s, which only its own network reaches, though it "
      .. "is "
      .. "at %s: advertise that, or nothing", at.text, host, public)
  end
end

local function judge_name(say, at, name, facts, public)
  local found = facts.names and facts.names[name]
  if found == false then
    say("warning", "no name server has answered for %s, which %s tells others: see "
      .. "/etc/resolv.conf, or sip.name_servers", name, at.text)
  elseif found and not found[1] then
    say("warning", "%s tells others %s, a name that has no address: enter it in the "
      .. "DNS, "
      .. "or advertise the address", at.text, name)
  end
  for _, host in ipairs(found or {}) do
    if is_wide(host) == is_wide(at.host) then
      judge_told(say, at, host, "address, by the name " .. name, public)
    end
  end
end

local function judge_listener(say, at, facts)
  local as = at.advertise or {}
  local own = places(at, facts)
  local public = public_of(own)
  local host = as.sip or facts.advertise.sip
  local media = as.media or facts.advertise.media
  host = host and address.bare(host)
  if host and address.is_numeric(host) then
    judge_told(say, at, host, "address", public)
  elseif host then
    judge_name(say, at, host:lower(), facts, public)
  end
  if media and media ~= host then
    judge_told(say, at, media, "address for media", public)
  end
  if at.host == "::1" or at.host:find "^127%." then
    say("note", "%s is reached from this machine alone", at.text)
  elseif not host and own[1] and not public then
    say("note", "%s tells others %s, which only its own network reaches: for peers "
      .. "elsewhere say what it is called there by advertise", at.text, own[1])
  end
end

local function judge_families(say, facts)
  local has, wide = {}, {}
  for _, at in ipairs(facts.listeners) do
    has[is_wide(at.host)] = at
  end
  for _, one in ipairs(facts.addresses or {}) do
    if not one.internal and not one.address:find "^[fF][eE]80:" then
      wide[is_wide(one.address)] = one.address
    end
  end
  if has[true] and not has[false] and wide[false] and has[true].host == "::" then
    say("warning", "%s is IPv6 alone, and nothing listens for IPv4, which this machine "
      .. "has (%s): listen at \"%s:0.0.0.0:%d\" too", has[true].text, wide[false],
      has[true].transport, has[true].port)
  elseif has[false] and not has[true] and wide[true] and not wide[false] then
    say("warning", "nothing listens for IPv6, and this machine has nothing else (%s): "
      .. "listen at \"%s:[::]:%d\"", wide[true], has[false].transport, has[false].port)
  end
end

local function names_of(file)
  return (file.names:gsub("\n$", ""):gsub("\n", ", "))
end

local function has_name(file, name)
  return ("\n" .. file.names):find("\n" .. name:lower() .. "\n", 1, true) ~= nil
end

local function day(seconds)
  return date.write(seconds):match "^%a+, (%d+ %a+ %d+)"
end

local function judge_file(say, pair, facts)
  local file, now = pair.file, facts.now
  if now > file.till then
    say("error", "cert: %s: expired on %s: renew it", pair.cert, day(file.till))
  elseif now < file.from then
    say("error", "cert: %s: is not valid before %s: see to the clock, or wait",
      pair.cert, day(file.from))
  elseif file.till - now < SOON * DAY then
    say("warning", "cert: %s: expires on %s, in %d days: renew it; it is read again "
      .. "when "
      .. "the file has changed", pair.cert, day(file.till), (file.till - now) // DAY)
  end
  if file.self_signed then
    say("warning", "cert: %s: is signed by nobody but itself: who is to connect must "
      .. "have "
      .. "it among those it trusts", pair.cert)
  end
  for _, domain in ipairs(pair.domain and { pair.domain } or facts.domain_list) do
    if not has_name(file, domain) then
      say("warning", "cert: %s: is for %s, and not for the domain %s: who calls that "
        .. "by TLS "
        .. "hangs up (RFC 5922)", pair.cert,
        file.names ~= "" and names_of(file) or "no SIP domain", domain)
    end
  end
end

local function judge_tls(say, tls, facts)
  for _, pair in ipairs(tls.pairs) do
    if pair.file and tls.listens then
      judge_file(say, pair, facts)
    end
    if pair.mode and pair.mode & 63 ~= 0 then
      say("warning", "key: %s: others than its owner may read or change it (mode "
        .. "%04o): "
        .. "chmod 600 %s", pair.key, pair.mode, pair.key)
    end
  end
  if not tls.verify then
    say("note", "tls: verify = false: whoever answers is taken for who was called")
  elseif not tls.trusts then
    say("warning", "tls: nobody is trusted, neither in %s nor in %s: no server can be "
      .. "verified; install the certificates of authorities (ca-certificates), or name "
      .. "those of yours by tls = { ca = ... }", tls.file, tls.folder)
  end
end

--- Judge facts.
---@param facts sip.Facts
---@return sip.Finding[] findings
---@private
function M.judge(facts)
  local list, seen = {}, {}
  local function say(level, text, ...)
    text = text:format(...)
    if not seen[text] then
      seen[text] = true
      list[#list + 1] = setmetatable({ level = level, text = text }, finding_mt)
    end
  end
  facts.domain_list = {}
  for domain in pairs(facts.domains or {}) do
    table.insert(facts.domain_list, not address.is_numeric(domain) and domain or nil)
  end
  table.sort(facts.domain_list)
  if facts.now > 0 and facts.now < NOT_SET then
    say("warning", "the clock of this machine says %s: certificates, nonces and "
      .. "expiry are "
      .. "judged by it; set it", day(facts.now))
  end
  if (facts.files or 0) > 0 and facts.files < FILES then
    say("warning", "only %d files may be open at once: a call is two, and half of them "
      .. "are for connections; allow more by ulimit -n or LimitNOFILE=", facts.files)
  end
  judge_families(say, facts)
  for _, at in ipairs(facts.listeners) do
    judge_listener(say, at, facts)
  end
  if facts.tls then
    judge_tls(say, facts.tls, facts)
  end
  return list
end

return M

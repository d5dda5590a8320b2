--- What keep-alives the answer to a REGISTER or an INVITE asks for (RFC 5626 4.4, RFC
--- 6223). Pure.

local address = require "sip.msg.address"

local M = {}

-- Seconds between two of them when nobody says, at least and at most (RFC 5626 4.4.1,
-- 4.4.2); of what somebody says four fifths at least.
local UDP, STREAM = { 24, 29 }, { 95, 120 }
local PART, LEAST, MOST = 0.8, 1, 86400

---@class sip.KeepAlive
---@field low number       seconds after one, at least, that the next is sent
---@field high number      at most
---@field answered boolean the server answers them: over UDP they are STUN
---@field sole boolean     a NAT lets in what comes by this connection, and nothing else

-- Whether our own Via was not what the server saw: a NAT is between.
local function is_seen_elsewhere(via)
  return via.received ~= nil and via.received ~= address.bare(via.host)
    or type(via.rport) == "number" and via.rport ~= (via.port or 5060)
end

local function often(seconds, answered, sole)
  seconds = math.max(seconds, LEAST)
  return { low = seconds * PART, high = seconds, answered = answered, sole = sole }
end

local function seconds_of(text)
  local seconds = type(text) == "string" and tonumber(text:match "^%d+$")
  return seconds and seconds > 0 and seconds or nil
end

--- The keep-alives after this 2xx to a REGISTER; nil for none.
---@param res sip.Message
---@param option? boolean|number  the script's: none; or it knows that the server
---   answers them, and perhaps how often it wants them
---@return sip.KeepAlive?
function M.after(res, option)
  local via = res:via(1)
  local _, _, transport = res:source()
  if option == false or not via or not transport then
    return nil
  end
  local keep = via.params and via.params.keep
  local outbound = res:has_token("Require", "outbound")
  local answered = option ~= nil or outbound or type(keep) == "string"
  local elsewhere = is_seen_elsewhere(via)
  if transport == "udp" and not answered and not elsewhere then
    return nil
  end
  local sole = elsewhere and transport ~= "udp"
  local most = transport == "udp" and UDP or STREAM
  local seconds = math.min(seconds_of(keep) or MOST,
    outbound and seconds_of(res:header "Flow-Timer") or MOST,
    type(option) == "number" and option or MOST)
  if seconds == MOST then
    return { low = most[1], high = most[2], answered = answered, sole = sole }
  end
  return often(seconds, answered, sole)
end

--- The keep-alives of a call, after the 2xx to its INVITE: when they were offered, and
--- who is next has taken that up (RFC 6223 4.3).
---@param res sip.Message
---@return sip.KeepAlive?
function M.accepted(res)
  local via = res:via(1)
  local _, _, transport = res:source()
  local keep = via and transport and via.params and via.params.keep
  if type(keep) ~= "string" then
    return nil
  end
  local most = transport == "udp" and UDP or STREAM
  local seconds = seconds_of(keep)
  return seconds and often(math.min(seconds, MOST), true, false)
    or { low = most[1], high = most[2], answered = true, sole = false }
end

return M

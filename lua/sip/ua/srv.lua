--- Which record comes first (RFC 2782, RFC 3263 4.1). Pure.

local M = {}

---@class sip.SrvRecord
---@field priority integer
---@field weight integer
---@field port integer
---@field target string  "": decidedly no service

---@class sip.NaptrRecord
---@field order integer
---@field preference integer
---@field flags string
---@field service string
---@field target string

local transports = {
  ["SIP+D2U"] = "udp", ["SIP+D2T"] = "tcp", ["SIPS+D2T"] = "tls",
  ["SIP+D2W"] = "ws", ["SIPS+D2W"] = "wss", -- RFC 7118 5.5
}

-- One group in an order by chance: who has more weight is earlier more often.
local function draw(group, chance, ordered)
  table.sort(group, function(a, b) -- those of no weight in front, else as they came
    local light, other = a.record.weight == 0, b.record.weight == 0
    if light ~= other then
      return light
    end
    return a.at < b.at
  end)
  while group[1] do
    local sum, i = 0, 1
    for _, item in ipairs(group) do
      sum = sum + item.record.weight
    end
    local drawn = sum > 0 and group[2] and chance(sum) or 0
    local running = group[1].record.weight
    while running < drawn do
      i = i + 1
      running = running + group[i].record.weight
    end
    ordered[#ordered + 1] = table.remove(group, i).record
  end
end

--- SRV records in the order in which they are to be tried.
---@param records sip.SrvRecord[]  left as they are
---@param chance fun(n: integer): integer  one of 0 to n, each as likely as the others
---@return sip.SrvRecord[]
function M.order(records, chance)
  local groups, priorities, ordered = {}, {}, {}
  for i, record in ipairs(records) do
    local group = groups[record.priority]
    if not group then
      group = {}
      groups[record.priority] = group
      priorities[#priorities + 1] = record.priority
    end
    group[#group + 1] = { record = record, at = i }
  end
  table.sort(priorities)
  for _, priority in ipairs(priorities) do
    draw(groups[priority], chance, ordered)
  end
  return ordered
end

--- The NAPTR records that we can follow, best first: of the lowest order that has any.
---@param records sip.NaptrRecord[]
---@param usable table<string, boolean>  transports
---@return { transport: string, target: string, final: boolean }[]  final: a host, not
---   the name of SRV records
function M.follow(records, usable)
  local fits, lowest = {}, math.huge
  for i, record in ipairs(records) do
    local transport = transports[record.service:upper()]
    local flag = record.flags:lower()
    if transport and usable[transport] and record.target ~= ""
      and (flag == "s" or flag == "a") then
      lowest = math.min(lowest, record.order)
      fits[#fits + 1] = {
        transport = transport, target = record.target, final = flag == "a",
        order = record.order, preference = record.preference, at = i,
      }
    end
  end
  local list = {}
  for _, fit in ipairs(fits) do
    if fit.order == lowest then
      list[#list + 1] = fit
    end
  end
  table.sort(list, function(a, b)
    if a.preference ~= b.preference then
      return a.preference < b.preference
    end
    return a.at < b.at
  end)
  return list
end

return M

--- Date headers (RFC 3261 20.17): "Sat, 13 Nov 2010 23:29:00 GMT".

local M = {}

local DAYS = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" } -- 1970 began with one
local MONTHS = {
  "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
}
local DAY = 86400

-- Year, month and day, counted in years that begin in March: a leap day ends one.
local function civil(days)
  days = days + 719468 -- since 1 March of the year 0
  local era = days // 146097
  local rest = days % 146097
  local year = (rest - rest // 1460 + rest // 36524 - rest // 146096) // 365
  local of_year = rest - (365 * year + year // 4 - year // 100)
  local month = (5 * of_year + 2) // 153
  local day = of_year - (153 * month + 2) // 5 + 1
  month = month < 10 and month + 3 or month - 9
  return era * 400 + year + (month < 3 and 1 or 0), month, day
end

--- The value of a Date header.
---@param seconds number  since 1970
---@return string
function M.write(seconds)
  seconds = math.floor(seconds)
  local days, rest = seconds // DAY, seconds % DAY
  local year, month, day = civil(days)
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(DAYS[days % 7 + 1], day,
    MONTHS[month], year, rest // 3600, rest // 60 % 60, rest % 60)
end

return M

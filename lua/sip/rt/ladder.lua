--- A message flow as a ladder: one column for each host, one row for each
--- message, verb, digit or note. Laid out once, drawn as text or as SVG.

local M = {}

---@class sip.LadderRow
---@field at number
---@field kind "message"|"verb"|"digit"|"note"
---@field label string
---@field from integer     a column
---@field to? integer      another, of a message
---@field again? boolean   a retransmission

---@class sip.Ladder
---@field columns string[]
---@field rows sip.LadderRow[]

local LABEL = 100 -- bytes: what strangers send is as long and as odd as they like

local function clipped(label)
  label = (#label > LABEL and label:sub(1, LABEL) .. "..." or label)
  return (label:gsub("%c+", " "))
end

local function message_label(record)
  local status, reason = record.text:match "^SIP/2%.0 (%d%d%d) ?([^\r\n]*)"
  local label
  if status then
    label = reason == "" and status or status .. " " .. reason
    local method = record.cseq and record.cseq:match "^%d+%s+(%a[%w-]*)$"
    if method then
      label = label .. " (" .. method .. ")"
    end
  else
    label = record.text:match "^[^%s]+" or "(empty)"
  end
  label = clipped(label)
  if record.text:find("\r?\n\r?\nv=0") then
    label = label .. " sdp"
  end
  return label
end

local words = {
  verb = function(text) return "[" .. text .. "]" end,
  digit = function(text) return "(" .. text .. ")" end,
  note = function(text) return text end,
}

--- Columns and rows of some records.
---@param records sip.TraceRecord[]
---@param labels table<string, string>  of addresses
---@return sip.Ladder
function M.layout(records, labels)
  local columns, index, rows = {}, {}, {}
  local function column(address)
    local label = labels[address] or address
    if not index[label] then
      columns[#columns + 1] = label
      index[label] = #columns
    end
    return index[label]
  end
  for i, record in ipairs(records) do
    local row = { at = record.at, kind = record.kind, from = column(record.from) }
    if record.kind == "message" then
      row.to = column(record.to)
      row.again = record.retransmission
      row.label = message_label(record) .. (row.again and " (again)" or "")
    else
      row.label = words[record.kind](clipped(record.text))
    end
    rows[i] = row
  end
  return { columns = columns, rows = rows }
end

-- The distance of two columns that gives every arrow and name its room.
local function gap_of(view)
  local gap = 20
  for _, name in ipairs(view.columns) do
    gap = math.max(gap, #name + 2)
  end
  for _, row in ipairs(view.rows) do
    local span = row.to and math.abs(row.to - row.from) or 0
    if span > 0 then
      gap = math.max(gap, (#row.label + 8 + span - 1) // span)
    end
  end
  return gap
end

local TIME = "%9.3f "

-- Write over a line, given as an array of characters.
local function put(line, at, text)
  for i = #line + 1, at - 1 do
    line[i] = " "
  end
  for i = 1, #text do
    line[at + i - 1] = text:sub(i, i)
  end
end

local function arrow(row, width)
  local room = width - #row.label - 2 -- of which one is the head
  local right = row.to > row.from
  local left = right and room // 2 or room - room // 2
  local body = ("-"):rep(left) .. " " .. row.label .. " "
    .. ("-"):rep(room - left)
  if right then
    return body:sub(1, -2) .. ">"
  end
  return "<" .. body:sub(2)
end

--- The ladder as text, each line ended.
---@param view sip.Ladder
---@return string
function M.text(view)
  local gap = gap_of(view)
  local first = #TIME:format(0) + (view.columns[1] and #view.columns[1] // 2 or 0) + 2
  local function x(column)
    return first + (column - 1) * gap
  end
  local line, lines = {}, {}
  local function finish()
    lines[#lines + 1] = table.concat(line):gsub("%s+$", "") .. "\n"
    line = {}
  end
  for i, name in ipairs(view.columns) do
    put(line, x(i) - #name // 2, name)
  end
  finish()
  for _, row in ipairs(view.rows) do
    put(line, 1, TIME:format(row.at))
    for i in ipairs(view.columns) do
      put(line, x(i), "|")
    end
    if row.to and row.to ~= row.from then
      local left, right = math.min(row.from, row.to), math.max(row.from, row.to)
      put(line, x(left) + 1, arrow(row, x(right) - x(left) - 1))
    else
      put(line, x(row.from) + 2, (row.to and "to itself: " or "") .. row.label)
    end
    finish()
  end
  return table.concat(lines)
end

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(text)
  return (text:gsub('[&<>"]', escapes):gsub("[^\32-\126]", "?"))
end

local STYLE = [[
text { font: 12px monospace; fill: #222 }
line { stroke: #999 } .arrow { stroke: #06c; marker-end: url(#head) }
.again { stroke-dasharray: 4 3; stroke: #c60 } .verb { fill: #070 }
.digit { fill: #a0a } .note { fill: #777 }]]

local HEAD = '<marker id="head" orient="auto" markerWidth="8" markerHeight="8" '
  .. 'refX="7" refY="4"><path d="M0,0 L8,4 L0,8 z" fill="#06c"/></marker>'

local function svg_row(row, x, y)
  local here = x(row.from)
  if not row.to or row.to == row.from then
    return ('<text class="%s" x="%d" y="%d">%s</text>'):format(row.kind, here + 6,
      y + 4, escape(row.label))
  end
  local there = x(row.to)
  return ('<line class="arrow%s" x1="%d" y1="%d" x2="%d" y2="%d"/>'
    .. '<text x="%d" y="%d" text-anchor="middle">%s</text>'):format(
    row.again and " again" or "", here, y, there, y, (here + there) // 2, y - 4,
    escape(row.label))
end

--- The ladder as SVG, one file.
---@param view sip.Ladder
---@return string
function M.svg(view)
  local gap, top, step = gap_of(view) * 8, 40, 28
  local left = 90 + (view.columns[1] and #view.columns[1] * 4 or 0)
  local function x(column)
    return left + (column - 1) * gap
  end
  local bottom = top + (#view.rows + 1) * step
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d">'):format(
      x(math.max(#view.columns, 1)) + gap, bottom + 10),
    "<style>" .. STYLE .. "</style><defs>" .. HEAD .. "</defs>",
  }
  for i, name in ipairs(view.columns) do
    out[#out + 1] = ('<text x="%d" y="20" text-anchor="middle">%s</text>'
      .. '<line x1="%d" y1="28" x2="%d" y2="%d"/>'):format(x(i), escape(name), x(i),
      x(i), bottom)
  end
  for i, row in ipairs(view.rows) do
    local y = top + i * step
    out[#out + 1] = ('<text class="note" x="4" y="%d">%.3f</text>'):format(y + 4,
      row.at)
    out[#out + 1] = svg_row(row, x, y)
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return M

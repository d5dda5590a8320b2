--- Bodies of the core, for the folders that do not see it: of several parts (RFC 2046
--- 5.1), and fragments of messages (RFC 3420).

local core = require "sip.core"

local M = {}

--- The bytes of a body of several parts, and its boundary. Raises on what no header may
--- hold, and on a boundary that stands in a part.
---@type fun(parts: sip.WrittenParts): string, string
M.write_parts = core.write_multipart

--- The text of a fragment. Raises on what none may hold.
---@type fun(spec: sip.FragmentSpec): string
M.write_fragment = core.write_fragment

--- Read a fragment.
---@type fun(bytes: string): sip.Message?, sip.Refusal?
M.parse_fragment = core.parse_fragment

return M

--- The session descriptions of the core, for the folders that do not see it.

local core = require "sip.core"

local M = {}

--- Parse one session description.
---@type fun(bytes: string): sip.Sdp?, sip.Refusal?
M.parse = core.sdp_parse

--- Write a description. Raises on what could not be read back as it is.
---@type fun(description: sip.Sdp): string
M.write = core.sdp_write

return M

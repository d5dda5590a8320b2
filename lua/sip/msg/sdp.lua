--- The session descriptions of the core, for the folders that do not see it.

local core = require "sip.core"

local M = {}

--- Parse one session description, within these limits.
---@type fun(bytes: string, options?: { limits?: table }): sip.Sdp?, sip.Refusal?
M.parse = core.sdp_parse

--- Write a description. Raises on what could not be read back as it is.
---@type fun(description: sip.Sdp): string
M.write = core.sdp_write

--- What an address of c=, o= or a=rtcp is; nil for a name.
---@type fun(text: string): "IP4"|"IP6"|nil, "unicast"|"multicast"|"any"|nil
M.address = core.sdp_address

return M

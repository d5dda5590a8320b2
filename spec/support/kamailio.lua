--- kamailio on loopback: spec/interop/kamailio/NAME.cfg, listening where the spec says.

local process = require "spec.support.process"

local M = {}

-- Where Debian has it; not every user's path does.
local PROGRAM = "/usr/sbin/kamailio"

--- A kamailio that listens on UDP and TCP.
---@param config string  the name of its configuration
---@param port integer
---@param defines? string[]  for its configuration
---@return spec.Process
function M.start(config, port, defines)
  local folder = process.folder "kamailio"
  local at = ":127.0.0.1:" .. port
  local argv = { PROGRAM,
    "-f", ("%s/spec/interop/kamailio/%s.cfg"):format(process.here, config),
    "-l", "udp" .. at, "-l", "tcp" .. at, "-DD", "-E", "-m", "16", "-M", "4",
    "-Y", folder, "-P", folder .. "/pid" }
  for _, define in ipairs(defines or {}) do
    table.move({ "-A", define }, 1, 2, #argv + 1, argv)
  end
  local self = process.start("kamailio", argv, { folder = folder })
  self:listens("udp", port)
  self:listens("tcp", port)
  return self
end

return M

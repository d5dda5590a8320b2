--- kamailio on loopback: spec/interop/kamailio/NAME.cfg, listening where the spec says.

local process = require "spec.support.process"

local M = {}

-- Where Debian has it; not every user's path does.
local PROGRAM = "/usr/sbin/kamailio"

--- A kamailio that listens on UDP and TCP.
---@param config string  the name of its configuration
---@param port integer
---@param defines? string[]  for its configuration
---@param more? string[]     of its command line
---@return spec.Process
function M.start(config, port, defines, more)
  local folder = process.folder "kamailio"
  local at = ":127.0.0.1:" .. port
  local argv = { PROGRAM,
    "-f", ("%s/spec/interop/kamailio/%s.cfg"):format(process.here, config),
    "-l", "udp" .. at, "-l", "tcp" .. at, "-DD", "-E", "-m", "16", "-M", "4",
    "-Y", folder, "-P", folder .. "/pid" }
  for _, define in ipairs(defines or {}) do
    table.move({ "-A", define }, 1, 2, #argv + 1, argv)
  end
  table.move(more or {}, 1, #(more or {}), #argv + 1, argv)
  local self = process.start("kamailio", argv, { folder = folder })
  self:listens("udp", port)
  self:listens("tcp", port)
  return self
end

---@class spec.KamailioTls
---@field pair { cert: string, key: string }
---@field ca string
---@field clients boolean  those who connect must show a certificate

--- A kamailio that listens on UDP and TCP, and on TLS at the port after it.
---@param config string
---@param port integer
---@param tls spec.KamailioTls
---@param defines? string[]
---@return spec.Process
function M.start_tls(config, port, tls, defines)
  local folder = process.folder "kamailio-tls"
  local files = ("private_key = %s\ncertificate = %s\nca_list = %s\nmethod = "
    .. "TLSv1.2+\n")
    :format(tls.pair.key, tls.pair.cert, tls.ca)
  local path = process.write(folder .. "/tls.cfg", ("[server:default]\n%s"
    .. "verify_certificate = %s\nrequire_certificate = %s\n[client:default]\n%s"
    .. "verify_certificate = yes\nrequire_certificate = yes\n"):format(files,
    tls.clients and "yes" or "no", tls.clients and "yes" or "no", files))
  local list = { ('TLS_CONFIG="%s"'):format(path), table.unpack(defines or {}) }
  local self = M.start(config, port, list, { "-l", "tls:127.0.0.1:" .. port + 1 })
  self:listens("tcp", port + 1)
  return self
end

return M

--- Certificates for a spec, made by the `openssl` program when the spec runs: one CA
--- and whatever it signs, in a folder that goes with it.

local M = {}

local SETTINGS = [[
[ca]
default_ca = here
[here]
dir = .
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = optional
[req]
distinguished_name = none
prompt = no
[none]
]]

local function quoted(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  return path
end

---@class spec.Certificates
---@field folder string
---@field ca string  the file of the CA
local Certificates = {}
local certificates_mt = { __index = Certificates }

function certificates_mt:__close()
  self:remove()
end

--- Run openssl in the folder.
---@param ... string
function Certificates:openssl(...)
  local words = {}
  for i, word in ipairs { ... } do
    words[i] = quoted(word)
  end
  local said = self.folder .. "/said"
  if not os.execute(("cd %s && openssl %s >said 2>&1 </dev/null"):format(
    quoted(self.folder), table.concat(words, " "))) then
    local file <close> = assert(io.open(said))
    error("openssl: " .. file:read "a", 2)
  end
end

local KEY = { "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
  "-config", "settings" }

---@return spec.Certificates
function M.new()
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir -p " .. quoted(folder)))
  local self = setmetatable({ folder = folder, count = 0 }, certificates_mt)
  write(folder .. "/settings", SETTINGS)
  write(folder .. "/index", "")
  write(folder .. "/serial", "01")
  self.ca = self:authority "ca"
  return self
end

--- Another CA, which nobody has to trust.
---@param name string
---@return string path
function Certificates:authority(name)
  self:openssl("req", "-x509", KEY[1], KEY[2], KEY[3], KEY[4], KEY[5], KEY[6], KEY[7],
    "-keyout", name .. ".key", "-out", name .. ".pem", "-subj", "/CN=" .. name,
    "-addext", "basicConstraints=critical,CA:TRUE")
  return ("%s/%s.pem"):format(self.folder, name)
end

--- One that has had its time.
---@param name string
---@param till string  as 20200401
---@return string path
function Certificates:old_authority(name, till)
  self:openssl("req", KEY[1], KEY[2], KEY[3], KEY[4], KEY[5], KEY[6], KEY[7],
    "-keyout", name .. ".key", "-out", name .. ".csr", "-subj", "/CN=" .. name)
  self:file("extensions", "basicConstraints=critical,CA:TRUE\n")
  self:openssl("ca", "-batch", "-config", "settings", "-selfsign", "-keyfile",
    name .. ".key", "-in", name .. ".csr", "-out", name .. ".pem", "-notext",
    "-startdate", "20200101000000Z", "-enddate", till .. "000000Z", "-extfile",
    "extensions")
  return ("%s/%s.pem"):format(self.folder, name)
end

--- A certificate and its key.
---@param options { name?: string, san?: string, from?: string, till?: string,
---  by?: string, as?: string }  the common name; "DNS:a.example"; dates as 20200101;
---  the CA; what the files are called
---@return { cert: string, key: string }
function Certificates:issue(options)
  self.count = self.count + 1
  local file = options.as or "cert" .. self.count
  local by = options.by or "ca"
  self:openssl("req", KEY[1], KEY[2], KEY[3], KEY[4], KEY[5], KEY[6], KEY[7],
    "-keyout", file .. ".key", "-out", file .. ".csr",
    "-subj", "/CN=" .. (options.name or "somebody"))
  write(self.folder .. "/extensions", options.san
    and "subjectAltName=" .. options.san .. "\n" or "basicConstraints=CA:FALSE\n")
  self:openssl("ca", "-batch", "-config", "settings", "-cert", by .. ".pem",
    "-keyfile", by .. ".key", "-in", file .. ".csr", "-out", file .. ".pem", "-notext",
    "-startdate", (options.from or "20200101") .. "000000Z",
    "-enddate", (options.till or "20491231") .. "000000Z",
    "-extfile", "extensions")
  return {
    cert = ("%s/%s.pem"):format(self.folder, file),
    key = ("%s/%s.key"):format(self.folder, file),
  }
end

--- Any file beside them.
---@param name string
---@param text string
---@return string path
function Certificates:file(name, text)
  return write(self.folder .. "/" .. name, text)
end

function Certificates:remove()
  os.execute("rm -rf " .. quoted(self.folder))
end

return M

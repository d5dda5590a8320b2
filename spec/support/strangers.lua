--- Other people's programs on loopback, and luasip opposite to them: sipp, baresip,
--- Net::SIP. The ports of a spec are its own: each file takes a range, where nobody
--- else takes any: above the media of Net::SIP (2000 to 12000), below ours (20000 to
--- 29999) and those that the kernel gives (32768 and above on Linux).

local ear = require "spec.support.ear"
local process = require "spec.support.process"
local wire = require "spec.support.wire"

local M = {}

-- Where a stranger has its media: so far above its SIP port.
local MEDIA = 4600

local here = process.here
local interop = here .. "/spec/interop/"
local build = os.getenv "SIP_BUILD" or "build"

-- An interpreter that finds this checkout from any folder.
local roots = ([[
package.path = "%s/lua/?.lua;%s/lua/?/init.lua;" .. package.path
package.cpath = "%s/%s/?.so;" .. package.cpath
]]):format(here, here, here, build)

--- A script of spec/interop/scripts/ or, with a slash in its name, of the checkout.
---@param script string
---@param argv string[]
---@param options? { folder?: string }
---@return spec.Process
function M.luasip(script, argv, options)
  local path = script:find "/" and here .. "/" .. script
    or interop .. "scripts/" .. script
  local words = { "lua5.4", "-e", roots, path, table.unpack(argv) }
  return process.start((script:match "([%w_]+)%.lua$"), words, options)
end

--- The command, as it is run from a checkout.
---@param argv string[]
---@param options? { folder?: string }
---@return spec.Process
function M.command(argv, options)
  return process.start("luasip", { here .. "/bin/luasip", table.unpack(argv) }, options)
end

--- A registrar and proxy that listens on UDP and TCP: a script of the checkout.
---@param path string
---@param port integer
---@param more? string[]  words for the script
---@return spec.Process
function M.proxy(path, port, more)
  local at = ":127.0.0.1:" .. port
  local self = M.command { "run", here .. "/" .. path, "udp" .. at, "tcp" .. at,
    table.unpack(more or {}) }
  return self:listens("udp", port):listens("tcp", port)
end

---@class spec.SippOptions
---@field port integer     its own
---@field to? integer      whom it calls; without one it is called
---@field user? string
---@field tcp? boolean
---@field folder? string
---@field more? string[]   of its command line

--- sipp with a scenario of spec/interop/sipp/.
---@param scenario string
---@param options spec.SippOptions
---@return spec.Process
function M.sipp(scenario, options)
  local folder = options.folder or process.folder(scenario)
  local argv = { "sipp", "-sf", interop .. "sipp/" .. scenario .. ".xml",
    "-i", "127.0.0.1", "-p", options.port, "-m", 1, "-nostdin", "-timeout",
    process.PATIENCE .. "s", "-timeout_error", "-mp", options.port + MEDIA,
    "-t", options.tcp and "t1" or "u1", "-trace_err",
    "-error_file", folder .. "/errors", "-trace_msg", "-message_file",
    folder .. "/messages" }
  for _, word in ipairs(options.more or {}) do
    argv[#argv + 1] = word
  end
  if options.to then
    argv[#argv + 1] = "-s"
    argv[#argv + 1] = options.user
    argv[#argv + 1] = "127.0.0.1:" .. options.to
  end
  local self = process.start("sipp", argv, { folder = folder })
  if not options.to then
    self:listens(options.tcp and "tcp" or "udp", options.port)
  end
  return self
end

--- Wait for a sipp to end well; what went wrong is in the error.
---@param sipp spec.Process
function M.succeeds(sipp)
  local status, said = sipp:wait()
  if status ~= 0 then
    error(("sipp has failed (%d):\n%s\n%s"):format(status,
      process.read(sipp.folder .. "/errors") or "", said:sub(-1500)), 2)
  end
end

--- What a sipp has sent or received: all messages that begin so.
---@param sipp spec.Process
---@param start string
---@return string[]
function M.messages(sipp, start)
  local list = {}
  local text = process.read(sipp.folder .. "/messages"):gsub("\r", "")
  for message in (text .. "\n---"):gmatch "\n\n([^\n]+\n.-)\n\n?%-%-%-" do
    if message:sub(1, #start) == start then
      list[#list + 1] = message
    end
  end
  return list
end

-- Where a baresip is steered: above its SIP port.
local CONTROL = 5

local baresip_config = [[
sip_listen 127.0.0.1:%d
rtp_ports %d-%d
audio_source aufile,%s
audio_player aubridge,nil
audio_alert aubridge,nil
snd_path %s
module_path %s
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module uuid.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:%d
]]

local function module_path()
  local pipe <close> = assert(io.popen "dpkg -L baresip-core | grep /g711.so$")
  return assert(pipe:read "l", "baresip has no modules"):match "^(.*)/"
end

---@class spec.BaresipOptions
---@field port integer     its own, for UDP and TCP, and that of TLS after it
---@field tcp? boolean     its Contact says so
---@field tls? { pair: { cert: string, key: string }, ca: string }  likewise
---@field account? spec.Account  whom it is; nobody who registers
---@field source string    the WAV that it plays
---@field answer? string   "auto", "manual"
---@field dial? string     a URI

---@class spec.Account
---@field user string
---@field password string
---@field domain string
---@field proxy integer     the port of its registrar and proxy
---@field seconds? integer  how long a registration lasts: 60

-- Its line in the file of accounts.
local function account_line(options)
  local transport = options.tls and ";transport=tls"
    or options.tcp and ";transport=tcp" or ""
  local mode = ";answermode=" .. (options.answer or "auto")
  local account = options.account
  if not account then
    return ("<sip:bob@127.0.0.1:%d%s>;regint=0%s\n"):format(options.port, transport,
      mode)
  end
  return ("<sip:%s@%s%s>;auth_user=%s;auth_pass=%s;outbound=\"sip:127.0.0.1:%d%s\""
    .. ";regint=%d%s\n"):format(account.user, account.domain, transport, account.user,
    account.password, account.proxy, transport, account.seconds or 60, mode)
end

-- It reads certificate and key from one file.
local function tls_config(folder, tls)
  if not tls then
    return ""
  end
  local both = process.write(folder .. "/own.pem", process.read(tls.pair.cert)
    .. process.read(tls.pair.key))
  return ("sip_certificate %s\nsip_cafile %s\n"):format(both, tls.ca)
end

--- baresip without a face: it answers by itself, or dials.
---@param options spec.BaresipOptions
---@return spec.Process
function M.baresip(options)
  local folder = process.folder "baresip"
  local port = options.port
  local config = baresip_config:format(port, port + MEDIA, port + MEDIA + 9,
    options.source, folder, module_path(), port + CONTROL)
  process.write(folder .. "/config", config .. tls_config(folder, options.tls))
  process.write(folder .. "/accounts", account_line(options))
  process.write(folder .. "/contacts", "")
  local argv = { "baresip", "-f", folder, "-t", 2 * process.PATIENCE }
  if options.dial then
    argv[#argv + 1] = "-e"
    argv[#argv + 1] = "/dial " .. options.dial
  end
  local self = process.start("baresip", argv, { folder = folder })
  self:listens("udp", port)
  self:listens("tcp", port + CONTROL)
  return self
end

--- Steer a baresip that runs.
---@param port integer   its SIP port
---@param command string
---@param params? string
---@return string answer
function M.baresip_command(port, command, params)
  local client = wire.new()
  local id = assert(client.net:open("TCP", "127.0.0.1", port + CONTROL))
  client:expect { kind = "opened", id = id }
  local text = ('{"command":"%s","params":"%s"}'):format(command, params or "")
  client.net:send(id, ("%d:%s,"):format(#text, text))
  local answer = client:expect({ kind = "bytes", id = id }).bytes
  client:close()
  return answer
end

--- Where a baresip writes what it hears; waits until it does.
---@param stranger spec.Process
---@return string path
function M.baresip_dump(stranger)
  return stranger:says "sndfile: dumping decode audio to (%S+)"
end

--- The same when it has been closed: its header knows the length then.
---@param stranger spec.Process
---@return string path
function M.baresip_closed(stranger)
  local path = M.baresip_dump(stranger)
  process.wait(process.PATIENCE, path .. " to be closed", function()
    local bytes = process.read(path)
    return bytes and #bytes > 44 and string.unpack("<I4", bytes, 5) == #bytes - 8
  end)
  return path
end

--- What a baresip has heard, when it hears no more.
---@param stranger spec.Process
---@param frequency number
---@return spec.Heard
function M.baresip_heard(stranger, frequency)
  return ear.hear(M.baresip_closed(stranger), frequency)
end

--- A Perl script of spec/interop/netsip/.
---@param script string
---@param argv string[]
---@param options? { folder?: string }
---@return spec.Process
function M.netsip(script, argv, options)
  return process.start(script, { "perl", interop .. "netsip/" .. script .. ".pl",
    table.unpack(argv) }, options)
end

--- Lose what was started.
function M.end_all()
  process.end_all()
end

return M

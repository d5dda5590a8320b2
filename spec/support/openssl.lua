--- The `openssl` program as a stranger that speaks TLS, in a process of its own, in the
--- folder of a spec's certificates.

local M = {}

-- Seconds after which a spec has failed, however busy the machine is.
local PATIENCE = 60

--- Start it. It has said everything it will when the returned function has seen the
--- wanted text, in what it says or in another file of that folder, because what it says
--- may stay in its buffer; then its input ends, and so does it, or it is ended.
---@param made spec.Certificates
---@param sip sip     whose script waits
---@param words string  of its command line
---@param input string  what it is given to say
---@return fun(wanted: string, file?: string): string
function M.start(made, sip, words, input)
  local out, status = made.folder .. "/out", made.folder .. "/status"
  os.remove(status)
  os.remove(out) -- or what the last one said is taken for its words
  os.remove(made.folder .. "/enough")
  made:file("in", input)
  local program = "echo $$ >pid; exec timeout 120 openssl " .. words .. " >out 2>&1"
  local command = ("cd '%s' && { { cat in; %s; } | sh -c '%s'; echo done >status; } "
    .. ">/dev/null 2>&1 </dev/null &"):format(made.folder,
    "while [ -e in ] && [ ! -e enough ]; do sleep 0.02; done", program)
  assert(os.execute(command))
  return function(wanted, other)
    local ends = sip.now() + PATIENCE
    local text = ""
    while sip.now() < ends and not text:find(wanted, 1, true) do
      sip.sleep(0.02)
      local file <close> = io.open(other and made.folder .. "/" .. other or out, "rb")
      text = file and file:read "a" or ""
    end
    made:file("enough", "")
    if words:find "^s_server" then -- which goes on without
      os.execute(("kill $(cat '%s/pid') 2>/dev/null"):format(made.folder))
    end
    while sip.now() < ends and not io.open(status) do
      sip.sleep(0.02)
    end
    return text
  end
end

--- What a request to an s_server comes to, once that listens.
---@param made spec.Certificates
---@param sip sip
---@param ua sip.Endpoint
---@param uri string
---@param seconds? number  that it may take, where it is not answered
---@return sip.Message? res
---@return sip.Error? e
function M.ask(made, sip, ua, uri, seconds)
  local ends, text = sip.now() + PATIENCE, ""
  while not text:find("ACCEPT", 1, true) and sip.now() < ends do
    sip.sleep(0.02)
    local file <close> = io.open(made.folder .. "/out", "rb")
    text = file and file:read "a" or ""
  end
  return ua:request { method = "OPTIONS", timeout = seconds or PATIENCE, uri = uri }
end

return M

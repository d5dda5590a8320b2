--- The `openssl` program as a stranger that speaks TLS, in a process of its own, in the
--- folder of a spec's certificates.

local M = {}

--- Start it. It has said everything it will when the returned function has seen the
--- wanted text, or after so many seconds; then its input ends, and so does it.
---@param made spec.Certificates
---@param sip sip     whose script waits
---@param words string  of its command line
---@param input string  what it is given to say
---@return fun(wanted: string, seconds: number): string
function M.start(made, sip, words, input)
  local out, status = made.folder .. "/out", made.folder .. "/status"
  os.remove(status)
  os.remove(out) -- or what the last one said is taken for its words
  os.remove(made.folder .. "/enough")
  made:file("in", input)
  local command = ("cd '%s' && { { cat in; %s; } | timeout 10 openssl %s >out 2>&1; "
    .. "echo done >status; } >/dev/null 2>&1 </dev/null &"):format(made.folder,
    "while [ -e in ] && [ ! -e enough ]; do sleep 0.02; done", words)
  assert(os.execute(command))
  return function(wanted, seconds)
    local ends = sip.now() + seconds
    local text = ""
    while sip.now() < ends and not text:find(wanted, 1, true) do
      sip.sleep(0.02)
      local file <close> = io.open(out, "rb")
      text = file and file:read "a" or ""
    end
    made:file("enough", "")
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
---@param seconds number  that it may take
---@return sip.Message? res
---@return sip.Error? e
function M.ask(made, sip, ua, uri, seconds)
  local ends, text = sip.now() + 8, ""
  while not text:find("ACCEPT", 1, true) and sip.now() < ends do
    sip.sleep(0.02)
    local file <close> = io.open(made.folder .. "/out", "rb")
    text = file and file:read "a" or ""
  end
  return ua:request { method = "OPTIONS", timeout = seconds, uri = uri }
end

return M

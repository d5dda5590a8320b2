--- Strangers that are written in JavaScript: installed into build/ when a spec first
--- asks for them, by the versions of spec/interop/node/package.json.

local process = require "spec.support.process"

local M = {}

local source = process.here .. "/spec/interop/node"
local folder = process.here .. "/build/node"

local function quietly(command)
  return os.execute("{ " .. command .. "; } >/dev/null 2>&1 </dev/null") == true
end

--- Whether this machine has node and npm.
---@return boolean
function M.is_here()
  return quietly "node --version && npm --version"
end

-- What is installed already costs nothing.
local function install()
  local wanted = process.read(source .. "/package.json")
  if process.read(folder .. "/installed.json") ~= wanted then
    assert(quietly(("rm -rf '%s' && mkdir -p '%s' && cp '%s/package.json' '%s'"):format(
      folder, folder, source, folder)))
    -- What it fetches comes from afar: it may fail now and then, but must not wait for
    -- ever.
    local command = "cd '%s' && timeout 600 npm install --no-audit --no-fund "
      .. "--no-package-lock --fetch-retries=5 >npm.log 2>&1"
    assert(quietly(command:format(folder)), "npm could not install what spec/interop/"
      .. "node/package.json names: see " .. folder .. "/npm.log")
    process.write(folder .. "/installed.json", wanted)
  end
end

--- A page, as spec/interop/node/NAME.js has it.
---@param name "jssip"|"sipjs"
---@param options { url: string, uri: string, password?: string, origin?: string,
---  ca?: string, plan?: string[] }
---@return spec.Process
function M.page(name, options)
  install()
  local argv = { "env", "NODE_PATH=" .. folder .. "/node_modules" }
  if options.origin then
    argv[#argv + 1] = "ORIGIN=" .. options.origin
  end
  if options.ca then
    argv[#argv + 1] = "CA=" .. options.ca
  end
  for _, word in ipairs { "node", ("%s/%s.js"):format(source, name), options.url,
    options.uri, options.password or "none" } do
    argv[#argv + 1] = word
  end
  table.move(options.plan or {}, 1, #(options.plan or {}), #argv + 1, argv)
  return process.start(name, argv)
end

--- How a spec has its pages: those of one kind, at a server of ours on this port unless
--- told otherwise.
---@param name "jssip"|"sipjs"
---@param port integer
---@return fun(user: string, options: table): spec.Process
function M.pages(name, port)
  return function(user, options)
    options.url = options.url or "ws://127.0.0.1:" .. port
    options.uri = options.uri or ("sip:%s@127.0.0.1:%d"):format(user, port)
    return M.page(name, options)
  end
end

--- The client of spec/interop/node/stun.js, which asks at this port.
---@param port integer
---@return spec.Process
function M.stun(port)
  install()
  return process.start("stun", { "env", "NODE_PATH=" .. folder .. "/node_modules",
    "node", source .. "/stun.js", tostring(port) })
end

return M

-- Who may include whom in csrc, and what a folder may ask of the system. The table is
-- the architecture: a line added here is a decision.

local tree = require "spec.support.tree"

-- Headers and calls of the system that belong to a few folders only.
local LUA = { "lua.h", "lauxlib.h", "lualib.h" }
local UV = { "uv.h", "uv/" }
local ARES = { "ares.h", "ares_", "arpa/nameser.h" }
local OPENSSL = { "openssl/" }
local OPUS = { "opus/", "opus.h" }
local CLOCK = { "time.h", "sys/time.h", "sys/timerfd.h" }
local THREAD = { "pthread.h", "threads.h", "semaphore.h" }
local RANDOM = { "sys/random.h" }
local FILES = { "stdio.h", "fcntl.h", "sys/stat.h", "dirent.h" }

local FOLDERS = {
  base = { includes = {}, system = { RANDOM } },
  msg = { includes = { "base" }, system = {} },
  tx = { includes = { "base", "msg" }, system = {} },
  auth = { includes = { "base" }, system = { OPENSSL } },
  media = { includes = { "base" }, system = { OPENSSL, OPUS } },
  stack = { includes = { "base", "msg", "tx" }, system = {} },
  net = {
    includes = { "base", "msg", "stack", "media" },
    system = { UV, ARES, OPENSSL, CLOCK, THREAD, FILES },
  },
  sim = { includes = { "base", "msg", "stack", "media" }, system = { FILES } },
  bind = {
    includes = {
      "base", "msg", "tx", "auth", "media", "stack", "net", "sim",
    },
    system = { LUA },
  },
}
local KEPT = { LUA, UV, ARES, OPENSSL, OPUS, CLOCK, THREAD, RANDOM, FILES }

-- Calls, and the folders or files that may make them.
local CALLS = {
  { { "malloc", "calloc", "realloc", "free", "strdup", "strndup", "reallocarray" },
    "csrc/base/alloc.c" },
  { { "time", "clock", "gettimeofday", "clock_gettime", "localtime", "gmtime",
      "uv_now", "uv_hrtime" }, "csrc/net/" },
  { { "getrandom", "getentropy" }, "csrc/base/random.c" },
  { { "rand", "srand", "random", "srandom", "drand48" }, "nowhere" },
  { { "socket", "bind", "connect", "accept", "sendto", "sendmsg", "sendmmsg",
      "recvfrom", "recvmsg", "recvmmsg", "poll", "select", "open", "read", "write" },
    "csrc/net/" },
  { { "fopen" }, "csrc/sim/files.c" },
  { { "sprintf", "strcpy", "strcat", "gets", "strtok", "atoi", "atol", "atof", "sscanf",
      "setjmp", "longjmp", "alloca", "system", "popen", "getenv", "setlocale",
      "printf", "puts", "putchar" }, "nowhere" },
  { { "lua_resume", "lua_yield", "lua_yieldk", "luaL_ref" }, "nowhere" },
  { { "lua_pcall", "lua_pcallk", "lua_call", "lua_callk" }, "csrc/bind/l_enter.c" },
}

local function starts_with_one(name, prefixes)
  for _, prefix in ipairs(prefixes) do
    if name:sub(1, #prefix) == prefix then
      return true
    end
  end
  return false
end

local function contains(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then
      return true
    end
  end
  return false
end

local function each_source(visit)
  for _, path in ipairs(tree.files({ "csrc" }, { ".c", ".h" })) do
    visit(path, path:match "^csrc/([%w_]+)/", tree.read(path))
  end
end

local function each_include(visit)
  each_source(function(path, folder, text)
    for at, kind, name in text:gmatch '()#%s*include%s*([<"])([^>"]+)' do
      visit(path, folder, kind, name, tree.place(path, text, at, name))
    end
  end)
end

describe("the layers of csrc", function()
  it("are the folders of the table, with nothing beside them", function()
    for _, path in ipairs(tree.files { "csrc" }) do
      local folder, file = path:match "^csrc/([%w_]+)/([^/]+)$"
      assert.is_truthy(folder and FOLDERS[folder], path)
      assert.is_truthy(file:find "^[%l%d_]+%.[ch]$", path)
    end
  end)

  it("include only what lies below them", function()
    local wrong = {}
    each_include(function(_, folder, kind, name, place)
      local of = name:match "^([%w_]+)/"
      if kind == '"' and (not of or (of ~= folder
        and not contains(FOLDERS[folder].includes, of))) then
        wrong[#wrong + 1] = place
      end
    end)
    assert.same({}, wrong)
  end)

  it("ask only what is theirs of the system and its libraries", function()
    local wrong = {}
    each_include(function(_, folder, kind, name, place)
      for _, headers in ipairs(KEPT) do
        if kind == "<" and starts_with_one(name, headers)
          and not contains(FOLDERS[folder].system, headers) then
          wrong[#wrong + 1] = place
        end
      end
    end)
    assert.same({}, wrong)
  end)

  it("call only what is theirs to call", function()
    local wrong = {}
    each_source(function(path, _, text)
      local bare = tree.bare_c(text)
      for at, name in bare:gmatch "()%f[%w_]([%a_][%w_]*)%s*%(" do
        local before = bare:sub(at - 1, at - 1)
        for _, rule in ipairs(CALLS) do
          local own = path:sub(1, #rule[2]) == rule[2]
          local member = before == "." or bare:sub(at - 2, at - 1) == "->"
            or before == "*"
          local test = path:find "^csrc/bind/l_test"
          if contains(rule[1], name) and not (own or member or test) then
            wrong[#wrong + 1] = tree.place(path, text, at, name)
          end
        end
      end
    end)
    assert.same({}, wrong)
  end)

  it("open every header once, and every source with its own header", function()
    local wrong = {}
    each_source(function(path, _, text)
      if path:find "%.h$" and not text:find "#pragma once\n" then
        wrong[#wrong + 1] = path .. ": no #pragma once"
      end
      local own = path:gsub("%.c$", ".h")
      local header = path:find "%.c$" and io.open(own)
      if header then
        header:close()
        if text:match '#include "([^"]+)"' ~= own:gsub("^csrc/", "") then
          wrong[#wrong + 1] = path .. ": its own header is not the first"
        end
      end
    end)
    assert.same({}, wrong)
  end)
end)

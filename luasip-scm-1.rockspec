rockspec_format = "3.0"
package = "luasip"
version = "scm-1"
source = {
  url = "git+https://github.com/luasip/luasip.git",
}
description = {
  summary = "A SIP stack for Lua",
  detailed = [[
    A C core (messages, transactions, transports, digest, media) on libuv; everything a
    telephone call means (dialogs, offers, menus, recordings, connecting two calls) is
    Lua, written as straight-line coroutines. One rock, one process, no daemon beside it.
    Brings a test kit in virtual time, and the command luasip.
  ]],
  homepage = "https://github.com/luasip/luasip",
  license = "MIT",
  labels = { "sip", "voip", "telephony", "rtp" },
}
dependencies = {
  "lua >= 5.4, < 5.5",
}
external_dependencies = {
  LIBUV = { header = "uv.h" },
  OPENSSL = { header = "openssl/ssl.h" },
  CARES = { header = "ares.h" },
}
build = {
  type = "make",
  variables = {
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA = "$(LUA)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LIBUV_INCDIR = "$(LIBUV_INCDIR)",
    LIBUV_LIBDIR = "$(LIBUV_LIBDIR)",
    OPENSSL_INCDIR = "$(OPENSSL_INCDIR)",
    OPENSSL_LIBDIR = "$(OPENSSL_LIBDIR)",
    CARES_INCDIR = "$(CARES_INCDIR)",
    CARES_LIBDIR = "$(CARES_LIBDIR)",
  },
  install_variables = {
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
  },
  install = {
    bin = { luasip = "bin/luasip" },
  },
}
test = {
  type = "command",
  command = "make test",
}

#pragma once
/* The C module "sip.test": what specs see of the core below its Lua face.  Built for
 * specs only.  Each part is a table of functions: require("sip.test").media and so on.
 */
#include "bind/l_core.h"

#include <lauxlib.h>

SIP_EXPORT int luaopen_sip_test(lua_State *L);

/* A metatable of this name whose __index holds the methods. */
void l_test_class(lua_State *L, const char *name, const luaL_Reg *methods);

int l_test_alarm(lua_State *L);
int l_test_heap(lua_State *L);
int l_test_jitter(lua_State *L); /* gives one table, as the others do */
int l_test_engine(lua_State *L);
int l_test_forward(lua_State *L);
int l_test_media(lua_State *L);
int l_test_net(lua_State *L);
int l_test_rtcp(lua_State *L);
int l_test_pulse(lua_State *L);
int l_test_rtp(lua_State *L);
int l_test_msg(lua_State *L);
int l_test_line(lua_State *L);
int l_test_source(lua_State *L);
int l_test_tx(lua_State *L);
int l_test_world(lua_State *L);
int l_test_ws(lua_State *L);

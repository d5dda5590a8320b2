/* l_str.h - strings of C as strings of Lua, and back. */
#pragma once
#include <lua.h>

#include "base/addr.h"

void l_push_str(lua_State *L, sip_str s);

/* A string, or nil when it is empty.  Gives 1, what a method returns then. */
int l_push_opt(lua_State *L, sip_str s);

/* What `change` makes of it, which is never longer: sip_uri_unescape, sip_unquote ...
 */
void l_push_changed(lua_State *L, sip_str s, size_t (*change)(sip_str s, char *out));
/* With its ASCII letters small. */
void l_push_lower(lua_State *L, sip_str s);

/* The argument; raises when it is no string.  Lua's: borrowed from its stack. */
sip_str l_check_str(lua_State *L, int arg);
/* The IP address, without a port, that the argument says; raises. */
struct sip_addr l_check_ip(lua_State *L, int arg);

#pragma once
/* URIs, addresses and parameters as Lua tables, and back (lua/sip/meta/msg.lua). */
#include <lua.h>

#include "msg/name_addr.h"
#include "msg/via.h"

/* Add their functions to the table on top. */
void l_uri_open(lua_State *L);
void l_uri_write_open(lua_State *L);

void l_push_params(lua_State *L, sip_str params); /* names in order, values by name */
void l_push_display(lua_State *L, const struct sip_name_addr *addr); /* nil: none */
void l_push_name_addr(lua_State *L, const struct sip_name_addr *addr);
void l_push_via(lua_State *L, const struct sip_via *via);

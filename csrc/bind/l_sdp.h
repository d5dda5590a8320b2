/* l_sdp.h - session descriptions as plain Lua tables: core.sdp_parse, core.sdp_write,
 * core.sdp_address.
 */
#pragma once

#include <lua.h>

/* Add their functions to the module table on top of the stack.  May raise. */
void l_sdp_open(lua_State *L);
void l_sdp_write_open(lua_State *L);

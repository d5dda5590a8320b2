#pragma once
/* Bodies as scripts read them: parts as Lua tables, and multipart bodies out of such
 * (lua/sip/meta/body.lua). */
#include <lua.h>

void l_body_open(lua_State *L); /* adds its functions to the table on top */

void l_body_methods(lua_State *L); /* adds those of messages to the table on top */

/* l_class.h - metatables, all made the same way. */
#pragma once

#include <lauxlib.h>

/* A metatable `name` with __name, these metamethods, and __index a table of these
 * methods.  Both lists end with { NULL, NULL }.  Leaves nothing on the stack. */
void l_new_class(lua_State *L, const char *name, const luaL_Reg *meta,
                 const luaL_Reg *methods);

/* l_loop.h - core.loop(): the driver on the real wire. */
#pragma once

#include <lua.h>

/* Adds `loop` to the module table on top of the stack.  May raise. */
void l_loop_open(lua_State *L);

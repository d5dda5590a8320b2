/* l_machine.h - what Lua is told of this machine: see net/machine.h. */
#pragma once

#include <lauxlib.h>

/* A table of functions, pushed; gives 1. */
int l_machine_push(lua_State *L);

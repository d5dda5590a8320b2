/* l_sim.h - the simulator for Lua: core.world. */
#pragma once

#include <lua.h>

void l_sim_open(lua_State *L); /* adds `world` to the table on top; may raise */

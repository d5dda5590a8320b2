/* l_records.h - records in a store in memory: core.records.
 */
#pragma once

#include <lua.h>

/* Adds its function to the module table on top of the stack.  May raise. */
void l_records_open(lua_State *L);

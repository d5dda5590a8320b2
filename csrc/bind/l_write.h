#pragma once
/* Messages written from Lua tables: for specs and raw use, and the reading of such
 * tables for whoever writes through a stack. */
#include <lua.h>

#include "msg/write.h"

void l_write_open(lua_State *L); /* adds its functions to the table on top */

/* The field `key` of the table at `table` (absolute): name, value, name, value ...
 * Pushes one value that owns the array, which borrows its strings from the table;
 * raises when it is no such list.  Nil is an empty list. */
unsigned l_check_fields(lua_State *L, int table, const char *key,
                        const struct sip_field **fields);

/* The string field `key`, empty when it is nil; raises on another type.  The table
 * keeps it. */
sip_str l_opt_field(lua_State *L, int table, const char *key);
/* The same, and raises when it is nil. */
sip_str l_check_field(lua_State *L, int table, const char *key);

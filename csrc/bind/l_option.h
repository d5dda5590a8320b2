/* l_option.h - options tables: read by name, and an unknown name is misuse. */
#pragma once

#include "base/limits.h"
#include "base/str.h"

#include <lua.h>

/* A table at `arg`; a key that is a string and not in the list (which ends with NULL)
 * raises. */
void l_options_check(lua_State *L, int arg, const char *const *keys);

bool l_option_has(lua_State *L, int arg, const char *key);

/* The value, or the fallback when it is nil; of another type, or out of range: raises.
 * A string is good for as long as the table holds it. */
sip_str l_option_str(lua_State *L, int arg, const char *key, sip_str fallback);
lua_Integer l_option_integer(lua_State *L, int arg, const char *key,
                             lua_Integer fallback, lua_Integer min, lua_Integer max);
lua_Number l_option_number(lua_State *L, int arg, const char *key, lua_Number fallback,
                           lua_Number min, lua_Number max);
/* The index of the value in the list. */
unsigned l_option_choice(lua_State *L, int arg, const char *key, const char *fallback,
                         const char *const *choices);

/* A table of limits by the names of base/limits.h: those that are there replace what
 * `limits` holds.  Nil is an empty table; what is no whole number raises. */
void l_option_limits(lua_State *L, int arg, const char *key, struct sip_limits *limits);

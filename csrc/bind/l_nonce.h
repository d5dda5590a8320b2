/* l_nonce.h - the nonces of a server: core.nonces.
 */
#pragma once

#include <lua.h>

/* Adds its function to the module table on top of the stack.  May raise. */
void l_nonce_open(lua_State *L);

/* l_digest.h - digest authentication: core.digest_parse, core.digest_response,
 * core.digest_verify, core.digest_credentials, core.digest_hash, core.digest_supports.
 */
#pragma once

#include <lua.h>

/* Adds its functions to the module table on top of the stack.  May raise. */
void l_digest_open(lua_State *L);

/* l_core.h - the door of the C module "sip.core".
 *
 * Everything is compiled with hidden visibility; a luaopen_ function is the only
 * kind of symbol that leaves the shared object.
 */
#pragma once

#include <lua.h>

#define SIP_EXPORT __attribute__((visibility("default")))

#define SIP_VERSION "0.1.0-dev"

/* Opens "sip.core": gives one table. */
SIP_EXPORT int luaopen_sip_core(lua_State *L);

#include "bind/l_core.h"

#include "bind/l_digest.h"
#include "bind/l_sdp.h"

#include <lauxlib.h>

static const luaL_Reg core_functions[] = {
	{ NULL, NULL },
};

int luaopen_sip_core(lua_State *L)
{
	luaL_newlib(L, core_functions);
	l_digest_open(L);
	l_sdp_open(L);
	lua_pushliteral(L, SIP_VERSION);
	lua_setfield(L, -2, "version");
	return 1;
}

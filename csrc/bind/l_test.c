#include "bind/l_test.h"

#include <lauxlib.h>

static const luaL_Reg parts[] = {
	{ "media", l_test_media },
	{ "net", l_test_net },
	{ NULL, NULL },
};

int luaopen_sip_test(lua_State *L)
{
	lua_newtable(L);
	for (const luaL_Reg *part = parts; part->name; part++) {
		lua_pushcfunction(L, part->func);
		lua_call(L, 0, 1);
		lua_setfield(L, -2, part->name);
	}
	return 1;
}

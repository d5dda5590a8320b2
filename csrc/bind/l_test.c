#include "bind/l_test.h"

void l_test_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
	luaL_newmetatable(L, name);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

static const luaL_Reg parts[] = {
	{ "alarm", l_test_alarm },
	{ "engine", l_test_engine },
	{ "forward", l_test_forward },
	{ "heap", l_test_heap },
	{ "jitter", l_test_jitter },
	{ "line", l_test_line },
	{ "media", l_test_media },
	{ "msg", l_test_msg },
	{ "net", l_test_net },
	{ "pulse", l_test_pulse },
	{ "rtcp", l_test_rtcp },
	{ "rtp", l_test_rtp },
	{ "source", l_test_source },
	{ "tx", l_test_tx },
	{ "world", l_test_world },
	{ "ws", l_test_ws },
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

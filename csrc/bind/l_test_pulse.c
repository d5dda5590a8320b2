/* l_test_pulse.c - test.pulse.lose(): the hook that a pulse puts there, as it is when
 * Lua was about to say that it has looked, and does not see it any more.
 *
 * Waits for the pulse, and leaves its hook in the coroutine without a reason that ever
 * comes in a loop.
 */
#include "bind/l_test.h"

static int l_lose(lua_State *L)
{
	lua_Hook hook;

	while (!(hook = lua_gethook(L)))
		;
	lua_sethook(L, hook, LUA_MASKCALL, 0);
	return 0;
}

static const luaL_Reg functions[] = { { "lose", l_lose }, { NULL, NULL } };

int l_test_pulse(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}

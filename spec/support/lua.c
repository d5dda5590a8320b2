/* lua.c - an interpreter linked with a sanitizer (`make asan`, `make tsan`).
 *
 * Preloading the sanitizer into the system's interpreter would hand it on to every
 * program that a spec starts, and a shell does not survive that.
 *
 *	lua SCRIPT [ARG...]
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

static int traceback(lua_State *L)
{
	luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
	return 1;
}

int main(int argc, char **argv)
{
	lua_State *L = luaL_newstate();
	int status = LUA_ERRMEM;

	if (!L || argc < 2)
		return 2;
	luaL_openlibs(L);
	lua_newtable(L);
	for (int i = 0; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_seti(L, -2, i - 1);
	}
	lua_setglobal(L, "arg");
	lua_pushcfunction(L, traceback);
	status = luaL_loadfile(L, argv[1]);
	if (status == LUA_OK) {
		for (int i = 2; i < argc; i++)
			lua_pushstring(L, argv[i]);
		status = lua_pcall(L, argc - 2, 0, 1);
	}
	if (status != LUA_OK)
		(void)fprintf(stderr, "%s\n",
		              lua_tostring(L, -1)); /* nowhere else to say */
	lua_close(L);
	return status != LUA_OK;
}

/* A Lua interpreter whose OpenSSL runs out of memory when it is told to.
 *
 * OpenSSL takes its memory from one place for the whole process, and only who asks for
 * that before all else may choose it.  `openssl.fail(n, count)`: from the n-th
 * allocation on so many fail, 1 unless told otherwise; n is 0 for none.
 * `openssl.calls()`: allocations since then; `openssl.live()`: blocks that are out.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long calls, fail_at, fail_count;
static long live;

static int fails(void)
{
	calls++;
	return fail_at && calls >= fail_at && calls < fail_at + fail_count;
}

static void *take(size_t size, const char *file, int line)
{
	void *p = fails() ? NULL : malloc(size);

	(void)file;
	(void)line;
	live += p != NULL;
	return p;
}

static void give(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	live -= p != NULL;
	free(p);
}

static void *change(void *p, size_t size, const char *file, int line)
{
	if (!p)
		return take(size, file, line);
	if (size == 0) {
		give(p, file, line);
		return NULL;
	}
	return fails() ? NULL : realloc(p, size);
}

static int l_fail(lua_State *L)
{
	calls = 0;
	fail_at = (unsigned long)luaL_checkinteger(L, 1);
	fail_count = (unsigned long)luaL_optinteger(L, 2, 1);
	return 0;
}

static int l_calls(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)calls);
	return 1;
}

static int l_live(lua_State *L)
{
	lua_pushinteger(L, live);
	return 1;
}

int main(int argc, char **argv)
{
	static const luaL_Reg functions[] = { { "fail", l_fail },
		                              { "calls", l_calls },
		                              { "live", l_live },
		                              { NULL, NULL } };
	lua_State *L;
	int status;

	if (argc < 2 || CRYPTO_set_mem_functions(take, change, give) != 1)
		return 2;
	L = luaL_newstate();
	luaL_openlibs(L);
	luaL_newlib(L, functions);
	lua_setglobal(L, "openssl");
	lua_newtable(L);
	for (int i = 1; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i - 1);
	}
	lua_setglobal(L, "arg");
	status = luaL_dofile(L, argv[1]);
	if (status != LUA_OK)
		(void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
	lua_close(L);
	return status == LUA_OK ? 0 : 1;
}

#include "bind/l_slice.h"

#include "bind/l_enter.h"
#include "net/pulse.h"

#include <lauxlib.h>
#include <string.h>

/* One for each Lua state, in the registry.  Its uservalue 1 is a weak table of the
 * functions. */
struct slice {
	struct net_pulse pulse;
	lua_State *volatile running; /* the handler of a signal reads it */
	lua_Integer look, look_last; /* places in that table */
};

static const char key = 's'; /* its address is the name in the registry */

/* In the coroutine, before its next instruction. */
static void on_hook(lua_State *L, lua_Debug *ar)
{
	const struct slice *slice;

	(void)ar;
	lua_sethook(L, NULL, 0, 0);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
	slice = lua_touserdata(L, -1);
	lua_getiuservalue(L, -1, 1);
	if (lua_rawgeti(L, -1, slice->look) == LUA_TFUNCTION)
		l_call(L, 0);
}

/* lua_sethook is made to be called from a signal's handler.  A hook that a script has
 * put there is its own business; ours is put there again, because Lua may have been
 * about to say that it has looked. */
static void on_pulse(void *data)
{
	const struct slice *slice = data;
	lua_State *running = slice->running;
	const lua_Hook hook = running ? lua_gethook(running) : NULL;

	if (running && (!hook || hook == on_hook))
		lua_sethook(running, on_hook, LUA_MASKCOUNT, 1);
}

static int l_slice_release(lua_State *L) /* __gc */
{
	struct slice *slice = lua_touserdata(L, 1);

	net_pulse_stop(&slice->pulse);
	return 0;
}

/* Push the slice of this state, made when it is first asked for. */
static struct slice *push_slice(lua_State *L)
{
	struct slice *slice;

	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TUSERDATA)
		return lua_touserdata(L, -1);
	lua_pop(L, 1);
	slice = lua_newuserdatauv(L, sizeof *slice, 1);
	memset(slice, 0, sizeof *slice);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, l_slice_release);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	lua_newtable(L);
	luaL_setmetatable(L, "sip.weak");
	lua_setiuservalue(L, -2, 1);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
	(void)net_pulse_start(&slice->pulse, on_pulse, slice); /* `started` says it */
	return slice;
}

/* Upvalues: the slice, the place of its function, and that function. */
static int l_slice_mark(lua_State *L)
{
	struct slice *slice = lua_touserdata(L, lua_upvalueindex(1));

	slice->running = lua_tothread(L, 1);
	slice->look = lua_tointeger(L, lua_upvalueindex(2));
	return 0;
}

int l_slice_pulse(lua_State *L)
{
	struct slice *slice;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	slice = push_slice(L); /* 3 */
	if (!slice->pulse.started)
		return 0;
	lua_getiuservalue(L, 3, 1);
	lua_pushvalue(L, 2);
	lua_rawseti(L, -2, ++slice->look_last);
	lua_pop(L, 1);
	lua_pushinteger(L, slice->look_last);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, l_slice_mark, 3);
	return 1;
}

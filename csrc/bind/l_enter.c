#include "bind/l_enter.h"

#include <lauxlib.h>

static int traceback(lua_State *L)
{
	const char *text = lua_tostring(L, 1);

	if (!text) { /* an error may be a table, nil, anything */
		if (luaL_callmeta(L, 1, "__tostring") && lua_isstring(L, -1))
			return 1;
		text = lua_pushfstring(L, "(an error that is a %s)",
		                       luaL_typename(L, 1));
	}
	luaL_traceback(L, L, text, 1);
	return 1;
}

static int dispatch(lua_State *L)
{
	struct l_entry *entry = lua_touserdata(L, 1);

	lua_settop(L, 0);
	entry->run(L, entry);
	return 0;
}

void l_call(lua_State *L, int args)
{
	lua_call(L, args, 0);
}

sip_err l_enter(struct l_door *door, lua_State *L, struct l_entry *entry)
{
	const int top = lua_gettop(L);
	int status;

	door->entries++;
	l_reserve_begin(door->reserve, L);
	lua_pushcfunction(L, traceback);
	lua_pushcfunction(L, dispatch);
	lua_pushlightuserdata(L, entry);
	status = lua_pcall(L, 1, 0, top + 1);
	if (status != LUA_OK) {
		const char *text = lua_tostring(L, -1);

		door->script_errors++;
		lua_writestringerror("luasip: %s\n",
		                     text ? text : "error in a handler");
	}
	lua_settop(L, top);
	l_reserve_end(door->reserve, L);
	return status == LUA_ERRMEM ? SIP_ENOMEM : SIP_OK;
}

#include "bind/l_str.h"

#include <lauxlib.h>

void l_push_str(lua_State *L, sip_str s)
{
	lua_pushlstring(L, s.len > 0 ? s.p : "", s.len);
}

void l_push_lower(lua_State *L, sip_str s)
{
	luaL_Buffer buffer;
	char *out = luaL_buffinitsize(L, &buffer, s.len);

	for (size_t i = 0; i < s.len; i++)
		out[i] =
			(char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i]);
	luaL_pushresultsize(&buffer, s.len);
}

int l_push_opt(lua_State *L, sip_str s)
{
	if (s.len == 0)
		lua_pushnil(L);
	else
		l_push_str(L, s);
	return 1;
}

sip_str l_check_str(lua_State *L, int arg)
{
	sip_str s;

	s.p = luaL_checklstring(L, arg, &s.len);
	return s;
}

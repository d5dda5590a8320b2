#include "bind/l_str.h"

#include <lauxlib.h>

void l_push_str(lua_State *L, sip_str s)
{
	lua_pushlstring(L, s.len > 0 ? s.p : "", s.len);
}

int l_push_opt(lua_State *L, sip_str s)
{
	if (s.len == 0)
		lua_pushnil(L);
	else
		l_push_str(L, s);
	return 1;
}

void l_push_changed(lua_State *L, sip_str s, size_t (*change)(sip_str s, char *out))
{
	char brief[128]; /* most are; Lua's buffers are slower */
	luaL_Buffer buffer;
	char *out;

	if (s.len <= sizeof brief) {
		lua_pushlstring(L, brief, change(s, brief));
		return;
	}
	out = luaL_buffinitsize(L, &buffer, s.len);
	luaL_pushresultsize(&buffer, change(s, out));
}

static size_t lower(sip_str s, char *out)
{
	for (size_t i = 0; i < s.len; i++)
		out[i] =
			(char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i]);
	return s.len;
}

void l_push_lower(lua_State *L, sip_str s)
{
	l_push_changed(L, s, lower);
}

sip_str l_check_str(lua_State *L, int arg)
{
	sip_str s;

	s.p = luaL_checklstring(L, arg, &s.len);
	return s;
}

struct sip_addr l_check_ip(lua_State *L, int arg)
{
	struct sip_addr addr = { 0 };

	luaL_argcheck(L, sip_addr_parse(l_check_str(L, arg), &addr), arg,
	              "an IP address expected");
	return addr;
}

#include "bind/l_tls.h"

/* The string stays where it is: in the table. */
static const char *path_field(lua_State *L, int index, const char *key)
{
	const char *text;

	lua_getfield(L, index, key);
	text = luaL_optstring(L, -1, NULL);
	lua_pop(L, 1);
	return text;
}

static size_t check_pairs(lua_State *L, int index,
                          struct sip_tls_pair pairs[SIP_TLS_PAIRS])
{
	size_t count;

	if (lua_getfield(L, index, "pairs") == LUA_TNIL) {
		lua_pop(L, 1);
		return 0;
	}
	luaL_checktype(L, -1, LUA_TTABLE);
	count = lua_rawlen(L, -1);
	if (count > SIP_TLS_PAIRS)
		luaL_error(L, "at most %d certificates", SIP_TLS_PAIRS);
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		luaL_checktype(L, -1, LUA_TTABLE);
		pairs[i].domain = path_field(L, lua_gettop(L), "domain");
		pairs[i].cert = path_field(L, lua_gettop(L), "cert");
		pairs[i].key = path_field(L, lua_gettop(L), "key");
		if (!pairs[i].cert || !pairs[i].key)
			luaL_error(L, "a certificate and its key");
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return count;
}

struct sip_tls_config l_tls_check(lua_State *L, int index,
                                  struct sip_tls_pair pairs[SIP_TLS_PAIRS])
{
	static const char *const names[] = { "none", "optional", "required", NULL };
	static const enum sip_tls_clients clients[] = { SIP_TLS_NOT_ASKED,
		                                        SIP_TLS_OPTIONAL,
		                                        SIP_TLS_REQUIRED };
	struct sip_tls_config config = { .pairs = pairs };

	luaL_checktype(L, index, LUA_TTABLE);
	config.ca = path_field(L, index, "ca");
	lua_getfield(L, index, "verify");
	config.unverified = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
	lua_getfield(L, index, "clients");
	config.clients = clients[luaL_checkoption(L, -1, "none", names)];
	lua_pop(L, 2);
	config.pair_count = check_pairs(L, index, pairs);
	return config;
}

#include "bind/l_source.h"

#include "bind/l_stack.h"
#include "bind/l_str.h"
#include "bind/l_write.h"
#include "stack/source.h"

#include <lauxlib.h>

static struct sip_network check_network(lua_State *L, int table, lua_Integer at)
{
	sip_str ip = SIP_STR("");
	lua_Integer bits = -1;
	struct sip_network network;

	if (lua_rawgeti(L, table, at) == LUA_TSTRING)
		ip.p = lua_tolstring(L, -1, &ip.len);
	if (lua_rawgeti(L, table, at + 1) == LUA_TNUMBER)
		bits = lua_tointeger(L, -1);
	if ((ip.len != 4 && ip.len != 16) || bits < 0 || bits > (lua_Integer)ip.len * 8)
		luaL_error(L,
		           "exempt: bytes of an address and a count of bits expected");
	network = sip_network_make(ip, (unsigned)bits);
	lua_pop(L, 2);
	return network;
}

void l_source_check(lua_State *L, int index, struct sip_stack_opts *opts)
{
	struct sip_network *networks;
	size_t count = 0;
	int table;

	opts->scanners = l_opt_field(L, index, "scanners");
	luaL_argcheck(L,
	              opts->scanners.len == 0 ||
	                      opts->scanners.p[opts->scanners.len - 1] == '\n',
	              index, "scanners: each ends with a line feed");
	lua_getfield(L, index, "exempt");
	table = lua_gettop(L);
	if (lua_istable(L, table))
		count = lua_rawlen(L, table) / 2;
	networks = lua_newuserdatauv(L, count * sizeof *networks + 1, 0);
	for (size_t i = 0; i < count; i++)
		networks[i] = check_network(L, table, (lua_Integer)i * 2 + 1);
	opts->exempt = networks;
	opts->exempt_count = (unsigned)count;
	lua_remove(L, table);
}

/* stack:offenders() -> { { address, rule, count, at } ... }, in no order */
int l_stack_offenders(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const struct sip_offender *list = box ? sip_stack_offenders(box->stack) : NULL;
	lua_Integer count = 0;

	lua_newtable(L);
	for (int i = 0; list && i < SIP_OFFENDERS; i++) {
		char text[SIP_ADDR_TEXT_MAX];
		const struct sip_offender *one = &list[i];

		if (one->count == 0)
			continue;
		lua_createtable(L, 0, 4);
		lua_pushlstring(L, text, sip_addr_write_host(&one->addr, text, false));
		lua_setfield(L, -2, "address");
		lua_pushstring(L, sip_rule_name(one->rule));
		lua_setfield(L, -2, "rule");
		lua_pushinteger(L, one->count);
		lua_setfield(L, -2, "count");
		lua_pushnumber(L, (double)one->last_ms / 1000.0);
		lua_setfield(L, -2, "at");
		lua_rawseti(L, -2, ++count);
	}
	return 1;
}

/* stack:good_login(ip): a right password, with a nonce that this address was given */
int l_stack_good_login(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const struct sip_addr addr = l_check_ip(L, 2);

	if (box)
		sip_stack_good_login(box->stack, &addr);
	return 0;
}

/* stack:failed_login(ip) -> boolean: whether more are taken of it */
int l_stack_failed_login(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const struct sip_addr addr = l_check_ip(L, 2);

	lua_pushboolean(L, !box || sip_stack_failed_login(box->stack, &addr));
	return 1;
}

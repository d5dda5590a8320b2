#include "bind/l_machine.h"

#include "bind/l_request.h"
#include "net/machine.h"

static void add_address(void *data, const struct net_interface *is)
{
	lua_State *L = data;
	char text[SIP_ADDR_TEXT_MAX];

	lua_createtable(L, 0, 3);
	lua_pushstring(L, is->name);
	lua_setfield(L, -2, "interface");
	lua_pushlstring(L, text, sip_addr_write_host(&is->addr, text, false));
	lua_setfield(L, -2, "address");
	lua_pushboolean(L, is->internal);
	lua_setfield(L, -2, "internal");
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* machine.addresses() -> { { interface, address, internal } } */
static int l_machine_addresses(lua_State *L)
{
	lua_newtable(L);
	/* Without memory there are none. */
	(void)net_machine_addresses(add_address, L);
	return 1;
}

/* machine.holder{ transport, host, port } -> name, pid, uid | nil */
static int l_machine_holder(lua_State *L)
{
	struct net_holder holder;
	struct sip_addr at;

	luaL_checktype(L, 1, LUA_TTABLE);
	at = l_check_address(L, 1);
	if (!net_machine_holder(l_check_transport(L, 1), &at, &holder))
		return 0;
	lua_pushstring(L, holder.name);
	lua_pushinteger(L, holder.pid);
	lua_pushinteger(L, holder.uid);
	return 3;
}

/* machine.certificate(path) -> { from, till, self_signed, names } | nil */
static int l_machine_certificate(lua_State *L)
{
	struct net_certificate certificate;

	if (net_machine_certificate(luaL_checkstring(L, 1), &certificate) != SIP_OK)
		return 0;
	lua_createtable(L, 0, 4);
	lua_pushinteger(L, certificate.from_s);
	lua_setfield(L, -2, "from");
	lua_pushinteger(L, certificate.till_s);
	lua_setfield(L, -2, "till");
	lua_pushboolean(L, certificate.self_signed);
	lua_setfield(L, -2, "self_signed");
	lua_pushlstring(L, certificate.names, certificate.names_len);
	lua_setfield(L, -2, "names");
	return 1;
}

/* machine.mode(path) -> permissions | nil */
static int l_machine_mode(lua_State *L)
{
	const int mode = net_machine_mode(luaL_checkstring(L, 1));

	if (mode < 0)
		return 0;
	lua_pushinteger(L, mode);
	return 1;
}

/* machine.files() -> how many may be open at once; 0: not known */
static int l_machine_files(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)net_machine_files());
	return 1;
}

/* machine.trusts() -> whether anybody, file, folder */
static int l_machine_trusts(lua_State *L)
{
	char file[NET_MACHINE_TEXT], folder[NET_MACHINE_TEXT];

	lua_pushboolean(L, net_machine_trusts(file, folder));
	lua_pushstring(L, file);
	lua_pushstring(L, folder);
	return 3;
}

int l_machine_push(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "addresses", l_machine_addresses },
		{ "holder", l_machine_holder },
		{ "certificate", l_machine_certificate },
		{ "mode", l_machine_mode },
		{ "trusts", l_machine_trusts },
		{ "files", l_machine_files },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}

#include "bind/l_listener.h"

#include "bind/l_option.h"
#include "bind/l_request.h"
#include "bind/l_str.h"
#include "bind/l_tls.h"
#include "bind/l_write.h"
#include "msg/upgrade.h"
#include "stack/flow.h"

/* stack:listen{ transport, host, port, advertise, advertise_port } -> port | nil, name,
 * why */
int l_stack_listen(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_advertised as = { 0 };
	struct sip_addr at;
	enum sip_transport transport;
	const char *why = NULL;
	sip_err err;

	luaL_checktype(L, 2, LUA_TTABLE);
	transport = l_check_transport(L, 2);
	at = l_check_address(L, 2);
	as.host = l_opt_field(L, 2, "advertise");
	as.port = (uint16_t)l_option_integer(L, 2, "advertise_port", 0, 0, 65535);
	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	err = sip_stack_listen(box->stack, transport, &at, &as, &why);
	if (err != SIP_OK)
		return l_outcome(L, err, why);
	lua_pushinteger(L, at.port);
	return 1;
}

int l_push_local(lua_State *L, const struct sip_local *local)
{
	char text[SIP_ADDR_TEXT_MAX];

	lua_pushlstring(L, local->host, local->host_len);
	lua_pushinteger(L, local->port);
	lua_pushlstring(L, text, sip_addr_write_host(&local->addr, text, false));
	lua_pushinteger(L, local->listener);
	return 4;
}

/* stack:local_for(transport, ip, port, flow, own) -> host, port, address, listener:
 * what we are called there, what that is on this machine, and which listener (0: none)
 * | nil, name, why */
int l_stack_local_for(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_target target = { 0 };
	struct sip_local local;
	sip_str name, ip;
	sip_err err;

	name.p = luaL_checklstring(L, 2, &name.len);
	target.transport = sip_transport_find(name);
	luaL_argcheck(L, target.transport != SIP_TRANSPORT_NONE, 2,
	              "a transport expected");
	target.remote = l_check_ip(L, 3);
	target.remote.port = (uint16_t)luaL_optinteger(L, 4, 5060);
	target.flow = (uint32_t)luaL_optinteger(L, 5, 0);
	ip.p = luaL_optlstring(L, 6, "", &ip.len);
	luaL_argcheck(L, ip.len == 0 || sip_addr_parse(ip, &target.local), 6,
	              "an IP address expected");
	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	err = sip_stack_local(box->stack, &target, &local);
	if (err != SIP_OK)
		return l_outcome(
			L, err,
			err == SIP_EGONE
				? "the connection is gone"
				: "no listening address of this transport and family");
	return l_push_local(L, &local);
}

/* stack:is_own(ip, port) -> boolean */
int l_stack_is_own(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_addr addr = l_check_ip(L, 2);

	addr.port = (uint16_t)luaL_checkinteger(L, 3);
	lua_pushboolean(L, box && sip_stack_is_own(box->stack, &addr));
	return 1;
}

/* stack:tls{ see l_tls.h } -> true | nil, name, why; before it listens */
int l_stack_tls(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_tls_pair pairs[SIP_TLS_PAIRS];
	const struct sip_tls_config config = l_tls_check(L, 2, pairs);
	const char *why = NULL;
	sip_err err = SIP_OK;

	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	if (box->driver->ops->wire_tls)
		err = box->driver->ops->wire_tls(box->driver, box->wire, &config, &why);
	if (err == SIP_OK)
		sip_stack_ask_aliases(box->stack,
		                      !config.unverified && config.pair_count > 0);
	return l_outcome(L, err, why);
}

/* stack:asks(target) -> true | nil, name, why; before it opens a WebSocket */
int l_stack_asks(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const sip_str target = l_check_str(L, 2);

	luaL_argcheck(L, target.len > 0 && target.len <= SIP_UPGRADE_TARGET_MAX, 2,
	              "a path");
	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	return l_outcome(L, box->wire->ops->asks(box->wire, target), "no memory");
}

/* stack:origins(list, each ended by a line feed) -> true | nil, name, why; before it
 * listens */
int l_stack_origins(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	sip_err err = SIP_OK;
	sip_str origins;

	origins.p = luaL_checklstring(L, 2, &origins.len);
	luaL_argcheck(L, origins.len > 0 && origins.p[origins.len - 1] == '\n', 2,
	              "lines");
	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	if (box->driver->ops->wire_origins)
		err = box->driver->ops->wire_origins(box->driver, box->wire, origins);
	return l_outcome(L, err, "no memory");
}

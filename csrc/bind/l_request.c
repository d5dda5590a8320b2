#include "bind/l_request.h"

#include "bind/l_class.h"
#include "bind/l_write.h"

#define L_SENT "sip.Sent"

enum sip_transport l_check_transport(lua_State *L, int index)
{
	const sip_str name = l_opt_field(L, index, "transport");
	enum sip_transport transport = SIP_UDP;

	if (name.len > 0)
		transport = sip_transport_find(name);
	if (transport == SIP_TRANSPORT_NONE)
		luaL_error(L, "transport: %s is none", name.p);
	return transport;
}

struct sip_addr l_check_address(lua_State *L, int index)
{
	const sip_str host = l_opt_field(L, index, "host");
	struct sip_addr addr = { 0 };
	lua_Integer port;

	if (!sip_addr_parse(host, &addr))
		luaL_error(L, "host: an IP address expected, got '%s'", host.p);
	lua_getfield(L, index, "port");
	port = luaL_optinteger(L, -1, 0);
	if (port < 0 || port > 65535)
		luaL_error(L, "port: 0 to 65535 expected");
	lua_pop(L, 1);
	addr.port = (uint16_t)port;
	return addr;
}

struct sip_target l_check_target(lua_State *L, int index)
{
	struct sip_target target = { .transport = l_check_transport(L, index),
		                     .remote = l_check_address(L, index) };
	struct sip_addr addr;

	if (!sip_addr_parse(l_opt_field(L, index, "own"), &target.local))
		target.local.family = 0;
	lua_getfield(L, index, "flow");
	target.flow = (uint32_t)luaL_optinteger(L, -1, 0);
	lua_pop(L, 1);
	if (target.remote.port == 0)
		target.remote.port = sip_transport_info(target.transport)->port;
	if (sip_transport_info(target.transport)->secure || target.transport == SIP_WS)
		target.server_name = l_opt_field(L, index, "server_name");
	if (sip_addr_parse(target.server_name, &addr))
		target.server_name = SIP_STR(""); /* an address is what it is */
	return target;
}

/* The request of the table at index 2; what owns its headers stays on the Lua stack. */
static struct sip_request_spec check_request(lua_State *L)
{
	struct sip_request_spec spec;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	spec.method = l_check_field(L, 2, "method");
	spec.uri = l_check_field(L, 2, "uri");
	spec.raw = l_opt_field(L, 2, "raw");
	spec.body = l_opt_field(L, 2, "body");
	lua_getfield(L, 2, "keep");
	spec.keep = lua_toboolean(L, -1);
	lua_pop(L, 1);
	spec.field_count = l_check_fields(L, 2, "headers", &spec.fields);
	return spec;
}

/* stack:request{ method, uri, raw, headers, body, transport, host, port }
 * -> ClientTx | nil, name, why */
int l_stack_request(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const struct sip_request_spec spec = check_request(L);
	const struct sip_target target = l_check_target(L, 2);
	const char *why = NULL;
	struct sip_tx *tx;
	sip_err err;

	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	err = sip_stack_request(box->stack, &spec, &target, &tx, &why);
	if (err != SIP_OK)
		return l_outcome(L, err, why);
	l_push_client(L, box, tx);
	return 1;
}

/* stack:send{ as request } -> Sent | nil, name, why */
int l_stack_send(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const struct sip_request_spec spec = check_request(L);
	const struct sip_target target = l_check_target(L, 2);
	const char *why = NULL;
	struct sip_sent *sent;
	sip_err err;

	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	sent = lua_newuserdatauv(L, sizeof *sent, 1);
	memset(sent, 0, sizeof *sent);
	luaL_setmetatable(L, L_SENT);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	err = sip_stack_send(box->stack, &spec, &target, sent, &why);
	return err == SIP_OK ? 1 : l_outcome(L, err, why);
}

/* sent:again() -> true | nil, name, why */
static int l_sent_again(lua_State *L)
{
	struct sip_sent *sent = luaL_checkudata(L, 1, L_SENT);
	struct l_stack *box;

	lua_getiuservalue(L, 1, 1);
	box = l_check_stack(L, 2);
	if (!box || !sent->bytes)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	return l_outcome(L, sip_stack_send_again(box->stack, sent), "not sent");
}

static int l_sent_release(lua_State *L)
{
	sip_sent_fini(luaL_checkudata(L, 1, L_SENT));
	return 0;
}

static const luaL_Reg sent_methods[] = {
	{ "again", l_sent_again },
	{ NULL, NULL },
};

static const luaL_Reg sent_meta[] = {
	{ "__gc", l_sent_release },
	{ "__close", l_sent_release },
	{ NULL, NULL },
};

void l_request_open(lua_State *L)
{
	l_new_class(L, L_SENT, sent_meta, sent_methods);
}

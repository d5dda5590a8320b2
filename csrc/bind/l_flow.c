#include "bind/l_flow.h"

#include "bind/l_msg.h"
#include "bind/l_request.h"
#include "stack/flow.h"
#include "stack/keepalive.h"

/* stack:is_there{ transport, host, port, flow } -> boolean */
int l_stack_is_there(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_target target;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	target = l_check_target(L, 2);
	lua_pushboolean(L, box && sip_stack_is_there(box->stack, &target));
	return 1;
}

/* stack:keep{ transport, host, port, flow, own, low, high, answered } -> id
 * | nil, name, why; low and high in seconds; "kept" follows */
int l_stack_keep(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_keep_spec spec = { .low_ms = 0 };
	const char *why = NULL;
	uint64_t id;
	sip_err err;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	spec.target = l_check_target(L, 2);
	spec.low_ms = l_opt_ms(L, 2, "low", 0);
	spec.high_ms = l_opt_ms(L, 2, "high", 0);
	luaL_argcheck(L, spec.low_ms > 0 && spec.high_ms >= spec.low_ms, 2,
	              "low is more than nothing, and high at least as much");
	lua_getfield(L, 2, "answered");
	spec.answered = lua_toboolean(L, -1);
	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	err = sip_stack_keep(box->stack, &spec, &id, &why);
	if (err != SIP_OK)
		return l_outcome(L, err, why);
	lua_pushinteger(L, (lua_Integer)id);
	return 1;
}

/* stack:keep_end(id) */
int l_stack_keep_end(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const lua_Integer id = luaL_checkinteger(L, 2);

	if (box)
		sip_stack_keep_end(box->stack, (uint64_t)id);
	return 0;
}

static void set_part(lua_State *L, const char *name, sip_str part)
{
	if (part.len == 0)
		return;
	lua_pushlstring(L, part.p, part.len);
	lua_setfield(L, -2, name);
}

/* stack:handshake(msg) -> { target, origin?, cookie? } of the WebSocket that it came by
 * | nil */
int l_stack_handshake(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const struct sip_msg *msg = l_check_msg(L, 2);
	struct sip_handshake said = { 0 };

	if (box && msg)
		said = sip_stack_handshake(box->stack, &msg->path);
	if (said.target.len == 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_createtable(L, 0, 3);
	set_part(L, "target", said.target);
	set_part(L, "origin", said.origin);
	set_part(L, "cookie", said.cookie);
	return 1;
}

/* stack:peer_names(msg) -> array of names that the peer of this connection has proven
 */
int l_stack_peer_names(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const struct sip_msg *msg = l_check_msg(L, 2);
	lua_Integer count = 0;
	sip_str names;

	lua_newtable(L);
	if (!box || !msg)
		return 1;
	names = sip_stack_peer_names(box->stack, &msg->path);
	while (names.len > 0) {
		const char *stop = memchr(names.p, '\n', names.len);
		const size_t len = (size_t)(stop - names.p);

		lua_pushlstring(L, names.p, len);
		lua_rawseti(L, -2, ++count);
		names = sip_str_of(stop + 1, names.len - len - 1);
	}
	return 1;
}

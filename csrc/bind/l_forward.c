#include "bind/l_forward.h"

#include "bind/l_msg.h"
#include "bind/l_request.h"
#include "bind/l_write.h"
#include "stack/token.h"

/* ---- edits ---- */

static const char *const ops[] = {
#define NAME_OF(op, name) name,
	SIP_EDIT_MAP(NAME_OF)
#undef NAME_OF
};

static enum sip_edit_op op_of(lua_State *L, sip_str name)
{
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		if (sip_str_eq(name, sip_str_of(ops[i], strlen(ops[i]))))
			return (enum sip_edit_op)i;
	}
	luaL_error(L, "edits: '%s' is no operation", name.p);
	return SIP_EDIT_REMOVE;
}

unsigned l_check_edits(lua_State *L, int index, const struct sip_edit **edits)
{
	struct sip_edit *list;
	size_t count;

	*edits = NULL;
	if (lua_isnil(L, index)) {
		lua_pushnil(L);
		return 0;
	}
	if (!lua_istable(L, index))
		luaL_error(L, "edits: a list expected");
	count = lua_rawlen(L, index);
	if (count % 3 != 0 || count / 3 > SIP_EDITS_MAX)
		luaL_error(L, "edits: operation, name, value ... expected, at most %d",
		           (int)SIP_EDITS_MAX);
	list = lua_newuserdatauv(L, (count / 3 + 1) * sizeof *list, 0);
	for (size_t i = 0; i < count; i++) {
		struct sip_edit *edit = &list[i / 3];
		sip_str s;

		if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TSTRING)
			luaL_error(L, "edits: something in it is not a string");
		s.p = lua_tolstring(L, -1, &s.len); /* the list keeps it */
		lua_pop(L, 1);
		if (i % 3 == 0)
			edit->op = op_of(L, s);
		else if (i % 3 == 1)
			edit->name = s;
		else
			edit->value = s;
	}
	*edits = list;
	return (unsigned)(count / 3);
}

struct sip_msg *l_check_forward(lua_State *L, int index, struct sip_forward_spec *spec)
{
	struct sip_msg *msg;
	lua_Integer hops;

	luaL_checktype(L, index, LUA_TTABLE);
	lua_getfield(L, index, "message");
	msg = l_check_msg(L, -1);
	lua_getfield(L, index, "max_forwards");
	hops = luaL_optinteger(L, -1, -1);
	if (hops < -1 || hops > 255)
		luaL_error(L, "max_forwards: 0 to 255 expected");
	spec->max_forwards = (int)hops;
	spec->uri = l_opt_field(L, index, "uri");
	lua_getfield(L, index, "edits");
	spec->edit_count = l_check_edits(L, lua_gettop(L), &spec->edits);
	return msg;
}

/* ---- methods of a stack ---- */

/* stack:forward{ message, uri, max_forwards, edits, tail, transport, host, port }
 * -> ClientTx | nil, name, why */
int l_stack_forward(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_forward_spec spec;
	struct sip_msg *msg = l_check_forward(L, 2, &spec);
	const struct sip_target target = l_check_target(L, 2);
	const sip_str tail = l_opt_field(L, 2, "tail");
	const char *why = NULL;
	struct sip_tx *tx;
	sip_err err;

	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	err = sip_stack_forward(box->stack, msg, &spec, tail, &target, &tx, &why);
	if (err != SIP_OK)
		return l_outcome(L, err, why);
	l_push_client(L, box, tx);
	return 1;
}

/* stack:pass{ as forward, branch } -> true | nil, name, why */
int l_stack_pass(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_forward_spec spec;
	struct sip_msg *msg = l_check_forward(L, 2, &spec);
	const struct sip_target target = l_check_target(L, 2);
	const sip_str branch = l_check_field(L, 2, "branch");
	const char *why = NULL;
	sip_err err;

	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	err = sip_stack_pass(box->stack, msg, &spec, branch, &target, &why);
	return l_outcome(L, err, why);
}

/* stack:seal(text) -> 13 characters | nil, name, why */
int l_stack_seal(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	char seal[SIP_SEAL_LEN];
	sip_str text;

	text.p = luaL_checklstring(L, 2, &text.len);
	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	sip_stack_seal(box->stack, text, seal);
	lua_pushlstring(L, seal, sizeof seal);
	return 1;
}

/* stack:mark(request) -> 13 characters | nil, name, why */
int l_stack_mark(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_msg *msg = l_check_msg(L, 2);
	char mark[SIP_SEAL_LEN];

	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	sip_stack_mark(box->stack, msg, mark);
	lua_pushlstring(L, mark, sizeof mark);
	return 1;
}

/* stack:is_marked(request, mark) -> boolean */
int l_stack_is_marked(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_msg *msg = l_check_msg(L, 2);
	sip_str mark;

	mark.p = luaL_checklstring(L, 3, &mark.len);
	lua_pushboolean(L, box && sip_stack_is_marked(box->stack, msg, mark));
	return 1;
}

static bool way_flag(lua_State *L, int index, const char *key)
{
	bool flag;

	lua_getfield(L, index, key);
	flag = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return flag;
}

/* stack:token(request, "caller"|"callee", { transport, host, port, flow, own, sole,
 * outbound }) -> token | nil, name, why */
int l_stack_token(lua_State *L)
{
	static const char *const ends[] = { "caller", "callee", NULL };
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_msg *msg = l_check_msg(L, 2);
	const bool caller = luaL_checkoption(L, 3, NULL, ends) == 0;
	char token[SIP_TOKEN_MAX];
	struct sip_way way;

	luaL_checktype(L, 4, LUA_TTABLE);
	way.target = l_check_target(L, 4);
	way.sole = way_flag(L, 4, "sole");
	way.outbound = way_flag(L, 4, "outbound");
	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	lua_pushlstring(L, token,
	                sip_stack_token(box->stack, msg, caller, &way, token));
	return 1;
}

/* stack:token_way(request, uri) -> { transport, host, port, flow, own, sole, outbound }
 * | nil */
int l_stack_token_way(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_msg *msg = l_check_msg(L, 2);
	char host[SIP_ADDR_TEXT_MAX];
	struct sip_uri uri;
	struct sip_way way;
	sip_str text;

	text.p = luaL_checklstring(L, 3, &text.len);
	if (!box || sip_uri_parse(text, &uri, NULL, NULL) != SIP_OK ||
	    !sip_stack_token_way(box->stack, msg, uri.params, &way))
		return 0;
	text = sip_transport_info(way.target.transport)->uri;
	lua_createtable(L, 0, 8);
	lua_pushlstring(L, text.p, text.len);
	lua_setfield(L, -2, "transport");
	lua_pushlstring(L, host, sip_addr_write_host(&way.target.remote, host, false));
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "name");
	lua_setfield(L, -2, "host");
	lua_pushinteger(L, way.target.remote.port);
	lua_setfield(L, -2, "port");
	lua_pushinteger(L, way.target.flow);
	lua_setfield(L, -2, "flow");
	if (way.target.local.family != 0) {
		lua_pushlstring(L, host,
		                sip_addr_write_host(&way.target.local, host, false));
		lua_setfield(L, -2, "own");
	}
	lua_pushboolean(L, way.sole);
	lua_setfield(L, -2, "sole");
	lua_pushboolean(L, way.outbound);
	lua_setfield(L, -2, "outbound");
	return 1;
}

/* stack:relaying(on) */
int l_stack_relaying(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);

	if (box)
		sip_stack_relaying(box->stack, lua_toboolean(L, 2));
	return 0;
}

/* stack:stateless_branch(request) -> branch | nil, name, why */
int l_stack_stateless_branch(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_msg *msg = l_check_msg(L, 2);
	char branch[SIP_STATELESS_BRANCH_LEN];

	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	if (!sip_stack_stateless_branch(box->stack, msg, branch))
		return l_outcome(L, SIP_EINVAL, "no Via says where responses go");
	lua_pushlstring(L, branch, sizeof branch);
	return 1;
}

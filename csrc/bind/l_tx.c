#include "bind/l_tx.h"

#include "bind/l_class.h"
#include "bind/l_forward.h"
#include "bind/l_listener.h"
#include "bind/l_msg.h"
#include "bind/l_write.h"

#define L_SERVER "sip.ServerTx"
#define L_CLIENT "sip.ClientTx"

struct l_tx {
	struct sip_tx *tx;     /* owned reference; NULL once released */
	struct l_stack *stack; /* alive until the transaction has ended */
};

bool l_push_known_tx(lua_State *L, int objects, const struct sip_tx *tx)
{
	if (lua_rawgeti(L, objects, (lua_Integer)tx->serial) != LUA_TNIL)
		return true;
	lua_pop(L, 1);
	return false;
}

/* Box first, resource second: the box is valid at every instant. */
void l_push_tx(lua_State *L, int objects, struct l_stack *stack, struct sip_tx *tx)
{
	struct l_tx *box;

	if (l_push_known_tx(L, objects, tx))
		return;
	box = lua_newuserdatauv(L, sizeof *box, 0);
	box->tx = NULL;
	luaL_setmetatable(L, sip_tx_is_client(tx) ? L_CLIENT : L_SERVER);
	lua_pushvalue(L, -1);
	lua_rawseti(L, objects, (lua_Integer)tx->serial);
	box->stack = stack;
	box->tx = sip_tx_ref(tx);
}

static struct sip_tx *any_tx(lua_State *L)
{
	struct l_tx *box = luaL_testudata(L, 1, L_SERVER);

	if (!box)
		box = luaL_checkudata(L, 1, L_CLIENT);
	return box->tx;
}

/* The stack of a box whose transaction has not ended, told what time it is; or NULL. */
static struct sip_stack *stack_of(const struct l_tx *box)
{
	if (!box->tx || box->tx->ended)
		return NULL;
	sip_stack_at(box->stack->stack,
	             box->stack->driver->ops->now_ms(box->stack->driver));
	return box->stack->stack;
}

static struct l_tx *check_server(lua_State *L)
{
	return luaL_checkudata(L, 1, L_SERVER);
}

static int l_tx_release(lua_State *L) /* __gc and __close: idempotent */
{
	struct l_tx *box = lua_touserdata(L, 1);
	struct sip_tx *tx = box->tx;

	box->tx = NULL;
	sip_tx_unref(tx);
	return 0;
}

static int l_tx_tostring(lua_State *L)
{
	static const char *const kinds[] = { "ict", "nict", "ist", "nist" };
	const struct sip_tx *tx = any_tx(L);

	if (tx)
		lua_pushfstring(L, "sip.Tx{%s %I; %s; %d}", kinds[tx->kind],
		                (LUAI_UACINT)tx->serial, sip_tx_state_name(tx),
		                (int)tx->last_status);
	else
		lua_pushliteral(L, "sip.Tx{gone}");
	return 1;
}

static bool opt_flag(lua_State *L, int index, const char *key)
{
	bool flag;

	lua_getfield(L, index, key);
	flag = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return flag;
}

/* tx:respond(status, { reason, headers, body, tag, until_ack, record_route })
 * -> true | nil, name, why */
static int l_tx_respond(lua_State *L)
{
	const struct l_tx *box = check_server(L);
	const lua_Integer status = luaL_checkinteger(L, 2);
	struct sip_response_spec spec = { .reason = SIP_STR("") };
	struct sip_stack *stack;
	bool until_ack = false;
	const char *why = NULL;
	sip_err err;

	luaL_argcheck(L, status >= 100 && status <= 699, 2, "100 to 699 expected");
	lua_settop(L, 3);
	spec.status = (uint16_t)status;
	if (!lua_isnil(L, 3)) {
		luaL_checktype(L, 3, LUA_TTABLE);
		spec.reason = l_opt_field(L, 3, "reason");
		spec.to_tag = l_opt_field(L, 3, "tag");
		spec.body = l_opt_field(L, 3, "body");
		spec.record_route = opt_flag(L, 3, "record_route");
		until_ack = opt_flag(L, 3, "until_ack");
		spec.field_count = l_check_fields(L, 3, "headers", &spec.fields);
	}
	stack = stack_of(box);
	if (!stack)
		return l_outcome(L, SIP_EGONE, "the transaction has ended");
	err = sip_stack_respond(stack, box->tx, &spec, until_ack, &why);
	if (err == SIP_ENOMEM) { /* the collector may hold what is wanted here */
		lua_gc(L, LUA_GCCOLLECT);
		err = sip_stack_respond(stack, box->tx, &spec, until_ack, &why);
	}
	return l_outcome(L, err, why);
}

/* tx:forward(response, edits) -> true | nil, name, why */
static int l_tx_forward(lua_State *L)
{
	const struct l_tx *box = check_server(L);
	const struct sip_msg *response = l_check_msg(L, 2);
	const struct sip_edit *edits;
	struct sip_stack *stack;
	const char *why = NULL;
	unsigned count;
	sip_err err;

	lua_settop(L, 3);
	count = l_check_edits(L, 3, &edits);
	stack = stack_of(box);
	if (!stack)
		return l_outcome(L, SIP_EGONE, "the transaction has ended");
	err = sip_stack_relay(stack, box->tx, response, edits, count, &why);
	if (err == SIP_ENOMEM) { /* the collector may hold what is wanted here */
		lua_gc(L, LUA_GCCOLLECT);
		err = sip_stack_relay(stack, box->tx, response, edits, count, &why);
	}
	return l_outcome(L, err, why);
}

/* tx:drop() -> true | nil, name, why: it ends without a word */
static int l_tx_drop(lua_State *L)
{
	const struct l_tx *box = check_server(L);
	struct sip_stack *stack = stack_of(box);

	if (!stack)
		return l_outcome(L, SIP_EGONE, "the transaction has ended");
	return l_outcome(L, sip_stack_drop(stack, box->tx),
	                 "the transaction has had its final response");
}

/* tx:acked(msg): this ACK to the repeated 2xx has come; nil: none need come any more */
static int l_tx_acked(lua_State *L)
{
	const struct l_tx *box = check_server(L);

	const struct sip_msg *ack = lua_isnoneornil(L, 2) ? NULL : l_check_msg(L, 2);
	struct sip_stack *stack = stack_of(box);

	if (stack)
		sip_stack_acked(stack, box->tx, ack);
	return 0;
}

/* tx:cancel() -> true | nil, name, why */
static int l_tx_cancel(lua_State *L)
{
	const struct l_tx *box = luaL_checkudata(L, 1, L_CLIENT);
	struct sip_stack *stack = stack_of(box);

	if (!stack)
		return l_outcome(L, SIP_EGONE, "the transaction has ended");
	return l_outcome(L, sip_stack_cancel(stack, box->tx),
	                 "the transaction has had its final response");
}

/* tx:hand_over(server_tx): each 2xx goes back by itself, nothing is told any more */
static int l_tx_hand_over(lua_State *L)
{
	const struct l_tx *box = luaL_checkudata(L, 1, L_CLIENT);
	const struct l_tx *server = luaL_checkudata(L, 2, L_SERVER);

	if (!stack_of(box) || !server->tx)
		return l_outcome(L, SIP_EGONE, "the transaction has ended");
	return l_outcome(L, sip_stack_hand_over(box->tx, server->tx),
	                 "it has been handed over");
}

static void push_host(lua_State *L, const struct sip_addr *addr)
{
	char text[SIP_ADDR_TEXT_MAX];

	lua_pushlstring(L, text, sip_addr_write_host(addr, text, false));
}

/* tx:source() -> ip, port, transport: where the request came from */
static int l_tx_source(lua_State *L)
{
	const struct sip_tx *tx = check_server(L)->tx;
	sip_str transport;

	if (!tx)
		return 0;
	transport = sip_transport_info(tx->path.transport)->uri;
	push_host(L, &tx->path.remote);
	lua_pushinteger(L, tx->path.remote.port);
	lua_pushlstring(L, transport.p, transport.len);
	return 3;
}

/* tx:reply_host() -> ip */
static int l_tx_reply_host(lua_State *L)
{
	const struct sip_tx *tx = check_server(L)->tx;

	if (!tx)
		return 0;
	push_host(L, &tx->reply);
	return 1;
}

/* tx:local_address() -> host, port, address, listener: as stack:local_for */
static int l_tx_local_address(lua_State *L)
{
	const struct l_tx *box = check_server(L);
	struct sip_stack *stack = stack_of(box);
	struct sip_local local;

	if (!stack)
		return 0;
	sip_stack_local_of(stack, &box->tx->path, &local);
	return l_push_local(L, &local);
}

/* tx:is_merged(): the same request is under way on another branch (8.2.2.2) */
static int l_tx_is_merged(lua_State *L)
{
	const struct sip_tx *tx = check_server(L)->tx;

	lua_pushboolean(L, tx && tx->merged);
	return 1;
}

/* tx:tag() -> the To tag that responses get */
static int l_tx_tag(lua_State *L)
{
	const struct sip_tx *tx = check_server(L)->tx;

	if (!tx || !tx->tag)
		return 0;
	lua_pushlstring(L, tx->tag->bytes, tx->tag->len);
	return 1;
}

/* tx:id() -> integer, unique in its stack */
static int l_tx_id(lua_State *L)
{
	const struct sip_tx *tx = any_tx(L);

	lua_pushinteger(L, tx ? (lua_Integer)tx->serial : 0);
	return 1;
}

/* tx:state() -> "proceeding" ..., "terminated" */
static int l_tx_state(lua_State *L)
{
	const struct sip_tx *tx = any_tx(L);

	lua_pushstring(L, tx ? sip_tx_state_name(tx) : "terminated");
	return 1;
}

static const luaL_Reg server_methods[] = {
	{ "respond", l_tx_respond },
	{ "forward", l_tx_forward },
	{ "drop", l_tx_drop },
	{ "acked", l_tx_acked },
	{ "source", l_tx_source },
	{ "reply_host", l_tx_reply_host },
	{ "local_address", l_tx_local_address },
	{ "is_merged", l_tx_is_merged },
	{ "tag", l_tx_tag },
	{ "id", l_tx_id },
	{ "state", l_tx_state },
	{ NULL, NULL },
};

static const luaL_Reg client_methods[] = {
	{ "hand_over", l_tx_hand_over },
	{ "cancel", l_tx_cancel },
	{ "id", l_tx_id },
	{ "state", l_tx_state },
	{ NULL, NULL },
};

static const luaL_Reg tx_meta[] = {
	{ "__gc", l_tx_release },
	{ "__close", l_tx_release },
	{ "__tostring", l_tx_tostring },
	{ NULL, NULL },
};

void l_tx_open(lua_State *L)
{
	l_new_class(L, L_SERVER, tx_meta, server_methods);
	l_new_class(L, L_CLIENT, tx_meta, client_methods);
}

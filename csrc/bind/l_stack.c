#include "bind/l_stack.h"

#include "bind/l_class.h"
#include "bind/l_event.h"
#include "bind/l_forward.h"
#include "bind/l_msg.h"
#include "bind/l_names.h"
#include "bind/l_option.h"
#include "bind/l_request.h"
#include "bind/l_source.h"
#include "bind/l_tls.h"
#include "bind/l_tx.h"
#include "bind/l_write.h"
#include "stack/flow.h"
#include "stack/keepalive.h"
#include "stack/reply.h"

struct l_stack *l_check_stack(lua_State *L, int arg)
{
	struct l_stack *box = luaL_checkudata(L, arg, L_STACK);

	if (box->closed)
		return NULL;
	sip_stack_at(box->stack, box->driver->ops->now_ms(box->driver));
	return box;
}

void l_push_client(lua_State *L, struct l_stack *box, struct sip_tx *tx)
{
	lua_getiuservalue(L, 1, 1);
	lua_rawgeti(L, -1, T_OBJECTS);
	/* A box that cannot be made raises; the transaction lives on in its layer, and
	 * its reference here is the one to give up. */
	sip_tx_unref(tx);
	l_push_tx(L, lua_gettop(L), box, tx);
}

int l_outcome(lua_State *L, sip_err err, const char *why)
{
	if (err == SIP_OK) {
		lua_pushboolean(L, 1);
		return 1;
	}
	luaL_pushfail(L);
	lua_pushstring(L, sip_err_name(err));
	lua_pushstring(L, why ? why : "");
	return 3;
}

/* ---- life ---- */

static void free_stack(lua_State *L, struct l_stack *box)
{
	struct l_driver *driver = box->driver;

	sip_list_remove(&box->link);
	sip_stack_free(box->stack);
	driver->ops->wire_free(driver, box->wire);
	box->stack = NULL;
	box->wire = NULL;
	l_driver_push_table(L, driver);
	if (lua_istable(L, -1)) {
		lua_pushnil(L);
		lua_rawseti(L, -2, box->id);
	}
	lua_pop(L, 1);
}

void l_stack_free_closed(lua_State *L, struct l_driver *driver)
{
	struct l_stack *box;

	L_EACH_STACK(driver, box)
	{
		if (box->closed)
			free_stack(L, box);
	}
}

void l_stack_close_all(lua_State *L, struct l_driver *driver)
{
	struct l_stack *box;

	L_EACH_STACK(driver, box)
	{
		box->closed = true;
		free_stack(L, box);
	}
}

/* stack:close(): at once, nothing is sent; the polite end is the endpoint's */
static int l_stack_close(lua_State *L)
{
	struct l_stack *box = luaL_checkudata(L, 1, L_STACK);

	if (box->closed || !box->stack)
		return 0;
	box->closed = true;
	if (!box->driver->in_turn)
		free_stack(L, box);
	return 0;
}

static int l_stack_tostring(lua_State *L)
{
	const struct l_stack *box = luaL_checkudata(L, 1, L_STACK);

	lua_pushfstring(L, "sip.Stack{%I; %s}", (LUAI_UACINT)box->id,
	                box->closed ? "closed" : "open");
	return 1;
}

static uint32_t opt_ms(lua_State *L, int index, const char *key, uint32_t ms)
{
	if (lua_getfield(L, index, key) != LUA_TNIL)
		ms = (uint32_t)l_check_delay_ms(L, -1);
	lua_pop(L, 1);
	return ms;
}

/* driver:stack{ dispatch, t1, t2, t4, timer_c, trying, limits, advertise, watch,
 * relay, secret, exempt, scanners }: times in seconds, limits by the names of
 * base/limits.h, the last two as in l_source.h.  Raises when memory is short. */
int l_stack_new(lua_State *L, struct l_driver *driver)
{
	struct sip_stack_opts opts = { .alloc = driver->alloc,
		                       .random = driver->random,
		                       .timing = SIP_TIMING_DEFAULT,
		                       .limits = SIP_LIMITS_DEFAULT };
	struct l_stack *box;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	opts.timing.t1_ms = opt_ms(L, 2, "t1", opts.timing.t1_ms);
	opts.timing.t2_ms = opt_ms(L, 2, "t2", opts.timing.t2_ms);
	opts.timing.t4_ms = opt_ms(L, 2, "t4", opts.timing.t4_ms);
	opts.timing.timer_c_ms = opt_ms(L, 2, "timer_c", opts.timing.timer_c_ms);
	opts.timing.trying_ms = opt_ms(L, 2, "trying", opts.timing.trying_ms);
	luaL_argcheck(L, opts.timing.t1_ms > 0, 2, "t1 must be positive");
	l_option_limits(L, 2, "limits", &opts.limits);
	opts.advertise = l_opt_field(L, 2, "advertise");
	opts.secret = l_opt_field(L, 2, "secret");
	lua_getfield(L, 2, "watch");
	opts.watched = lua_toboolean(L, -1);
	lua_getfield(L, 2, "relay");
	opts.relay = lua_toboolean(L, -1);
	lua_pop(L, 2);

	box = lua_newuserdatauv(L, sizeof *box, 1); /* 3 */
	memset(box, 0, sizeof *box);
	box->closed = true;
	box->driver = driver;
	l_event_sink(&box->sink);
	box->id = ++driver->last_id;
	luaL_setmetatable(L, L_STACK);
	lua_createtable(L, 2, 0); /* 4 */
	if (lua_getfield(L, 2, "dispatch") != LUA_TFUNCTION)
		return luaL_argerror(L, 2, "dispatch: a function expected");
	lua_rawseti(L, 4, T_DISPATCH);
	lua_newtable(L);
	luaL_setmetatable(L, "sip.weak");
	lua_rawseti(L, 4, T_OBJECTS);
	lua_setiuservalue(L, 3, 1);
	l_driver_push_table(L, driver);
	lua_pushvalue(L, 3);
	lua_rawseti(L, -2, box->id);
	lua_pop(L, 1);

	l_source_check(L, 2, &opts); /* 4 */
	if (driver->ops->wire_new(driver, &opts.limits, &box->sink, &box->wire) !=
	    SIP_OK)
		return luaL_error(L, "out of memory");
	opts.wire = box->wire;
	if (sip_stack_new(&opts, driver->ops->now_ms(driver), &box->stack) != SIP_OK) {
		driver->ops->wire_free(driver, box->wire);
		return luaL_error(L, "out of memory");
	}
	sip_list_insert(&driver->stacks, &box->link);
	box->closed = false;
	lua_settop(L, 3);
	return 1;
}

/* ---- what it does ---- */

/* stack:listen{ transport, host, port, advertise, advertise_port } -> port | nil, name,
 * why */
static int l_stack_listen(lua_State *L)
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
static int l_stack_local_for(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_target target = { 0 };
	struct sip_local local;
	sip_str name, ip;
	sip_err err;

	name.p = luaL_checklstring(L, 2, &name.len);
	ip.p = luaL_checklstring(L, 3, &ip.len);
	target.transport = sip_transport_find(name);
	luaL_argcheck(L, target.transport != SIP_TRANSPORT_NONE, 2,
	              "a transport expected");
	luaL_argcheck(L, sip_addr_parse(ip, &target.remote), 3,
	              "an IP address expected");
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
static int l_stack_is_own(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_addr addr = { 0 };
	sip_str ip;

	ip.p = luaL_checklstring(L, 2, &ip.len);
	luaL_argcheck(L, sip_addr_parse(ip, &addr), 2, "an IP address expected");
	addr.port = (uint16_t)luaL_checkinteger(L, 3);
	lua_pushboolean(L, box && sip_stack_is_own(box->stack, &addr));
	return 1;
}

/* stack:is_there{ transport, host, port, flow } -> boolean */
static int l_stack_is_there(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_target target;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	target = l_check_target(L, 2);
	lua_pushboolean(L, box && sip_stack_is_there(box->stack, &target));
	return 1;
}

/* stack:resolve(name, "A"|"AAAA"|"SRV"|"NAPTR") -> token | nil, name, why; "records"
 * follows */
static int l_stack_resolve(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	enum sip_record_type type;
	sip_str name;
	sip_err err;

	name.p = luaL_checklstring(L, 2, &name.len);
	type = l_check_record_type(L, 3);
	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	err = sip_stack_lookup(box->stack, name, type,
	                       (uint64_t)++box->driver->last_id);
	if (err != SIP_OK)
		return l_outcome(L, err, "the name cannot be looked up");
	lua_pushinteger(L, box->driver->last_id);
	return 1;
}

/* stack:keep{ transport, host, port, flow, own, low, high, answered } -> id
 * | nil, name, why; low and high in seconds; "kept" follows */
static int l_stack_keep(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_keep_spec spec = { .low_ms = 0 };
	const char *why = NULL;
	uint64_t id;
	sip_err err;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	spec.target = l_check_target(L, 2);
	spec.low_ms = opt_ms(L, 2, "low", 0);
	spec.high_ms = opt_ms(L, 2, "high", 0);
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

/* stack:give_back{ message, attempt, transport, host, port, server_name }
 * -> true | nil, name, why */
static int l_stack_give_back(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_target target;
	const struct sip_msg *msg;
	const char *why = NULL;
	lua_Integer attempt;
	sip_err err;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	lua_getfield(L, 2, "message");
	msg = l_check_msg(L, -1);
	lua_getfield(L, 2, "attempt");
	attempt = luaL_checkinteger(L, -1);
	target = l_check_target(L, 2);
	if (!box)
		return l_outcome(L, SIP_EGONE, "the stack is closed");
	err = sip_stack_return(box->stack, msg, &target, (unsigned)attempt, &why);
	return l_outcome(L, err, why);
}

/* stack:keep_end(id) */
static int l_stack_keep_end(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	const lua_Integer id = luaL_checkinteger(L, 2);

	if (box)
		sip_stack_keep_end(box->stack, (uint64_t)id);
	return 0;
}

/* stack:tls{ see l_tls.h } -> true | nil, name, why; before it listens */
static int l_stack_tls(lua_State *L)
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

/* stack:origins(list, each ended by a line feed) -> true | nil, name, why; before it
 * listens */
static int l_stack_origins(lua_State *L)
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

static void set_part(lua_State *L, const char *name, sip_str part)
{
	if (part.len == 0)
		return;
	lua_pushlstring(L, part.p, part.len);
	lua_setfield(L, -2, name);
}

/* stack:handshake(msg) -> { target, origin?, cookie? } of the WebSocket that it came by
 * | nil */
static int l_stack_handshake(lua_State *L)
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
static int l_stack_peer_names(lua_State *L)
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

/* stack:stats() -> counts by name */
static int l_stack_stats(lua_State *L)
{
	struct l_stack *box = l_check_stack(L, 1);
	struct sip_stack_stats stats = { 0 };

	if (box)
		sip_stack_stats(box->stack, &stats);
	lua_newtable(L);
#define SET_STAT(name)                                                                 \
	lua_pushinteger(L, (lua_Integer)stats.name);                                   \
	lua_setfield(L, -2, #name);
	SIP_STACK_STAT_MAP(SET_STAT)
#undef SET_STAT
	return 1;
}

static const luaL_Reg stack_methods[] = {
	{ "request", l_stack_request },
	{ "send", l_stack_send },
	{ "forward", l_stack_forward },
	{ "pass", l_stack_pass },
	{ "seal", l_stack_seal },
	{ "stateless_branch", l_stack_stateless_branch },
	{ "mark", l_stack_mark },
	{ "is_marked", l_stack_is_marked },
	{ "token", l_stack_token },
	{ "token_way", l_stack_token_way },
	{ "relaying", l_stack_relaying },
	{ "listen", l_stack_listen },
	{ "local_for", l_stack_local_for },
	{ "is_own", l_stack_is_own },
	{ "is_there", l_stack_is_there },
	{ "resolve", l_stack_resolve },
	{ "keep", l_stack_keep },
	{ "keep_end", l_stack_keep_end },
	{ "give_back", l_stack_give_back },
	{ "tls", l_stack_tls },
	{ "origins", l_stack_origins },
	{ "peer_names", l_stack_peer_names },
	{ "handshake", l_stack_handshake },
	{ "stats", l_stack_stats },
	{ "offenders", l_stack_offenders },
	{ "failed_login", l_stack_failed_login },
	{ "close", l_stack_close },
	{ NULL, NULL },
};

static const luaL_Reg stack_meta[] = {
	{ "__gc", l_stack_close },
	{ "__close", l_stack_close },
	{ "__tostring", l_stack_tostring },
	{ NULL, NULL },
};

void l_stack_open(lua_State *L)
{
	l_new_class(L, L_STACK, stack_meta, stack_methods);
	l_request_open(L);
	luaL_newmetatable(L, "sip.weak");
	lua_pushliteral(L, "v");
	lua_setfield(L, -2, "__mode");
	lua_pop(L, 1);
	l_tx_open(L);
}

#include "bind/l_stack.h"

#include "bind/l_class.h"
#include "bind/l_event.h"
#include "bind/l_flow.h"
#include "bind/l_forward.h"
#include "bind/l_listener.h"
#include "bind/l_msg.h"
#include "bind/l_names.h"
#include "bind/l_option.h"
#include "bind/l_request.h"
#include "bind/l_source.h"
#include "bind/l_tx.h"
#include "bind/l_write.h"
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

uint32_t l_opt_ms(lua_State *L, int index, const char *key, uint32_t ms)
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
	opts.timing.t1_ms = l_opt_ms(L, 2, "t1", opts.timing.t1_ms);
	opts.timing.t2_ms = l_opt_ms(L, 2, "t2", opts.timing.t2_ms);
	opts.timing.t4_ms = l_opt_ms(L, 2, "t4", opts.timing.t4_ms);
	opts.timing.timer_c_ms = l_opt_ms(L, 2, "timer_c", opts.timing.timer_c_ms);
	opts.timing.trying_ms = l_opt_ms(L, 2, "trying", opts.timing.trying_ms);
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
	{ "asks", l_stack_asks },
	{ "peer_names", l_stack_peer_names },
	{ "handshake", l_stack_handshake },
	{ "stats", l_stack_stats },
	{ "offenders", l_stack_offenders },
	{ "failed_login", l_stack_failed_login },
	{ "good_login", l_stack_good_login },
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

/* l_msg.c - Lua face of a message.
 *
 * The box holds one reference, until the collector comes, the script closes it, or the
 * dispatcher lets go of it after its handler; keep() says that the script wants it for
 * longer.  Strings are made when asked for; a message never becomes a table.
 */
#include "bind/l_msg.h"

#include <lauxlib.h>

#include "bind/l_body.h"
#include "bind/l_header.h"
#include "bind/l_heap.h"
#include "bind/l_str.h"

#define L_MSG "sip.Message"

static const char key = 'm'; /* its address stands in each box */

struct l_msg {
	const char *key;
	struct sip_msg *msg; /* owned reference; NULL once released */
	bool kept;
};

/* As luaL_checkudata, which would look the metatable up by its name first: that is most
 * of what most of these methods cost. */
static struct l_msg *check_box(lua_State *L, int arg)
{
	struct l_msg *box = lua_touserdata(L, arg);

	if (box && lua_rawlen(L, arg) == sizeof *box && box->key == &key)
		return box;
	return luaL_checkudata(L, arg, L_MSG);
}

void l_push_msg(lua_State *L, struct sip_msg *msg)
{
	struct l_msg *box = lua_newuserdatauv(L, sizeof *box, 0);

	*box = (struct l_msg){ &key, NULL, false };
	luaL_setmetatable(L, L_MSG);
	box->msg = sip_msg_ref(msg);
	l_charge(L, msg->size);
}

struct sip_msg *l_check_msg(lua_State *L, int arg)
{
	const struct l_msg *box = check_box(L, arg);

	if (!box->msg)
		luaL_argerror(L, arg,
		              "the message is gone; msg:keep() would have held it");
	return box->msg;
}

struct sip_msg *l_peek_msg(lua_State *L, int arg)
{
	const struct l_msg *box = check_box(L, arg);

	return box->msg;
}

int l_msg_gone(lua_State *L)
{
	lua_pushnil(L);
	lua_pushstring(L, sip_err_name(SIP_EGONE));
	return 2;
}

static void release(lua_State *L, struct l_msg *box)
{
	struct sip_msg *msg = box->msg;

	box->msg = NULL;
	if (!msg)
		return;
	l_discharge(L, msg->size);
	sip_msg_unref(msg);
}

void l_release_msg(lua_State *L, int arg)
{
	struct l_msg *box = check_box(L, arg);

	if (!box->kept)
		release(L, box);
}

void l_push_refusal(lua_State *L, const struct sip_refusal *refusal)
{
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, (lua_Integer)refusal->at + 1);
	lua_setfield(L, -2, "at");
	lua_pushstring(L, refusal->why);
	lua_setfield(L, -2, "why");
	if (refusal->status) {
		lua_pushinteger(L, refusal->status);
		lua_setfield(L, -2, "status");
	}
}

/* --- the start line ------------------------------------------------------------- */

static int l_is_request(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	if (!msg)
		return l_msg_gone(L);
	lua_pushboolean(L, sip_msg_is_request(msg));
	return 1;
}

static int l_method(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	return msg ? l_push_opt(L, msg->method_name) : l_msg_gone(L);
}

static int l_uri(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	return msg ? l_push_opt(L, msg->uri) : l_msg_gone(L);
}

static int l_version(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	return msg ? l_push_opt(L, msg->version) : l_msg_gone(L);
}

static int l_status(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	if (!msg)
		return l_msg_gone(L);
	if (msg->status == 0)
		lua_pushnil(L);
	else
		lua_pushinteger(L, msg->status);
	return 1;
}

static int l_reason(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	if (!msg)
		return l_msg_gone(L);
	if (msg->status == 0)
		lua_pushnil(L);
	else
		l_push_str(L, msg->reason);
	return 1;
}

/* --- the whole ------------------------------------------------------------------ */

static int l_body(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	if (!msg)
		return l_msg_gone(L);
	l_push_str(L, msg->body);
	return 1;
}

static int l_bytes(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	if (!msg)
		return l_msg_gone(L);
	lua_pushlstring(L, msg->bytes, msg->len);
	return 1;
}

/* msg:source() -> ip, port, transport, flow: where it came from, and by which
 * connection or socket of ours | nil */
static int l_source(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);
	char text[SIP_ADDR_TEXT_MAX];

	if (!msg)
		return l_msg_gone(L);
	if (msg->path.transport == SIP_TRANSPORT_NONE)
		return 0;
	lua_pushlstring(L, text, sip_addr_write_host(&msg->path.remote, text, false));
	lua_pushinteger(L, msg->path.remote.port);
	l_push_str(L, sip_transport_info(msg->path.transport)->uri);
	lua_pushinteger(L, msg->path.id);
	return 4;
}

static int l_own(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);
	char text[SIP_ADDR_TEXT_MAX];

	if (!msg)
		return l_msg_gone(L);
	if (msg->path.transport == SIP_TRANSPORT_NONE)
		return 0;
	lua_pushlstring(L, text, sip_addr_write_host(&msg->path.local, text, false));
	return 1;
}

static int l_check(lua_State *L)
{
	struct sip_msg *msg = l_peek_msg(L, 1);
	struct sip_refusal refusal;

	if (!msg)
		return l_msg_gone(L);
	if (sip_msg_check(msg, &refusal) == SIP_OK) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushnil(L);
	l_push_refusal(L, &refusal);
	return 2;
}

static int l_keep(lua_State *L)
{
	struct l_msg *box = check_box(L, 1);

	if (!box->msg)
		return l_msg_gone(L);
	box->kept = true;
	lua_settop(L, 1);
	return 1;
}

static int l_kept(lua_State *L)
{
	const struct l_msg *box = check_box(L, 1);

	lua_pushboolean(L, box->msg && box->kept);
	return 1;
}

static int l_release(lua_State *L) /* __gc and __close too: idempotent */
{
	release(L, check_box(L, 1));
	return 0;
}

static int l_tostring(lua_State *L)
{
	const struct l_msg *box = check_box(L, 1);
	const struct sip_msg *msg = box->msg;

	if (!msg) {
		lua_pushliteral(L, L_MSG "{gone}");
	} else if (msg->version.len == 0) {
		lua_pushliteral(L, L_MSG "{headers}");
	} else if (sip_msg_is_request(msg)) {
		l_push_str(L, msg->method_name);
		l_push_str(L, msg->uri);
		lua_pushfstring(L, L_MSG "{%s %s}", lua_tostring(L, -2),
		                lua_tostring(L, -1));
	} else {
		l_push_str(L, msg->reason);
		lua_pushfstring(L, L_MSG "{%d %s}", (int)msg->status,
		                lua_tostring(L, -1));
	}
	return 1;
}

/* An empty box that holds its message until the collector comes. */
static struct l_msg *new_box(lua_State *L)
{
	struct l_msg *box = lua_newuserdatauv(L, sizeof *box, 0);

	*box = (struct l_msg){ &key, NULL, true };
	luaL_setmetatable(L, L_MSG);
	return box;
}

/* core.parse(bytes[, { datagram = true }]) -> Message | nil, refusal, Message?
 * The message comes with the refusal when it can be answered with its status. */
static int l_parse(lua_State *L)
{
	const sip_str bytes = l_check_str(L, 1);
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_refusal refusal;
	bool datagram = true;
	struct l_msg *box;
	sip_err err;

	lua_settop(L, 2);
	if (!lua_isnil(L, 2)) {
		luaL_checktype(L, 2, LUA_TTABLE);
		lua_getfield(L, 2, "datagram");
		datagram = lua_isnil(L, -1) || lua_toboolean(L, -1);
		lua_settop(L, 2);
	}
	lua_pushnil(L);
	box = new_box(L);
	err = sip_msg_parse(l_alloc(L), &limits, bytes, datagram, &box->msg, &refusal);
	if (err == SIP_ENOMEM)
		return luaL_error(L, "not enough memory");
	if (box->msg)
		l_charge(L, box->msg->size);
	if (err == SIP_OK)
		return 1;
	l_push_refusal(L, &refusal);
	if (!box->msg) {
		lua_remove(L, -2);
		return 2;
	}
	lua_insert(L, -2);
	return 3;
}

/* core.parse_fragment(bytes) -> Message | nil, refusal (RFC 3420) */
static int l_parse_fragment(lua_State *L)
{
	const sip_str bytes = l_check_str(L, 1);
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct l_msg *box = new_box(L);
	struct sip_refusal refusal;
	sip_err err;

	err = sip_msg_parse_fragment(l_alloc(L), &limits, bytes, &box->msg, &refusal);
	if (err == SIP_ENOMEM)
		return luaL_error(L, "not enough memory");
	if (err == SIP_OK) {
		l_charge(L, box->msg->size);
		return 1;
	}
	lua_pushnil(L);
	l_push_refusal(L, &refusal);
	return 2;
}

static const luaL_Reg methods[] = {
	{ "is_request", l_is_request },
	{ "method", l_method },
	{ "uri", l_uri },
	{ "version", l_version },
	{ "status", l_status },
	{ "reason", l_reason },
	{ "body", l_body },
	{ "bytes", l_bytes },
	{ "source", l_source },
	{ "own", l_own },
	{ "check", l_check },
	{ "keep", l_keep },
	{ "kept", l_kept },
	{ "release", l_release },
	{ NULL, NULL },
};

static const luaL_Reg metamethods[] = {
	{ "__gc", l_release },
	{ "__close", l_release },
	{ "__tostring", l_tostring },
	{ NULL, NULL },
};

void l_msg_open(lua_State *L)
{
	luaL_newmetatable(L, L_MSG);
	luaL_setfuncs(L, metamethods, 0);
	luaL_newlib(L, methods);
	l_header_methods(L);
	l_body_methods(L);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	lua_pushcfunction(L, l_parse);
	lua_setfield(L, -2, "parse");
	lua_pushcfunction(L, l_parse_fragment);
	lua_setfield(L, -2, "parse_fragment");
}

/* l_msg.c - Lua face of a message.
 *
 * The box holds one reference, until the collector comes, the script closes it, or the
 * dispatcher lets go of it after its handler; keep() says that the script wants it for
 * longer.  Strings are made when asked for; a message never becomes a table.
 */
#include "bind/l_msg.h"

#include <lauxlib.h>

#include "bind/l_heap.h"
#include "bind/l_str.h"
#include "bind/l_uri.h"

#define L_MSG "sip.Message"

struct l_msg {
	struct sip_msg *msg; /* owned reference; NULL once released */
	bool kept;
};

void l_push_msg(lua_State *L, struct sip_msg *msg)
{
	struct l_msg *box = lua_newuserdatauv(L, sizeof *box, 0);

	*box = (struct l_msg){ NULL, false };
	luaL_setmetatable(L, L_MSG);
	box->msg = sip_msg_ref(msg);
	l_charge(L, msg->size);
}

struct sip_msg *l_check_msg(lua_State *L, int arg)
{
	const struct l_msg *box = luaL_checkudata(L, arg, L_MSG);

	if (!box->msg)
		luaL_argerror(L, arg,
		              "the message is gone; msg:keep() would have held it");
	return box->msg;
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
	struct l_msg *box = luaL_checkudata(L, arg, L_MSG);

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

/* The message of a method, or NULL when it is gone. */
static struct sip_msg *self(lua_State *L)
{
	const struct l_msg *box = luaL_checkudata(L, 1, L_MSG);

	return box->msg;
}

static int gone(lua_State *L)
{
	lua_pushnil(L);
	lua_pushstring(L, sip_err_name(SIP_EGONE));
	return 2;
}

static void push_value(lua_State *L, sip_str value, bool folded)
{
	luaL_Buffer buffer;
	char *out;

	if (!folded) {
		l_push_str(L, value);
		return;
	}
	out = luaL_buffinitsize(L, &buffer, value.len);
	luaL_pushresultsize(&buffer, sip_unfold(value, out));
}

static void push_header(lua_State *L, const struct sip_msg *msg, unsigned at)
{
	const struct sip_header *header = &msg->headers[at];

	push_value(L, sip_header_value(msg, header), header->folded);
}

/* --- the start line ------------------------------------------------------------------
 */

static int l_is_request(lua_State *L)
{
	const struct sip_msg *msg = self(L);

	if (!msg)
		return gone(L);
	lua_pushboolean(L, sip_msg_is_request(msg));
	return 1;
}

static int l_method(lua_State *L)
{
	const struct sip_msg *msg = self(L);

	return msg ? l_push_opt(L, msg->method_name) : gone(L);
}

static int l_uri(lua_State *L)
{
	const struct sip_msg *msg = self(L);

	return msg ? l_push_opt(L, msg->uri) : gone(L);
}

static int l_version(lua_State *L)
{
	const struct sip_msg *msg = self(L);

	return msg ? l_push_opt(L, msg->version) : gone(L);
}

static int l_status(lua_State *L)
{
	const struct sip_msg *msg = self(L);

	if (!msg)
		return gone(L);
	if (sip_msg_is_request(msg))
		lua_pushnil(L);
	else
		lua_pushinteger(L, msg->status);
	return 1;
}

static int l_reason(lua_State *L)
{
	const struct sip_msg *msg = self(L);

	if (!msg)
		return gone(L);
	if (sip_msg_is_request(msg))
		lua_pushnil(L);
	else
		l_push_str(L, msg->reason);
	return 1;
}

/* --- headers by name
 * -------------------------------------------------------------------- */

static int l_header(lua_State *L)
{
	const struct sip_msg *msg = self(L);
	const sip_str name = l_check_str(L, 2);
	lua_Integer want = luaL_optinteger(L, 3, 1);
	enum sip_header_id id;
	unsigned at;

	if (!msg)
		return gone(L);
	id = sip_header_find(name);
	for (at = 0; at < msg->header_count; at++) {
		at = sip_msg_find(msg, id, name, at);
		if (at < msg->header_count && --want == 0) {
			push_header(L, msg, at);
			return 1;
		}
	}
	lua_pushnil(L);
	return 1;
}

static int l_values(lua_State *L)
{
	const struct sip_msg *msg = self(L);
	const sip_str name = l_check_str(L, 2);
	struct sip_values values;
	lua_Integer n = 0;
	sip_str value;

	if (!msg)
		return gone(L);
	lua_newtable(L);
	sip_values_init_named(&values, msg, name);
	while (sip_values_next(&values, &value)) {
		push_value(L, value, msg->headers[values.at - 1].folded);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

static int next_field(lua_State *L)
{
	const struct l_msg *box = luaL_checkudata(L, lua_upvalueindex(1), L_MSG);
	const unsigned at = (unsigned)lua_tointeger(L, lua_upvalueindex(2));
	const struct sip_header *header;

	if (!box->msg || at >= box->msg->header_count)
		return 0;
	lua_pushinteger(L, (lua_Integer)at + 1);
	lua_replace(L, lua_upvalueindex(2));
	header = &box->msg->headers[at];
	lua_pushlstring(L, box->msg->bytes + header->name_at, header->name_len);
	push_header(L, box->msg, at);
	return 2;
}

static int l_fields(lua_State *L)
{
	luaL_checkudata(L, 1, L_MSG);
	lua_settop(L, 1);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_field, 2);
	return 1;
}

static int l_has_token(lua_State *L)
{
	const struct sip_msg *msg = self(L);
	const sip_str name = l_check_str(L, 2), token = l_check_str(L, 3);
	struct sip_values values;
	bool found = false;
	sip_str value;

	if (!msg)
		return gone(L);
	sip_values_init_named(&values, msg, name);
	while (!found && sip_values_next(&values, &value))
		found = sip_str_ieq(value, token);
	lua_pushboolean(L, found);
	return 1;
}

/* --- typed headers
 * ------------------------------------------------------------------------ */

static int l_call_id(lua_State *L)
{
	const struct sip_msg *msg = self(L);

	return msg ? l_push_opt(L, sip_msg_call_id(msg)) : gone(L);
}

static int l_cseq(lua_State *L)
{
	struct sip_msg *msg = self(L);
	const struct sip_cseq *cseq = msg ? sip_msg_cseq(msg) : NULL;

	if (!msg)
		return gone(L);
	if (!cseq)
		return 0;
	lua_pushinteger(L, cseq->number);
	l_push_str(L, cseq->method_name);
	return 2;
}

typedef const struct sip_name_addr *address_getter(struct sip_msg *msg);

/* One part of From, To or Contact. */
static int push_part(lua_State *L, address_getter *get, size_t part)
{
	struct sip_msg *msg = self(L);
	const struct sip_name_addr *addr = msg ? get(msg) : NULL;

	if (!msg)
		return gone(L);
	if (!addr) {
		lua_pushnil(L);
		return 1;
	}
	return l_push_opt(L,
	                  *(const sip_str *)(const void *)((const char *)addr + part));
}

#define PART(getter, part) push_part(L, getter, offsetof(struct sip_name_addr, part))

static int l_from_tag(lua_State *L)
{
	return PART(sip_msg_from, tag);
}

static int l_to_tag(lua_State *L)
{
	return PART(sip_msg_to, tag);
}

static int l_from_uri(lua_State *L)
{
	return PART(sip_msg_from, uri);
}

static int l_to_uri(lua_State *L)
{
	return PART(sip_msg_to, uri);
}

static int l_contact_uri(lua_State *L)
{
	return PART(sip_msg_contact, uri);
}

static int push_display(lua_State *L, address_getter *get)
{
	struct sip_msg *msg = self(L);
	const struct sip_name_addr *addr = msg ? get(msg) : NULL;

	if (!msg)
		return gone(L);
	if (addr)
		l_push_display(L, addr);
	else
		lua_pushnil(L);
	return 1;
}

static int l_from_display(lua_State *L)
{
	return push_display(L, sip_msg_from);
}

static int l_to_display(lua_State *L)
{
	return push_display(L, sip_msg_to);
}

static int l_branch(lua_State *L)
{
	struct sip_msg *msg = self(L);
	const struct sip_via *via = msg ? sip_msg_via(msg) : NULL;

	if (!msg)
		return gone(L);
	return l_push_opt(L, via ? via->branch : sip_str_of(NULL, 0));
}

static int push_number(lua_State *L, int64_t number)
{
	if (number < 0)
		lua_pushnil(L);
	else
		lua_pushinteger(L, (lua_Integer)number);
	return 1;
}

static int l_max_forwards(lua_State *L)
{
	struct sip_msg *msg = self(L);

	return msg ? push_number(L, sip_msg_max_forwards(msg)) : gone(L);
}

static int l_expires(lua_State *L)
{
	struct sip_msg *msg = self(L);

	return msg ? push_number(L, sip_msg_expires(msg)) : gone(L);
}

/* The `want`-th value of a header over all its lines. */
static bool find_value(const struct sip_msg *msg, sip_str name, lua_Integer want,
                       sip_str *value)
{
	struct sip_values values;

	sip_values_init_named(&values, msg, name);
	while (sip_values_next(&values, value)) {
		if (--want == 0)
			return true;
	}
	return false;
}

static int l_via(lua_State *L)
{
	const struct sip_msg *msg = self(L);
	const lua_Integer want = luaL_optinteger(L, 2, 1);
	struct sip_fault fault;
	struct sip_via via;
	sip_str value;

	if (!msg)
		return gone(L);
	if (!find_value(msg, SIP_STR("Via"), want, &value))
		return 0;
	if (sip_via_parse(value, &via, &fault) == SIP_OK) {
		l_push_via(L, &via);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, fault.why);
	return 2;
}

static int l_name_addr(lua_State *L)
{
	const struct sip_msg *msg = self(L);
	const sip_str name = l_check_str(L, 2);
	const lua_Integer want = luaL_optinteger(L, 3, 1);
	struct sip_name_addr addr;
	struct sip_fault fault;
	sip_str value;

	if (!msg)
		return gone(L);
	if (!find_value(msg, name, want, &value))
		return 0;
	if (sip_name_addr_parse(value, &addr, &fault) == SIP_OK) {
		l_push_name_addr(L, &addr);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, fault.why);
	return 2;
}

/* --- the whole
 * ------------------------------------------------------------------------------ */

static int l_body(lua_State *L)
{
	const struct sip_msg *msg = self(L);

	if (!msg)
		return gone(L);
	l_push_str(L, msg->body);
	return 1;
}

static int l_bytes(lua_State *L)
{
	const struct sip_msg *msg = self(L);

	if (!msg)
		return gone(L);
	lua_pushlstring(L, msg->bytes, msg->len);
	return 1;
}

/* msg:source() -> ip, port, transport: where it came from | nil */
static int l_source(lua_State *L)
{
	const struct sip_msg *msg = self(L);
	char text[SIP_ADDR_TEXT_MAX];

	if (!msg)
		return gone(L);
	if (msg->path.transport == SIP_TRANSPORT_NONE)
		return 0;
	lua_pushlstring(L, text, sip_addr_write_host(&msg->path.remote, text, false));
	lua_pushinteger(L, msg->path.remote.port);
	l_push_str(L, sip_transport_info(msg->path.transport)->uri);
	return 3;
}

static int l_check(lua_State *L)
{
	struct sip_msg *msg = self(L);
	struct sip_refusal refusal;

	if (!msg)
		return gone(L);
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
	struct l_msg *box = luaL_checkudata(L, 1, L_MSG);

	if (!box->msg)
		return gone(L);
	box->kept = true;
	lua_settop(L, 1);
	return 1;
}

static int l_kept(lua_State *L)
{
	const struct l_msg *box = luaL_checkudata(L, 1, L_MSG);

	lua_pushboolean(L, box->msg && box->kept);
	return 1;
}

static int l_release(lua_State *L) /* __gc and __close too: idempotent */
{
	release(L, luaL_checkudata(L, 1, L_MSG));
	return 0;
}

static int l_tostring(lua_State *L)
{
	const struct l_msg *box = luaL_checkudata(L, 1, L_MSG);
	const struct sip_msg *msg = box->msg;

	if (!msg) {
		lua_pushliteral(L, L_MSG "{gone}");
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
	box = lua_newuserdatauv(L, sizeof *box, 0);
	*box = (struct l_msg){ NULL, true };
	luaL_setmetatable(L, L_MSG);
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

static const luaL_Reg methods[] = {
	{ "is_request", l_is_request },
	{ "method", l_method },
	{ "uri", l_uri },
	{ "version", l_version },
	{ "status", l_status },
	{ "reason", l_reason },
	{ "header", l_header },
	{ "values", l_values },
	{ "fields", l_fields },
	{ "has_token", l_has_token },
	{ "call_id", l_call_id },
	{ "cseq", l_cseq },
	{ "from_tag", l_from_tag },
	{ "to_tag", l_to_tag },
	{ "from_uri", l_from_uri },
	{ "to_uri", l_to_uri },
	{ "from_display", l_from_display },
	{ "to_display", l_to_display },
	{ "contact_uri", l_contact_uri },
	{ "branch", l_branch },
	{ "max_forwards", l_max_forwards },
	{ "expires", l_expires },
	{ "via", l_via },
	{ "name_addr", l_name_addr },
	{ "body", l_body },
	{ "bytes", l_bytes },
	{ "source", l_source },
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
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	lua_pushcfunction(L, l_parse);
	lua_setfield(L, -2, "parse");
}

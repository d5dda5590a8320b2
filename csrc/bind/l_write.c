/* l_write.c - messages out of Lua tables.
 *
 * A message is written into a buffer on the C stack; one that is larger is written
 * again into a buffer of the size that the first attempt has counted.
 */
#include "bind/l_write.h"

#include <lauxlib.h>

#include "bind/l_msg.h"
#include "bind/l_str.h"
#include "msg/reason.h"

enum { FIRST_CAP = 2048 };

/* --- reading tables ------------------------------------------------------------------
 */

sip_str l_opt_field(lua_State *L, int table, const char *key)
{
	sip_str s = sip_str_of("", 0);

	if (lua_getfield(L, table, key) != LUA_TNIL) {
		if (lua_type(L, -1) != LUA_TSTRING)
			luaL_error(L, "'%s' is not a string", key);
		s.p = lua_tolstring(L, -1, &s.len);
	}
	lua_pop(L, 1);
	return s;
}

sip_str l_check_field(lua_State *L, int table, const char *key)
{
	const sip_str s = l_opt_field(L, table, key);

	if (s.len == 0)
		luaL_error(L, "'%s' is missing", key);
	return s;
}

unsigned l_check_fields(lua_State *L, int table, const char *key,
                        const struct sip_field **fields)
{
	struct sip_field *list;
	size_t count;
	int flat;

	*fields = NULL;
	if (lua_getfield(L, table, key) == LUA_TNIL)
		return 0;
	if (!lua_istable(L, -1))
		luaL_error(L, "'%s' is not a list of names and values", key);
	flat = lua_gettop(L);
	count = lua_rawlen(L, flat);
	if (count % 2 != 0)
		luaL_error(L, "'%s' has a name without a value", key);
	list = lua_newuserdatauv(L, (count / 2 + 1) * sizeof *list, 0);
	for (size_t i = 0; i < count; i++) {
		sip_str *s = i % 2 ? &list[i / 2].value : &list[i / 2].name;

		if (lua_rawgeti(L, flat, (lua_Integer)i + 1) != LUA_TSTRING)
			luaL_error(L, "'%s' holds something that is not a string", key);
		s->p = lua_tolstring(L, -1, &s->len);
		lua_pop(L, 1);
	}
	lua_remove(L, flat);
	*fields = list;
	return (unsigned)(count / 2);
}

static uint16_t opt_number(lua_State *L, int table, const char *key)
{
	lua_Integer number = 0;
	int is_number = 1;

	if (lua_getfield(L, table, key) != LUA_TNIL)
		number = lua_tointegerx(L, -1, &is_number);
	if (!is_number || number < 0 || number > UINT16_MAX)
		luaL_error(L, "'%s' is not a number in range", key);
	lua_pop(L, 1);
	return (uint16_t)number;
}

static bool opt_flag(lua_State *L, int table, const char *key)
{
	bool flag;

	lua_getfield(L, table, key);
	flag = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return flag;
}

/* --- writing
 * ----------------------------------------------------------------------------- */

typedef void write_function(struct sip_out *out, const void *arg);

/* Push what `writer` writes, or raise with its refusal. */
static int push_written(lua_State *L, write_function *writer, const void *arg)
{
	char first[FIRST_CAP];
	struct sip_out out;
	luaL_Buffer buffer;
	size_t len;

	sip_out_init(&out, first, sizeof first);
	writer(&out, arg);
	if (out.why)
		return luaL_error(L, "refused: %s", out.why);
	len = out.len;
	if (len <= sizeof first) {
		lua_pushlstring(L, first, len);
		return 1;
	}
	sip_out_init(&out, luaL_buffinitsize(L, &buffer, len), len);
	writer(&out, arg);
	luaL_pushresultsize(&buffer, out.len);
	return 1;
}

struct response {
	struct sip_msg *req;
	struct sip_response_spec spec;
};

static void write_response(struct sip_out *out, const void *arg)
{
	const struct response *response = arg;

	sip_write_response(out, response->req, &response->spec);
}

/* core.write_response(request, { status, reason, tag, received, rport, record_route,
 * headers, body }) -> bytes */
static int l_write_response(lua_State *L)
{
	struct response response = { .req = l_check_msg(L, 1) };
	struct sip_response_spec *spec = &response.spec;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	spec->status = opt_number(L, 2, "status");
	spec->reason = l_opt_field(L, 2, "reason");
	spec->to_tag = l_opt_field(L, 2, "tag");
	spec->received = l_opt_field(L, 2, "received");
	spec->rport = opt_number(L, 2, "rport");
	spec->record_route = opt_flag(L, 2, "record_route");
	spec->body = l_opt_field(L, 2, "body");
	spec->field_count = l_check_fields(L, 2, "headers", &spec->fields);
	return push_written(L, write_response, &response);
}

struct request {
	struct sip_request_spec spec;
	sip_str via; /* the value of one line, empty: none */
};

static void write_request(struct sip_out *out, const void *arg)
{
	const struct request *request = arg;
	struct sip_request_spec spec = request->spec;
	size_t via_at, len;

	sip_write_request(out, &spec, &via_at);
	if (request->via.len == 0)
		return;
	/* Behind the request line, where the stack puts one too. */
	len = request->via.len + sizeof "Via: \r\n" - 1;
	if (sip_str_breaks_lines(request->via))
		out->why = "Via with CR, LF or NUL";
	if (out->len + len <= out->cap) {
		memmove(out->p + via_at + len, out->p + via_at, out->len - via_at);
		memcpy(out->p + via_at, "Via: ", 5);
		memcpy(out->p + via_at + 5, request->via.p, request->via.len);
		memcpy(out->p + via_at + len - 2, "\r\n", 2);
	}
	out->len += len;
}

/* core.write_request { method, uri, headers, raw, body, via } -> bytes; `via` is the
 * value of the topmost Via */
static int l_write_request(lua_State *L)
{
	struct request request = { 0 };
	struct sip_request_spec *spec = &request.spec;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	spec->method = l_check_field(L, 1, "method");
	spec->uri = l_check_field(L, 1, "uri");
	spec->raw = l_opt_field(L, 1, "raw");
	spec->body = l_opt_field(L, 1, "body");
	request.via = l_opt_field(L, 1, "via");
	spec->field_count = l_check_fields(L, 1, "headers", &spec->fields);
	return push_written(L, write_request, &request);
}

struct follower {
	struct sip_msg *invite, *response;
};

static void write_ack(struct sip_out *out, const void *arg)
{
	const struct follower *follower = arg;

	sip_write_ack(out, follower->invite, follower->response);
}

static void write_cancel(struct sip_out *out, const void *arg)
{
	const struct follower *follower = arg;

	sip_write_cancel(out, follower->invite);
}

/* core.write_ack(invite, response) -> bytes: the ACK to a 300-699 (17.1.1.3) */
static int l_write_ack(lua_State *L)
{
	const struct follower follower = { l_check_msg(L, 1), l_check_msg(L, 2) };

	return push_written(L, write_ack, &follower);
}

/* core.write_cancel(invite) -> bytes (9.1) */
static int l_write_cancel(lua_State *L)
{
	const struct follower follower = { l_check_msg(L, 1), NULL };

	return push_written(L, write_cancel, &follower);
}

static void write_fragment(struct sip_out *out, const void *arg)
{
	sip_write_fragment(out, arg);
}

/* core.write_fragment { method, uri, status, reason, headers, body } -> bytes */
static int l_write_fragment(lua_State *L)
{
	struct sip_fragment_spec spec = { 0 };

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	spec.method = l_opt_field(L, 1, "method");
	spec.uri = l_opt_field(L, 1, "uri");
	spec.status = opt_number(L, 1, "status");
	spec.reason = l_opt_field(L, 1, "reason");
	spec.body = l_opt_field(L, 1, "body");
	spec.field_count = l_check_fields(L, 1, "headers", &spec.fields);
	return push_written(L, write_fragment, &spec);
}

/* core.reason_phrase(status) -> text */
static int l_reason_phrase(lua_State *L)
{
	const lua_Integer status = luaL_checkinteger(L, 1);

	luaL_argcheck(L, status >= 100 && status <= 699, 1, "not one of 100 to 699");
	l_push_str(L, sip_reason_phrase((unsigned)status));
	return 1;
}

static const luaL_Reg functions[] = {
	{ "write_response", l_write_response },
	{ "write_request", l_write_request },
	{ "write_ack", l_write_ack },
	{ "write_cancel", l_write_cancel },
	{ "write_fragment", l_write_fragment },
	{ "reason_phrase", l_reason_phrase },
	{ NULL, NULL },
};

void l_write_open(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
}

/* l_test_msg.c - what specs see of msg below its Lua face: framing, the header map, and
 * parsing that is short of memory. */
#include <lauxlib.h>

#include "bind/l_str.h"
#include "bind/l_test.h"
#include "msg/frame.h"

/* Cut everything off the front of `text` that `frame` gives, and append a row for each
 * to the table at `rows`.  Gives what is left, or an empty string behind a fault. */
static sip_str cut(lua_State *L, struct sip_frame *frame, sip_str text, int rows)
{
	static const char *const names[] = { "message", "ping", "pong" };
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_refusal refusal = { 0 };
	enum sip_frame_kind kind;
	size_t len;

	for (;;) {
		const sip_err err =
			sip_frame_feed(frame, &limits, text, &kind, &len, &refusal);

		if (err == SIP_EMORE)
			return text;
		lua_newtable(L);
		lua_pushstring(L, err ? sip_err_name(err) : names[kind]);
		lua_rawseti(L, -2, 1);
		lua_pushlstring(L, text.p, len);
		lua_rawseti(L, -2, 2);
		if (err) {
			lua_pushstring(L, refusal.why);
			lua_rawseti(L, -2, 3);
		}
		lua_rawseti(L, rows, (lua_Integer)lua_rawlen(L, rows) + 1);
		if (err)
			return sip_str_of("", 0);
		text = sip_str_of(text.p + len, text.len - len);
	}
}

/* frames { piece, piece ... } -> { { kind, bytes, why? } ... }, bytes that are left */
static int l_frames(lua_State *L)
{
	struct sip_frame frame = { 0 };
	lua_Integer count;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	count = (lua_Integer)lua_rawlen(L, 1);
	lua_newtable(L);
	lua_pushliteral(L, ""); /* 3: what has come and is not used */
	for (lua_Integer i = 1; i <= count; i++) {
		sip_str text;

		lua_rawgeti(L, 1, i);
		lua_concat(L, 2);
		text.p = luaL_checklstring(L, 3, &text.len);
		l_push_str(L, cut(L, &frame, text, 2));
		lua_replace(L, 3);
	}
	return 2;
}

/* headers() -> { { name, compact or nil, kind } ... } */
static int l_headers(lua_State *L)
{
	static const struct {
		const char *name;
		char compact;
		const char *kind;
	} rows[] = {
#define ROW(id, name, compact, kind) { name, compact, #kind },
		SIP_HEADER_MAP(ROW)
#undef ROW
	};

	lua_newtable(L);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		lua_createtable(L, 3, 0);
		lua_pushstring(L, rows[i].name);
		lua_rawseti(L, -2, 1);
		if (rows[i].compact) {
			lua_pushlstring(L, &rows[i].compact, 1);
			lua_rawseti(L, -2, 2);
		}
		lua_pushstring(L, rows[i].kind);
		lua_rawseti(L, -2, 3);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* header_name(any form) -> long form | nil */
static int l_header_name(lua_State *L)
{
	size_t len;
	const char *p = luaL_checklstring(L, 1, &len);
	const enum sip_header_id id = sip_header_find(sip_str_of(p, len));

	if (id == SIP_H_OTHER)
		lua_pushnil(L);
	else
		l_push_str(L, sip_header_name(id));
	return 1;
}

/* parse_failing(bytes, n) -> name of the error, allocations made, blocks left: the n-th
 * allocation fails (0: none does) */
static int l_parse_failing(lua_State *L)
{
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_failing_alloc failing;
	struct sip_refusal refusal;
	struct sip_alloc under;
	struct sip_msg *msg;
	sip_str bytes;
	sip_err err;

	bytes.p = luaL_checklstring(L, 1, &bytes.len);
	sip_alloc_init(&under);
	sip_failing_alloc_init(&failing, &under);
	failing.fail_at = (uint64_t)luaL_checkinteger(L, 2);
	err = sip_msg_parse(&failing.alloc, &limits, bytes, true, &msg, &refusal);
	sip_msg_unref(msg);
	lua_pushstring(L, sip_err_name(err));
	lua_pushinteger(L, (lua_Integer)failing.calls);
	lua_pushinteger(L, (lua_Integer)under.count);
	return 3;
}

static const luaL_Reg functions[] = {
	{ "frames", l_frames },
	{ "headers", l_headers },
	{ "header_name", l_header_name },
	{ "parse_failing", l_parse_failing },
	{ NULL, NULL },
};

int l_test_msg(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}

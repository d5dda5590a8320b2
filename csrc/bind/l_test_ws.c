/* l_test_ws.c - what specs see of the WebSocket codecs: frames both ways, and the heads
 * of the handshake. */
#include <lauxlib.h>
#include <string.h>

#include "bind/l_str.h"
#include "bind/l_test.h"
#include "msg/upgrade.h"
#include "msg/ws.h"

static void add_row(lua_State *L, int rows, const char *kind, sip_str bytes, int number)
{
	lua_newtable(L);
	lua_pushstring(L, kind);
	lua_rawseti(L, -2, 1);
	l_push_str(L, bytes);
	lua_rawseti(L, -2, 2);
	if (number > 0) {
		lua_pushinteger(L, number);
		lua_rawseti(L, -2, 3);
	}
	lua_rawseti(L, rows, (lua_Integer)lua_rawlen(L, rows) + 1);
}

static const char *kind_of(enum sip_ws_opcode opcode)
{
	static const char *const names[] = {
		[SIP_WS_TEXT] = "text",   [SIP_WS_BINARY] = "binary",
		[SIP_WS_CLOSE] = "close", [SIP_WS_PING] = "ping",
		[SIP_WS_PONG] = "pong",
	};

	return names[opcode];
}

/* Feed one piece; false: the stream has been refused, which is its last row. */
static bool feed(lua_State *L, struct sip_ws *ws, const struct sip_limits *limits,
                 sip_str piece, int rows)
{
	while (piece.len > 0) {
		struct sip_refusal refusal = { 0 };
		struct sip_ws_item item = { 0 };
		const sip_err err = sip_ws_feed(ws, limits, &piece, &item, &refusal);

		if (err == SIP_EMORE)
			continue;
		if (err != SIP_OK) {
			add_row(L, rows, sip_err_name(err),
			        sip_str_of(refusal.why, strlen(refusal.why)),
			        refusal.status);
			return false;
		}
		add_row(L, rows, kind_of(item.opcode), item.bytes, item.code);
	}
	return true;
}

/* frames({ piece ... }, from_client[, message_bytes]) -> { { kind, bytes, code? } ...
 * }, whether something has begun, blocks that are held.  The last row may be an error:
 * { its name, why, code }. */
static int l_frames(lua_State *L)
{
	struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_alloc alloc;
	struct sip_ws ws;
	lua_Integer count;
	bool going = true;

	luaL_checktype(L, 1, LUA_TTABLE);
	limits.message_bytes = (uint32_t)luaL_optinteger(L, 3, limits.message_bytes);
	count = (lua_Integer)lua_rawlen(L, 1);
	lua_settop(L, 2);
	lua_newtable(L);
	sip_alloc_init(&alloc);
	sip_ws_init(&ws, &alloc, lua_toboolean(L, 2));
	for (lua_Integer i = 1; going && i <= count; i++) {
		lua_rawgeti(L, 1, i);
		going = feed(L, &ws, &limits, l_check_str(L, -1), 3);
		lua_pop(L, 1);
	}
	lua_pushboolean(L, sip_ws_is_within(&ws));
	lua_pushinteger(L, (lua_Integer)alloc.count);
	sip_ws_fini(&ws);
	if (alloc.count != 0)
		return luaL_error(L, "the reader has kept memory");
	return 3;
}

/* frame(opcode, bytes[, mask]) -> a whole frame, whatever it says */
static int l_frame(lua_State *L)
{
	const enum sip_ws_opcode opcode = (enum sip_ws_opcode)luaL_checkinteger(L, 1);
	const sip_str bytes = l_check_str(L, 2);
	uint8_t mask[4] = { 0 };
	const bool masked = !lua_isnoneornil(L, 3);
	char head[SIP_WS_HEAD_MAX];
	luaL_Buffer out;
	char *payload;
	size_t len;

	if (masked) {
		luaL_argcheck(L, l_check_str(L, 3).len == 4, 3, "four bytes");
		memcpy(mask, l_check_str(L, 3).p, 4);
	}
	len = sip_ws_write_head(head, opcode, bytes.len, masked ? mask : NULL);
	payload = luaL_buffinitsize(L, &out, len + bytes.len + 1);
	memcpy(payload, head, len);
	sip_ws_mask(payload + len, bytes, mask, 0);
	luaL_pushresultsize(&out, len + bytes.len);
	return 1;
}

/* is_utf8({ piece ... }) */
static int l_is_utf8(lua_State *L)
{
	struct sip_utf8 utf8 = { 0 };
	bool ok = true;

	luaL_checktype(L, 1, LUA_TTABLE);
	for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, 1); i++) {
		lua_rawgeti(L, 1, i);
		ok = ok && sip_utf8_feed(&utf8, l_check_str(L, -1));
		lua_pop(L, 1);
	}
	lua_pushboolean(L, ok && utf8.left == 0);
	return 1;
}

static int push_refusal(lua_State *L, sip_err err, const struct sip_refusal *refusal)
{
	lua_pushnil(L);
	if (err == SIP_EMORE)
		return 1;
	lua_pushinteger(L, refusal->status);
	lua_pushstring(L, refusal->why);
	return 3;
}

static void set_str(lua_State *L, const char *name, sip_str value)
{
	l_push_str(L, value);
	lua_setfield(L, -2, name);
}

/* The head that the pieces at 1 begin with; what has come of them is left at the top.
 */
static sip_err find(lua_State *L, enum sip_upgrade_side side, sip_str *head,
                    struct sip_refusal *refusal)
{
	sip_err err = SIP_EMORE;
	uint32_t seen = 0;
	size_t len = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushliteral(L, "");
	for (lua_Integer i = 1; err == SIP_EMORE && i <= (lua_Integer)lua_rawlen(L, 1);
	     i++) {
		lua_rawgeti(L, 1, i);
		lua_concat(L, 2);
		err = sip_upgrade_find(side, &seen, l_check_str(L, -1), &len, refusal);
	}
	*head = sip_str_of(l_check_str(L, -1).p, len);
	return err;
}

/* request { piece ... } -> { host, target, origin, cookie, key, head, same_host } | nil
 * (not complete) | nil, status, why */
static int l_request(lua_State *L)
{
	struct sip_refusal refusal = { 0 };
	struct sip_upgrade upgrade;
	sip_str head;
	sip_err err = find(L, SIP_UPGRADE_SERVER, &head, &refusal);

	if (err == SIP_OK)
		err = sip_upgrade_read_request(head, &upgrade, &refusal);
	if (err != SIP_OK)
		return push_refusal(L, err, &refusal);
	lua_newtable(L);
	set_str(L, "host", upgrade.host);
	set_str(L, "origin", upgrade.said.origin);
	set_str(L, "target", upgrade.said.target);
	set_str(L, "cookie", upgrade.said.cookie);
	set_str(L, "key", upgrade.key);
	set_str(L, "head", head);
	lua_pushboolean(L, sip_upgrade_is_same_host(&upgrade));
	lua_setfield(L, -2, "same_host");
	return 1;
}

/* response({ piece ... }, accept) -> head | nil | nil, status, why */
static int l_response(lua_State *L)
{
	const sip_str accept = l_check_str(L, 2);
	struct sip_refusal refusal = { 0 };
	sip_str head;
	sip_err err = find(L, SIP_UPGRADE_CLIENT, &head, &refusal);

	if (err == SIP_OK)
		err = sip_upgrade_read_response(head, accept, &refusal);
	if (err != SIP_OK)
		return push_refusal(L, err, &refusal);
	l_push_str(L, head);
	return 1;
}

static int push_out(lua_State *L, const struct sip_out *out)
{
	if (sip_out_end(out) != SIP_OK)
		return luaL_error(L, "%s", out->why ? out->why : "too long");
	lua_pushlstring(L, out->p, out->len);
	return 1;
}

/* write_request(target, host, key), write_accept(accept), write_refusal(status, why)
 * -> head */
static int l_write_request(lua_State *L)
{
	char text[SIP_UPGRADE_OUT_MAX];
	struct sip_out out;

	sip_out_init(&out, text, sizeof text);
	sip_upgrade_write_request(&out, l_check_str(L, 1), l_check_str(L, 2),
	                          l_check_str(L, 3));
	return push_out(L, &out);
}

static int l_write_accept(lua_State *L)
{
	char text[SIP_UPGRADE_OUT_MAX];
	struct sip_out out;

	sip_out_init(&out, text, sizeof text);
	sip_upgrade_write_accept(&out, l_check_str(L, 1));
	return push_out(L, &out);
}

static int l_write_refusal(lua_State *L)
{
	const struct sip_refusal refusal = { .status =
		                                     (uint16_t)luaL_checkinteger(L, 1),
		                             .why = luaL_checkstring(L, 2) };
	char text[SIP_UPGRADE_OUT_MAX];
	struct sip_out out;

	sip_out_init(&out, text, sizeof text);
	sip_upgrade_write_refusal(&out, &refusal);
	return push_out(L, &out);
}

static const luaL_Reg functions[] = {
	{ "frames", l_frames },
	{ "frame", l_frame },
	{ "is_utf8", l_is_utf8 },
	{ "request", l_request },
	{ "response", l_response },
	{ "write_request", l_write_request },
	{ "write_accept", l_write_accept },
	{ "write_refusal", l_write_refusal },
	{ NULL, NULL },
};

int l_test_ws(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}

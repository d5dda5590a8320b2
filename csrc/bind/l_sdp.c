/* l_sdp.c - session descriptions as plain Lua tables.
 *
 * A description is small, rare and wanted whole, so it does become a table, unlike
 * a message.  l_sdp_write.c writes it back.  Nothing here owns anything outside Lua:
 * any step may raise.  lua/sip/meta/sdp.lua names the fields.
 */
#include "bind/l_sdp.h"

#include "base/addr.h"
#include "bind/l_msg.h"
#include "bind/l_option.h"
#include "msg/message.h"
#include "msg/sdp.h"

#include <lauxlib.h>

static void set_str(lua_State *L, const char *key, sip_str s)
{
	lua_pushlstring(L, s.p, s.len);
	lua_setfield(L, -2, key);
}

static void set_int(lua_State *L, const char *key, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, key);
}

/* --- parse ------------------------------------------------------------------------ */

/* Push the list `key` of the table at `at`, made when it is not there. */
static void push_list(lua_State *L, int at, const char *key)
{
	if (lua_getfield(L, at, key) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, at, key);
}

/* Pop a value and append it to the list below it, which is popped too. */
static void append(lua_State *L)
{
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 1);
}

static void append_str(lua_State *L, int at, const char *key, sip_str s)
{
	push_list(L, at, key);
	lua_pushlstring(L, s.p, s.len);
	append(L);
}

static void take_origin(lua_State *L, int at, const struct sip_sdp_origin *o)
{
	lua_createtable(L, 0, 6);
	set_str(L, "user", o->user);
	set_str(L, "id", o->id);
	set_str(L, "version", o->version);
	set_str(L, "net", o->net);
	set_str(L, "addr_type", o->addr_type);
	set_str(L, "address", o->address);
	lua_setfield(L, at, "origin");
}

/* The first one of a level is its connection; more of them (a media may have one
 * per layer, RFC 8866 5.7) are other_connections. */
static void take_connection(lua_State *L, int at, const struct sip_sdp_connection *c)
{
	const bool first = lua_getfield(L, at, "connection") == LUA_TNIL;

	lua_pop(L, 1);
	if (!first)
		push_list(L, at, "other_connections");
	lua_createtable(L, 0, 5);
	set_str(L, "net", c->net);
	set_str(L, "addr_type", c->addr_type);
	set_str(L, "address", c->address);
	if (c->ttl > 0)
		set_int(L, "ttl", c->ttl);
	if (c->count > 0)
		set_int(L, "count", c->count);
	if (first)
		lua_setfield(L, at, "connection");
	else
		append(L);
}

static void take_pair(lua_State *L, int at, const char *list, const char *first,
                      const char *second, const struct sip_sdp_pair *pair)
{
	push_list(L, at, list);
	lua_createtable(L, 0, 2);
	set_str(L, first, pair->name);
	if (pair->has_value)
		set_str(L, second, pair->value);
	append(L);
}

/* r= and z= belong to the t= before them. */
static void take_repeat(lua_State *L, int at, const struct sip_sdp_line *line)
{
	push_list(L, at, "times");
	lua_rawgeti(L, -1, (lua_Integer)lua_rawlen(L, -1));
	if (line->type == 'r')
		append_str(L, lua_gettop(L), "repeats", line->u.text);
	else
		set_str(L, "zone", line->u.text);
	lua_pop(L, 2);
}

/* Leaves the table of the media on the stack, for the lines that follow. */
static void take_media(lua_State *L, int session, const struct sip_sdp_media *m)
{
	sip_str left = m->formats;
	lua_Integer n = 0;

	lua_createtable(L, 0, 6);
	set_str(L, "type", m->media);
	set_int(L, "port", m->port);
	if (m->ports > 0)
		set_int(L, "ports", m->ports);
	set_str(L, "proto", m->proto);
	lua_newtable(L);
	for (sip_str f; (f = sip_sdp_word(&left)).len > 0;) {
		lua_pushlstring(L, f.p, f.len);
		lua_rawseti(L, -2, ++n);
	}
	lua_setfield(L, -2, "formats");
	lua_newtable(L);
	lua_setfield(L, -2, "attributes");
	push_list(L, session, "media");
	lua_pushvalue(L, -2);
	append(L);
}

static const char *text_key(char type)
{
	switch (type) {
	case 's':
		return "name";
	case 'i':
		return "info";
	case 'u':
		return "uri";
	default:
		return "key";
	}
}

static void take_line(lua_State *L, int session, const struct sip_sdp_line *line)
{
	const int at = lua_gettop(L);

	switch (line->type) {
	case 'v':
		break; /* the reader lets only 0 through */
	case 'o':
		take_origin(L, at, &line->u.origin);
		break;
	case 'c':
		take_connection(L, at, &line->u.connection);
		break;
	case 'a':
		take_pair(L, at, "attributes", "name", "value", &line->u.pair);
		break;
	case 'b':
		take_pair(L, at, "bandwidths", "type", "value", &line->u.pair);
		break;
	case 't':
		take_pair(L, at, "times", "start", "stop", &line->u.pair);
		break;
	case 'r':
	case 'z':
		take_repeat(L, at, line);
		break;
	case 'e':
		append_str(L, at, "emails", line->u.text);
		break;
	case 'p':
		append_str(L, at, "phones", line->u.text);
		break;
	case 'm':
		lua_settop(L, session);
		take_media(L, session, &line->u.media);
		break;
	default:
		set_str(L, text_key(line->type), line->u.text);
		break;
	}
}

static int refused(lua_State *L, const struct sip_refusal *refusal)
{
	lua_pushnil(L);
	l_push_refusal(L, refusal);
	return 2;
}

/* core.sdp_parse(bytes[, { limits }]) -> table | nil, { at, why, status } */
static int l_sdp_parse(lua_State *L)
{
	struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_refusal refusal = { 0, "description is too large", 513 };
	struct sip_sdp_reader reader;
	struct sip_sdp_line line;
	sip_str bytes;
	sip_err err;

	bytes.p = luaL_checklstring(L, 1, &bytes.len);
	if (!lua_isnoneornil(L, 2)) {
		luaL_checktype(L, 2, LUA_TTABLE);
		l_option_limits(L, 2, "limits", &limits);
	}
	if (bytes.len > limits.message_bytes)
		return refused(L, &refusal);
	luaL_checkstack(L, 8, NULL);
	lua_settop(L, 1);
	lua_createtable(L, 0, 8);
	set_int(L, "version", 0);
	lua_newtable(L);
	lua_setfield(L, 2, "attributes");
	lua_newtable(L);
	lua_setfield(L, 2, "media");

	sip_sdp_reader_init(&reader, bytes, &limits);
	while ((err = sip_sdp_next(&reader, &line, &refusal)) == SIP_OK)
		take_line(L, 2, &line);
	if (err != SIP_EMORE)
		return refused(L, &refusal);
	lua_settop(L, 2);
	return 1;
}

/* --- addresses -------------------------------------------------------------------- */

static const char *kind_of(const struct sip_addr *addr)
{
	if (sip_addr_is_any(addr))
		return "any";
	if (addr->family == 4 ? addr->ip[0] >> 4 == 14 : addr->ip[0] == 0xff)
		return "multicast";
	return "unicast";
}

/* core.sdp_address(text) -> "IP4"|"IP6", "unicast"|"multicast"|"any" | nil */
static int l_sdp_address(lua_State *L)
{
	struct sip_addr addr;
	sip_str text;

	text.p = luaL_checklstring(L, 1, &text.len);
	/* No brackets here, unlike in a URI. */
	if (text.len == 0 || text.p[0] == '[' || !sip_addr_parse(text, &addr)) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushstring(L, addr.family == 4 ? "IP4" : "IP6");
	lua_pushstring(L, kind_of(&addr));
	return 2;
}

static const luaL_Reg sdp_functions[] = {
	{ "sdp_parse", l_sdp_parse },
	{ "sdp_address", l_sdp_address },
	{ NULL, NULL },
};

void l_sdp_open(lua_State *L)
{
	luaL_setfuncs(L, sdp_functions, 0);
}

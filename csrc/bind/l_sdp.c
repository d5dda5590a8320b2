/* l_sdp.c - session descriptions as plain Lua tables.
 *
 * A description is small, rare and wanted whole, so it does become a table, unlike
 * a message.  Nothing here owns anything outside Lua: any step may raise.
 * lua/sip/meta/sdp.lua names the fields.
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

/* --- write ------------------------------------------------------------------------ */

/* Where a description is written.  It is walked twice, first only to count; raw
 * access and string fields only, so that nothing can change in between and every
 * span is held by the table it came from. */
struct writer {
	lua_State *L;
	struct sip_out out;
};

static sip_str get_str(lua_State *L, int at, const char *key, bool needed)
{
	sip_str s = { NULL, 0 };

	lua_pushstring(L, key);
	switch (lua_rawget(L, at)) {
	case LUA_TSTRING:
		s.p = lua_tolstring(L, -1, &s.len);
		break;
	case LUA_TNIL:
		if (needed)
			luaL_error(L, "sdp_write: %s is missing", key);
		break;
	default:
		luaL_error(L, "sdp_write: %s is not a string", key);
	}
	lua_pop(L, 1);
	return s;
}

static uint32_t get_int(lua_State *L, int at, const char *key, lua_Integer max,
                        bool needed)
{
	lua_Integer value = 0;

	lua_pushstring(L, key);
	if (lua_rawget(L, at) == LUA_TNIL) {
		if (needed)
			luaL_error(L, "sdp_write: %s is missing", key);
	} else {
		int ok;
		value = lua_tointegerx(L, -1, &ok);
		if (!ok || lua_type(L, -1) != LUA_TNUMBER || value < 0 || value > max)
			luaL_error(L, "sdp_write: %s is out of range", key);
	}
	lua_pop(L, 1);
	return (uint32_t)value;
}

/* Push the table `key`; false, and nothing pushed, when there is none. */
static bool push_table(lua_State *L, int at, const char *key, bool needed)
{
	lua_pushstring(L, key);
	switch (lua_rawget(L, at)) {
	case LUA_TTABLE:
		return true;
	case LUA_TNIL:
		if (needed)
			luaL_error(L, "sdp_write: %s is missing", key);
		break;
	default:
		luaL_error(L, "sdp_write: %s is not a table", key);
	}
	lua_pop(L, 1);
	return false;
}

static void put(struct writer *w, struct sip_sdp_line *line, char type)
{
	line->type = type;
	sip_sdp_write_line(&w->out, line);
}

static void put_text(struct writer *w, int at, char type, const char *key)
{
	struct sip_sdp_line line = { .at = 0 };

	line.u.text = get_str(w->L, at, key, type == 's');
	if (line.u.text.p)
		put(w, &line, type);
}

/* Call `put_one` for each table of the list `key`, with the table on top. */
static void each(struct writer *w, int at, const char *key,
                 void (*put_one)(struct writer *w, int at))
{
	lua_State *L = w->L;

	if (!push_table(L, at, key, false))
		return;
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
		if (!lua_istable(L, -1))
			luaL_error(L, "sdp_write: %s[%d] is not a table", key, (int)i);
		put_one(w, lua_gettop(L));
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
}

static void each_text(struct writer *w, int at, const char *key, char type)
{
	lua_State *L = w->L;
	struct sip_sdp_line line = { .at = 0 };

	if (!push_table(L, at, key, false))
		return;
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
		if (lua_type(L, -1) != LUA_TSTRING)
			luaL_error(L, "sdp_write: %s[%d] is not a string", key, (int)i);
		line.u.text.p = lua_tolstring(L, -1, &line.u.text.len);
		put(w, &line, type);
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
}

static void put_origin(struct writer *w, int at)
{
	struct sip_sdp_line line = { .at = 0 };

	(void)push_table(w->L, at, "origin", true); /* raises when it is missing */
	at = lua_gettop(w->L);
	line.u.origin = (struct sip_sdp_origin){
		get_str(w->L, at, "user", true),
		get_str(w->L, at, "id", true),
		get_str(w->L, at, "version", true),
		get_str(w->L, at, "net", true),
		get_str(w->L, at, "addr_type", true),
		get_str(w->L, at, "address", true),
	};
	put(w, &line, 'o');
	lua_pop(w->L, 1);
}

static void put_connection(struct writer *w, int at)
{
	struct sip_sdp_line line = { .at = 0 };

	line.u.connection = (struct sip_sdp_connection){
		get_str(w->L, at, "net", true),
		get_str(w->L, at, "addr_type", true),
		get_str(w->L, at, "address", true),
		get_int(w->L, at, "ttl", 255, false),
		get_int(w->L, at, "count", UINT32_MAX, false),
	};
	put(w, &line, 'c');
}

static void put_connections(struct writer *w, int at)
{
	if (push_table(w->L, at, "connection", false)) {
		put_connection(w, lua_gettop(w->L));
		lua_pop(w->L, 1);
	}
	each(w, at, "other_connections", put_connection);
}

static void put_pair(struct writer *w, int at, char type, const char *first,
                     const char *second)
{
	struct sip_sdp_line line = { .at = 0 };

	line.u.pair.name = get_str(w->L, at, first, true);
	line.u.pair.value = get_str(w->L, at, second, type != 'a');
	line.u.pair.has_value = line.u.pair.value.p != NULL;
	put(w, &line, type);
}

static void put_attribute(struct writer *w, int at)
{
	put_pair(w, at, 'a', "name", "value");
}

static void put_bandwidth(struct writer *w, int at)
{
	put_pair(w, at, 'b', "type", "value");
}

static void put_time(struct writer *w, int at)
{
	put_pair(w, at, 't', "start", "stop");
	each_text(w, at, "repeats", 'r');
	put_text(w, at, 'z', "zone");
}

/* The formats as one span: joined by blanks in a string that replaces the list's
 * place on the stack, for as long as the line is being written. */
static sip_str push_formats(lua_State *L, int at)
{
	luaL_Buffer text;
	sip_str s;
	lua_Integer count;
	int list;

	(void)push_table(L, at, "formats", true); /* raises when it is missing */
	list = lua_gettop(L);
	count = (lua_Integer)lua_rawlen(L, list);
	luaL_buffinit(L, &text);
	for (lua_Integer i = 1; i <= count; i++) {
		if (lua_rawgeti(L, list, i) != LUA_TSTRING)
			luaL_error(L, "sdp_write: formats[%d] is not a string", (int)i);
		s.p = lua_tolstring(L, -1, &s.len);
		if (!sip_sdp_is_word(s))
			luaL_error(L, "sdp_write: formats[%d] is malformed", (int)i);
		luaL_addvalue(&text);
		if (i < count)
			luaL_addchar(&text, ' ');
	}
	luaL_pushresult(&text);
	lua_replace(L, list);
	s.p = lua_tolstring(L, list, &s.len);
	return s;
}

static void put_media(struct writer *w, int at)
{
	struct sip_sdp_line line = { .at = 0 };

	line.u.media = (struct sip_sdp_media){
		.media = get_str(w->L, at, "type", true),
		.port = (uint16_t)get_int(w->L, at, "port", UINT16_MAX, true),
		.ports = get_int(w->L, at, "ports", UINT16_MAX, false),
		.proto = get_str(w->L, at, "proto", true),
		.formats = push_formats(w->L, at),
	};
	put(w, &line, 'm');
	lua_pop(w->L, 1);
	put_text(w, at, 'i', "info");
	put_connections(w, at);
	each(w, at, "bandwidths", put_bandwidth);
	put_text(w, at, 'k', "key");
	each(w, at, "attributes", put_attribute);
}

static void put_session(struct writer *w, int at)
{
	struct sip_sdp_line line = { .u.text = SIP_STR("0") };

	if (get_int(w->L, at, "version", UINT16_MAX, false) != 0)
		luaL_error(w->L, "sdp_write: version is not 0");
	put(w, &line, 'v');
	put_origin(w, at);
	put_text(w, at, 's', "name");
	put_text(w, at, 'i', "info");
	put_text(w, at, 'u', "uri");
	each_text(w, at, "emails", 'e');
	each_text(w, at, "phones", 'p');
	put_connections(w, at);
	each(w, at, "bandwidths", put_bandwidth);
	(void)push_table(w->L, at, "times", true); /* raises when it is missing */
	if (lua_rawlen(w->L, -1) == 0)
		luaL_error(w->L, "sdp_write: times is empty");
	lua_pop(w->L, 1);
	each(w, at, "times", put_time);
	put_text(w, at, 'k', "key");
	each(w, at, "attributes", put_attribute);
	each(w, at, "media", put_media);
}

/* core.sdp_write(table) -> bytes; raises on what is no description */
static int l_sdp_write(lua_State *L)
{
	struct writer w = { .L = L };
	luaL_Buffer buffer;
	size_t size;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkstack(L, 20, NULL);
	lua_settop(L, 1);
	sip_out_init(&w.out, NULL, 0);
	put_session(&w, 1);
	if (w.out.why)
		return luaL_error(L, "sdp_write: %s", w.out.why);

	size = w.out.len;
	sip_out_init(&w.out, luaL_buffinitsize(L, &buffer, size), size);
	put_session(&w, 1);
	luaL_pushresultsize(&buffer, size);
	return 1;
}

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
	{ "sdp_write", l_sdp_write },
	{ "sdp_address", l_sdp_address },
	{ NULL, NULL },
};

void l_sdp_open(lua_State *L)
{
	luaL_setfuncs(L, sdp_functions, 0);
}

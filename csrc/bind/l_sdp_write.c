/* l_sdp_write.c - session descriptions out of the tables that l_sdp.c makes.
 *
 * Nothing here owns anything outside Lua: any step may raise.  lua/sip/meta/sdp.lua
 * names the fields.
 */
#include "bind/l_sdp.h"

#include "msg/sdp.h"

#include <lauxlib.h>

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

static const luaL_Reg functions[] = {
	{ "sdp_write", l_sdp_write },
	{ NULL, NULL },
};

void l_sdp_write_open(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
}

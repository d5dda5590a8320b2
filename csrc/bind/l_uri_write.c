/* l_uri_write.c - URIs and addresses out of the tables that l_uri.c makes.
 *
 * Parameters go in the order of the array part; names that stand outside of it follow,
 * sorted.  Nothing here owns anything outside Lua: any step may raise.
 */
#include "bind/l_uri.h"

#include <lauxlib.h>

#include "bind/l_str.h"
#include "msg/name_addr.h"
#include "msg/scan.h"
#include "msg/uri.h"

/* The field as a string, or raise; empty and false when it is nil. */
static bool get_str(lua_State *L, int table, const char *key, sip_str *s)
{
	size_t len = 0;
	const char *p;

	*s = sip_str_of("", 0);
	if (lua_getfield(L, table, key) == LUA_TNIL) {
		lua_pop(L, 1);
		return false;
	}
	p = lua_tolstring(L, -1, &len);
	if (!p)
		luaL_error(L, "field '%s' is not a string", key);
	*s = sip_str_of(p, len); /* the table keeps it */
	lua_pop(L, 1);
	return true;
}

static bool fits(sip_str s, unsigned class_bits)
{
	return s.len > 0 && sip_scan(s.p, s.p + s.len, class_bits) == s.p + s.len;
}

static bool fits_escaped(sip_str s, unsigned class_bits)
{
	return sip_scan_escaped(s.p, s.p + s.len, class_bits) == s.p + s.len;
}

struct writer {
	luaL_Buffer buffer; /* nothing may be left on the stack between two uses */
	bool uri; /* parameters of an URI: values are kept as they are, escaped */
};

static void add(struct writer *writer, sip_str s)
{
	luaL_addlstring(&writer->buffer, s.p, s.len);
}

static void add_quoted(struct writer *writer, sip_str s)
{
	luaL_addchar(&writer->buffer, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			luaL_addchar(&writer->buffer, '\\');
		luaL_addchar(&writer->buffer, s.p[i]);
	}
	luaL_addchar(&writer->buffer, '"');
}

static void add_param(lua_State *L, struct writer *writer, sip_str name, sip_str value,
                      bool flag)
{
	const bool good = writer->uri ? name.len > 0 && fits_escaped(name, SIP_C_PARAM)
	                              : fits(name, SIP_C_TOKEN);

	if (!good)
		luaL_error(L, "a parameter name is malformed");
	luaL_addchar(&writer->buffer, ';');
	add(writer, name);
	if (flag)
		return;
	luaL_addchar(&writer->buffer, '=');
	if (writer->uri) {
		if (value.len == 0 || !fits_escaped(value, SIP_C_PARAM))
			luaL_error(L,
			           "an URI parameter's value is empty or not escaped");
		add(writer, value);
	} else if (fits(value, SIP_C_TOKEN) || fits(value, SIP_C_HOST | SIP_C_HEX)) {
		add(writer, value);
	} else {
		if (sip_str_breaks_lines(value))
			luaL_error(L, "a parameter's value holds CR, LF or NUL");
		add_quoted(writer, value);
	}
}

/* The names of a table of parameters in the order of writing, as a new table: those of
 * the array part that have a value, then the others sorted.  `params` is an absolute
 * index. */
static lua_Integer push_names(lua_State *L, int params)
{
	lua_Integer n = 0, listed, i, j;
	int names, seen;

	lua_newtable(L);
	names = lua_gettop(L);
	lua_newtable(L);
	seen = lua_gettop(L);
	for (i = 1; lua_rawgeti(L, params, i) != LUA_TNIL; i++) {
		if (lua_type(L, -1) != LUA_TSTRING)
			luaL_error(L, "a parameter name is not a string");
		l_push_lower(L, l_check_str(L, -1));
		lua_pushboolean(L, 1);
		lua_rawset(L, seen);
		lua_rawseti(L, names, ++n);
	}
	lua_pop(L, 1);
	listed = n;
	for (lua_pushnil(L); lua_next(L, params); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			continue;
		lua_pushvalue(L, -2);
		if (lua_rawget(L, seen) == LUA_TNIL) {
			lua_pushvalue(L, -3);
			lua_rawseti(L, names, ++n);
		}
		lua_pop(L, 1);
	}
	for (i = listed + 2; i <= n; i++) { /* few: insertion sort */
		for (j = i; j > listed + 1; j--) {
			lua_rawgeti(L, names, j - 1);
			lua_rawgeti(L, names, j);
			if (!lua_compare(L, -1, -2, LUA_OPLT)) {
				lua_pop(L, 2);
				break;
			}
			lua_rawseti(L, names, j - 1);
			lua_rawseti(L, names, j);
		}
	}
	lua_settop(L, names);
	return n;
}

/* Write the table of parameters at `params` (absolute, or nil) behind `prefix`, and
 * push the whole as a string. */
static void push_with_params(lua_State *L, sip_str prefix, int params, bool uri)
{
	struct writer writer = { .uri = uri };
	lua_Integer count = 0;
	int names = 0;

	if (!lua_isnoneornil(L, params)) {
		luaL_argexpected(L, lua_istable(L, params), params, "table");
		count = push_names(L, params);
		names = lua_gettop(L);
	}
	/* Two slots hold a name and its value, so that the buffer may stay on top. */
	lua_pushnil(L);
	lua_pushnil(L);
	luaL_buffinit(L, &writer.buffer);
	add(&writer, prefix);
	for (lua_Integer i = 1; i <= count; i++) {
		sip_str name, value = { 0 };
		bool flag;

		lua_rawgeti(L, names, i);
		lua_replace(L, names + 1);
		name = l_check_str(L, names + 1);
		l_push_lower(L, name);
		if (lua_rawget(L, params) == LUA_TNIL || !lua_toboolean(L, -1)) {
			lua_pop(L, 1); /* was taken away, or is false */
			continue;
		}
		lua_replace(L, names + 2);
		flag = lua_isboolean(L, names + 2);
		if (!flag)
			value = l_check_str(L, names + 2);
		add_param(L, &writer, name, value, flag);
	}
	luaL_pushresult(&writer.buffer);
}

/* --- the functions --------------------------------------------------------------- */

/* Escape what is not of the class, and push the string. */
static void push_escaped(lua_State *L, sip_str text, unsigned class_bits)
{
	static const char hex[] = "0123456789ABCDEF";
	luaL_Buffer buffer;

	luaL_buffinit(L, &buffer);
	for (size_t i = 0; i < text.len; i++) {
		const unsigned char c = (unsigned char)text.p[i];
		if (sip_is(text.p[i], class_bits)) {
			luaL_addchar(&buffer, (char)c);
		} else {
			luaL_addchar(&buffer, '%');
			luaL_addchar(&buffer, hex[c >> 4]);
			luaL_addchar(&buffer, hex[c & 15]);
		}
	}
	luaL_pushresult(&buffer);
}

/* "user:password@", pushed as one string. */
static void push_userinfo(lua_State *L, int table)
{
	sip_str user, password;
	const int top = lua_gettop(L);

	if (!get_str(L, table, "user", &user)) {
		if (!get_str(L, table, "user_text", &user)) {
			lua_pushliteral(L, "");
			return;
		}
		push_escaped(L, user, SIP_C_USER);
	} else {
		l_push_str(L, user);
	}
	if (get_str(L, table, "password", &password)) {
		lua_pushliteral(L, ":");
		l_push_str(L, password);
	}
	lua_pushliteral(L, "@");
	lua_concat(L, lua_gettop(L) - top);
}

/* "host:port", pushed as one string; an IPv6 address gets its brackets. */
static void push_hostport(lua_State *L, int table)
{
	const int top = lua_gettop(L);
	sip_str host;
	bool bare;

	if (!get_str(L, table, "host", &host))
		luaL_error(L, "an URI has no host");
	bare = host.len > 0 && host.p[0] != '[' &&
	       memchr(host.p, ':', host.len) != NULL;
	lua_pushstring(L, bare ? "[" : "");
	l_push_str(L, host);
	lua_pushstring(L, bare ? "]" : "");
	if (lua_getfield(L, table, "port") != LUA_TNIL) {
		lua_pushfstring(L, ":%I", (LUAI_UACINT)luaL_checkinteger(L, -1));
		lua_remove(L, -2);
	} else {
		lua_pop(L, 1);
	}
	lua_concat(L, lua_gettop(L) - top);
}

/* "?name=value&name=value", pushed as one string. */
static void push_headers(lua_State *L, int table)
{
	lua_Integer count;
	sip_str text;
	int list;

	if (lua_getfield(L, table, "headers") == LUA_TNIL) {
		lua_pop(L, 1);
		lua_pushliteral(L, "");
		return;
	}
	list = lua_gettop(L);
	luaL_argexpected(L, lua_istable(L, list), list, "table");
	lua_pushliteral(L, "");
	count = (lua_Integer)lua_rawlen(L, list);
	for (lua_Integer i = 1; i <= count; i++) {
		if (lua_rawgeti(L, list, i) != LUA_TTABLE)
			luaL_error(L, "an URI header is not a table of name and value");
		lua_pushstring(L, i == 1 ? "?" : "&");
		get_str(L, list + 2, "name", &text);
		push_escaped(L, text, SIP_C_HEADER);
		lua_pushliteral(L, "=");
		get_str(L, list + 2, "value", &text);
		push_escaped(L, text, SIP_C_HEADER);
		lua_remove(L, list + 2);
		lua_concat(L, lua_gettop(L) - list);
	}
	lua_remove(L, list);
}

/* core.uri_write(table) -> text; raises when the parts make no URI.  `user` and
 * `password` are written as they are, escaped; `user_text` is escaped here. */
static int l_uri_write(lua_State *L)
{
	sip_str scheme, opaque, text;
	struct sip_uri uri;
	const char *why;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	if (!get_str(L, 1, "scheme", &scheme))
		scheme = SIP_STR("sip");
	l_push_str(L, scheme);
	lua_pushliteral(L, ":");
	if (get_str(L, 1, "opaque", &opaque)) {
		l_push_str(L, opaque);
	} else if (sip_str_ieq(scheme, SIP_STR("tel"))) {
		if (!get_str(L, 1, "user", &opaque))
			luaL_error(L, "a tel URI has no number");
		l_push_str(L, opaque);
	} else {
		push_userinfo(L, 1);
		push_hostport(L, 1);
	}
	lua_concat(L, lua_gettop(L) - 1);
	lua_getfield(L, 1, "params");
	push_with_params(L, l_check_str(L, 2), 3, true);
	push_headers(L, 1);
	lua_concat(L, 2);
	text = l_check_str(L, -1);
	if (sip_uri_parse(text, &uri, &why, NULL) != SIP_OK)
		return luaL_error(L, "%s: '%s'", why, text.p);
	return 1;
}

/* core.name_addr_write { display, uri, params } -> text; raises on a bad part */
static int l_name_addr_write(lua_State *L)
{
	sip_str display, uri;
	struct sip_name_addr parsed;
	struct sip_fault fault;
	struct writer writer;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	get_str(L, 1, "display", &display);
	if (!get_str(L, 1, "uri", &uri))
		luaL_error(L, "an address has no URI");
	if (sip_str_breaks_lines(display) || sip_str_breaks_lines(uri))
		luaL_error(L, "an address holds CR, LF or NUL");
	luaL_buffinit(L, &writer.buffer);
	if (display.len > 0) {
		add_quoted(&writer, display);
		luaL_addchar(&writer.buffer, ' ');
	}
	luaL_addchar(&writer.buffer, '<');
	add(&writer, uri);
	luaL_addchar(&writer.buffer, '>');
	luaL_pushresult(&writer.buffer);
	lua_getfield(L, 1, "params");
	push_with_params(L, l_check_str(L, 2), 3, false);
	if (sip_name_addr_parse(l_check_str(L, -1), &parsed, &fault) != SIP_OK ||
	    !sip_str_eq(parsed.uri, uri))
		return luaL_error(L, "these parts make no address");
	return 1;
}

static const luaL_Reg functions[] = {
	{ "uri_write", l_uri_write },
	{ "name_addr_write", l_name_addr_write },
	{ NULL, NULL },
};

void l_uri_write_open(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
}

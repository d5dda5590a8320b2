/* l_uri.c - URIs, addresses and parameters as plain Lua tables.
 *
 * A table of parameters holds the names in order in its array part, and each value
 * under its name in small letters (true: a flag).  l_uri_write.c writes them back.
 * Nothing here owns anything outside Lua: any step may raise.
 */
#include "bind/l_uri.h"

#include <lauxlib.h>

#include "base/addr.h"
#include "bind/l_str.h"
#include "msg/message.h"
#include "msg/scan.h"
#include "msg/uri.h"

/* --- out ------------------------------------------------------------------------- */

static void set_str(lua_State *L, const char *key, sip_str s)
{
	l_push_str(L, s);
	lua_setfield(L, -2, key);
}

void l_push_params(lua_State *L, sip_str params)
{
	sip_str name, value;
	lua_Integer n = 0;

	lua_newtable(L);
	while (sip_param_next(&params, &name, &value)) {
		l_push_str(L, name);
		lua_rawseti(L, -2, ++n);
		l_push_lower(L, name);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, -3) != LUA_TNIL) { /* the first one counts */
			lua_pop(L, 2);
			continue;
		}
		lua_pop(L, 1);
		if (value.len > 0)
			l_push_changed(L, value, sip_unquote);
		else
			lua_pushboolean(L, 1);
		lua_rawset(L, -3);
	}
}

void l_push_display(lua_State *L, const struct sip_name_addr *addr)
{
	if (addr->display.len == 0)
		lua_pushnil(L);
	else
		l_push_changed(L, addr->display, sip_unescape_quoted);
}

void l_push_name_addr(lua_State *L, const struct sip_name_addr *addr)
{
	lua_createtable(L, 0, 3);
	l_push_display(L, addr);
	lua_setfield(L, -2, "display");
	set_str(L, "uri", addr->uri);
	l_push_params(L, addr->params);
	lua_setfield(L, -2, "params");
}

void l_push_via(lua_State *L, const struct sip_via *via)
{
	lua_createtable(L, 0, 8);
	set_str(L, "text", via->text);
	set_str(L, "transport", via->transport);
	set_str(L, "host", via->host);
	if (via->port) {
		lua_pushinteger(L, via->port);
		lua_setfield(L, -2, "port");
	}
	if (via->branch.len > 0)
		set_str(L, "branch", via->branch);
	if (via->received.len > 0)
		set_str(L, "received", via->received);
	if (via->has_rport) {
		if (via->rport)
			lua_pushinteger(L, via->rport);
		else
			lua_pushboolean(L, 1);
		lua_setfield(L, -2, "rport");
	}
	l_push_params(L, via->params);
	lua_setfield(L, -2, "params");
}

static void push_uri_headers(lua_State *L, sip_str headers)
{
	const char *p = headers.p, *const end = p + headers.len;
	lua_Integer n = 0;

	lua_newtable(L);
	while (p < end) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		const char *const stop = amp ? amp : end;
		const char *eq = memchr(p, '=', (size_t)(stop - p));

		lua_createtable(L, 0, 2);
		l_push_changed(L, sip_span(p, eq ? eq : stop), sip_uri_unescape);
		lua_setfield(L, -2, "name");
		l_push_changed(L, sip_span(eq ? eq + 1 : stop, stop), sip_uri_unescape);
		lua_setfield(L, -2, "value");
		lua_rawseti(L, -2, ++n);
		p = amp ? amp + 1 : end;
	}
}

static void push_uri(lua_State *L, const struct sip_uri *uri)
{
	lua_createtable(L, 0, 8);
	l_push_lower(L, uri->scheme_name);
	lua_setfield(L, -2, "scheme");
	if (uri->scheme == SIP_URI_OTHER) {
		set_str(L, "opaque", uri->opaque);
		return;
	}
	if (uri->has_user) {
		set_str(L, "user", uri->user);
		l_push_changed(L, uri->user, sip_uri_unescape);
		lua_setfield(L, -2, "user_text");
	}
	if (uri->has_password)
		set_str(L, "password", uri->password);
	if (uri->scheme != SIP_URI_TEL)
		set_str(L, "host", uri->host);
	if (uri->port) {
		lua_pushinteger(L, uri->port);
		lua_setfield(L, -2, "port");
	}
	l_push_params(L, uri->params);
	lua_setfield(L, -2, "params");
	if (uri->headers.len > 0) {
		push_uri_headers(L, uri->headers);
		lua_setfield(L, -2, "headers");
	}
}

/* --- the functions --------------------------------------------------------------- */

/* core.uri(text) -> table | nil, why, at */
static int l_uri_parse(lua_State *L)
{
	struct sip_uri uri;
	const char *why;
	size_t at;

	if (sip_uri_parse(l_check_str(L, 1), &uri, &why, &at) != SIP_OK) {
		lua_pushnil(L);
		lua_pushstring(L, why);
		lua_pushinteger(L, (lua_Integer)at + 1);
		return 3;
	}
	push_uri(L, &uri);
	return 1;
}

/* core.uri_parts(text) -> scheme, user, host, port | nil */
static int l_uri_parts(lua_State *L)
{
	struct sip_uri uri;

	lua_settop(L, 1);
	if (sip_uri_parse(l_check_str(L, 1), &uri, NULL, NULL) != SIP_OK)
		return 0;
	l_push_lower(L, uri.scheme_name);
	if (uri.scheme == SIP_URI_OTHER)
		return 1;
	if (uri.has_user)
		l_push_changed(L, uri.user, sip_uri_unescape);
	else
		lua_pushnil(L);
	if (uri.scheme == SIP_URI_TEL)
		return 2;
	l_push_lower(L, uri.host);
	if (uri.port == 0)
		return 3;
	lua_pushinteger(L, uri.port);
	return 4;
}

/* core.uri_plain(text) -> host, port | nothing: it is more than a user at an IPv4
 * address, and perhaps a port */
static int l_uri_plain(lua_State *L)
{
	struct sip_uri uri;
	struct sip_addr addr;

	lua_settop(L, 1);
	if (sip_uri_parse(l_check_str(L, 1), &uri, NULL, NULL) != SIP_OK ||
	    uri.scheme != SIP_URI_SIP || uri.has_password || uri.params.len > 0 ||
	    uri.headers.len > 0 || !sip_addr_parse(uri.host, &addr) || addr.family != 4)
		return 0;
	l_push_str(L, uri.host);
	if (uri.port == 0)
		return 1;
	lua_pushinteger(L, uri.port);
	return 2;
}

/* core.uri_equal(a, b) -> boolean (RFC 3261 19.1.4); false when one is no URI. */
static int l_uri_equal(lua_State *L)
{
	const sip_str one = l_check_str(L, 1), other = l_check_str(L, 2);
	struct sip_uri a, b;
	bool equal = sip_uri_parse(one, &a, NULL, NULL) == SIP_OK;

	if (equal && !sip_str_eq(one, other))
		equal = sip_uri_parse(other, &b, NULL, NULL) == SIP_OK &&
		        sip_uri_eq(&a, &b);
	lua_pushboolean(L, equal);
	return 1;
}

/* core.name_addr(text) -> table | nil, why */
static int l_name_addr(lua_State *L)
{
	struct sip_name_addr addr;
	struct sip_fault fault;

	if (sip_name_addr_parse(sip_str_trim(l_check_str(L, 1)), &addr, &fault) !=
	    SIP_OK) {
		lua_pushnil(L);
		lua_pushstring(L, fault.why);
		return 2;
	}
	l_push_name_addr(L, &addr);
	return 1;
}

/* core.split(text) -> the values of a comma list */
static int l_split(lua_State *L)
{
	sip_str list = l_check_str(L, 1), value;
	lua_Integer n = 0;

	lua_newtable(L);
	while (sip_value_next(&list, &value)) {
		l_push_str(L, value);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

/* core.params(text) -> table, of ";a=1;b" as of "a=1;b" */
static int l_params(lua_State *L)
{
	l_push_params(L, l_check_str(L, 1));
	return 1;
}

/* core.address_bytes(text) -> 4 or 16 bytes | nil.  IPv4 inside of IPv6 is IPv4. */
static int l_address_bytes(lua_State *L)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sip_addr addr;
	const char *bytes;

	if (!sip_addr_parse(l_check_str(L, 1), &addr))
		return 0;
	bytes = (const char *)addr.ip;
	if (addr.family == 6 && memcmp(bytes, mapped, sizeof mapped) == 0)
		lua_pushlstring(L, bytes + sizeof mapped, 4);
	else
		lua_pushlstring(L, bytes, addr.family == 6 ? 16 : 4);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "uri", l_uri_parse },
	{ "uri_parts", l_uri_parts },
	{ "uri_plain", l_uri_plain },
	{ "uri_equal", l_uri_equal },
	{ "name_addr", l_name_addr },
	{ "split", l_split },
	{ "params", l_params },
	{ "address_bytes", l_address_bytes },
	{ NULL, NULL },
};

void l_uri_open(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
}

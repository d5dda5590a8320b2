/* l_digest.c - digest authentication for Lua.
 *
 * Strings go in, strings come out; nothing is remembered and nothing outside Lua
 * is owned, so any step may raise.  lua/sip/meta/digest.lua names the fields.
 */
#include "bind/l_digest.h"

#include "auth/challenge.h"
#include "auth/digest.h"
#include "bind/l_str.h"

#include <lauxlib.h>

/* --- parse ------------------------------------------------------------------------ */

static int push_refusal(lua_State *L, const struct sip_auth_reader *reader,
                        const char *why)
{
	lua_pushnil(L);
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, (lua_Integer)reader->pos + 1); /* as string.sub counts */
	lua_setfield(L, -2, "at");
	lua_pushstring(L, why);
	lua_setfield(L, -2, "why");
	lua_pushinteger(L, 400);
	lua_setfield(L, -2, "status");
	return 2;
}

static void push_value(lua_State *L, const struct sip_auth_param *param)
{
	if (param->quoted)
		l_push_changed(L, param->value, sip_auth_unquote);
	else
		l_push_str(L, param->value);
}

/* Credentials have as many, or a few less. */
enum { PARAMS = 12 };

/* Put a parameter into the table on top; false when it is there already. */
static bool set_param(lua_State *L, const struct sip_auth_param *param)
{
	l_push_lower(L, param->name);
	lua_pushvalue(L, -1);
	if (lua_rawget(L, -3) != LUA_TNIL) {
		lua_pop(L, 2);
		return false;
	}
	lua_pop(L, 1);
	push_value(L, param);
	lua_rawset(L, -3);
	return true;
}

/* core.digest_parse(value) -> { { scheme, params, token68 } ... } | nil, refusal */
static int l_digest_parse(lua_State *L)
{
	struct sip_auth_reader reader;
	struct sip_auth_param param;
	sip_str text, scheme, token68;
	lua_Integer count = 0;
	sip_err err;

	text.p = luaL_checklstring(L, 1, &text.len);
	lua_settop(L, 1);
	lua_newtable(L);
	sip_auth_reader_init(&reader, text);
	while ((err = sip_auth_next_scheme(&reader, &scheme, &token68)) == SIP_OK) {
		lua_createtable(L, 0, 3);
		lua_pushlstring(L, scheme.p, scheme.len);
		lua_setfield(L, -2, "scheme");
		if (token68.len > 0) {
			lua_pushlstring(L, token68.p, token68.len);
			lua_setfield(L, -2, "token68");
		}
		lua_createtable(L, 0, PARAMS);
		while ((err = sip_auth_next_param(&reader, &param)) == SIP_OK)
			if (!set_param(L, &param))
				return push_refusal(L, &reader,
				                    "parameter is repeated");
		if (err != SIP_EMORE)
			break;
		lua_setfield(L, -2, "params");
		lua_rawseti(L, 2, ++count);
	}
	if (err != SIP_EMORE)
		return push_refusal(L, &reader, reader.why);
	if (count == 0)
		return push_refusal(L, &reader, "scheme expected");
	lua_settop(L, 2);
	return 1;
}

/* --- compute ---------------------------------------------------------------------- */

static sip_str get_str(lua_State *L, const char *key)
{
	sip_str s = { NULL, 0 };
	const int type = lua_getfield(L, 1, key);

	if (type == LUA_TSTRING)
		s.p = lua_tolstring(L, -1, &s.len);
	else if (type != LUA_TNIL)
		luaL_error(L, "digest: %s is not a string", key);
	return s; /* stays on the stack: the span needs it */
}

static sip_str need_str(lua_State *L, const char *key)
{
	const sip_str s = get_str(L, key);

	if (!s.p)
		luaL_error(L, "digest: %s is missing", key);
	return s;
}

static enum sip_digest_qop get_qop(lua_State *L)
{
	const sip_str qop = get_str(L, "qop");

	if (!qop.p)
		return SIP_DIGEST_QOP_NONE;
	if (sip_str_eq(qop, SIP_STR("auth")))
		return SIP_DIGEST_QOP_AUTH;
	if (sip_str_eq(qop, SIP_STR("auth-int")))
		return SIP_DIGEST_QOP_AUTH_INT;
	return (enum sip_digest_qop)luaL_error(L, "digest: qop is unknown");
}

static uint32_t get_nc(lua_State *L, bool needed)
{
	lua_Integer nc = 0;
	int ok = 1;

	if (lua_getfield(L, 1, "nc") != LUA_TNIL || needed)
		nc = lua_tointegerx(L, -1, &ok);
	if (!ok || nc < 0 || nc > UINT32_MAX || (needed && nc == 0))
		luaL_error(L, "digest: nc is missing or out of range");
	return (uint32_t)nc;
}

/* Read the table at 1, nc only when it is a number of ours.  False: the algorithm is
 * not known. */
static bool read_input(lua_State *L, struct sip_digest_input *in, sip_str *algorithm,
                       bool own_nc)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	luaL_checkstack(L, 24, NULL);
	*in = (struct sip_digest_input){ .qop = get_qop(L) };
	*algorithm = get_str(L, "algorithm");
	if (!sip_digest_algorithm(*algorithm, &in->hash, &in->session))
		return false;
	in->username = need_str(L, "username");
	in->realm = need_str(L, "realm");
	in->ha1 = get_str(L, "ha1");
	in->password = in->ha1.p ? SIP_STR("") : need_str(L, "password");
	in->nonce = need_str(L, "nonce");
	in->method = need_str(L, "method");
	in->uri = need_str(L, "uri");
	in->body = get_str(L, "body");
	if (own_nc)
		in->nc = get_nc(L, in->qop != SIP_DIGEST_QOP_NONE);
	in->cnonce = in->qop != SIP_DIGEST_QOP_NONE || in->session
	                     ? need_str(L, "cnonce")
	                     : SIP_STR("");
	return true;
}

static int push_err(lua_State *L, const char *text)
{
	lua_pushnil(L);
	lua_pushstring(L, text);
	return 2;
}

static const struct sip_hasher *hasher_of(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* core.digest_response(fields) -> hex | nil, why */
static int l_digest_response(lua_State *L)
{
	struct sip_digest_input in;
	struct sip_digest response;
	sip_str algorithm;
	sip_err err;

	if (!read_input(L, &in, &algorithm, true))
		return push_err(L, "algorithm is not known");
	err = sip_digest_response(hasher_of(L), &in, &response);
	if (err != SIP_OK)
		return push_err(L, sip_err_name(err));
	lua_pushlstring(L, response.hex, response.len);
	return 1;
}

/* As the client wrote it: eight digits, and not zero (RFC 7616 3.4). */
static bool read_nc(lua_State *L, struct sip_digest_input *in)
{
	in->nc_text = need_str(L, "nc");
	if (in->nc_text.len != 8)
		return false;
	for (size_t i = 0; i < 8; i++) {
		const char c = in->nc_text.p[i];
		const bool digit = c >= '0' && c <= '9';
		const char small = (char)(c | 0x20);

		if (!digit && (small < 'a' || small > 'f'))
			return false;
		in->nc = in->nc << 4 | (uint32_t)(digit ? c - '0' : small - 'a' + 10);
	}
	return in->nc > 0;
}

/* core.digest_verify(fields) -> boolean, nc | nil, why.  The fields hold the response,
 * too, and nc as text. */
static int l_digest_verify(lua_State *L)
{
	struct sip_digest_input in;
	sip_str algorithm, response;
	bool right;
	sip_err err;

	if (!read_input(L, &in, &algorithm, false))
		return push_err(L, "algorithm is not known");
	if (in.qop != SIP_DIGEST_QOP_NONE && !read_nc(L, &in))
		return push_err(L, "nc is not eight digits");
	response = need_str(L, "response");
	err = sip_digest_verify(hasher_of(L), &in, response, &right);
	if (err != SIP_OK)
		return push_err(L, sip_err_name(err));
	lua_pushboolean(L, right);
	lua_pushinteger(L, in.nc);
	return 2;
}

/* core.digest_credentials(fields) -> header value | nil, why */
static int l_digest_credentials(lua_State *L)
{
	struct sip_digest_credentials c = { .opaque = { NULL, 0 } };
	struct sip_out out;
	luaL_Buffer text;
	size_t size;
	sip_err err;

	if (!read_input(L, &c.input, &c.algorithm, true))
		return push_err(L, "algorithm is not known");
	c.opaque = get_str(L, "opaque");
	lua_getfield(L, 1, "userhash");
	c.userhash = lua_toboolean(L, -1);
	sip_out_init(&out, NULL, 0);
	err = sip_digest_write(hasher_of(L), &out, &c);
	if (err != SIP_OK)
		return push_err(L, sip_err_name(err));
	if (out.why)
		return push_err(L, out.why);
	size = out.len;
	sip_out_init(&out, luaL_buffinitsize(L, &text, size), size);
	err = sip_digest_write(hasher_of(L), &out, &c);
	if (err != SIP_OK)
		return push_err(L, sip_err_name(err));
	luaL_pushresultsize(&text, size);
	return 1;
}

/* core.digest_hash(algorithm, text) -> hex | nil, why */
static int l_digest_hash(lua_State *L)
{
	enum sip_digest_hash hash;
	struct sip_digest digest;
	bool session;
	sip_str name, text;
	sip_err err;

	name.p = luaL_checklstring(L, 1, &name.len);
	text.p = luaL_checklstring(L, 2, &text.len);
	if (!sip_digest_algorithm(name, &hash, &session))
		return push_err(L, "algorithm is not known");
	err = sip_digest_of(hasher_of(L), hash, &text, 1, &digest);
	if (err != SIP_OK)
		return push_err(L, sip_err_name(err));
	lua_pushlstring(L, digest.hex, digest.len);
	return 1;
}

/* core.digest_supports(algorithm) -> boolean */
static int l_digest_supports(lua_State *L)
{
	const sip_str nothing = SIP_STR("");
	enum sip_digest_hash hash;
	struct sip_digest digest;
	bool session;
	sip_str name;

	name.p = luaL_optlstring(L, 1, "", &name.len);
	lua_pushboolean(L, sip_digest_algorithm(name, &hash, &session) &&
	                           sip_digest_of(hasher_of(L), hash, &nothing, 1,
	                                         &digest) == SIP_OK);
	return 1;
}

static const luaL_Reg digest_functions[] = {
	{ "digest_parse", l_digest_parse },
	{ "digest_response", l_digest_response },
	{ "digest_verify", l_digest_verify },
	{ "digest_credentials", l_digest_credentials },
	{ "digest_hash", l_digest_hash },
	{ "digest_supports", l_digest_supports },
	{ NULL, NULL },
};

static int l_hasher_release(lua_State *L) /* __gc */
{
	sip_hasher_fini(lua_touserdata(L, 1));
	return 0;
}

void l_digest_open(lua_State *L)
{
	struct sip_hasher *hasher = lua_newuserdatauv(L, sizeof *hasher, 0);

	memset(hasher, 0, sizeof *hasher);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, l_hasher_release);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	if (sip_hasher_init(hasher) != SIP_OK)
		luaL_error(L, "out of memory");
	luaL_setfuncs(L, digest_functions, 1);
}

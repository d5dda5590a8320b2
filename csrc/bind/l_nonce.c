/* l_nonce.c - Lua face of a server's nonces: userdata "sip.Nonces".
 *
 * Instants are seconds, as the scheduler gives them.  The table of nonces in use is
 * this state's memory, and the box is all that refers to it.
 */
#include "bind/l_nonce.h"

#include "auth/nonce.h"
#include "base/limits.h"
#include "bind/l_class.h"
#include "bind/l_heap.h"
#include "bind/l_option.h"
#include "bind/l_str.h"

#define L_NONCES "sip.Nonces"

struct l_nonces {
	struct sip_nonces
		nonces; /* alloc is NULL until it is made, and when it is gone */
};

static const char *const verdicts[] = { "good", "stale", "forged", "replayed" };

static struct sip_nonces *check_nonces(lua_State *L)
{
	struct l_nonces *box = luaL_checkudata(L, 1, L_NONCES);

	luaL_argcheck(L, box->nonces.alloc, 1, "is closed");
	return &box->nonces;
}

static uint64_t check_ms(lua_State *L, int arg)
{
	const lua_Number seconds = luaL_checknumber(L, arg);

	luaL_argcheck(L, seconds >= 0 && seconds < 1e11, arg, "is no instant");
	return (uint64_t)(seconds * 1000 + 0.5);
}

static int push_failure(lua_State *L, sip_err err)
{
	lua_pushnil(L);
	lua_pushstring(L, sip_err_name(err));
	return 2;
}

static int push_verdict(lua_State *L, sip_err err, enum sip_nonce_verdict verdict)
{
	if (err != SIP_OK)
		return push_failure(L, err);
	lua_pushstring(L, verdicts[verdict]);
	return 1;
}

/* core.nonces{ secret, lifetime, limit, now } -> sip.Nonces */
static int l_nonces(lua_State *L)
{
	static const char *const keys[] = { "secret", "lifetime", "limit", "now",
		                            NULL };
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct l_nonces *box;
	lua_Number lifetime, now;
	lua_Integer limit;
	sip_str secret;
	sip_err err;

	l_options_check(L, 1, keys);
	secret = l_option_str(L, 1, "secret", SIP_STR(""));
	luaL_argcheck(L, secret.len >= 16, 1, "secret: 16 bytes at least");
	lifetime = l_option_number(L, 1, "lifetime", 300, 0.001, 1e9);
	limit = l_option_integer(L, 1, "limit", limits.nonces, 1, UINT32_MAX);
	now = l_option_number(L, 1, "now", 0, 0, 1e11);
	box = lua_newuserdatauv(L, sizeof *box, 0);
	box->nonces.alloc = NULL;
	luaL_setmetatable(L, L_NONCES);
	err = sip_nonces_init(&box->nonces, l_alloc(L), secret,
	                      (uint64_t)(lifetime * 1000 + 0.5), (uint32_t)limit,
	                      (uint64_t)(now * 1000 + 0.5));
	if (err != SIP_OK)
		return luaL_error(L, "nonces: %s", sip_err_name(err));
	return 1;
}

/* nonces:issue(realm, now, chance) -> nonce | nil, err.  Of chance, 8 bytes count. */
static int l_nonces_issue(lua_State *L)
{
	const struct sip_nonces *nonces = check_nonces(L);
	const sip_str realm = l_check_str(L, 2), chance = l_check_str(L, 4);
	char text[SIP_NONCE_LEN];
	sip_err err;

	luaL_argcheck(L, chance.len >= SIP_NONCE_SALT, 4, "is too short");
	err = sip_nonces_issue(nonces, realm, check_ms(L, 3),
	                       (const unsigned char *)chance.p, text);
	if (err != SIP_OK)
		return push_failure(L, err);
	lua_pushlstring(L, text, sizeof text);
	return 1;
}

/* nonces:salt(nonce) -> the 8 bytes of chance that it was issued with | nil */
static int l_nonces_salt(lua_State *L)
{
	unsigned char salt[SIP_NONCE_SALT];

	(void)check_nonces(L); /* the text is enough */
	if (!sip_nonce_salt(l_check_str(L, 2), salt))
		return 0;
	lua_pushlstring(L, (const char *)salt, sizeof salt);
	return 1;
}

/* nonces:judge(nonce, realm, now) -> verdict | nil, err */
static int l_nonces_judge(lua_State *L)
{
	enum sip_nonce_verdict verdict = SIP_NONCE_FORGED;
	const sip_err err =
		sip_nonces_judge(check_nonces(L), l_check_str(L, 2), l_check_str(L, 3),
	                         check_ms(L, 4), &verdict);

	return push_verdict(L, err, verdict);
}

/* nonces:use(nonce, nc, now) -> verdict | nil, err */
static int l_nonces_use(lua_State *L)
{
	enum sip_nonce_verdict verdict = SIP_NONCE_STALE;
	struct sip_nonces *nonces = check_nonces(L);
	const lua_Integer nc = luaL_checkinteger(L, 3);
	sip_err err;

	luaL_argcheck(L, nc >= 0 && nc <= UINT32_MAX, 3, "is no count");
	err = sip_nonces_use(nonces, l_check_str(L, 2), (uint32_t)nc, check_ms(L, 4),
	                     &verdict);
	return push_verdict(L, err, verdict);
}

/* nonces:count() -> how many are remembered */
static int l_nonces_count(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_nonces(L)->map.count);
	return 1;
}

static int l_nonces_close(lua_State *L) /* __gc and __close: idempotent */
{
	struct l_nonces *box = luaL_checkudata(L, 1, L_NONCES);

	if (box->nonces.alloc)
		sip_nonces_fini(&box->nonces);
	box->nonces.alloc = NULL;
	return 0;
}

static int l_nonces_tostring(lua_State *L)
{
	const struct l_nonces *box = luaL_checkudata(L, 1, L_NONCES);

	lua_pushfstring(L, "sip.Nonces{%I in use}",
	                (lua_Integer)(box->nonces.alloc ? box->nonces.map.count : 0));
	return 1;
}

void l_nonce_open(lua_State *L)
{
	static const luaL_Reg meta[] = {
		{ "__gc", l_nonces_close },
		{ "__close", l_nonces_close },
		{ "__tostring", l_nonces_tostring },
		{ NULL, NULL },
	};
	static const luaL_Reg methods[] = {
		{ "issue", l_nonces_issue },
		{ "judge", l_nonces_judge },
		{ "use", l_nonces_use },
		{ "count", l_nonces_count },
		{ "salt", l_nonces_salt },
		{ "close", l_nonces_close },
		{ NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "nonces", l_nonces },
		{ NULL, NULL },
	};

	l_new_class(L, L_NONCES, meta, methods);
	luaL_setfuncs(L, functions, 0);
}

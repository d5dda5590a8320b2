/* l_test_jitter.c - the playout buffer for specs; samples are strings of int16. */
#include "bind/l_test.h"

#include "media/jitter.h"

#include <string.h>

#define L_JITTER "sip.test.Jitter"

/* jitter(rate) -> Jitter */
static int l_jitter_new(lua_State *L)
{
	const uint32_t rate = (uint32_t)luaL_optinteger(L, 1, 8000);
	struct rtp_jitter *jitter = lua_newuserdatauv(L, sizeof *jitter, 0);

	rtp_jitter_init(jitter, rate);
	luaL_setmetatable(L, L_JITTER);
	return 1;
}

/* jitter:put(ssrc, timestamp, marker, samples) -> "taken", "late" ... */
static int l_jitter_put(lua_State *L)
{
	static const char *const names[] = { "taken", "late", "duplicate", "jump" };
	struct rtp_jitter *jitter = luaL_checkudata(L, 1, L_JITTER);
	const uint32_t ssrc = (uint32_t)luaL_checkinteger(L, 2);
	const uint32_t timestamp = (uint32_t)luaL_checkinteger(L, 3);
	size_t len;
	const char *bytes = luaL_checklstring(L, 5, &len);
	int16_t *samples = lua_newuserdatauv(L, len + 1, 0);

	memcpy(samples, bytes, len);
	lua_pushstring(
		L, names[rtp_jitter_put(jitter, ssrc, timestamp, lua_toboolean(L, 4),
	                                samples, len / sizeof *samples)]);
	return 1;
}

/* jitter:get(count) -> samples, "voice", "concealed" or "silence" */
static int l_jitter_get(lua_State *L)
{
	static const char *const names[] = { "voice", "concealed", "silence" };
	struct rtp_jitter *jitter = luaL_checkudata(L, 1, L_JITTER);
	const lua_Integer count = luaL_checkinteger(L, 2);
	int16_t samples[RTP_JITTER_FRAME_MAX];
	enum rtp_jitter_get got;

	luaL_argcheck(L, count > 0 && count <= RTP_JITTER_FRAME_MAX, 2, "out of range");
	got = rtp_jitter_get(jitter, samples, (size_t)count);
	lua_pushlstring(L, (const char *)samples, (size_t)count * sizeof *samples);
	lua_pushstring(L, names[got]);
	return 2;
}

static int l_jitter_delay(lua_State *L)
{
	lua_pushinteger(L, rtp_jitter_delay(luaL_checkudata(L, 1, L_JITTER)));
	return 1;
}

static const luaL_Reg methods[] = {
	{ "put", l_jitter_put },
	{ "get", l_jitter_get },
	{ "delay", l_jitter_delay },
	{ NULL, NULL },
};

int l_test_jitter(lua_State *L)
{
	l_test_class(L, L_JITTER, methods);
	lua_newtable(L);
	lua_pushcfunction(L, l_jitter_new);
	lua_setfield(L, -2, "new");
	return 1;
}

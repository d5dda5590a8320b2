/* l_test_line.c - where strangers wait, for specs; instants are milliseconds. */
#include "bind/l_test.h"

#include "stack/line.h"
#include "stack/source.h"

#define L_LINE "sip.test.Line"

struct box {
	struct sip_alloc heap;
	struct sip_failing_alloc failing;
	struct sip_line line;
};

/* line.new{ strangers, strangers_bytes, patience } -> Line */
static int l_line_new(lua_State *L)
{
	struct sip_limits limits = SIP_LIMITS_DEFAULT;
	lua_Integer patience;
	struct box *box;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "strangers");
	limits.strangers = (uint32_t)luaL_optinteger(L, -1, limits.strangers);
	lua_getfield(L, 1, "strangers_bytes");
	limits.strangers_bytes =
		(uint32_t)luaL_optinteger(L, -1, limits.strangers_bytes);
	lua_getfield(L, 1, "patience");
	patience = luaL_optinteger(L, -1, 500);
	box = lua_newuserdatauv(L, sizeof *box, 0);
	sip_alloc_init(&box->heap);
	sip_failing_alloc_init(&box->failing, &box->heap);
	sip_line_init(&box->line, &box->failing.alloc, &limits, (uint32_t)patience);
	luaL_setmetatable(L, L_LINE);
	return 1;
}

static struct sip_source source_of(lua_Integer who)
{
	struct sip_source source = { .family = 4, .prefix = (uint64_t)who };

	source.node.hash = source.prefix % 2; /* many in one chain */
	return source;
}

/* line:add(who, text, at) -> waits, dropped; who: a number below 256 */
static int l_line_add(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_LINE);
	struct sip_path path = { .transport = SIP_UDP };
	const struct sip_source source = source_of(luaL_checkinteger(L, 2));
	uint32_t dropped = 0;
	sip_str text;

	path.remote.family = 4;
	path.remote.ip[3] = (uint8_t)source.prefix;
	text.p = luaL_checklstring(L, 3, &text.len);
	lua_pushboolean(L, sip_line_add(&box->line, &source, &path, text,
	                                (uint64_t)luaL_checkinteger(L, 4), &dropped));
	lua_pushinteger(L, dropped);
	return 2;
}

/* line:take(at, who) -> who, text, dropped | nil, nil, dropped; without `who`: of
 * whose turn it is */
static int l_line_take(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_LINE);
	const uint64_t at = (uint64_t)luaL_checkinteger(L, 2);
	const struct sip_source source = source_of(luaL_optinteger(L, 3, 0));
	uint32_t dropped = 0;
	struct sip_waiting *waiting =
		lua_isnoneornil(L, 3)
			? sip_line_take(&box->line, at, &dropped)
			: sip_line_take_of(&box->line, &source, at, &dropped);

	if (waiting) {
		lua_pushinteger(L, waiting->path.remote.ip[3]);
		lua_pushlstring(L, waiting->bytes, waiting->len);
		sip_line_free(&box->line, waiting);
	} else {
		lua_pushnil(L);
		lua_pushnil(L);
	}
	lua_pushinteger(L, dropped);
	return 3;
}

/* line:fail_at(n): the n-th allocation from here on fails */
static int l_line_fail_at(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_LINE);

	box->failing.calls = 0;
	box->failing.fail_at = (uint64_t)luaL_checkinteger(L, 2);
	return 0;
}

/* line:count() -> how many wait, their bytes */
static int l_line_count(lua_State *L)
{
	const struct box *box = luaL_checkudata(L, 1, L_LINE);

	lua_pushinteger(L, box->line.count);
	lua_pushinteger(L, (lua_Integer)box->line.bytes);
	return 2;
}

/* line:close() -> bytes not given back */
static int l_line_close(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_LINE);

	sip_line_fini(&box->line);
	lua_pushinteger(L, (lua_Integer)box->heap.used);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "add", l_line_add },         { "take", l_line_take },
	{ "fail_at", l_line_fail_at }, { "count", l_line_count },
	{ "close", l_line_close },     { NULL, NULL },
};

int l_test_line(lua_State *L)
{
	l_test_class(L, L_LINE, methods);
	lua_newtable(L);
	lua_pushcfunction(L, l_line_new);
	lua_setfield(L, -2, "new");
	return 1;
}

/* l_test_source.c - what each source may use, for specs; instants are milliseconds. */
#include "bind/l_test.h"

#include "bind/l_str.h"

#include "stack/source.h"

#define L_SOURCES "sip.test.Sources"

struct box {
	struct sip_alloc heap;
	struct sip_sources sources;
};

/* sources.new{ limits } -> Sources */
static int l_sources_new(lua_State *L)
{
	const struct sip_hash_key key = { { 7, 11 } };
	struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct box *box;

	luaL_checktype(L, 1, LUA_TTABLE);
#define READ_LIMIT(name, value)                                                        \
	lua_getfield(L, 1, #name);                                                     \
	limits.name = (uint32_t)luaL_optinteger(L, -1, limits.name);                   \
	lua_pop(L, 1);
	SIP_LIMIT_MAP(READ_LIMIT)
#undef READ_LIMIT
	box = lua_newuserdatauv(L, sizeof *box, 0);
	sip_alloc_init(&box->heap);
	(void)sip_sources_init(&box->sources, &box->heap, &limits, &key, NULL,
	                       0); /* without networks it cannot fail */
	luaL_setmetatable(L, L_SOURCES);
	return 1;
}

static enum sip_rule check_rule(lua_State *L, int arg)
{
	const char *name = luaL_checkstring(L, arg);
	int rule = 0;

	while (rule < SIP_RULE_COUNT &&
	       strcmp(sip_rule_name((enum sip_rule)rule), name) != 0)
		rule++;
	luaL_argcheck(L, rule < SIP_RULE_COUNT, arg, "a rule expected");
	return (enum sip_rule)rule;
}

/* sources:take(ip, rule, at) -> within; what is over counts as stopped */
static int l_sources_take(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_SOURCES);
	const struct sip_addr addr = l_check_ip(L, 2);
	const enum sip_rule rule = check_rule(L, 3);
	const uint64_t now_ms = (uint64_t)luaL_checkinteger(L, 4);
	struct sip_source *source = sip_source_get(&box->sources, &addr, now_ms);
	const bool within =
		!source || sip_source_take(&box->sources, source, rule, now_ms);

	if (!within)
		sip_source_hit(&box->sources, source, &addr, rule, now_ms);
	lua_pushboolean(L, within);
	return 1;
}

/* sources:flood(first, count, rule, at) -> how many were within: one of each of so
 * many IPv4 addresses */
static int l_sources_flood(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_SOURCES);
	struct sip_addr addr = l_check_ip(L, 2);
	const lua_Integer count = luaL_checkinteger(L, 3);
	const enum sip_rule rule = check_rule(L, 4);
	const uint64_t now_ms = (uint64_t)luaL_checkinteger(L, 5);
	lua_Integer within = 0;

	for (lua_Integer i = 0; i < count; i++) {
		struct sip_source *source =
			sip_source_get(&box->sources, &addr, now_ms);

		within +=
			!source || sip_source_take(&box->sources, source, rule, now_ms);
		for (int at = 3; ++addr.ip[at] == 0 && at > 0; at--)
			continue;
	}
	lua_pushinteger(L, within);
	return 1;
}

/* sources:stand(ip, at): it has proved itself */
static int l_sources_stand(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_SOURCES);
	const struct sip_addr addr = l_check_ip(L, 2);
	const uint64_t now_ms = (uint64_t)luaL_checkinteger(L, 3);

	sip_source_stand(&box->sources, sip_source_get(&box->sources, &addr, now_ms),
	                 now_ms);
	return 0;
}

/* sources:stands(ip, at) -> boolean */
static int l_sources_stands(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_SOURCES);
	const struct sip_addr addr = l_check_ip(L, 2);
	const uint64_t now_ms = (uint64_t)luaL_checkinteger(L, 3);
	const struct sip_source *source = sip_source_get(&box->sources, &addr, now_ms);

	lua_pushboolean(L, source->standing);
	return 1;
}

/* sources:pin(ip, at), sources:unpin(ip, at) */
static int l_sources_pin(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_SOURCES);
	const struct sip_addr addr = l_check_ip(L, 2);
	const uint64_t now_ms = (uint64_t)luaL_checkinteger(L, 3);

	sip_source_pin(&box->sources, sip_source_get(&box->sources, &addr, now_ms));
	return 0;
}

static int l_sources_unpin(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_SOURCES);
	const struct sip_addr addr = l_check_ip(L, 2);
	const uint64_t now_ms = (uint64_t)luaL_checkinteger(L, 3);

	sip_source_unpin(&box->sources, sip_source_get(&box->sources, &addr, now_ms),
	                 now_ms);
	return 0;
}

/* sources:count() -> sources, bytes */
static int l_sources_count(lua_State *L)
{
	const struct box *box = luaL_checkudata(L, 1, L_SOURCES);

	lua_pushinteger(L, (lua_Integer)box->sources.map.count);
	lua_pushinteger(L, (lua_Integer)box->heap.used);
	return 2;
}

/* sources:longest() -> the longest chain of its table, slots */
static int l_sources_longest(lua_State *L)
{
	const struct box *box = luaL_checkudata(L, 1, L_SOURCES);
	const struct sip_map *map = &box->sources.map;
	lua_Integer longest = 0;

	for (size_t i = 0; i < map->slot_count; i++) {
		lua_Integer len = 0;

		for (const struct sip_node *node = map->slots[i]; node;
		     node = node->next)
			len++;
		longest = len > longest ? len : longest;
	}
	lua_pushinteger(L, longest);
	lua_pushinteger(L, (lua_Integer)map->slot_count);
	return 2;
}

/* sources:close() -> bytes not given back */
static int l_sources_close(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, L_SOURCES);

	sip_sources_fini(&box->sources);
	lua_pushinteger(L, (lua_Integer)box->heap.used);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "take", l_sources_take },   { "flood", l_sources_flood },
	{ "pin", l_sources_pin },     { "unpin", l_sources_unpin },
	{ "count", l_sources_count }, { "longest", l_sources_longest },
	{ "stand", l_sources_stand }, { "stands", l_sources_stands },
	{ "close", l_sources_close }, { NULL, NULL },
};

int l_test_source(lua_State *L)
{
	l_test_class(L, L_SOURCES, methods);
	lua_newtable(L);
	lua_pushcfunction(L, l_sources_new);
	lua_setfield(L, -2, "new");
	return 1;
}

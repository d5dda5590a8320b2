/* l_test_heap.c - memory that fails on purpose, for spec/oom. */
#include "bind/l_heap.h"
#include "bind/l_test.h"

/* The heap of sip.core in this state; it must have been required. */
static struct sip_failing_alloc *heap_of(lua_State *L)
{
	struct sip_failing_alloc *heap;

	if (lua_getfield(L, LUA_REGISTRYINDEX, L_HEAP) != LUA_TUSERDATA)
		luaL_error(L, "sip.core has not been required");
	heap = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return heap;
}

/* heap.fail(n): the n-th allocation from now on fails, once; 0: none does */
static int l_heap_fail(lua_State *L)
{
	struct sip_failing_alloc *heap = heap_of(L), failing;
	struct sip_alloc plain;

	sip_alloc_init(&plain);
	sip_failing_alloc_init(&failing, NULL);
	lua_newuserdatauv(L, sizeof plain, 0); /* what is under it lives as long */
	heap->under = lua_touserdata(L, -1);
	*heap->under = plain;
	lua_setfield(L, LUA_REGISTRYINDEX, "sip.test.heap");
	heap->calls = 0;
	heap->sticky = 0;
	heap->fail_at = (uint64_t)luaL_checkinteger(L, 1);
	heap->alloc.resize = heap->fail_at ? failing.alloc.resize : plain.resize;
	return 0;
}

/* heap.failed() -> has it come to that? */
static int l_heap_failed(lua_State *L)
{
	const struct sip_failing_alloc *heap = heap_of(L);

	lua_pushboolean(L, heap->fail_at > 0 && heap->calls >= heap->fail_at);
	return 1;
}

/* heap.used() -> bytes, blocks */
static int l_heap_used(lua_State *L)
{
	const struct sip_failing_alloc *heap = heap_of(L);

	lua_pushinteger(L, (lua_Integer)heap->alloc.used);
	lua_pushinteger(L, (lua_Integer)heap->alloc.count);
	return 2;
}

static const luaL_Reg functions[] = {
	{ "fail", l_heap_fail },
	{ "failed", l_heap_failed },
	{ "used", l_heap_used },
	{ NULL, NULL },
};

int l_test_heap(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}

/* l_test_heap.c - memory that fails on purpose, for spec/oom. */
#include "bind/l_heap.h"
#include "bind/l_kept.h"
#include "bind/l_test.h"

#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>

enum { HEAP_MAX = 16 * 1024 * 1024 };

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
	heap->alloc.kept = NULL; /* what is under it knows nothing of that */
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

/* The allocator of a Lua state of its own: the calls from fail_at on fail, up to that
 * before fail_end. */
struct lua_heap {
	uint64_t calls, fail_at, fail_end;
	size_t used;
};

static void *lua_resize(void *ud, void *p, size_t old_size, size_t new_size)
{
	struct lua_heap *heap = ud;
	const size_t freed = p ? old_size : 0; /* of a new block it is the type */
	void *block;

	if (new_size > freed) { /* Lua wants shrinking to succeed */
		heap->calls++;
		if (heap->calls >= heap->fail_at && heap->calls < heap->fail_end)
			return NULL;
		if (new_size - freed > HEAP_MAX - heap->used)
			return NULL;
	}
	block = new_size > 0 ? realloc(p, new_size) : NULL;
	if (new_size == 0)
		free(p);
	else if (!block)
		return NULL;
	heap->used += new_size;
	heap->used -= freed;
	return block;
}

/* Load the code, run the first of its functions with `failing`, tell in its `calls` how
 * many there were, and run the second; NULL, or what went wrong. */
static const char *run_in_state(lua_State *S, struct lua_heap *heap, const char *code,
                                struct lua_heap *failing)
{
	if (luaL_loadstring(S, code) != LUA_OK || lua_pcall(S, 0, 2, 0) != LUA_OK)
		return lua_tostring(S, -1);
	lua_pushvalue(S, 1); /* what is to be done in short memory, until it is done */
	heap->calls = 0;
	heap->fail_at = failing->fail_at;
	heap->fail_end = failing->fail_end;
	if (lua_pcall(S, 0, 0, 0) != LUA_OK)
		lua_settop(S, 2);
	failing->calls = heap->calls;
	heap->fail_end = 0;
	lua_pushvalue(S, 2);
	return lua_pcall(S, 0, 0, 0) == LUA_OK ? NULL : lua_tostring(S, -1);
}

/* heap.state(code, n, [count, [keeps]]) -> calls, why, left: run `code` in a fresh
 * state, which gives two functions; the n-th allocation of Lua in the first fails, or
 * so many in a row; the second looks at what is left, and may raise.  `calls`: how many
 * there were, each of Lua's unless blocks are kept.  `left`: bytes, when it is closed.
 * HEAP_MAX is all the memory there is. */
static int l_heap_state(lua_State *L)
{
	const char *code = luaL_checkstring(L, 1);
	struct lua_heap heap = { 0 }, failing = { 0 };
	lua_State *S;
	const char *why;

	failing.fail_at = (uint64_t)luaL_checkinteger(L, 2);
	failing.fail_end = failing.fail_at + (uint64_t)luaL_optinteger(L, 3, 1);
	S = lua_newstate(lua_resize, &heap);
	if (!S)
		return luaL_error(L, "out of memory");
	luaL_openlibs(S);
	if (!lua_toboolean(L, 4)) {
		lua_pushboolean(S, true);
		lua_setfield(S, LUA_REGISTRYINDEX, L_KEEPS_NOTHING);
	}
	lua_settop(S, 0);
	why = run_in_state(S, &heap, code, &failing);
	lua_pushinteger(L, (lua_Integer)failing.calls);
	lua_pushstring(L, why);
	lua_close(S);
	lua_pushinteger(L, (lua_Integer)heap.used);
	return 3;
}

static const luaL_Reg functions[] = {
	{ "fail", l_heap_fail }, { "failed", l_heap_failed },
	{ "used", l_heap_used }, { "state", l_heap_state },
	{ NULL, NULL },
};

int l_test_heap(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}

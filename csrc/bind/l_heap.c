#include "bind/l_heap.h"

enum { STEP_BYTES = 256 * 1024 };

struct heap {
	struct sip_failing_alloc failing; /* as good as any, until a spec says so */
	struct sip_kept kept;
	size_t held;      /* behind boxes */
	size_t unstepped; /* charged since the collector was stepped */
};

static const char key = 'h'; /* its address is the name in the registry */

static struct heap *heap_of(lua_State *L)
{
	struct heap *heap;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
	heap = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return heap;
}

static int l_heap_release(lua_State *L) /* __gc: others may free into it yet */
{
	struct heap *heap = lua_touserdata(L, 1);

	sip_alloc_let_go(&heap->failing.alloc);
	return 0;
}

void l_heap_open(lua_State *L)
{
	struct heap *heap;

	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL) {
		heap = lua_newuserdatauv(L, sizeof *heap, 0);
		sip_alloc_init(&heap->failing.alloc);
		sip_alloc_keep(&heap->failing.alloc, &heap->kept);
		heap->held = heap->unstepped = 0;
		lua_createtable(L, 0, 1);
		lua_pushcfunction(L, l_heap_release);
		lua_setfield(L, -2, "__gc");
		lua_setmetatable(L, -2);
		lua_pushvalue(L, -1);
		lua_setfield(L, LUA_REGISTRYINDEX, L_HEAP);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
	}
	lua_pop(L, 1);
}

struct sip_alloc *l_alloc(lua_State *L)
{
	return &heap_of(L)->failing.alloc;
}

size_t l_charged(lua_State *L)
{
	return heap_of(L)->held;
}

void l_charge(lua_State *L, size_t bytes)
{
	struct heap *heap = heap_of(L);
	size_t kb;

	heap->held += bytes;
	heap->unstepped += bytes;
	if (heap->unstepped < STEP_BYTES)
		return;
	kb = heap->unstepped / 1024;
	heap->unstepped = 0;
	lua_gc(L, LUA_GCSTEP, (int)(kb < INT32_MAX ? kb : INT32_MAX));
}

void l_discharge(lua_State *L, size_t bytes)
{
	struct heap *heap = heap_of(L);

	heap->held -= bytes;
	heap->unstepped -= bytes < heap->unstepped ? bytes : heap->unstepped;
}

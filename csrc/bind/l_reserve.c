#include "bind/l_reserve.h"

#include "bind/l_kept.h"

#include <lauxlib.h>
#include <stddef.h>
#include <string.h>

/* How much of which size: most of what Lua asks for are small tables and strings, some
 * are stacks, a few are big tables that grow. */
enum { SMALL = 128, MIDDLE = 1024, LARGE = 16384, HUGE_TABLE = 1048576 };
enum { BLOCKS = 1024 + 128 + 16 + 1 };

static const struct size {
	size_t bytes;
	unsigned count;
} sizes[] = { { SMALL, 1024 }, { MIDDLE, 128 }, { LARGE, 16 }, { HUGE_TABLE, 1 } };

enum { SIZES = sizeof sizes / sizeof sizes[0] };

struct l_reserve {
	lua_Alloc under; /* what the state has while nothing is wrapped */
	void *under_ud;
	unsigned depth;
	bool closed, taken, collected, is_short;
	unsigned missing;
	unsigned have[SIZES];
	void *blocks[BLOCKS]; /* size after size, each from its first place on */
	struct l_kept kept;
};

static const char key = 'r'; /* its address is the name in the registry */

static void **place_of(struct l_reserve *reserve, unsigned size)
{
	void **place = reserve->blocks;

	for (unsigned i = 0; i < size; i++)
		place += sizes[i].count;
	return place;
}

static void fill(struct l_reserve *reserve, lua_Alloc allocate, void *ud)
{
	for (unsigned i = 0; i < SIZES; i++) {
		void **place = place_of(reserve, i);
		while (reserve->have[i] < sizes[i].count) {
			void *block = allocate(ud, NULL, 0, sizes[i].bytes);
			if (!block)
				return;
			place[reserve->have[i]++] = block;
			reserve->missing--;
		}
	}
}

/* Of what is asked for most, is less there than so many quarters? */
static bool is_below(const struct l_reserve *reserve, unsigned quarters)
{
	for (unsigned i = 0; sizes[i].bytes <= MIDDLE; i++) {
		if (reserve->have[i] * 4 < sizes[i].count * quarters)
			return true;
	}
	return false;
}

/* The smallest block that is large enough, shrunk to what is wanted. */
static void *take(struct l_reserve *reserve, size_t bytes)
{
	for (unsigned i = 0; i < SIZES; i++) {
		void **place = place_of(reserve, i), *block;
		if (bytes > sizes[i].bytes || reserve->have[i] == 0)
			continue;
		block = reserve->under(reserve->under_ud, place[reserve->have[i] - 1],
		                       sizes[i].bytes, bytes);
		if (!block)
			return NULL;
		reserve->have[i]--;
		reserve->missing++;
		reserve->taken = true;
		return block;
	}
	return NULL;
}

/* The wrapped allocator.  It gives at once, because the buffers of Lua's library ask
 * only once; but when much is gone it lets Lua collect, and ask again, first: once in
 * an entry, or whoever keeps all he gets would have everything collected for each of
 * his bytes. */
static void *resize(void *ud, void *old, size_t old_size, size_t size)
{
	struct l_reserve *reserve = ud;
	lua_Alloc under = reserve->under;
	void *const under_ud = reserve->under_ud;
	void *block =
		l_kept_resize(&reserve->kept, under, under_ud, old, old_size, size);

	if (block || size == 0)
		return block;
	if (l_kept_let_go(&reserve->kept, under, under_ud))
		block = under(under_ud, old, old_size, size);
	if (block)
		return block;
	if (!reserve->collected && is_below(reserve, 2)) {
		reserve->collected = true;
		return NULL;
	}
	block = take(reserve, size);
	if (block && old) {
		memcpy(block, old, old_size < size ? old_size : size);
		(void)under(under_ud, old, old_size, 0); /* NULL */
	}
	return block;
}

static bool is_wrapped(const struct l_reserve *reserve, lua_State *L)
{
	void *ud;

	return lua_getallocf(L, &ud) == resize && ud == reserve;
}

void l_reserve_begin(struct l_reserve *reserve, lua_State *L)
{
	if (reserve->closed || reserve->depth++ > 0)
		return;
	reserve->under = lua_getallocf(L, &reserve->under_ud);
	reserve->collected = false;
	lua_setallocf(L, resize, reserve);
}

void l_reserve_end(struct l_reserve *reserve, lua_State *L)
{
	if (reserve->closed || --reserve->depth > 0)
		return;
	if (!is_wrapped(reserve, L)) {
		/* A script has put an allocator of its own on top, which is stranger
		 * than we can judge: leave it alone from now on. */
		reserve->closed = true;
		return;
	}
	lua_setallocf(L, reserve->under, reserve->under_ud);
	if (reserve->taken)
		(void)lua_gc(L, LUA_GCCOLLECT); /* it has no result */
	reserve->taken = false;
	if (reserve->missing > 0)
		fill(reserve, reserve->under, reserve->under_ud);
	reserve->is_short = is_below(reserve, 3);
}

bool l_reserve_is_short(const struct l_reserve *reserve)
{
	return !reserve->closed && reserve->is_short;
}

bool l_reserve_is_low(struct l_reserve *reserve, lua_State *L)
{
	lua_Alloc allocate;
	void *ud;

	if (reserve->closed || !is_below(reserve, 2))
		return false;
	if (reserve->depth == 0) {
		allocate = lua_getallocf(L, &ud);
		fill(reserve, allocate, ud);
	}
	return is_below(reserve, 2);
}

static int l_reserve_release(lua_State *L) /* __gc */
{
	struct l_reserve *reserve = lua_touserdata(L, 1);
	lua_Alloc allocate;
	void *ud;

	if (reserve->depth > 0 && is_wrapped(reserve, L)) /* os.exit of a script */
		lua_setallocf(L, reserve->under, reserve->under_ud);
	reserve->closed = true;
	allocate = lua_getallocf(L, &ud);
	(void)l_kept_let_go(&reserve->kept, allocate, ud); /* or there was none */
	for (unsigned i = 0; i < SIZES; i++) {
		void **place = place_of(reserve, i);
		while (reserve->have[i] > 0)
			(void)allocate(ud, place[--reserve->have[i]], sizes[i].bytes,
			               0); /* NULL */
	}
	return 0;
}

struct l_reserve *l_reserve_of(lua_State *L)
{
	struct l_reserve *reserve;
	lua_Alloc allocate;
	void *ud;

	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL) {
		reserve = lua_newuserdatauv(L, sizeof *reserve, 0);
		memset(reserve, 0, sizeof *reserve);
		l_kept_init(&reserve->kept, L);
		for (unsigned i = 0; i < SIZES; i++)
			reserve->missing += sizes[i].count;
		lua_createtable(L, 0, 1);
		lua_pushcfunction(L, l_reserve_release);
		lua_setfield(L, -2, "__gc");
		lua_setmetatable(L, -2);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
		allocate = lua_getallocf(L, &ud);
		fill(reserve, allocate, ud);
		lua_replace(L, -2);
	}
	reserve = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return reserve;
}

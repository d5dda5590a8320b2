#include "bind/l_kept.h"

#include <string.h>

void l_kept_init(struct l_kept *kept, lua_State *L)
{
	memset(kept, 0, sizeof *kept);
#ifndef SIP_MUST_ABORTS /* what watches memory is to see each block come and go */
	if (lua_getfield(L, LUA_REGISTRYINDEX, L_KEEPS_NOTHING) == LUA_TNIL)
		kept->bytes_max = L_KEPT_BYTES;
	lua_pop(L, 1);
#else
	(void)L;
#endif
}

static bool is_kept_size(size_t size)
{
	return size >= sizeof(void *) && size <= L_KEPT_UP_TO;
}

static void *take(struct l_kept *kept, size_t size)
{
	void *block = is_kept_size(size) ? kept->first[size] : NULL;

	if (!block)
		return NULL;
	memcpy(&kept->first[size], block, sizeof block);
	kept->bytes -= size;
	return block;
}

static bool put(struct l_kept *kept, void *block, size_t size)
{
	if (!is_kept_size(size) || kept->bytes + size > kept->bytes_max)
		return false;
	memcpy(block, &kept->first[size], sizeof block);
	kept->first[size] = block;
	kept->bytes += size;
	return true;
}

void *l_kept_resize(struct l_kept *kept, lua_Alloc under, void *ud, void *old,
                    size_t old_size, size_t size)
{
	void *block = take(kept, size);

	if (block && old)
		memcpy(block, old, old_size < size ? old_size : size);
	else if (!block && (!old || size > 0))
		return under(ud, old, old_size, size);
	if (old && !put(kept, old, old_size))
		(void)under(ud, old, old_size, 0); /* NULL */
	return block;
}

bool l_kept_let_go(struct l_kept *kept, lua_Alloc under, void *ud)
{
	const bool had = kept->bytes > 0;

	for (size_t size = 0; kept->bytes > 0; size++) {
		void *block;

		while ((block = take(kept, size)))
			(void)under(ud, block, size, 0); /* NULL */
	}
	return had;
}

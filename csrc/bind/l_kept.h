#pragma once
/* l_kept.h - small blocks that Lua has let go of, kept to be given to it again.
 *
 * The collector frees some thousand small blocks in a row, and Lua asks for as many
 * soon after.  glibc keeps only a few of a size apart; it puts the others together
 * whenever it is asked for a kilobyte, and cuts them again: a fifth of what a call
 * costs.  Here each size has a list of its own.  What is in it came from the state's
 * own allocator, of exactly that size, and goes back to it in the end, so it may as
 * well be freed when nothing is kept.
 */
#include <lua.h>
#include <stdbool.h>

/* Its name in the registry: where it stands, nothing is kept.  For specs in which each
 * allocation is one of the state. */
#define L_KEEPS_NOTHING "sip.keeps_nothing"

enum { L_KEPT_UP_TO = 1024, L_KEPT_BYTES = 4 * 1024 * 1024 };

struct l_kept {
	void *first[L_KEPT_UP_TO + 1]; /* by size; each begins with the next */
	size_t bytes, bytes_max;
};

void l_kept_init(struct l_kept *kept, lua_State *L);

/* As a lua_Alloc, with one below it for what is not there and for what is too much. */
void *l_kept_resize(struct l_kept *kept, lua_Alloc under, void *ud, void *old,
                    size_t old_size, size_t size);

/* Give it all back.  False: there was nothing. */
bool l_kept_let_go(struct l_kept *kept, lua_Alloc under, void *ud);

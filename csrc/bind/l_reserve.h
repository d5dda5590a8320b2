#pragma once
/* l_reserve.h - memory set aside for the times when Lua gets none.
 *
 * A Lua error for want of memory may strike at any call, and would leave whatever was
 * half done half done: a task that nobody ends, a call that nobody finds.  So nothing
 * below the door meets one as long as the reserve lasts.  While the door is open the
 * state's allocator is wrapped, and an allocation that fails is served from blocks
 * that were had in better times.  What a script asks for beyond that raises in the
 * script, which ends its call.
 *
 * A block is handed out by letting the state's own allocator shrink it, which Lua
 * relies on never to fail; so it is that allocator's own, of the size Lua knows, and
 * may be freed when nothing is wrapped.  When the door closes Lua collects, and the
 * reserve is filled up again.  Where that does not succeed, endpoints refuse new calls
 * below three quarters of it; below half the door stays shut, so that nothing is begun
 * that could not be ended.
 */
#include <lua.h>
#include <stdbool.h>

struct l_reserve;

/* The reserve of this state, made and filled when first asked for.  Lives as long as
 * the state.  May raise. */
struct l_reserve *l_reserve_of(lua_State *L);

/* Around everything the door lets in; may be nested.  Neither raises. */
void l_reserve_begin(struct l_reserve *reserve, lua_State *L);
void l_reserve_end(struct l_reserve *reserve, lua_State *L);

/* Less than three quarters are left, and more could not be had. */
bool l_reserve_is_short(const struct l_reserve *reserve);

/* Less than half is left, and more cannot be had now: the door stays shut. */
bool l_reserve_is_low(struct l_reserve *reserve, lua_State *L);

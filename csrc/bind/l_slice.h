/* l_slice.h - finding out that a script does not wait, at no cost to those that do.
 *
 * A hook that counts instructions is in the way of each of them.  So a pulse of the
 * thread puts a hook into the coroutine that happens to run, for one instruction. */
#pragma once

#include <lua.h>

/* loop:pulse(look) -> mark | nothing: there is no pulse.  mark(thread) says that this
 * coroutine runs from here on, mark() that none does.  In what runs, `look` is called,
 * before its next instruction, 50 times in a second of this thread's processor time;
 * it may raise. */
int l_slice_pulse(lua_State *L);

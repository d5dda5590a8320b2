#pragma once
/* l_source.h - who sends, as Lua says and sees it: see stack/source.h. */
#include "stack/stack.h"

#include <lua.h>

/* What an options table says of sources: exempt = { bytes, bits, bytes, bits ... } and
 * scanners = "text\ntext\n".  Leaves one value on the stack that keeps it alive. */
void l_source_check(lua_State *L, int index, struct sip_stack_opts *opts);

int l_stack_offenders(lua_State *L);
int l_stack_failed_login(lua_State *L);
int l_stack_good_login(lua_State *L);

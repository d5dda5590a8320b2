/* l_listener.h - methods of a stack: where it listens, and as whom. */
#pragma once

#include "bind/l_stack.h"

int l_stack_listen(lua_State *L);
int l_stack_local_for(lua_State *L);
int l_stack_is_own(lua_State *L);
int l_stack_tls(lua_State *L);
int l_stack_origins(lua_State *L);
int l_stack_asks(lua_State *L);

/* Push host, port, address and listener; gives 4. */
int l_push_local(lua_State *L, const struct sip_local *local);

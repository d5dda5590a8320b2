/* l_flow.h - methods of a stack: the ways to its peers, and who those are. */
#pragma once

#include "bind/l_stack.h"

int l_stack_is_there(lua_State *L);
int l_stack_keep(lua_State *L);
int l_stack_keep_end(lua_State *L);
int l_stack_handshake(lua_State *L);
int l_stack_peer_names(lua_State *L);

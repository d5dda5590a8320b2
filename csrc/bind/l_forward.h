/* l_forward.h - methods of stacks and transactions that pass messages on. */
#pragma once

#include "bind/l_stack.h"
#include "stack/forward.h"

int l_stack_forward(lua_State *L);
int l_stack_pass(lua_State *L);
int l_stack_seal(lua_State *L);
int l_stack_stateless_branch(lua_State *L);
int l_stack_mark(lua_State *L);
int l_stack_is_marked(lua_State *L);
int l_stack_token(lua_State *L);
int l_stack_token_way(lua_State *L);
int l_stack_relaying(lua_State *L);

/* An array of edits, { op, name, value, op, name, value ... }, at `index`; nil is none.
 * Pushes one value that owns it; raises when it is no such list. */
unsigned l_check_edits(lua_State *L, int index, const struct sip_edit **edits);

/* The fields message, uri, max_forwards and edits of the table at `index`; what owns
 * the edits is pushed.  Gives the message, borrowed. */
struct sip_msg *l_check_forward(lua_State *L, int index, struct sip_forward_spec *spec);

#pragma once
/* Lua face of a message: userdata "sip.Message" (lua/sip/meta/msg.lua). */
#include <lua.h>

#include "msg/message.h"

void l_msg_open(lua_State *L); /* adds its functions to the table on top */

/* Push a box with a reference of its own; may raise, and `msg` is then as before. */
void l_push_msg(lua_State *L, struct sip_msg *msg);

/* The message in the box at `arg`; raises when it is none or is gone.  Borrowed. */
struct sip_msg *l_check_msg(lua_State *L, int arg);

/* The same, but NULL when it is gone: a method then returns l_msg_gone(L). */
struct sip_msg *l_peek_msg(lua_State *L, int arg);
int l_msg_gone(lua_State *L);

/* Let go of the message in the box at `arg`, unless it is kept.  For the dispatcher. */
void l_release_msg(lua_State *L, int arg);

/* Push { at, why, status }. */
void l_push_refusal(lua_State *L, const struct sip_refusal *refusal);

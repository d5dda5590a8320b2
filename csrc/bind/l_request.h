/* l_request.h - requests from Lua tables, and userdata "sip.Sent". */
#pragma once

#include "bind/l_stack.h"

void l_request_open(lua_State *L); /* metatables; may raise */

/* Methods of a stack. */
int l_stack_request(lua_State *L);
int l_stack_send(lua_State *L);

/* Fields of the table at `index`: transport; host and port; all three.  They raise. */
enum sip_transport l_check_transport(lua_State *L, int index);
struct sip_addr l_check_address(lua_State *L, int index);
struct sip_target l_check_target(lua_State *L, int index);

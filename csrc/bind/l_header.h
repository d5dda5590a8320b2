/* l_header.h - methods of messages that read headers. */
#pragma once
#include <lua.h>

void l_header_methods(lua_State *L); /* adds them to the table on top */

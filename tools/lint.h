/* lint.h - what clang-tidy should know and Lua's headers do not say: raising an error
 * does not come back. */
#pragma once

struct lua_State;

__attribute__((noreturn)) int lua_error(struct lua_State *L);
__attribute__((noreturn)) int luaL_error(struct lua_State *L, const char *format, ...);
__attribute__((noreturn)) int luaL_argerror(struct lua_State *L, int arg,
                                            const char *text);
__attribute__((noreturn)) int luaL_typeerror(struct lua_State *L, int arg,
                                             const char *name);

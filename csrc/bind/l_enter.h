/* l_enter.h - the one door from C into Lua. */
#pragma once

#include "base/err.h"
#include "bind/l_reserve.h"

#include <lua.h>
#include <stdint.h>

/* What passes through: `run` builds the arguments and calls the Lua function, all
 * inside the protected call, so whatever it does may raise. */
struct l_entry {
	void (*run)(lua_State *L, struct l_entry *entry);
};

struct l_door {
	struct l_reserve *reserve;
	uint64_t entries, script_errors;
};

/* A script error is reported on standard error and counted; it never ends the
 * process.  SIP_ENOMEM: Lua has no memory, its reserve is used up, and the caller
 * refuses what it came with itself. */
sip_err l_enter(struct l_door *door, lua_State *L, struct l_entry *entry);

/* For `run`: call the function below its `args` arguments, for its effects. */
void l_call(lua_State *L, int args);

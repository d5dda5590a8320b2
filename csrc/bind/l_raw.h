/* l_raw.h - a socket of a host with nothing behind it: userdata "sip.SimRaw".
 *
 * Whoever tests a stack says bytes to it that no stack would send, and reads what came
 * back with its instants.  What comes is kept until it is taken; nothing is called.
 */
#pragma once

#include "base/list.h"
#include "bind/l_driver.h"

#include <lua.h>

void l_raw_open(lua_State *L); /* metatable; may raise */
/* Where a raw socket lives: its host, and the host's list of them. */
struct l_raw_place {
	struct l_driver *driver;
	uint64_t (*now_us)(struct l_driver *driver);
	struct sip_link *raws;
};
/* host:raw(opts): the host at index 1, options at 2; pushes the userdata.  Raises. */
int l_raw_new(lua_State *L, const struct l_raw_place *place);
/* The world ends: close those that are open. */
void l_raw_close_all(struct sip_link *raws);

/* l_sim_host.h - the world of l_sim.c, and its hosts. */
#pragma once

#include "bind/l_driver.h"
#include "sim/world.h"

struct l_sim_world {
	struct sim_world *world; /* NULL once closed */
	struct sip_link hosts;
};

struct l_sim_host {
	struct l_driver driver;
	struct sim_host *host;     /* NULL: its world is closed */
	struct l_sim_world *world; /* alive: uservalue 1 */
	struct sip_link link;
	struct sip_link raws;
};

/* world:host(ip, ...), the world at 1: pushes it; raises. */
int l_sim_host_new(lua_State *L, struct l_sim_world *world);
void l_sim_host_close(lua_State *L, struct l_sim_host *host);
void l_sim_host_open(lua_State *L); /* metatable; may raise */

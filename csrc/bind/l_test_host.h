/* l_test_host.h - the world of l_test_world.c, and its hosts. */
#pragma once

#include "bind/l_driver.h"
#include "bind/l_test_ether.h"

/* The uservalues of a world. */
enum { L_TEST_HOSTS = 1, L_TEST_NEEDS = 2 };

struct l_test_world {
	struct l_ether ether;
	struct sim_world *sim; /* the clock, names, media and files */
	struct sip_seeded_random random;
	struct sip_link hosts;
	bool open, stuck;
};

struct l_test_host {
	struct l_driver driver;
	struct l_ether_host host;
	struct sim_host *sim;
	struct sip_seeded_random random;
	struct l_test_world *world; /* alive: uservalue 1 */
	struct sip_link link;
	struct sip_link raws;
	bool open;
};

/* world:host(ip, ...), the world at 1: pushes it; raises. */
int l_test_host_new(lua_State *L, struct l_test_world *world);
void l_test_host_close(lua_State *L, struct l_test_host *host);
void l_test_host_open(lua_State *L); /* metatable; may raise */

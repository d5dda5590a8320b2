/* l_sim_parts.h - what the world of the simulator and the one on real sockets have in
 * common: l_sim.c and l_test_world.c, and their hosts. */
#pragma once

#include "bind/l_driver.h"
#include "sim/world.h"

#include <lua.h>

/* The time of a world as that of the machine: each begins on 1 January 2026, at
 * midnight. */
uint64_t l_sim_unix_ms(uint64_t now_ms);
/* None: a run must not depend on how fast the machine is. */
double l_sim_cpu_s(struct l_driver *driver);

/* Media in virtual time, for the operations of a driver: whether there is something to
 * look at, and when there will be. */
bool l_sim_desk_ready(struct l_driver *driver, struct sim_host *host);
uint64_t l_sim_desk_deadline_ms(const struct l_driver *driver,
                                const struct sim_host *host);

/* A field of the options at 2; family 0 when it is left out.  Raises. */
struct sip_addr l_sim_opt_address(lua_State *L, const char *key);

/* host:write_file(path, bytes) */
int l_sim_write_file(lua_State *L, struct sim_host *host);
/* host:read_file(path) -> bytes | nil */
int l_sim_read_file(lua_State *L, struct sim_host *host);
/* host:disk{ free, delay }: bytes, seconds */
int l_sim_disk(lua_State *L, struct sim_host *host);

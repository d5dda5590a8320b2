/* l_names.h - DNS records for Lua: what a stack is told, and what a simulated world
 * knows. */
#pragma once

#include "stack/stack.h"

#include <lua.h>

struct sim_world;

/* "A", "AAAA", "SRV" or "NAPTR"; A when it is left out. */
enum sip_record_type l_check_record_type(lua_State *L, int arg);

/* Push the records of an event: addresses are strings, the others tables.  Gives for
 * how many seconds that is so; 0: the answer did not say. */
uint32_t l_push_names(lua_State *L, const struct sip_event *event);
/* One record; alone it tells its time to live, too. */
void l_push_record(lua_State *L, const struct sip_record *record);

/* Of a world, with their arguments from 2 on (lua/sip/meta/sim.lua). */
int l_world_dns(lua_State *L, struct sim_world *world);
int l_world_forget(lua_State *L, struct sim_world *world);
int l_world_lookups(lua_State *L, const struct sim_world *world);

/* l_sim.c - the simulator for Lua: userdata "sip.World"; its hosts are in l_sim_host.c.
 *
 * A world moves from instant to instant: step() does everything that is due at the
 * next one, and then gives each host that was touched, or has a deadline then, its
 * turn.  No clock but the world's is ever read.
 */
#include "bind/l_sim.h"

#include "bind/l_class.h"
#include "bind/l_driver.h"
#include "bind/l_heap.h"
#include "bind/l_names.h"
#include "bind/l_raw.h"
#include "bind/l_sim_host.h"
#include "bind/l_sim_parts.h"
#include "bind/l_str.h"
#include "sim/world.h"

#define L_WORLD "sip.World"

/* ---- the world ---- */

static struct l_sim_world *check_world(lua_State *L)
{
	struct l_sim_world *box = luaL_checkudata(L, 1, L_WORLD);

	if (!box->world)
		luaL_error(L, "the world is closed");
	return box;
}

/* core.world{ seed } -> World */
static int l_world_new(lua_State *L)
{
	struct l_sim_world *box;
	uint64_t seed = 1;

	luaL_checktype(L, 1, LUA_TTABLE);
	if (lua_getfield(L, 1, "seed") != LUA_TNIL)
		seed = (uint64_t)luaL_checkinteger(L, -1);
	box = lua_newuserdatauv(L, sizeof *box, 1);
	box->world = NULL;
	sip_list_init(&box->hosts);
	luaL_setmetatable(L, L_WORLD);
	lua_newtable(L); /* its hosts: they live as long as it does */
	lua_setiuservalue(L, -2, 1);
	if (sim_world_new(l_alloc(L), seed, &box->world) != SIP_OK)
		return luaL_error(L, "out of memory");
	return 1;
}

/* world:close() */
static int l_world_close(lua_State *L)
{
	struct l_sim_world *box = luaL_checkudata(L, 1, L_WORLD);

	while (box->world && !sip_list_empty(&box->hosts))
		l_sim_host_close(
			L, SIP_CONTAINER(box->hosts.next, struct l_sim_host, link));
	if (box->world)
		sim_world_free(box->world);
	box->world = NULL;
	return 0;
}

/* world:host(ip, ...) -> SimHost, with these addresses */
static int l_world_host(lua_State *L)
{
	return l_sim_host_new(L, check_world(L));
}

static uint64_t next_us(const struct l_sim_world *box)
{
	uint64_t best = sim_world_next_us(box->world);
	struct sip_link *link;

	for (link = box->hosts.next; link != &box->hosts; link = link->next) {
		struct l_sim_host *host = SIP_CONTAINER(link, struct l_sim_host, link);
		const uint64_t due_ms = l_driver_deadline(&host->driver);
		if (due_ms != SIP_NEVER && due_ms * 1000 < best)
			best = due_ms * 1000;
	}
	if (best < sim_world_now_us(box->world))
		best = sim_world_now_us(box->world);
	return best;
}

/* world:now() -> seconds */
static int l_world_now(lua_State *L)
{
	const uint64_t now_ms = sim_world_now_us(check_world(L)->world) / 1000;

	lua_pushnumber(L, (double)now_ms / 1000.0);
	return 1;
}

/* world:next() -> seconds | nil when nothing will ever happen again */
static int l_world_next(lua_State *L)
{
	const uint64_t due = next_us(check_world(L));

	if (due == SIP_NEVER)
		return 0;
	lua_pushnumber(L, (double)due / 1e6);
	return 1;
}

static void give_turns(lua_State *L, struct l_sim_world *box)
{
	const uint64_t now_ms = sim_world_now_us(box->world) / 1000;
	struct sip_link *link, *next;

	for (link = box->hosts.next; box->world && link != &box->hosts; link = next) {
		struct l_sim_host *host = SIP_CONTAINER(link, struct l_sim_host, link);

		next = link->next;
		if (sim_host_take_touched(host->host) ||
		    l_driver_deadline(&host->driver) <= now_ms)
			l_driver_turn(L, &host->driver);
	}
}

/* world:step([until]) -> true when something was done; false when there is nothing up
 * to `until` (seconds), where the clock is then */
static int l_world_step(lua_State *L)
{
	struct l_sim_world *box = check_world(L);
	const uint64_t due = next_us(box);
	uint64_t until = SIP_NEVER;

	if (!lua_isnoneornil(L, 2))
		until = l_check_delay_ms(L, 2) * 1000;
	if (due == SIP_NEVER || due > until) {
		if (until != SIP_NEVER && until > sim_world_now_us(box->world))
			sim_world_run(box->world, until);
		lua_pushboolean(L, 0);
		return 1;
	}
	sim_world_run(box->world, due);
	give_turns(L, box);
	lua_pushboolean(L, 1);
	return 1;
}

static double opt_number(lua_State *L, const char *key)
{
	double value;

	lua_getfield(L, 2, key);
	value = luaL_optnumber(L, -1, 0);
	if (value < 0 || value > 1e6)
		luaL_error(L, "%s: out of range", key);
	lua_pop(L, 1);
	return value;
}

/* world:link{ from, to, delay, loss, duplicate, reorder, reorder_by }: seconds and
 * probabilities; an address that is left out is any */
static int l_world_link(lua_State *L)
{
	struct l_sim_world *box = check_world(L);
	struct sim_link link = { 0 };

	luaL_checktype(L, 2, LUA_TTABLE);
	link.from = l_sim_opt_address(L, "from");
	link.to = l_sim_opt_address(L, "to");
	link.delay_us = (uint64_t)(opt_number(L, "delay") * 1e6);
	link.loss = opt_number(L, "loss");
	link.duplicate = opt_number(L, "duplicate");
	link.reorder = opt_number(L, "reorder");
	link.reorder_us = (uint64_t)(opt_number(L, "reorder_by") * 1e6);
	if (link.reorder > 0 && link.reorder_us == 0)
		link.reorder_us = 100000;
	if (sim_world_link(box->world, &link) != SIP_OK)
		return luaL_error(L, "too many links");
	return 0;
}

/* world:name(name, ip): one of its A or AAAA records */
static int l_world_name(lua_State *L)
{
	struct l_sim_world *box = check_world(L);
	const struct sip_addr addr = l_check_ip(L, 3);
	sip_str name;

	name.p = luaL_checklstring(L, 2, &name.len);
	if (sim_world_name(box->world, name, &addr) != SIP_OK)
		return luaL_error(L, "no such name can be held");
	return 0;
}

static int l_sim_dns(lua_State *L)
{
	return l_world_dns(L, check_world(L)->world);
}

static int l_sim_forget(lua_State *L)
{
	return l_world_forget(L, check_world(L)->world);
}

static int l_sim_lookups(lua_State *L)
{
	return l_world_lookups(L, check_world(L)->world);
}

/* world:random() -> 0 <= x < 1 */
static int l_world_random(lua_State *L)
{
	lua_pushnumber(L, sip_random_unit(sim_world_random(check_world(L)->world)));
	return 1;
}

/* world:pending() -> packets and completions under way */
static int l_world_pending(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)sim_world_pending(check_world(L)->world));
	return 1;
}

/* ---- datagrams that are held, for a search of all their orders ---- */

/* world:hold(flag) */
static int l_world_hold(lua_State *L)
{
	sim_world_hold(check_world(L)->world, lua_toboolean(L, 2));
	return 0;
}

static void push_place(lua_State *L, const struct sip_addr *addr, const char *ip,
                       const char *port)
{
	char text[SIP_ADDR_TEXT_MAX];

	lua_pushlstring(L, text, sip_addr_write_host(addr, text, false));
	lua_setfield(L, -2, ip);
	lua_pushinteger(L, addr->port);
	lua_setfield(L, -2, port);
}

/* world:flying() -> array of { id, from, from_port, to, to_port, bytes }, as sent */
static int l_world_flying(lua_State *L)
{
	const struct l_sim_world *box = check_world(L);
	struct sim_flying flying = { .id = 0 };

	lua_newtable(L);
	for (lua_Integer i = 1; sim_world_flying(box->world, flying.id, &flying); i++) {
		lua_createtable(L, 0, 6);
		lua_pushinteger(L, flying.id);
		lua_setfield(L, -2, "id");
		push_place(L, &flying.from, "from", "from_port");
		push_place(L, &flying.to, "to", "to_port");
		lua_pushlstring(L, flying.bytes.p, flying.bytes.len);
		lua_setfield(L, -2, "bytes");
		lua_rawseti(L, -2, i);
	}
	return 1;
}

static uint32_t check_id(lua_State *L)
{
	const lua_Integer id = luaL_checkinteger(L, 2);

	luaL_argcheck(L, id > 0 && id <= UINT32_MAX, 2, "an id expected");
	return (uint32_t)id;
}

/* world:deliver(id [, keep]) -> false when there is none; hosts have their turns */
static int l_world_deliver(lua_State *L)
{
	struct l_sim_world *box = check_world(L);
	const bool done =
		sim_world_deliver(box->world, check_id(L), lua_toboolean(L, 3));

	if (done)
		give_turns(L, box);
	lua_pushboolean(L, done);
	return 1;
}

/* world:lose(id) -> false when there is none */
static int l_world_lose(lua_State *L)
{
	struct l_sim_world *box = check_world(L);

	lua_pushboolean(L, sim_world_lose(box->world, check_id(L)));
	return 1;
}

static const luaL_Reg world_methods[] = {
	{ "host", l_world_host },
	{ "now", l_world_now },
	{ "next", l_world_next },
	{ "step", l_world_step },
	{ "link", l_world_link },
	{ "name", l_world_name },
	{ "random", l_world_random },
	{ "pending", l_world_pending },
	{ "hold", l_world_hold },
	{ "flying", l_world_flying },
	{ "deliver", l_world_deliver },
	{ "lose", l_world_lose },
	{ "dns", l_sim_dns },
	{ "forget", l_sim_forget },
	{ "lookups", l_sim_lookups },
	{ "close", l_world_close },
	{ NULL, NULL },
};

static const luaL_Reg world_meta[] = {
	{ "__gc", l_world_close },
	{ "__close", l_world_close },
	{ NULL, NULL },
};

void l_sim_open(lua_State *L)
{
	l_raw_open(L);
	l_new_class(L, L_WORLD, world_meta, world_methods);
	l_sim_host_open(L);
	lua_pushcfunction(L, l_world_new);
	lua_setfield(L, -2, "world");
}

/* l_test_world.c - the world of the simulator on real sockets: "sip.test.World".
 *
 * Its surface is that of l_sim.c, so that a spec runs on either: hosts that are
 * drivers, raw sockets, a clock that steps from instant to instant.  Here every host
 * is a loop of its own with its sockets on loopback; only time is not real.  step()
 * takes in all that is under way before it gives turns, and moves the clock when
 * nothing is.  Signalling is on sockets; names, media and files stay with a simulated
 * host beside each, whose engine is advanced inline.  What a spec asks for that cannot
 * be had here (a stream to a host that is down) goes to `needs`, which does not return.
 */
#include "bind/l_class.h"
#include "bind/l_heap.h"
#include "bind/l_names.h"
#include "bind/l_option.h"
#include "bind/l_sim_parts.h"
#include "bind/l_str.h"
#include "bind/l_test.h"
#include "bind/l_test_host.h"

#include <string.h>

#define L_WORLD "sip.test.World"

/* How long, in real time, and how often at least the kernel is asked for what is under
 * way before a spec fails. */
enum { REST_MS = 1000, POLLS_MIN = 10000 };

/* --- the world ------------------------------------------------------------------- */

static struct l_test_world *check_world(lua_State *L)
{
	struct l_test_world *box = luaL_checkudata(L, 1, L_WORLD);

	if (!box->open)
		luaL_error(L, "the world is closed");
	return box;
}

/* The world is at `index`. */
static int needs(lua_State *L, int index, const char *what)
{
	lua_getiuservalue(L, index, L_TEST_NEEDS);
	lua_pushstring(L, what);
	l_call(L, 1);
	return luaL_error(L, "this cannot be had on real sockets: %s", what);
}

/* test.world.new{ seed =, needs = fn(what) } -> World */
static int l_world_new(lua_State *L)
{
	struct l_test_world *box;
	const char *why;

	luaL_checktype(L, 1, LUA_TTABLE);
	box = lua_newuserdatauv(L, sizeof *box, 2);
	memset(box, 0, sizeof *box);
	sip_list_init(&box->hosts);
	sip_seeded_random_init(
		&box->random, (uint64_t)l_option_integer(
				      L, 1, "seed", 1, LUA_MININTEGER, LUA_MAXINTEGER));
	luaL_setmetatable(L, L_WORLD);
	lua_newtable(L); /* its hosts: they live as long as it does */
	lua_setiuservalue(L, -2, L_TEST_HOSTS);
	lua_getfield(L, 1, "needs");
	luaL_checktype(L, -1, LUA_TFUNCTION);
	lua_setiuservalue(L, -2, L_TEST_NEEDS);
	if (l_ether_init(&box->ether, l_alloc(L), &box->random.random, &why) != SIP_OK)
		return luaL_error(L, "no world: %s", why);
	box->open = true;
	if (sim_world_new(l_alloc(L), sip_random_u64(&box->random.random), &box->sim) !=
	    SIP_OK)
		return luaL_error(L, "out of memory");
	return 1;
}

/* world:close() */
static int l_world_close(lua_State *L)
{
	struct l_test_world *box = luaL_checkudata(L, 1, L_WORLD);

	if (!box->open)
		return 0;
	box->open = false;
	while (!sip_list_empty(&box->hosts))
		l_test_host_close(
			L, SIP_CONTAINER(box->hosts.next, struct l_test_host, link));
	l_ether_fini(&box->ether);
	if (box->sim)
		sim_world_free(box->sim);
	return 0;
}

/* world:host(ip, ...) -> Host, with these addresses */
static int l_world_host(lua_State *L)
{
	return l_test_host_new(L, check_world(L));
}

/* world:now() -> seconds */
static int l_world_now(lua_State *L)
{
	lua_pushnumber(L, (double)check_world(L)->ether.now_ms / 1000.0);
	return 1;
}

/* --- time ------------------------------------------------------------------------ */

/* Until everything is in: no turn is given, and no time passes, before.  A kernel that
 * does not give what was sent to it has lost it, or we have. */
static void take_in(lua_State *L, struct l_test_world *box)
{
	const uint64_t ends_ms = net_now_ms() + REST_MS;
	const char *what;
	int polls = 0;

	l_ether_flush(&box->ether);
	do {
		l_ether_poll(&box->ether);
		what = l_ether_underway(&box->ether);
		box->stuck |= ++polls > POLLS_MIN && net_now_ms() > ends_ms;
		if (what && box->stuck && !box->ether.wanted)
			luaL_error(L, "the wire does not come to rest: %s", what);
	} while (what);
	if (box->ether.wanted)
		needs(L, 1, box->ether.wanted);
}

static uint64_t deadline_ms(const struct l_test_host *host)
{
	const uint64_t driver = l_driver_deadline(&host->driver);
	const uint64_t loop = l_ether_host_deadline_ms(&host->host);

	return driver < loop ? driver : loop;
}

static bool sooner(uint64_t due_ms, uint64_t than_us)
{
	return due_ms != SIP_NEVER && due_ms * 1000 < than_us;
}

static uint64_t next_us(const struct l_test_world *box)
{
	const uint64_t now = sim_world_now_us(box->sim);
	uint64_t best = sim_world_next_us(box->sim);

	if (sooner(l_ether_deadline_ms(&box->ether), best))
		best = l_ether_deadline_ms(&box->ether) * 1000;
	for (struct sip_link *l = box->hosts.next; l != &box->hosts; l = l->next) {
		struct l_test_host *host = SIP_CONTAINER(l, struct l_test_host, link);
		const uint64_t due_ms = host->host.touched ? 0 : deadline_ms(host);

		if (sooner(due_ms, best))
			best = due_ms * 1000;
	}
	return best > now ? best : now;
}

/* world:next() -> seconds | nil when nothing will ever happen again */
static int l_world_next(lua_State *L)
{
	struct l_test_world *box = check_world(L);
	uint64_t due;

	take_in(L, box);
	due = next_us(box);
	if (due == SIP_NEVER)
		return 0;
	lua_pushnumber(L, (double)due / 1e6);
	return 1;
}

static void move_clock(struct l_test_world *box, uint64_t to_us)
{
	sim_world_run(box->sim, to_us);
	box->ether.now_ms = to_us / 1000;
}

static void give_turns(lua_State *L, struct l_test_world *box)
{
	struct sip_link *link, *next;

	for (link = box->hosts.next; box->open && link != &box->hosts; link = next) {
		struct l_test_host *host =
			SIP_CONTAINER(link, struct l_test_host, link);
		const bool by_media = sim_host_take_touched(host->sim);
		const bool by_wire = host->host.touched;

		next = link->next;
		host->host.touched = false;
		if (by_media || by_wire ||
		    l_driver_deadline(&host->driver) <= box->ether.now_ms)
			l_driver_turn(L, &host->driver);
	}
}

/* world:step([until]) -> true when something was done; false when there is nothing up
 * to `until` (seconds), where the clock is then */
static int l_world_step(lua_State *L)
{
	struct l_test_world *box = check_world(L);
	uint64_t until = SIP_NEVER, due;

	if (!lua_isnoneornil(L, 2))
		until = l_check_delay_ms(L, 2) * 1000;
	take_in(L, box);
	due = next_us(box);
	if (due == SIP_NEVER || due > until) {
		if (until != SIP_NEVER && until > sim_world_now_us(box->sim))
			move_clock(box, until);
		lua_pushboolean(L, 0);
		return 1;
	}
	move_clock(box, due);
	take_in(L, box); /* what the wires themselves have due */
	give_turns(L, box);
	lua_pushboolean(L, 1);
	return 1;
}

/* --- the rest of it -------------------------------------------------------------- */

static double opt_number(lua_State *L, const char *key)
{
	return l_option_number(L, 2, key, 0, 0, 1e6);
}

static uint64_t opt_delay(lua_State *L, const char *key)
{
	return (uint64_t)(opt_number(L, key) * 1000 + 0.5);
}

/* world:link{ from, to, delay, loss, duplicate, reorder, reorder_by }: datagrams fare
 * as in the simulator; streams are delayed */
static int l_world_link(lua_State *L)
{
	struct l_test_world *box = check_world(L);
	struct l_ether_link link = { 0 };
	struct sim_link media;

	luaL_checktype(L, 2, LUA_TTABLE);
	link.from = l_sim_opt_address(L, "from");
	link.to = l_sim_opt_address(L, "to");
	link.delay_ms = opt_delay(L, "delay");
	link.reorder_ms = opt_delay(L, "reorder_by");
	link.loss = opt_number(L, "loss");
	link.duplicate = opt_number(L, "duplicate");
	link.reorder = opt_number(L, "reorder");
	if (link.reorder > 0 && link.reorder_ms == 0)
		link.reorder_ms = 100;
	media = (struct sim_link){ .from = link.from,
		                   .to = link.to,
		                   .delay_us = link.delay_ms * 1000,
		                   .reorder_us = link.reorder_ms * 1000,
		                   .loss = link.loss,
		                   .duplicate = link.duplicate,
		                   .reorder = link.reorder };
	if (l_ether_link(&box->ether, &link) != SIP_OK ||
	    sim_world_link(box->sim, &media) != SIP_OK)
		return luaL_error(L, "too many links");
	return 0;
}

/* world:name(name, ip): one of its A records */
static int l_world_name(lua_State *L)
{
	struct l_test_world *box = check_world(L);
	const struct sip_addr addr = l_check_ip(L, 3);
	sip_str name;

	name.p = luaL_checklstring(L, 2, &name.len);
	if (sim_world_name(box->sim, name, &addr) != SIP_OK)
		return luaL_error(L, "no such name can be held");
	return 0;
}

static int l_test_dns(lua_State *L)
{
	return l_world_dns(L, check_world(L)->sim);
}

static int l_test_forget(lua_State *L)
{
	return l_world_forget(L, check_world(L)->sim);
}

static int l_test_lookups(lua_State *L)
{
	return l_world_lookups(L, check_world(L)->sim);
}

/* world:random() -> 0 <= x < 1 */
static int l_world_random(lua_State *L)
{
	lua_pushnumber(L, sip_random_unit(&check_world(L)->random.random));
	return 1;
}

/* world:pending() -> what is late, and 1 more while the kernel has something */
static int l_world_pending(lua_State *L)
{
	const struct l_test_world *box = check_world(L);
	size_t count = box->ether.held_count + sim_world_pending(box->sim);

	if (l_ether_underway(&box->ether))
		count++;
	lua_pushinteger(L, (lua_Integer)count);
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
	{ "dns", l_test_dns },
	{ "forget", l_test_forget },
	{ "lookups", l_test_lookups },
	{ "close", l_world_close },
	{ NULL, NULL },
};

static const luaL_Reg world_meta[] = {
	{ "__gc", l_world_close },
	{ "__close", l_world_close },
	{ NULL, NULL },
};

int l_test_world(lua_State *L)
{
	l_new_class(L, L_WORLD, world_meta, world_methods);
	l_test_host_open(L);
	lua_newtable(L);
	lua_pushcfunction(L, l_world_new);
	lua_setfield(L, -2, "new");
	return 1;
}

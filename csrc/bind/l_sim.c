/* l_sim.c - the simulator for Lua: userdata "sip.World" and "sip.SimHost".
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
#include "bind/l_write.h"
#include "media/desk.h"
#include "sim/world.h"

#define L_WORLD "sip.World"
#define L_HOST "sip.SimHost"

struct l_world {
	struct sim_world *world; /* NULL once closed */
	struct sip_link hosts;
};

struct l_host {
	struct l_driver driver;
	struct sim_host *host; /* NULL: its world is closed */
	struct l_world *world; /* alive: uservalue 1 */
	struct sip_link link;
	struct sip_link raws;
};

/* ---- hosts as drivers ---- */

/* Every world begins on 1 January 2026, at midnight. */
static const uint64_t WORLD_BEGAN_MS = 1767225600000u;

static struct l_host *host_of(struct l_driver *driver)
{
	return SIP_CONTAINER(driver, struct l_host, driver);
}

static uint64_t now_us(struct l_driver *driver)
{
	return sim_world_now_us(host_of(driver)->world->world);
}

static uint64_t op_now_ms(struct l_driver *driver)
{
	return now_us(driver) / 1000;
}

static uint64_t op_unix_ms(struct l_driver *driver)
{
	return WORLD_BEGAN_MS + op_now_ms(driver);
}

static double op_cpu_s(struct l_driver *driver)
{
	(void)driver; /* a run must not depend on how fast the machine is */
	return -1;
}

static sip_err op_wire_new(struct l_driver *driver, const struct sip_limits *limits,
                           struct sip_wire_sink *sink, struct sip_wire **wire)
{
	return sim_wire_new(host_of(driver)->host, limits, sink, wire);
}

static void op_wire_free(struct l_driver *driver, struct sip_wire *wire)
{
	(void)driver;
	sim_wire_free(wire);
}

static struct media_desk *op_desk(struct l_driver *driver, const char **why)
{
	*why = "out of memory";
	return sim_host_desk(host_of(driver)->host);
}

static uint64_t to_ms_up(uint64_t us)
{
	return us == SIP_NEVER ? SIP_NEVER : (us + 999) / 1000;
}

static bool op_desk_ready(struct l_driver *driver)
{
	struct l_host *host = host_of(driver);
	const uint64_t due_ms = to_ms_up(sim_host_media_due_us(host->host));

	if (due_ms > op_now_ms(driver) && !media_desk_pending(driver->desk))
		return false;
	sim_host_media_seen(host->host);
	return true;
}

static uint64_t op_desk_deadline_ms(const struct l_driver *driver)
{
	const struct l_host *host = (const struct l_host *)(const void *)driver;

	if (driver->desk && media_desk_pending(driver->desk))
		return 0;
	return to_ms_up(sim_host_media_due_us(host->host));
}

static const struct l_driver_ops host_ops = {
	.now_ms = op_now_ms,
	.unix_ms = op_unix_ms,
	.cpu_s = op_cpu_s,
	.wire_new = op_wire_new,
	.wire_free = op_wire_free,
	.desk = op_desk,
	.desk_ready = op_desk_ready,
	.desk_deadline_ms = op_desk_deadline_ms,
};

/* ---- the world ---- */

static struct l_world *check_world(lua_State *L)
{
	struct l_world *box = luaL_checkudata(L, 1, L_WORLD);

	if (!box->world)
		luaL_error(L, "the world is closed");
	return box;
}

static struct l_host *check_host(lua_State *L)
{
	struct l_host *box = luaL_checkudata(L, 1, L_HOST);

	if (!box->host)
		luaL_error(L, "the world of this host is closed");
	return box;
}

/* core.world{ seed } -> World */
static int l_world_new(lua_State *L)
{
	struct l_world *box;
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

static void close_host(lua_State *L, struct l_host *host)
{
	if (!host->host)
		return;
	sip_list_remove(&host->link);
	l_raw_close_all(&host->raws);
	l_driver_fini(L, &host->driver);
	host->host = NULL;
}

/* world:close() */
static int l_world_close(lua_State *L)
{
	struct l_world *box = luaL_checkudata(L, 1, L_WORLD);

	while (box->world && !sip_list_empty(&box->hosts))
		close_host(L, SIP_CONTAINER(box->hosts.next, struct l_host, link));
	if (box->world)
		sim_world_free(box->world);
	box->world = NULL;
	return 0;
}

static struct sip_addr check_address(lua_State *L, int arg)
{
	struct sip_addr addr = { 0 };
	sip_str text;

	text.p = luaL_checklstring(L, arg, &text.len);
	if (!sip_addr_parse(text, &addr))
		luaL_argerror(L, arg, "an IP address expected");
	return addr;
}

/* world:host(ip, ...) -> SimHost, with these addresses */
static int l_world_host(lua_State *L)
{
	struct l_world *world = check_world(L);
	const int count = lua_gettop(L) - 1;
	struct sip_addr addr = check_address(L, 2);
	struct l_host *box = lua_newuserdatauv(L, sizeof *box, 1);
	const int index = lua_gettop(L);

	memset(box, 0, sizeof *box);
	sip_list_init(&box->raws);
	box->world = world;
	luaL_setmetatable(L, L_HOST);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, index, 1);
	if (sim_host_new(world->world, &addr, &box->host) != SIP_OK) {
		box->host = NULL;
		return luaL_error(L, "the address is another host's");
	}
	box->driver.ops = &host_ops;
	box->driver.alloc = l_alloc(L);
	box->driver.random = sim_host_random(box->host);
	box->driver.files = sim_host_files(box->host);
	l_driver_init(L, index, &box->driver);
	sip_list_insert(&world->hosts, &box->link);
	lua_getiuservalue(L, 1, 1);
	lua_pushvalue(L, index);
	lua_rawseti(L, -2, luaL_len(L, -2) + 1);
	lua_pop(L, 1);
	for (int i = 1; i < count; i++) {
		addr = check_address(L, 2 + i);
		if (sim_host_add_address(box->host, &addr) != SIP_OK)
			return luaL_error(L, "too many addresses");
	}
	lua_settop(L, index);
	return 1;
}

static uint64_t next_us(const struct l_world *box)
{
	uint64_t best = sim_world_next_us(box->world);
	struct sip_link *link;

	for (link = box->hosts.next; link != &box->hosts; link = link->next) {
		struct l_host *host = SIP_CONTAINER(link, struct l_host, link);
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

static void give_turns(lua_State *L, struct l_world *box)
{
	const uint64_t now_ms = sim_world_now_us(box->world) / 1000;
	struct sip_link *link, *next;

	for (link = box->hosts.next; box->world && link != &box->hosts; link = next) {
		struct l_host *host = SIP_CONTAINER(link, struct l_host, link);

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
	struct l_world *box = check_world(L);
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

static struct sip_addr opt_address(lua_State *L, const char *key)
{
	struct sip_addr addr = { 0 };
	const sip_str text = l_opt_field(L, 2, key);

	if (text.len > 0 && !sip_addr_parse(text, &addr))
		luaL_error(L, "%s: an IP address expected", key);
	return addr;
}

/* world:link{ from, to, delay, loss, duplicate, reorder, reorder_by }: seconds and
 * probabilities; an address that is left out is any */
static int l_world_link(lua_State *L)
{
	struct l_world *box = check_world(L);
	struct sim_link link = { 0 };

	luaL_checktype(L, 2, LUA_TTABLE);
	link.from = opt_address(L, "from");
	link.to = opt_address(L, "to");
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
	struct l_world *box = check_world(L);
	const struct sip_addr addr = check_address(L, 3);
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
	const struct l_world *box = check_world(L);
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
	struct l_world *box = check_world(L);
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
	struct l_world *box = check_world(L);

	lua_pushboolean(L, sim_world_lose(box->world, check_id(L)));
	return 1;
}

/* ---- what a host has besides what every driver has ---- */

/* host:fingerprint() -> bytes | nil when it is not at rest */
static int l_host_fingerprint(lua_State *L)
{
	struct l_host *box = check_host(L);
	const struct sip_seeded_random *random =
		(const void *)sim_host_random(box->host);

	lua_pushlstring(L, (const char *)random->s, sizeof random->s);
	l_driver_fingerprint(L, &box->driver);
	if (!lua_isnil(L, -1))
		lua_concat(L, 2);
	return 1;
}

/* host:sockets() -> how many are open */
static int l_host_sockets(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)sim_host_sockets(check_host(L)->host));
	return 1;
}

/* host:set_down(flag): nothing reaches it, nothing leaves it */
static int l_host_set_down(lua_State *L)
{
	sim_host_set_down(check_host(L)->host, lua_toboolean(L, 2));
	return 0;
}

/* host:datagram(from_ip, from_port, to_ip, to_port, bytes): any bytes, any sender */
static int l_host_datagram(lua_State *L)
{
	struct l_host *box = check_host(L);
	struct sip_addr from = check_address(L, 2), to = check_address(L, 4);
	sip_str bytes;

	from.port = (uint16_t)luaL_checkinteger(L, 3);
	to.port = (uint16_t)luaL_checkinteger(L, 5);
	bytes.p = luaL_checklstring(L, 6, &bytes.len);
	sim_host_send(box->host, &from, &to, bytes);
	return 0;
}

/* host:write_file(path, bytes) */
static int l_host_write_file(lua_State *L)
{
	struct l_host *box = check_host(L);
	sip_str path, bytes;

	path.p = luaL_checklstring(L, 2, &path.len);
	bytes.p = luaL_checklstring(L, 3, &bytes.len);
	if (sim_host_write_file(box->host, path, bytes) != SIP_OK)
		return luaL_error(L, "out of memory");
	return 0;
}

/* host:read_file(path) -> bytes | nil */
static int l_host_read_file(lua_State *L)
{
	struct l_host *box = check_host(L);
	sip_str path, bytes;

	path.p = luaL_checklstring(L, 2, &path.len);
	bytes = sim_host_read_file(box->host, path);
	if (!bytes.p)
		return 0;
	lua_pushlstring(L, bytes.p, bytes.len);
	return 1;
}

/* host:disk{ free, delay }: bytes, seconds */
static int l_host_disk(lua_State *L)
{
	struct l_host *box = check_host(L);

	luaL_checktype(L, 2, LUA_TTABLE);
	if (lua_getfield(L, 2, "free") != LUA_TNIL)
		sim_host_set_disk(box->host, (uint64_t)luaL_checkinteger(L, -1));
	if (lua_getfield(L, 2, "delay") != LUA_TNIL)
		sim_host_set_disk_delay(box->host, l_check_delay_ms(L, -1) * 1000);
	return 0;
}

/* host:certificate(name, ...): the identities that it proves over TLS; without any, who
 * asks for a name finds it */
static int l_host_certificate(lua_State *L)
{
	struct l_host *box = check_host(L);
	const int count = lua_gettop(L);
	luaL_Buffer names;
	sip_str text;

	for (int i = 2; i <= count; i++)
		luaL_checkstring(L, i);
	luaL_buffinit(L, &names);
	for (int i = 2; i <= count; i++) {
		lua_pushvalue(L, i);
		luaL_addvalue(&names);
		luaL_addchar(&names, '\n');
	}
	luaL_pushresult(&names);
	text.p = lua_tolstring(L, -1, &text.len);
	if (sim_host_set_certificate(box->host, text) != SIP_OK)
		return luaL_error(L, "too many names");
	return 0;
}

/* host:raw{ transport, host, port } -> SimRaw: a socket with nothing behind it */
static int l_host_raw(lua_State *L)
{
	struct l_host *box = check_host(L);
	const struct l_raw_place place = { &box->driver, now_us, &box->raws };

	return l_raw_new(L, &place);
}

static int l_host_close(lua_State *L)
{
	close_host(L, luaL_checkudata(L, 1, L_HOST));
	return 0;
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

static const luaL_Reg host_methods[] = {
	{ "sockets", l_host_sockets },         { "set_down", l_host_set_down },
	{ "datagram", l_host_datagram },       { "write_file", l_host_write_file },
	{ "read_file", l_host_read_file },     { "disk", l_host_disk },
	{ "certificate", l_host_certificate }, { "raw", l_host_raw },
	{ "fingerprint", l_host_fingerprint }, { NULL, NULL },
};

static const luaL_Reg host_meta[] = {
	{ "__gc", l_host_close },
	{ NULL, NULL },
};

void l_sim_open(lua_State *L)
{
	l_raw_open(L);
	l_new_class(L, L_WORLD, world_meta, world_methods);
	l_new_class(L, L_HOST, host_meta, host_methods);
	luaL_getmetatable(L, L_HOST);
	lua_getfield(L, -1, "__index");
	l_driver_methods(L, L_HOST);
	lua_pop(L, 2);
	lua_pushcfunction(L, l_world_new);
	lua_setfield(L, -2, "world");
}

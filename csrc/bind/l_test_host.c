/* l_test_host.c - a host on real sockets: "sip.test.Host", with the surface of
 * l_sim_host.c. */
#include "bind/l_test_host.h"

#include "bind/l_class.h"
#include "bind/l_heap.h"
#include "bind/l_raw.h"
#include "bind/l_sim_parts.h"
#include "bind/l_str.h"

#include <string.h>

#define L_HOST "sip.test.Host"

/* --- a driver -------------------------------------------------------------------- */

static struct l_test_host *host_of(struct l_driver *driver)
{
	return SIP_CONTAINER(driver, struct l_test_host, driver);
}

static uint64_t op_now_ms(struct l_driver *driver)
{
	return host_of(driver)->world->ether.now_ms;
}

static uint64_t now_us(struct l_driver *driver)
{
	return sim_world_now_us(host_of(driver)->world->sim);
}

static uint64_t op_unix_ms(struct l_driver *driver)
{
	return l_sim_unix_ms(op_now_ms(driver));
}

static sip_err op_wire_new(struct l_driver *driver, const struct sip_limits *limits,
                           struct sip_wire_sink *sink, struct sip_wire **wire)
{
	return l_ether_wire_new(&host_of(driver)->host, host_of(driver)->sim, limits,
	                        sink, wire);
}

static void op_wire_free(struct l_driver *driver, struct sip_wire *wire)
{
	(void)driver;
	l_ether_wire_free(wire);
}

static struct media_desk *op_desk(struct l_driver *driver, const char **why)
{
	*why = "out of memory";
	return sim_host_desk(host_of(driver)->sim);
}

static bool op_desk_ready(struct l_driver *driver)
{
	return l_sim_desk_ready(driver, host_of(driver)->sim);
}

static uint64_t op_desk_deadline_ms(const struct l_driver *driver)
{
	const struct l_test_host *host =
		(const struct l_test_host *)(const void *)driver;

	return l_sim_desk_deadline_ms(driver, host->sim);
}

static const struct l_driver_ops host_ops = {
	.now_ms = op_now_ms,
	.unix_ms = op_unix_ms,
	.cpu_s = l_sim_cpu_s,
	.wire_new = op_wire_new,
	.wire_free = op_wire_free,
	.desk = op_desk,
	.desk_ready = op_desk_ready,
	.desk_deadline_ms = op_desk_deadline_ms,
};

/* --- life ------------------------------------------------------------------------ */

static struct l_test_host *check_host(lua_State *L)
{
	struct l_test_host *box = luaL_checkudata(L, 1, L_HOST);

	if (!box->open)
		luaL_error(L, "the world of this host is closed");
	return box;
}

void l_test_host_close(lua_State *L, struct l_test_host *host)
{
	if (!host->open)
		return;
	host->open = false;
	sip_list_remove(&host->link);
	l_raw_close_all(&host->raws);
	l_driver_fini(L, &host->driver);
	l_ether_host_fini(&host->host);
}

int l_test_host_new(lua_State *L, struct l_test_world *world)
{
	const int count = lua_gettop(L);
	struct l_test_host *box;
	struct sip_addr addr;
	const char *why;

	box = lua_newuserdatauv(L, sizeof *box, 1);
	memset(box, 0, sizeof *box);
	sip_list_init(&box->raws);
	box->world = world;
	luaL_setmetatable(L, L_HOST);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	addr = l_check_ip(L, 2);
	if (sim_host_new(world->sim, &addr, &box->sim) != SIP_OK)
		return luaL_error(L, "the address is another host's");
	if (l_ether_host_init(&world->ether, &box->host, &why) != SIP_OK)
		return luaL_error(L, "no loop: %s", why);
	sip_seeded_random_init(&box->random, sip_random_u64(&world->random.random));
	box->driver.ops = &host_ops;
	box->driver.alloc = l_alloc(L);
	box->driver.random = &box->random.random;
	box->driver.files = sim_host_files(box->sim);
	l_driver_init(L, count + 1, &box->driver);
	sip_list_insert(&world->hosts, &box->link);
	box->open = true;
	lua_getiuservalue(L, 1, L_TEST_HOSTS);
	lua_pushvalue(L, count + 1);
	lua_rawseti(L, -2, luaL_len(L, -2) + 1);
	lua_pop(L, 1);
	for (int i = 2; i <= count; i++) {
		addr = l_check_ip(L, i);
		if (l_ether_host_address(&box->host, &addr) != SIP_OK ||
		    (i > 2 && sim_host_add_address(box->sim, &addr) != SIP_OK))
			return luaL_error(L, "too many addresses");
	}
	return 1;
}

/* --- what a host has besides what every driver has ------------------------------- */

/* host:sockets() -> how many are open */
static int l_host_sockets(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)l_ether_host_sockets(&check_host(L)->host));
	return 1;
}

/* host:datagram(from_ip, from_port, to_ip, to_port, bytes): any bytes, any sender */
static int l_host_datagram(lua_State *L)
{
	struct l_test_host *box = check_host(L);
	struct sip_addr from = l_check_ip(L, 2), to = l_check_ip(L, 4);
	sip_str bytes;

	from.port = (uint16_t)luaL_checkinteger(L, 3);
	to.port = (uint16_t)luaL_checkinteger(L, 5);
	bytes.p = luaL_checklstring(L, 6, &bytes.len);
	if (l_ether_datagram(&box->world->ether, &from, &to, bytes) != SIP_OK)
		return luaL_error(L, "the datagram cannot be sent");
	return 0;
}

/* host:set_down(flag): no datagram reaches it, or leaves it */
static int l_host_set_down(lua_State *L)
{
	struct l_test_host *box = check_host(L);

	box->host.down = lua_toboolean(L, 2);
	sim_host_set_down(box->sim, box->host.down);
	return 0;
}

static int l_host_write_file(lua_State *L)
{
	return l_sim_write_file(L, check_host(L)->sim);
}

static int l_host_read_file(lua_State *L)
{
	return l_sim_read_file(L, check_host(L)->sim);
}

static int l_host_disk(lua_State *L)
{
	return l_sim_disk(L, check_host(L)->sim);
}

/* host:raw{ transport, host, port } -> SimRaw: a socket with nothing behind it */
static int l_host_raw(lua_State *L)
{
	struct l_test_host *box = check_host(L);
	const struct l_raw_place place = { &box->driver, now_us, &box->raws };

	return l_raw_new(L, &place);
}

static int l_host_close(lua_State *L)
{
	l_test_host_close(L, luaL_checkudata(L, 1, L_HOST));
	return 0;
}

static const luaL_Reg host_methods[] = {
	{ "sockets", l_host_sockets },
	{ "set_down", l_host_set_down },
	{ "datagram", l_host_datagram },
	{ "write_file", l_host_write_file },
	{ "read_file", l_host_read_file },
	{ "disk", l_host_disk },
	{ "raw", l_host_raw },
	{ NULL, NULL },
};

static const luaL_Reg host_meta[] = {
	{ "__gc", l_host_close },
	{ NULL, NULL },
};

void l_test_host_open(lua_State *L)
{
	l_new_class(L, L_HOST, host_meta, host_methods);
	luaL_getmetatable(L, L_HOST);
	lua_getfield(L, -1, "__index");
	l_driver_methods(L, L_HOST);
	lua_pop(L, 2);
}

/* l_sim_host.c - a host of the simulator for Lua: userdata "sip.SimHost", a driver
 * whose clock is that of its world. */
#include "bind/l_sim_host.h"

#include "bind/l_class.h"
#include "bind/l_heap.h"
#include "bind/l_raw.h"
#include "bind/l_sim_parts.h"
#include "bind/l_str.h"

#define L_HOST "sip.SimHost"

/* ---- a driver ---- */

static struct l_sim_host *host_of(struct l_driver *driver)
{
	return SIP_CONTAINER(driver, struct l_sim_host, driver);
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
	return l_sim_unix_ms(op_now_ms(driver));
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

static bool op_desk_ready(struct l_driver *driver)
{
	return l_sim_desk_ready(driver, host_of(driver)->host);
}

static uint64_t op_desk_deadline_ms(const struct l_driver *driver)
{
	const struct l_sim_host *host = (const struct l_sim_host *)(const void *)driver;

	return l_sim_desk_deadline_ms(driver, host->host);
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

/* ---- life ---- */

static struct l_sim_host *check_host(lua_State *L)
{
	struct l_sim_host *box = luaL_checkudata(L, 1, L_HOST);

	if (!box->host)
		luaL_error(L, "the world of this host is closed");
	return box;
}

void l_sim_host_close(lua_State *L, struct l_sim_host *host)
{
	if (!host->host)
		return;
	sip_list_remove(&host->link);
	l_raw_close_all(&host->raws);
	l_driver_fini(L, &host->driver);
	host->host = NULL;
}

int l_sim_host_new(lua_State *L, struct l_sim_world *world)
{
	const int count = lua_gettop(L) - 1;
	struct sip_addr addr = l_check_ip(L, 2);
	struct l_sim_host *box = lua_newuserdatauv(L, sizeof *box, 1);
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
		addr = l_check_ip(L, 2 + i);
		if (sim_host_add_address(box->host, &addr) != SIP_OK)
			return luaL_error(L, "too many addresses");
	}
	lua_settop(L, index);
	return 1;
}

/* ---- what a host has besides what every driver has ---- */

/* host:fingerprint() -> bytes | nil when it is not at rest */
static int l_host_fingerprint(lua_State *L)
{
	struct l_sim_host *box = check_host(L);
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
	struct l_sim_host *box = check_host(L);
	struct sip_addr from = l_check_ip(L, 2), to = l_check_ip(L, 4);
	sip_str bytes;

	from.port = (uint16_t)luaL_checkinteger(L, 3);
	to.port = (uint16_t)luaL_checkinteger(L, 5);
	bytes.p = luaL_checklstring(L, 6, &bytes.len);
	sim_host_send(box->host, &from, &to, bytes);
	return 0;
}

static int l_host_write_file(lua_State *L)
{
	return l_sim_write_file(L, check_host(L)->host);
}

static int l_host_read_file(lua_State *L)
{
	return l_sim_read_file(L, check_host(L)->host);
}

static int l_host_disk(lua_State *L)
{
	return l_sim_disk(L, check_host(L)->host);
}

/* host:certificate(name, ...): the identities that it proves over TLS; without any, who
 * asks for a name finds it */
static int l_host_certificate(lua_State *L)
{
	struct l_sim_host *box = check_host(L);
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
	struct l_sim_host *box = check_host(L);
	const struct l_raw_place place = { &box->driver, now_us, &box->raws };

	return l_raw_new(L, &place);
}

static int l_host_close(lua_State *L)
{
	l_sim_host_close(L, luaL_checkudata(L, 1, L_HOST));
	return 0;
}

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

void l_sim_host_open(lua_State *L)
{
	l_new_class(L, L_HOST, host_meta, host_methods);
	luaL_getmetatable(L, L_HOST);
	lua_getfield(L, -1, "__index");
	l_driver_methods(L, L_HOST);
	lua_pop(L, 2);
}

/* l_test_net.c - a bare wire for specs: userdata "sip.test.Net".
 *
 * One loop with one wire and its files.  What comes back is copied in C while the
 * loop is polled, and becomes tables afterwards: nothing of Lua runs, or raises,
 * inside libuv's callbacks.
 */
#include "bind/l_test_net.h"

#include "bind/l_names.h"
#include "bind/l_str.h"
#include "bind/l_test.h"
#include "bind/l_tls.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define L_TEST_NET "sip.test.Net"

static uint32_t half_open_max(struct sip_wire_sink *sink, const struct sip_addr *remote)
{
	(void)remote; /* of all sources alike */
	return ((struct l_test_net *)(void *)sink)->half_open_max;
}

static bool holds(struct sip_wire_sink *sink, uint32_t id, uint32_t bytes)
{
	(void)id; /* of all connections alike */
	return bytes <= ((struct l_test_net *)(void *)sink)->holds_max;
}

static void on_event(struct sip_wire_sink *sink, const struct sip_wire_event *event)
{
	l_test_event_note((struct l_test_net *)(void *)sink, event);
}

struct l_test_net *l_test_net_check(lua_State *L)
{
	struct l_test_net *net = luaL_checkudata(L, 1, L_TEST_NET);

	luaL_argcheck(L, net->loop, 1, "it is closed");
	return net;
}

/* host, port at `at` and the next; no address when the host is nil. */
static struct sip_addr check_addr(lua_State *L, int at)
{
	struct sip_addr addr = { 0 };

	if (lua_isnoneornil(L, at))
		return addr;
	luaL_argcheck(L, sip_addr_parse(l_check_str(L, at), &addr), at,
	              "not an address");
	addr.port = (uint16_t)luaL_optinteger(L, at + 1, 0);
	return addr;
}

static enum sip_transport check_transport(lua_State *L, int at)
{
	const enum sip_transport transport = sip_transport_find(l_check_str(L, at));

	luaL_argcheck(L, transport != SIP_TRANSPORT_NONE, at, "no such transport");
	return transport;
}

static int push_result(lua_State *L, sip_err err)
{
	if (err == SIP_OK) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, sip_err_name(err));
	return 2;
}

/* net:listen(transport, host, port) -> id, port | nil, err, why */
static int l_listen(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const enum sip_transport transport = check_transport(L, 2);
	struct sip_addr at = check_addr(L, 3);
	const char *why = NULL;
	uint32_t id = 0;
	const sip_err err =
		net->wire->ops->listen(net->wire, transport, &at, &id, &why);

	if (err != SIP_OK) {
		push_result(L, err);
		lua_pushstring(L, why);
		return 3;
	}
	lua_pushinteger(L, id);
	lua_pushinteger(L, at.port);
	return 2;
}

/* net:unlisten(id) */
static int l_unlisten(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);

	net->wire->ops->unlisten(net->wire, (uint32_t)luaL_checkinteger(L, 2));
	return 0;
}

/* net:open(transport, host, port[, local_host[, server_name]]) -> id | nil, err */
static int l_open(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const enum sip_transport transport = check_transport(L, 2);
	const struct sip_addr remote = check_addr(L, 3);
	struct sip_addr local = { 0 };
	uint32_t id = 0;
	sip_err err;

	if (!lua_isnoneornil(L, 5))
		luaL_argcheck(L, sip_addr_parse(l_check_str(L, 5), &local), 5,
		              "not an address");
	err = net->wire->ops->open(
		net->wire, transport, &local, &remote,
		lua_isnoneornil(L, 6) ? SIP_STR("") : l_check_str(L, 6), &id);
	if (err != SIP_OK)
		return push_result(L, err);
	lua_pushinteger(L, id);
	return 1;
}

/* net:send(id, bytes, token[, host, port[, local_host]]) -> true | nil, err */
static int l_send(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const sip_str bytes = l_check_str(L, 3);
	const uint64_t token = (uint64_t)luaL_optinteger(L, 4, 0);
	struct sip_path path = { .id = (uint32_t)luaL_checkinteger(L, 2) };

	path.remote = check_addr(L, 5);
	path.transport = path.remote.family != 0 ? SIP_UDP : SIP_TCP;
	if (!lua_isnoneornil(L, 7))
		luaL_argcheck(L, sip_addr_parse(l_check_str(L, 7), &path.local), 7,
		              "not an address");
	return push_result(L, net->wire->ops->send(net->wire, &path, bytes, token));
}

/* net:shut(id): an orderly close of one connection */
static int l_shut(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);

	net->wire->ops->close(net->wire, (uint32_t)luaL_checkinteger(L, 2));
	return 0;
}

/* net:reset(port): a peer that connects to 127.0.0.1 and is gone at once, by a reset;
 * whoever listens there has not been asked yet */
static int l_reset(lua_State *L)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	int status;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)luaL_checkinteger(L, 2));
	status = connect(fd, (struct sockaddr *)&to, sizeof to);
	if (status == 0)
		status =
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	(void)close(fd); /* of no use whatever it says */
	lua_pushboolean(L, status == 0);
	return 1;
}

/* net:lookup(name, "A"|"AAAA"|"SRV"|"NAPTR", token) -> true | nil, err */
static int l_lookup(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const sip_str name = l_check_str(L, 2);
	const enum sip_record_type type = l_check_record_type(L, 3);
	const uint64_t token = (uint64_t)luaL_checkinteger(L, 4);

	return push_result(L, net->wire->ops->lookup(net->wire, name, type, token));
}

/* net:route(host) -> host | nil, err */
static int l_route(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const struct sip_addr remote = check_addr(L, 2);
	struct sip_addr local;
	char text[SIP_ADDR_TEXT_MAX];
	const sip_err err = net->wire->ops->route(net->wire, &remote, &local);

	if (err != SIP_OK)
		return push_result(L, err);
	lua_pushlstring(L, text, sip_addr_write_host(&local, text, false));
	return 1;
}

static void drop(struct l_test_net *net)
{
	l_test_events_drop(net);
	l_test_files_drop(net);
}

/* net:poll([seconds]) -> array of events; waits without end when nil */
static int l_poll(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const lua_Number wait_s = luaL_optnumber(L, 2, -1);
	lua_Integer n = 0;

	net_loop_flush(net->loop);
	net_loop_poll(net->loop, wait_s < 0 ? SIP_NEVER : (uint64_t)(wait_s * 1000));
	lua_newtable(L);
	n = l_test_events_push(L, net, n);
	n = l_test_files_push(L, net, n);
	if (net->signal) {
		lua_newtable(L);
		lua_pushliteral(L, "signal");
		lua_setfield(L, -2, "kind");
		lua_pushstring(L, net->signal);
		lua_setfield(L, -2, "name");
		lua_seti(L, -2, ++n);
		net->signal = NULL;
	}
	drop(net);
	return 1;
}

/* net:servers(list) -> true | nil, err */
static int l_servers(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);

	return push_result(L, net_loop_name_servers(net->loop, luaL_checkstring(L, 2)));
}

static void on_signal(void *data, const char *name)
{
	((struct l_test_net *)data)->signal = name;
}

/* net:signals(on) -> true | nil, err */
static int l_signals(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);

	return push_result(L, net_loop_signals(net->loop,
	                                       lua_toboolean(L, 2) ? on_signal : NULL,
	                                       net));
}

/* net:wake() */
static int l_wake(lua_State *L)
{
	net_loop_wake(l_test_net_check(L)->loop);
	return 0;
}

/* net:wait() -> seconds that another loop may wait | nil without end */
static int l_wait(lua_State *L)
{
	const uint64_t wait_ms = net_loop_wait_ms(l_test_net_check(L)->loop);

	if (wait_ms == SIP_NEVER)
		lua_pushnil(L);
	else
		lua_pushnumber(L, (lua_Number)wait_ms / 1000);
	return 1;
}

/* net:count() -> sockets and connections; net:now(), net:cpu() -> seconds */
static int l_count(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)net_wire_count(l_test_net_check(L)->wire));
	return 1;
}

static int l_now(lua_State *L)
{
	(void)l_test_net_check(L);
	lua_pushnumber(L, (lua_Number)net_now_ms() / 1000);
	return 1;
}

static int l_cpu(lua_State *L)
{
	(void)l_test_net_check(L);
	lua_pushnumber(L, (lua_Number)net_cpu_us() / 1e6);
	return 1;
}

/* net:fail_at(n[, sticky]): the n-th allocation of the loop from here on fails */
static int l_fail_at(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);

	net->alloc.calls = 0;
	net->alloc.fail_at = (uint64_t)luaL_checkinteger(L, 2);
	net->alloc.sticky = lua_toboolean(L, 3);
	return 0;
}

/* net:close() -> bytes that the loop has not given back (0 when all is well) */
static int l_close(lua_State *L)
{
	struct l_test_net *net = luaL_checkudata(L, 1, L_TEST_NET);

	if (net->loop) {
		net->alloc.fail_at = 0;
		net_wire_free(net->wire);
		net_loop_free(net->loop);
		net->loop = NULL;
		drop(net);
	}
	lua_pushinteger(L, (lua_Integer)net->heap.used);
	return 1;
}

/* net:tls{ see l_tls.h } -> true | nil, err, why */
static int l_tls(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	struct sip_tls_pair pairs[SIP_TLS_PAIRS];
	const struct sip_tls_config config = l_tls_check(L, 2, pairs);
	const char *why = NULL;
	const sip_err err = net_wire_tls(net->wire, &config, &why);

	if (err == SIP_OK)
		return push_result(L, err);
	push_result(L, err);
	lua_pushstring(L, why);
	return 3;
}

/* net:origins(lines) -> true | nil, err */
static int l_origins(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);

	return push_result(L, net_wire_origins(net->wire, l_check_str(L, 2)));
}

/* test.net.new{ limits by the names of base/limits.h } -> net */
static int l_new(lua_State *L)
{
	struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct l_test_net *net;
	const char *why = NULL;

	luaL_checktype(L, 1, LUA_TTABLE);
#define READ_LIMIT(name, value)                                                        \
	lua_getfield(L, 1, #name);                                                     \
	limits.name = (uint32_t)luaL_optinteger(L, -1, limits.name);                   \
	lua_pop(L, 1);
	SIP_LIMIT_MAP(READ_LIMIT)
#undef READ_LIMIT
	net = lua_newuserdatauv(L, sizeof *net, 0);
	memset(net, 0, sizeof *net);
	luaL_setmetatable(L, L_TEST_NET);
	net->sink.event = on_event;
	net->sink.half_open_max = half_open_max;
	net->half_open_max = limits.source_half_open;
	net->sink.holds = holds;
	net->holds_max = limits.source_unread_bytes;
	net->last = &net->first;
	net->file_last = &net->file_first;
	sip_alloc_init(&net->heap);
	sip_failing_alloc_init(&net->alloc, &net->heap);
	if (net_loop_new(&net->alloc.alloc, NULL, &net->loop, &why) != SIP_OK)
		return luaL_error(L, "no loop: %s", why);
	if (net_wire_new(net->loop, &limits, &net->sink, &net->wire) != SIP_OK) {
		net_loop_free(net->loop);
		net->loop = NULL;
		return luaL_error(L, "no wire");
	}
	return 1;
}

static const luaL_Reg methods[] = {
	{ "tls", l_tls },           { "origins", l_origins }, { "listen", l_listen },
	{ "unlisten", l_unlisten }, { "open", l_open },       { "send", l_send },
	{ "shut", l_shut },         { "reset", l_reset },     { "lookup", l_lookup },
	{ "route", l_route },       { "poll", l_poll },       { "servers", l_servers },
	{ "signals", l_signals },   { "wake", l_wake },       { "wait", l_wait },
	{ "count", l_count },       { "now", l_now },         { "cpu", l_cpu },
	{ "fail_at", l_fail_at },   { "close", l_close },     { NULL, NULL },
};

int l_test_net(lua_State *L)
{
	luaL_newmetatable(L, L_TEST_NET);
	luaL_newlib(L, methods);
	luaL_setfuncs(L, l_test_file_methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, l_close);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushcfunction(L, l_new);
	lua_setfield(L, -2, "new");
	return 1;
}

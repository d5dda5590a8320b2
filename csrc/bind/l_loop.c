/* l_loop.c - userdata "sip.Loop": stacks on real sockets, in real time.
 *
 * What it shares with the simulator's hosts is in l_driver.c; here is what only a
 * real loop has: waiting, signals, name servers, and the face for foreign loops
 * (pollfd, events, timeout, step), which is what cqueues polls too.
 */
#include "bind/l_loop.h"

#include "bind/l_class.h"
#include "bind/l_driver.h"
#include "bind/l_heap.h"
#include "bind/l_machine.h"
#include "bind/l_option.h"
#include "bind/l_slice.h"
#include "net/media_thread.h"
#include "net/net.h"

#include <lauxlib.h>
#include <string.h>

#define L_LOOP "sip.Loop"

struct l_loop {
	struct l_driver driver; /* the head */
	struct sip_kernel_random random;
	struct net_loop *net;    /* NULL once closed */
	struct net_media *media; /* NULL until it is asked for */
	struct net_media_config media_config;
	const char *signal; /* came, and has not been dispatched */
};

static struct l_loop *loop_of(struct l_driver *driver)
{
	return SIP_CONTAINER(driver, struct l_loop, driver);
}

static uint64_t loop_now_ms(struct l_driver *driver)
{
	(void)driver; /* one clock for all */
	return net_now_ms();
}

static uint64_t loop_unix_ms(struct l_driver *driver)
{
	(void)driver; /* nor is there another date */
	return net_unix_ms();
}

static double loop_cpu_s(struct l_driver *driver)
{
	(void)driver;
	return (double)net_cpu_us() / 1e6;
}

static sip_err loop_wire_new(struct l_driver *driver, const struct sip_limits *limits,
                             struct sip_wire_sink *sink, struct sip_wire **wire)
{
	return net_wire_new(loop_of(driver)->net, limits, sink, wire);
}

static void loop_wire_free(struct l_driver *driver, struct sip_wire *wire)
{
	(void)driver;
	net_wire_free(wire);
}

static sip_err loop_wire_tls(struct l_driver *driver, struct sip_wire *wire,
                             const struct sip_tls_config *config, const char **why)
{
	(void)driver;
	return net_wire_tls(wire, config, why);
}

static sip_err loop_wire_origins(struct l_driver *driver, struct sip_wire *wire,
                                 sip_str origins)
{
	(void)driver;
	return net_wire_origins(wire, origins);
}

static struct media_desk *loop_desk(struct l_driver *driver, const char **why)
{
	struct l_loop *loop = loop_of(driver);

	if (!loop->media &&
	    net_media_new(loop->net, &loop->media_config, &loop->media, why) != SIP_OK)
		return NULL;
	return net_media_desk(loop->media);
}

static bool loop_desk_ready(struct l_driver *driver)
{
	(void)driver; /* looking is as cheap as knowing */
	return true;
}

static uint64_t loop_desk_deadline_ms(const struct l_driver *driver)
{
	(void)driver; /* what the engine reports ends the wait */
	return SIP_NEVER;
}

static const struct l_driver_ops loop_ops = {
	.now_ms = loop_now_ms,
	.unix_ms = loop_unix_ms,
	.cpu_s = loop_cpu_s,
	.wire_new = loop_wire_new,
	.wire_free = loop_wire_free,
	.wire_tls = loop_wire_tls,
	.wire_origins = loop_wire_origins,
	.desk = loop_desk,
	.desk_ready = loop_desk_ready,
	.desk_deadline_ms = loop_desk_deadline_ms,
};

static struct l_loop *check_loop(lua_State *L)
{
	struct l_loop *loop = luaL_checkudata(L, 1, L_LOOP);

	luaL_argcheck(L, loop->net, 1, "the loop is closed");
	return loop;
}

/* ---- turns ---- */

struct signal_entry {
	struct l_entry entry;
	struct l_driver *driver;
	const char *name;
};

static void run_signal_entry(lua_State *L, struct l_entry *entry)
{
	const struct signal_entry *e = (const struct signal_entry *)(void *)entry;

	l_driver_push_table(L, e->driver);
	if (lua_getfield(L, -1, "dispatch") != LUA_TFUNCTION)
		return;
	lua_pushliteral(L, "signal");
	lua_pushstring(L, e->name);
	l_call(L, 2);
}

static void on_signal(void *data, const char *name)
{
	((struct l_loop *)data)->signal = name;
}

static uint64_t wait_ms(const struct l_loop *loop)
{
	const uint64_t due_ms = l_driver_deadline(&loop->driver);
	const uint64_t now_ms = net_now_ms();

	if (due_ms == SIP_NEVER)
		return SIP_NEVER;
	return due_ms > now_ms ? due_ms - now_ms : 0;
}

/* loop:step([max_wait]): one turn; waits for the network, a timer or a wake-up, at
 * most so many seconds (nil: as long as it takes) */
static int l_loop_step(lua_State *L)
{
	struct l_loop *loop = check_loop(L);
	uint64_t wait = wait_ms(loop);

	if (loop->driver.in_turn)
		return luaL_error(L, "the loop is in a turn: it cannot be stepped now");
	if (!lua_isnoneornil(L, 2)) {
		const uint64_t wait_max = l_check_delay_ms(L, 2);

		wait = wait < wait_max ? wait : wait_max;
	}
	net_loop_poll(loop->net, wait);
	if (loop->signal && l_driver_opens(L, &loop->driver)) {
		struct signal_entry e = { { run_signal_entry },
			                  &loop->driver,
			                  loop->signal };

		loop->signal = NULL;
		loop->driver.in_turn = true;
		/* Without memory the signal is lost; the user presses again. */
		(void)l_enter(&loop->driver.door, L, &e.entry);
		loop->driver.in_turn = false;
	}
	l_driver_turn(L, &loop->driver);
	net_loop_flush(loop->net);
	return 0;
}

/* ---- for foreign loops ---- */

/* loop:pollfd() -> descriptor; loop:events() -> "r" */
static int l_loop_pollfd(lua_State *L)
{
	lua_pushinteger(L, net_loop_fd(check_loop(L)->net));
	return 1;
}

static int l_loop_events(lua_State *L)
{
	(void)check_loop(L);
	lua_pushliteral(L, "r");
	return 1;
}

/* loop:timeout() -> seconds until step must be called | nil: when readable only */
static int l_loop_timeout(lua_State *L)
{
	const struct l_loop *loop = check_loop(L);
	const uint64_t net = net_loop_wait_ms(loop->net);
	const uint64_t own = wait_ms(loop);
	const uint64_t least = net < own ? net : own;

	if (least == SIP_NEVER)
		lua_pushnil(L);
	else
		lua_pushnumber(L, (lua_Number)least / 1000);
	return 1;
}

/* ---- the rest ---- */

/* loop:signals(on): dispatch "signal" with "SIGINT" or "SIGTERM" */
static int l_loop_signals(lua_State *L)
{
	struct l_loop *loop = check_loop(L);
	const bool on = lua_toboolean(L, 2);

	if (net_loop_signals(loop->net, on ? on_signal : NULL, loop) != SIP_OK)
		return luaL_error(L, "the signals cannot be watched");
	return 0;
}

/* loop:name_servers("192.0.2.1:53,[2001:db8::1]:53"): the system's until then */
static int l_loop_name_servers(lua_State *L)
{
	struct l_loop *loop = check_loop(L);
	const char *list = luaL_checkstring(L, 2);
	const sip_err err = net_loop_name_servers(loop->net, list);

	luaL_argcheck(L, err != SIP_EINVAL, 2, "not a list of addresses");
	if (err != SIP_OK)
		return luaL_error(L, "name servers cannot be set: %s",
		                  sip_err_name(err));
	return 0;
}

/* loop:media_ports{ first_port, last_port, sessions }: before media is asked for */
static int l_loop_media_ports(lua_State *L)
{
	static const char *const keys[] = { "first_port", "last_port", "sessions",
		                            NULL };
	struct l_loop *loop = check_loop(L);
	lua_Integer first, last, sessions;

	l_options_check(L, 2, keys);
	first = l_option_integer(L, 2, "first_port", 20000, 1024, 65534);
	last = l_option_integer(L, 2, "last_port", 29999, 1025, 65535);
	sessions = l_option_integer(L, 2, "sessions", 2048, 1, 30000);
	luaL_argcheck(L, last > first + first % 2, 2,
	              "no pair of ports is between these");
	if (loop->media)
		return luaL_error(L, "media has its ports already");
	loop->media_config.port_first = (uint16_t)first;
	loop->media_config.port_last = (uint16_t)last;
	loop->media_config.sessions_max = (uint32_t)sessions;
	return 0;
}

/* loop:machine() -> what can be asked about it */
static int l_loop_machine(lua_State *L)
{
	(void)check_loop(L);
	return l_machine_push(L);
}

static int l_loop_close(lua_State *L) /* close, __gc and __close: idempotent */
{
	struct l_loop *loop = luaL_checkudata(L, 1, L_LOOP);

	if (!loop->net)
		return 0;
	if (loop->driver.in_turn)
		return luaL_error(L, "the loop is in a turn: it cannot be closed now");
	l_driver_fini(L, &loop->driver);
	net_media_free(loop->media);
	loop->media = NULL;
	net_loop_free(loop->net);
	loop->net = NULL;
	return 0;
}

static int l_loop_tostring(lua_State *L)
{
	const struct l_loop *loop = luaL_checkudata(L, 1, L_LOOP);

	lua_pushfstring(L, "sip.Loop{%s; %I timers}", loop->net ? "open" : "closed",
	                (lua_Integer)(loop->net ? loop->driver.timers.count : 0));
	return 1;
}

/* core.loop() -> Loop | raises */
static int l_loop_new(lua_State *L)
{
	struct l_loop *loop = lua_newuserdatauv(L, sizeof *loop, 0);
	const char *why = NULL;

	memset(loop, 0, sizeof *loop);
	luaL_setmetatable(L, L_LOOP);
	sip_kernel_random_init(&loop->random);
	loop->driver.ops = &loop_ops;
	loop->driver.alloc = l_alloc(L);
	loop->driver.random = &loop->random.random;
	if (net_loop_new(l_alloc(L), NULL, &loop->net, &why) != SIP_OK)
		return luaL_error(L, "no loop: %s", why);
	loop->driver.files = net_loop_files(loop->net);
	l_driver_init(L, -1, &loop->driver);
	return 1;
}

static const luaL_Reg loop_methods[] = {
	{ "step", l_loop_step },
	{ "pollfd", l_loop_pollfd },
	{ "events", l_loop_events },
	{ "timeout", l_loop_timeout },
	{ "signals", l_loop_signals },
	{ "name_servers", l_loop_name_servers },
	{ "media_ports", l_loop_media_ports },
	{ "machine", l_loop_machine },
	{ "pulse", l_slice_pulse },
	{ "close", l_loop_close },
	{ NULL, NULL },
};

static const luaL_Reg loop_meta[] = {
	{ "__gc", l_loop_close },
	{ "__close", l_loop_close },
	{ "__tostring", l_loop_tostring },
	{ NULL, NULL },
};

void l_loop_open(lua_State *L)
{
	l_new_class(L, L_LOOP, loop_meta, loop_methods);
	luaL_getmetatable(L, L_LOOP);
	lua_getfield(L, -1, "__index");
	l_driver_methods(L, L_LOOP);
	lua_pop(L, 2);
	lua_pushcfunction(L, l_loop_new);
	lua_setfield(L, -2, "loop");
}

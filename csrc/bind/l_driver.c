#include "bind/l_driver.h"

#include "bind/l_media.h"
#include "bind/l_stack.h"

#include <math.h>

struct l_timer {
	struct sip_timer timer;
	struct sip_node node;
	lua_Integer id;
};

/* The registry has one table for each driver, under its address; l_driver_fini takes
 * it out before that address can be another's. */
void l_driver_push_table(lua_State *L, const struct l_driver *driver)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, driver);
}

void l_driver_init(lua_State *L, int index, struct l_driver *driver)
{
	(void)index;
	driver->door.reserve = l_reserve_of(L);
	sip_timers_init(&driver->timers, driver->alloc);
	sip_map_init(&driver->timer_ids, driver->alloc);
	sip_list_init(&driver->stacks);
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, driver);
}

static uint64_t id_hash(lua_Integer id)
{
	return (uint64_t)id * 0x9e3779b97f4a7c15u; /* ours: nobody chooses it */
}

static void free_timer(struct l_driver *driver, struct l_timer *timer)
{
	sip_timer_stop(&driver->timers, &timer->timer);
	sip_map_remove(&driver->timer_ids, &timer->node);
	sip_free(driver->alloc, timer, sizeof *timer);
}

static void close_media(lua_State *L, struct l_driver *driver)
{
	const int top = lua_gettop(L);

	if (!driver->desk)
		return;
	driver->desk = NULL;
	l_driver_push_table(L, driver);
	if (lua_istable(L, -1) && lua_getfield(L, -1, "media") == LUA_TUSERDATA)
		l_media_detach(L, lua_gettop(L));
	lua_settop(L, top);
}

void l_driver_fini(lua_State *L, struct l_driver *driver)
{
	struct sip_node *node;

	l_stack_close_all(L, driver);
	close_media(L, driver);
	while ((node = sip_map_any(&driver->timer_ids)))
		free_timer(driver, SIP_CONTAINER(node, struct l_timer, node));
	sip_map_fini(&driver->timer_ids);
	sip_timers_fini(&driver->timers);
	driver->ops = NULL;
	lua_pushnil(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, driver);
}

/* ---- a turn ---- */

enum { SHUT_MS = 100 };

bool l_driver_opens(lua_State *L, struct l_driver *driver)
{
	if (!l_reserve_is_low(driver->door.reserve, L))
		return true;
	driver->shut_until_ms = driver->ops->now_ms(driver) + SHUT_MS;
	return false;
}

struct driver_entry {
	struct l_entry entry;
	struct l_driver *driver;
	const char *kind;
	lua_Integer id;
};

static void run_driver_entry(lua_State *L, struct l_entry *entry)
{
	const struct driver_entry *e = (const struct driver_entry *)(void *)entry;

	l_driver_push_table(L, e->driver);
	if (lua_getfield(L, -1, "dispatch") != LUA_TFUNCTION)
		return;
	lua_pushstring(L, e->kind);
	lua_pushinteger(L, e->id);
	l_call(L, 2);
}

static void enter(lua_State *L, struct l_driver *driver, const char *kind,
                  lua_Integer id)
{
	struct driver_entry e = { { run_driver_entry }, driver, kind, id };

	/* Without memory, beyond all reserve, a timer or a turn is lost. */
	(void)l_enter(&driver->door, L, &e.entry);
}

static void fire_timers(lua_State *L, struct l_driver *driver, uint64_t now_ms)
{
	struct sip_timer *timer;

	while (l_driver_opens(L, driver) &&
	       (timer = sip_timers_pop(&driver->timers, now_ms))) {
		struct l_timer *mine = SIP_CONTAINER(timer, struct l_timer, timer);
		const lua_Integer id = mine->id;

		free_timer(driver, mine);
		enter(L, driver, "timer", id);
	}
}

struct media_entry {
	struct l_entry entry;
	struct l_driver *driver;
	const struct media_event *event;
};

static void run_media_entry(lua_State *L, struct l_entry *entry)
{
	const struct media_entry *e = (const struct media_entry *)(void *)entry;

	l_driver_push_table(L, e->driver);
	lua_getfield(L, 1, "media");
	if (lua_getfield(L, 1, "dispatch") != LUA_TFUNCTION)
		return;
	l_call(L, l_media_push_event(L, 2, e->event));
}

/* Without memory an event is lost to its script, which then hears of the end of its
 * session: that has an event of its own. */
static void drain_media(lua_State *L, struct l_driver *driver, uint64_t now_ms)
{
	struct media_event event;

	if (!driver->desk || !l_driver_opens(L, driver) ||
	    !driver->ops->desk_ready(driver))
		return;
	while (l_driver_opens(L, driver) &&
	       media_desk_next(driver->desk, now_ms, &event)) {
		struct media_entry e = { { run_media_entry }, driver, &event };
		(void)l_enter(&driver->door, L, &e.entry);
	}
}

void l_driver_turn(lua_State *L, struct l_driver *driver)
{
	const uint64_t now_ms = driver->ops->now_ms(driver);

	driver->in_turn = true;
	driver->shut_until_ms = 0;
	l_stack_advance_all(driver, now_ms);
	fire_timers(L, driver, now_ms);
	l_stack_drain_all(L, driver);
	drain_media(L, driver, now_ms);
	if (driver->woken && l_driver_opens(L, driver)) {
		driver->woken = false;
		enter(L, driver, "turn", 0);
	}
	driver->in_turn = false;
	l_stack_free_closed(L, driver);
}

/* When Lua has something to do. */
static uint64_t deadline_of_lua(const struct l_driver *driver)
{
	uint64_t best = sip_timers_deadline(&driver->timers);

	if (driver->shut_until_ms)
		return driver->shut_until_ms;
	if (driver->woken)
		return 0;
	if (driver->desk) {
		const uint64_t media = driver->ops->desk_deadline_ms(driver);
		if (media < best)
			best = media;
	}
	return best;
}

uint64_t l_driver_deadline(const struct l_driver *driver)
{
	const uint64_t lua = deadline_of_lua(driver);
	const uint64_t stacks = l_stack_deadline_all(driver);

	return lua < stacks ? lua : stacks;
}

static struct l_timer *find_timer(const struct l_driver *driver, lua_Integer id)
{
	struct sip_node *node = sip_map_first(&driver->timer_ids, id_hash(id));

	for (; node; node = sip_map_next(node)) {
		struct l_timer *timer = SIP_CONTAINER(node, struct l_timer, node);
		if (timer->id == id)
			return timer;
	}
	return NULL;
}

void l_driver_fingerprint(lua_State *L, const struct l_driver *driver)
{
	bool whole = !driver->woken && !driver->desk && driver->shut_until_ms == 0;
	luaL_Buffer text;

	luaL_buffinit(L, &text);
	/* In the order of their ids, which are names and no more: what is due at the
	 * same instant fires as it was armed. */
	for (lua_Integer id = 1; id <= driver->last_id; id++) {
		const struct l_timer *timer = find_timer(driver, id);

		if (timer)
			luaL_addlstring(&text, (const char *)&timer->timer.due_ms,
			                sizeof timer->timer.due_ms);
	}
	luaL_addchar(&text, '|');
	whole = l_stack_fingerprints(driver, &text) && whole;
	luaL_pushresult(&text);
	if (!whole)
		lua_pushnil(L);
}

/* ---- methods ---- */

static struct l_driver *check_driver(lua_State *L)
{
	struct l_driver *driver =
		luaL_checkudata(L, 1, lua_tostring(L, lua_upvalueindex(1)));

	luaL_argcheck(L, driver->ops, 1, "it is closed");
	return driver;
}

uint64_t l_check_delay_ms(lua_State *L, int arg)
{
	const double seconds = luaL_checknumber(L, arg);

	luaL_argcheck(L, seconds >= 0 && seconds < 1e10, arg,
	              "seconds, not negative, expected");
	return (uint64_t)llround(seconds * 1000);
}

/* driver:now() -> seconds */
static int l_driver_now(lua_State *L)
{
	struct l_driver *driver = check_driver(L);

	lua_pushnumber(L, (double)driver->ops->now_ms(driver) / 1000.0);
	return 1;
}

/* driver:unix() -> seconds since 1970, for what others read; it may be set back */
static int l_driver_unix(lua_State *L)
{
	struct l_driver *driver = check_driver(L);

	lua_pushnumber(L, (double)driver->ops->unix_ms(driver) / 1000.0);
	return 1;
}

static struct l_timer *new_timer(struct l_driver *driver, uint64_t delay_ms)
{
	struct l_timer *timer = sip_alloc0(driver->alloc, sizeof *timer);

	if (!timer)
		return NULL;
	timer->id = ++driver->last_id;
	if (sip_map_insert(&driver->timer_ids, &timer->node, id_hash(timer->id)) !=
	    SIP_OK) {
		sip_free(driver->alloc, timer, sizeof *timer);
		return NULL;
	}
	if (sip_timer_arm(&driver->timers, &timer->timer, driver->ops->now_ms(driver),
	                  delay_ms) != SIP_OK) {
		free_timer(driver, timer);
		return NULL;
	}
	return timer;
}

/* driver:arm(seconds) -> id; "timer" with this id is dispatched then */
static int l_driver_arm(lua_State *L)
{
	struct l_driver *driver = check_driver(L);
	const uint64_t delay = l_check_delay_ms(L, 2);
	const struct l_timer *timer = new_timer(driver, delay);

	if (!timer) { /* the collector may hold what is wanted here */
		lua_gc(L, LUA_GCCOLLECT);
		timer = new_timer(driver, delay);
	}
	if (!timer)
		return luaL_error(L, "out of memory");
	lua_pushinteger(L, timer->id);
	return 1;
}

/* driver:stop(id): a timer that has fired is fine */
static int l_driver_stop(lua_State *L)
{
	struct l_driver *driver = check_driver(L);
	struct l_timer *timer = find_timer(driver, luaL_checkinteger(L, 2));

	if (timer)
		free_timer(driver, timer);
	return 0;
}

/* driver:token(n) -> n random characters of a-z and 0-9 */
static int l_driver_token(lua_State *L)
{
	struct l_driver *driver = check_driver(L);
	const lua_Integer len = luaL_checkinteger(L, 2);
	char text[256];

	luaL_argcheck(L, len > 0 && len <= (lua_Integer)sizeof text, 2, "1 to 256");
	sip_random_token(driver->random, text, (size_t)len);
	lua_pushlstring(L, text, (size_t)len);
	return 1;
}

/* driver:wake(): dispatch "turn" in the next turn, and do not sleep before it */
static int l_driver_wake(lua_State *L)
{
	check_driver(L)->woken = true;
	return 0;
}

/* driver:cpu() -> seconds of this thread's processor time | nil */
static int l_driver_cpu(lua_State *L)
{
	struct l_driver *driver = check_driver(L);
	const double seconds = driver->ops->cpu_s(driver);

	if (seconds < 0)
		return 0;
	lua_pushnumber(L, seconds);
	return 1;
}

/* driver:is_short(): Lua's memory is short, see l_reserve.h */
static int l_driver_is_short(lua_State *L)
{
	lua_pushboolean(L, l_reserve_is_short(check_driver(L)->door.reserve));
	return 1;
}

/* driver:set_dispatch(fn): fn(kind, id) for "timer" and "turn" */
static int l_driver_set_dispatch(lua_State *L)
{
	struct l_driver *driver = check_driver(L);

	luaL_checktype(L, 2, LUA_TFUNCTION);
	l_driver_push_table(L, driver);
	lua_pushvalue(L, 2);
	lua_setfield(L, -2, "dispatch");
	return 0;
}

/* driver:stats() -> { timers, stacks, bytes, blocks, script_errors } */
static int l_driver_stats(lua_State *L)
{
	struct l_driver *driver = check_driver(L);
	struct sip_link *link;
	lua_Integer stacks = 0;

	for (link = driver->stacks.next; link != &driver->stacks; link = link->next)
		stacks++;
	lua_createtable(L, 0, 5);
	lua_pushinteger(L, (lua_Integer)driver->timers.count);
	lua_setfield(L, -2, "timers");
	lua_pushinteger(L, stacks);
	lua_setfield(L, -2, "stacks");
	lua_pushinteger(L, (lua_Integer)driver->alloc->used);
	lua_setfield(L, -2, "bytes");
	lua_pushinteger(L, (lua_Integer)driver->alloc->count);
	lua_setfield(L, -2, "blocks");
	lua_pushinteger(L, (lua_Integer)driver->door.script_errors);
	lua_setfield(L, -2, "script_errors");
	return 1;
}

/* driver:stack(opts) -> Stack | raises: see l_stack_new */
static int l_driver_stack(lua_State *L)
{
	return l_stack_new(L, check_driver(L));
}

/* driver:media() -> Media; made when first asked for. Raises when it cannot be had. */
static int l_driver_media(lua_State *L)
{
	struct l_driver *driver = check_driver(L);
	const char *why = "this driver has none";
	struct media_desk *desk;

	l_driver_push_table(L, driver);
	if (lua_getfield(L, -1, "media") == LUA_TUSERDATA)
		return 1;
	lua_pop(L, 1);
	desk = driver->ops->desk ? driver->ops->desk(driver, &why) : NULL;
	if (!desk)
		return luaL_error(L, "media cannot be had: %s", why);
	l_media_push(L, desk);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "media");
	driver->desk = desk;
	return 1;
}

static const luaL_Reg driver_methods[] = {
	{ "now", l_driver_now },
	{ "unix", l_driver_unix },
	{ "arm", l_driver_arm },
	{ "stop", l_driver_stop },
	{ "token", l_driver_token },
	{ "wake", l_driver_wake },
	{ "cpu", l_driver_cpu },
	{ "is_short", l_driver_is_short },
	{ "set_dispatch", l_driver_set_dispatch },
	{ "stats", l_driver_stats },
	{ "stack", l_driver_stack },
	{ "media", l_driver_media },
	{ NULL, NULL },
};

void l_driver_methods(lua_State *L, const char *type)
{
	lua_pushstring(L, type);
	luaL_setfuncs(L, driver_methods, 1);
}

/* l_driver.h - what drives stacks for Lua: the loop, or a host of the simulator.
 *
 * Both have the same Lua face, made here; they differ in where time and wires come
 * from.  A turn is: advance, fire timers, take the events out and through the door,
 * then once "turn" for the scheduler when somebody woke it.
 */
#pragma once

#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "base/timer.h"
#include "base/tls.h"
#include "base/wire.h"
#include "bind/l_enter.h"

#include <lauxlib.h>

struct l_driver;
struct media_desk;

struct l_driver_ops {
	uint64_t (*now_ms)(struct l_driver *driver);
	uint64_t (*unix_ms)(struct l_driver *driver); /* since 1970 */
	double (*cpu_s)(struct l_driver *driver); /* of this thread; negative: none */
	sip_err (*wire_new)(struct l_driver *driver, const struct sip_limits *limits,
	                    struct sip_wire_sink *sink, struct sip_wire **wire);
	void (*wire_free)(struct l_driver *driver, struct sip_wire *wire);
	/* What TLS is made of; `why` names what is wrong.  NULL: it needs nothing. */
	sip_err (*wire_tls)(struct l_driver *driver, struct sip_wire *wire,
	                    const struct sip_tls_config *config, const char **why);
	/* Whose pages may open WebSockets, as in net.h.  NULL: it needs nothing. */
	sip_err (*wire_origins)(struct l_driver *driver, struct sip_wire *wire,
	                        sip_str origins);
	/* Media, made when first asked for; NULL, and why, when it cannot be had. */
	struct media_desk *(*desk)(struct l_driver *driver, const char **why);
	/* Is there news from the engine?  And when will there be (SIP_NEVER: a turn
	 * comes by itself)? */
	bool (*desk_ready)(struct l_driver *driver);
	uint64_t (*desk_deadline_ms)(const struct l_driver *driver);
};

struct l_driver {
	const struct l_driver_ops *ops;
	struct sip_alloc *alloc;
	struct sip_random *random;
	struct sip_files *files;
	struct l_door door;
	struct sip_timers timers; /* armed by Lua */
	struct sip_map timer_ids;
	struct sip_link stacks;
	struct media_desk *desk; /* once its Lua face has been made */
	lua_Integer last_id;
	uint64_t shut_until_ms; /* 0: the door is not shut */
	bool woken, in_turn;
};

/* The driver is the head of a userdata, at `index`; its registry table is made here.
 * May raise. */
void l_driver_init(lua_State *L, int index, struct l_driver *driver);
/* Closes what is left, stacks included; never raises. */
void l_driver_fini(lua_State *L, struct l_driver *driver);

/* May something go through the door?  While Lua's reserve of memory is low it stays
 * where it is: timers armed, events queued (their bound is limits.events); a later turn
 * asks again. */
bool l_driver_opens(lua_State *L, struct l_driver *driver);

/* One turn at this instant. */
void l_driver_turn(lua_State *L, struct l_driver *driver);
/* When the next turn is due: now when woken, SIP_NEVER when nothing is armed. */
uint64_t l_driver_deadline(const struct l_driver *driver);

/* Push its state as bytes: Lua's timers and its stacks, with their transactions.  Two
 * drivers of one make whose bytes are equal, and whose Lua is, do the same from here
 * on.  Pushes nil while something waits for its turn, or is there that is not in it:
 * connections, lookups, media. */
void l_driver_fingerprint(lua_State *L, const struct l_driver *driver);

/* Adds now, unix, arm, stop, token, wake, cpu, is_short, stats, stack, media and
 * set_dispatch to the method table on top of the Lua stack.  `type` is the metatable
 * name that their first argument is checked against. */
void l_driver_methods(lua_State *L, const char *type);

/* Push the table of this driver: [id] = stack userdata, "dispatch" =
 * function, "media" = Media userdata. */
void l_driver_push_table(lua_State *L, const struct l_driver *driver);

uint64_t l_check_delay_ms(lua_State *L, int arg); /* seconds, not negative */

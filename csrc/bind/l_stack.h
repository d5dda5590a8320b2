/* l_stack.h - Lua face of a stack: userdata "sip.Stack". */
#pragma once

#include "bind/l_driver.h"
#include "stack/stack.h"

#define L_STACK "sip.Stack"

struct l_stack {
	struct sip_wire_sink sink;
	struct l_driver *driver;
	struct sip_stack *stack; /* NULL once closed */
	struct sip_wire *wire;
	struct sip_link link; /* in the driver's */
	lua_Integer id;       /* its key in the driver's table */
	bool closed;          /* to be freed at the end of the turn */
};

/* Each stack of a driver, whatever becomes of it meanwhile. */
#define L_EACH_STACK(driver, box)                                                      \
	for (struct sip_link *link_ = (driver)->stacks.next, *next_ = link_->next;     \
	     link_ != &(driver)->stacks &&                                             \
	     ((box) = SIP_CONTAINER(link_, struct l_stack, link), true);               \
	     link_ = next_, next_ = link_->next)

void l_stack_open(lua_State *L); /* metatables; may raise */
/* driver:stack(opts): options at index 2; pushes the userdata.  Raises. */
int l_stack_new(lua_State *L, struct l_driver *driver);

/* For the driver: */
void l_stack_advance_all(struct l_driver *driver, uint64_t now_ms);
void l_stack_drain_all(lua_State *L, struct l_driver *driver);
uint64_t l_stack_deadline_all(const struct l_driver *driver);
/* Their states, see sip_stack_fingerprint; false when one is not whole. */
bool l_stack_fingerprints(const struct l_driver *driver, luaL_Buffer *text);
void l_stack_free_closed(lua_State *L, struct l_driver *driver);
void l_stack_close_all(lua_State *L, struct l_driver *driver);

/* The stack at `arg`, told what time it is; raises when it is none, NULL when it is
 * closed. */
struct l_stack *l_check_stack(lua_State *L, int arg);

/* Seconds in a field of the table at `index`, as milliseconds; `ms` when it is nil. */
uint32_t l_opt_ms(lua_State *L, int index, const char *key, uint32_t ms);

/* Push `nil, name, why` and give 3, or `true` and give 1. */
int l_outcome(lua_State *L, sip_err err, const char *why);

/* Push the box of a client transaction that was made; takes the reference.  The stack
 * is at index 1.  May raise. */
void l_push_client(lua_State *L, struct l_stack *box, struct sip_tx *tx);

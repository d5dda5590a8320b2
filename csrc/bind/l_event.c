/* l_event.c - what happens in stacks: from the wire into them, and up through the one
 * door into Lua. */
#include "bind/l_event.h"

#include "bind/l_msg.h"
#include "bind/l_names.h"
#include "bind/l_tx.h"

static void on_wire_event(struct sip_wire_sink *sink,
                          const struct sip_wire_event *event)
{
	struct l_stack *box = SIP_CONTAINER(sink, struct l_stack, sink);

	if (box->stack)
		sip_stack_input(box->stack, box->driver->ops->now_ms(box->driver),
		                event);
}

static uint32_t half_open_max(struct sip_wire_sink *sink, const struct sip_addr *remote)
{
	struct l_stack *box = SIP_CONTAINER(sink, struct l_stack, sink);

	return box->stack ? sip_stack_half_open_max(box->stack, remote) : 0;
}

static bool holds(struct sip_wire_sink *sink, uint32_t id, uint32_t bytes)
{
	struct l_stack *box = SIP_CONTAINER(sink, struct l_stack, sink);

	return box->stack && sip_stack_wire_holds(box->stack, id, bytes);
}

static uint64_t handled(struct sip_wire_sink *sink)
{
	struct l_stack *box = SIP_CONTAINER(sink, struct l_stack, sink);

	return box->stack ? sip_stack_handled(box->stack) : UINT64_MAX;
}

void l_event_sink(struct sip_wire_sink *sink)
{
	*sink = (struct sip_wire_sink){ on_wire_event, half_open_max, holds, handled };
}

struct stack_entry {
	struct l_entry entry;
	struct l_stack *box;
	struct sip_event *event;
};

static void push_addr(lua_State *L, const struct sip_addr *addr)
{
	char text[SIP_ADDR_TEXT_MAX];

	lua_pushlstring(L, text, sip_addr_write(addr, text));
}

static void push_transport(lua_State *L, enum sip_transport transport)
{
	const sip_str name = sip_transport_info(transport)->uri;

	lua_pushlstring(L, name.p, name.len);
}

static int push_records(lua_State *L, const struct sip_event *event)
{
	lua_pushinteger(L, (lua_Integer)event->token);
	if (event->err != SIP_OK) {
		luaL_pushfail(L);
		lua_pushstring(L, sip_err_name(event->err));
		return 3;
	}
	lua_pushinteger(L, (lua_Integer)l_push_names(L, event));
	return 3;
}

static int push_kept(lua_State *L, const struct sip_event *event)
{
	lua_pushinteger(L, (lua_Integer)event->token);
	if (event->err == SIP_OK)
		return 1;
	lua_pushstring(L, sip_err_name(event->err));
	lua_pushstring(L, "");
	if (event->bytes) {
		lua_pop(L, 1);
		lua_pushlstring(L, event->bytes->bytes, event->bytes->len);
	}
	return 3;
}

static int push_passed(lua_State *L, const struct sip_event *event)
{
	lua_pushboolean(L, event->sent);
	push_transport(L, event->path.transport);
	push_addr(L, &event->path.local);
	push_addr(L, &event->path.remote);
	lua_pushlstring(L, event->bytes->bytes, event->bytes->len);
	return 5;
}

/* The arguments after kind, object and message. */
static int push_more(lua_State *L, const struct sip_event *event)
{
	switch (event->kind) {
	case SIP_EVENT_FAILED:
		lua_pushstring(L, sip_err_name(event->err));
		if (event->bytes)
			lua_pushlstring(L, event->bytes->bytes, event->bytes->len);
		else
			lua_pushnil(L);
		return 2;
	case SIP_EVENT_RECORDS:
		return push_records(L, event);
	case SIP_EVENT_CLOSED:
		push_transport(L, event->path.transport);
		push_addr(L, &event->path.remote);
		return 2;
	case SIP_EVENT_NOTICE:
		lua_pushlstring(L, event->bytes->bytes, event->bytes->len);
		return 1;
	case SIP_EVENT_DROPPED:
		lua_pushlstring(L, event->bytes->bytes, event->bytes->len);
		push_addr(L, &event->path.local);
		return 2;
	case SIP_EVENT_MESSAGE:
		return push_passed(L, event);
	case SIP_EVENT_KEPT:
		return push_kept(L, event);
	case SIP_EVENT_ASTRAY:
		lua_pushinteger(L, (lua_Integer)event->token);
		return 1;
	case SIP_EVENT_REQUEST:
	case SIP_EVENT_CANCEL:
	case SIP_EVENT_ACK:
	case SIP_EVENT_RESPONSE:
	case SIP_EVENT_STRAY:
	case SIP_EVENT_NO_ACK:
	case SIP_EVENT_ENDED:
		break;
	}
	return 0;
}

static const char *const event_names[] = {
	[SIP_EVENT_REQUEST] = "request", [SIP_EVENT_CANCEL] = "cancel",
	[SIP_EVENT_ACK] = "ack",         [SIP_EVENT_RESPONSE] = "response",
	[SIP_EVENT_STRAY] = "stray",     [SIP_EVENT_FAILED] = "failed",
	[SIP_EVENT_NO_ACK] = "no_ack",   [SIP_EVENT_ENDED] = "ended",
	[SIP_EVENT_RECORDS] = "records", [SIP_EVENT_CLOSED] = "closed",
	[SIP_EVENT_MESSAGE] = "message", [SIP_EVENT_NOTICE] = "notice",
	[SIP_EVENT_DROPPED] = "dropped", [SIP_EVENT_KEPT] = "kept",
	[SIP_EVENT_ASTRAY] = "astray",
};

/* dispatch(kind, object, message, ...): the object is the transaction, or the stack
 * where there is none. */
static void run_stack_entry(lua_State *L, struct l_entry *entry)
{
	const struct stack_entry *e = (const struct stack_entry *)(void *)entry;
	struct sip_event *event = e->event;
	int more;

	l_driver_push_table(L, e->box->driver);
	if (lua_rawgeti(L, 1, e->box->id) != LUA_TUSERDATA)
		return;
	lua_getiuservalue(L, 2, 1);
	lua_rawgeti(L, 3, T_OBJECTS);
	/* The end of what Lua has let go of is nobody's business. */
	if (event->kind == SIP_EVENT_ENDED && !l_push_known_tx(L, 4, event->tx))
		return;
	lua_settop(L, 4);
	if (event->msg)
		l_push_msg(L, event->msg);
	else
		lua_pushnil(L);
	lua_rawgeti(L, 3, T_DISPATCH);
	lua_pushstring(L, event_names[event->kind]);
	if (event->tx)
		l_push_tx(L, 4, e->box, event->tx);
	else
		lua_pushvalue(L, 2);
	lua_pushvalue(L, 5);
	more = push_more(L, event);
	l_call(L, 3 + more);
	if (event->msg)
		l_release_msg(L, 5);
}

static void drain(lua_State *L, struct l_stack *box)
{
	struct sip_event event;

	while (!box->closed && l_driver_opens(L, box->driver) &&
	       sip_stack_next_event(box->stack, &event)) {
		struct stack_entry e = { { run_stack_entry }, box, &event };
		const struct sip_response_spec sorry = { .status = 500 };
		const char *why;

		if (l_enter(&box->driver->door, L, &e.entry) == SIP_ENOMEM &&
		    event.kind == SIP_EVENT_REQUEST)
			/* Not answered either: the client's timers will tell it. */
			(void)sip_stack_respond(box->stack, event.tx, &sorry, false,
			                        &why);
		sip_event_fini(&event);
	}
}

void l_stack_advance_all(struct l_driver *driver, uint64_t now_ms)
{
	struct l_stack *box;

	L_EACH_STACK(driver, box)
	sip_stack_advance(box->stack, now_ms);
}

void l_stack_drain_all(lua_State *L, struct l_driver *driver)
{
	struct l_stack *box;

	L_EACH_STACK(driver, box)
	drain(L, box);
}

uint64_t l_stack_deadline_all(const struct l_driver *driver)
{
	uint64_t best = SIP_NEVER;
	struct l_stack *box;

	L_EACH_STACK(driver, box)
	{
		const uint64_t due = sip_stack_deadline(box->stack);
		if (due < best)
			best = due;
	}
	return best;
}

bool l_stack_fingerprints(const struct l_driver *driver, luaL_Buffer *text)
{
	bool whole = true;
	struct l_stack *box;

	L_EACH_STACK(driver, box)
	{
		uint64_t mark;

		whole = sip_stack_fingerprint(box->stack, &mark) && whole;
		luaL_addlstring(text, (const char *)&mark, sizeof mark);
	}
	return whole;
}

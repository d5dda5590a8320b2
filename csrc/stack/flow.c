/* Connections: found by id, framed, timed, and closed with whoever was waiting for them
 * told (RFC 3261 18.3, 18.4). */
#include "stack/flow.h"

#include "stack/admission.h"
#include "stack/again.h"

#include <assert.h>

enum {
	HEAD_TIMER = 1,
	IDLE_TIMER = 2,
	FIRST_TIMER = 3,
	UNREAD_MIN = 2048,
	HELD_MAX = 32
};

static uint64_t id_hash(uint32_t id)
{
	return (uint64_t)id * 0x9e3779b97f4a7c15u; /* the wire's: nobody chooses it */
}

struct sip_flow *sip_flow_find(struct sip_stack *stack, uint32_t id)
{
	struct sip_node *node = sip_map_first(&stack->flows, id_hash(id));

	for (; node; node = sip_map_next(node)) {
		struct sip_flow *flow = SIP_CONTAINER(node, struct sip_flow, by_id);
		if (flow->path.id == id)
			return flow;
	}
	return NULL;
}

static struct sip_flow *new_flow(struct sip_stack *stack, const struct sip_path *path)
{
	struct sip_flow *flow = sip_alloc0(stack->alloc, sizeof *flow);

	if (!flow)
		return NULL;
	flow->path = *path;
	flow->last_ms = flow->heard_ms = stack->now_ms;
	sip_list_init(&flow->waiting);
	sip_list_init(&flow->serving);
	sip_list_init(&flow->held);
	sip_list_init(&flow->keeps);
	if (sip_map_insert(&stack->flows, &flow->by_id, id_hash(path->id)) != SIP_OK) {
		sip_free(stack->alloc, flow, sizeof *flow);
		return NULL;
	}
	if (sip_flow_list(stack, flow) != SIP_OK) {
		sip_map_remove(&stack->flows, &flow->by_id);
		sip_free(stack->alloc, flow, sizeof *flow);
		return NULL;
	}
	return flow;
}

/* ---- what may yet go by UDP ---- */

struct held {
	struct sip_link link;
	bool answer;      /* a response, else what goes by this path */
	unsigned attempt; /* of the answer */
	struct sip_path path;
	struct sip_buf *bytes;
};

/* What there is no room for is lost with the connection. */
static struct held *hold(struct sip_stack *stack, struct sip_flow *flow,
                         struct sip_buf *bytes)
{
	struct held *held = bytes && flow->held_count < HELD_MAX
	                            ? sip_alloc0(stack->alloc, sizeof *held)
	                            : NULL;

	if (!held)
		return NULL;
	held->bytes = sip_buf_ref(bytes);
	sip_list_insert(&flow->held, &held->link);
	flow->held_count++;
	return held;
}

void sip_flow_hold(struct sip_stack *stack, struct sip_flow *flow,
                   const struct sip_path *path, struct sip_buf *bytes)
{
	struct held *held = hold(stack, flow, bytes);

	if (held)
		held->path = *path;
}

void sip_flow_hold_answer(struct sip_stack *stack, struct sip_flow *flow, sip_str bytes,
                          unsigned attempt)
{
	struct sip_buf *copy = sip_buf_new(stack->alloc, bytes.p, bytes.len);
	struct held *held = hold(stack, flow, copy);

	sip_buf_unref(copy);
	if (!held)
		return;
	held->answer = true;
	held->attempt = attempt;
}

static void let_go_held(struct sip_stack *stack, struct sip_flow *flow, bool put)
{
	while (!sip_list_empty(&flow->held)) {
		struct held *held = SIP_CONTAINER(flow->held.next, struct held, link);

		sip_list_remove(&held->link);
		if (put && held->answer)
			sip_stack_astray(stack, sip_buf_str(held->bytes),
			                 held->attempt);
		else if (put) /* as good as any datagram */
			(void)sip_stack_put(stack, &held->path,
			                    sip_buf_str(held->bytes), 0);
		sip_buf_unref(held->bytes);
		sip_free(stack->alloc, held, sizeof *held);
	}
	flow->held_count = 0;
}

static void free_flow(struct sip_stack *stack, struct sip_flow *flow)
{
	let_go_held(stack, flow, false);
	while (!sip_list_empty(&flow->serving))
		sip_list_remove(flow->serving.next);
	sip_flow_dismiss(stack, flow);
	sip_timer_stop(&stack->timers, &flow->timer);
	sip_flow_unlist(stack, flow);
	sip_map_remove(&stack->flows, &flow->by_id);
	sip_free(stack->alloc, flow->unread, flow->unread_cap);
	sip_buf_unref(flow->server_name);
	sip_buf_unref(flow->names);
	sip_buf_unref(flow->target);
	sip_buf_unref(flow->origin);
	sip_buf_unref(flow->cookie);
	sip_free(stack->alloc, flow, sizeof *flow);
}

/* For how long nothing may go by it: not so shortly that an answer could not come
 * (RFC 3261 18). */
static uint32_t least_limit(const struct sip_stack *stack)
{
	return 64 * stack->layer.timing.t1_ms;
}

static uint32_t idle_limit(const struct sip_stack *stack)
{
	const uint32_t least_ms = least_limit(stack);

	return stack->limits.stream_idle_ms > least_ms ? stack->limits.stream_idle_ms
	                                               : least_ms;
}

/* Is an answer still to go by it? */
static bool is_in_use(const struct sip_flow *flow)
{
	return !sip_list_empty(&flow->waiting) || !sip_list_empty(&flow->serving);
}

/* When it is closed unless something happens: a quarter later than its peer had
 * promised to be heard, if that is earlier. */
static uint64_t close_at(const struct sip_stack *stack, const struct sip_flow *flow)
{
	uint64_t idle = flow->last_ms + idle_limit(stack);
	const uint64_t broken = flow->heard_ms + flow->expect_ms + flow->expect_ms / 4;

	if (idle <= stack->now_ms && is_in_use(flow)) /* looked at again */
		idle = stack->now_ms + least_limit(stack);
	return flow->expect_ms > 0 && broken < idle ? broken : idle;
}

/* One timer per connection: half a message is waited for shortly, the first message of
 * who has connected longer, silence long.  The durations have queues of their own, so
 * that arming one needs no memory; what was promised is looked at when there is some.
 */
static uint8_t quiet_timer(const struct sip_stack *stack, const struct sip_flow *flow)
{
	return flow->fresh && stack->limits.stream_first_ms > 0 ? FIRST_TIMER
	                                                        : IDLE_TIMER;
}

static void arm(struct sip_stack *stack, struct sip_flow *flow, uint8_t kind)
{
	const uint64_t due =
		kind == HEAD_TIMER    ? stack->now_ms + stack->limits.stream_head_ms
		: kind == FIRST_TIMER ? stack->now_ms + stack->limits.stream_first_ms
				      : close_at(stack, flow);
	const uint64_t delay = due > stack->now_ms ? due - stack->now_ms : 0;

	if (sip_timer_armed(&flow->timer) && flow->timer.kind == kind)
		return;
	flow->timer.kind = kind;
	if (sip_timer_arm(&stack->timers, &flow->timer, stack->now_ms, delay) != SIP_OK)
		(void)sip_timer_arm(&stack->timers, &flow->timer, stack->now_ms,
		                    stack->limits.stream_idle_ms); /* needs none */
}

void sip_flow_touch(struct sip_stack *stack, const struct sip_path *path)
{
	struct sip_flow *flow = sip_flow_find(stack, path->id);

	if (flow)
		flow->last_ms = stack->now_ms;
}

void sip_flow_serve(struct sip_stack *stack, struct sip_tx *server)
{
	struct sip_flow *flow = sip_flow_find(stack, server->path.id);

	if (flow)
		sip_list_insert(&flow->serving, &server->on_flow);
}

void sip_flow_expect(struct sip_stack *stack, struct sip_flow *flow, uint32_t ms)
{
	if (flow->expect_ms == ms)
		return;
	flow->expect_ms = ms;
	if (flow->closing || flow->timer.kind != IDLE_TIMER)
		return;
	sip_timer_stop(&stack->timers, &flow->timer);
	arm(stack, flow, IDLE_TIMER);
}

/* Bytes to keep; nothing is nothing, and so is no memory. */
static struct sip_buf *keep_str(struct sip_stack *stack, sip_str bytes)
{
	return bytes.len > 0 ? sip_buf_new(stack->alloc, bytes.p, bytes.len) : NULL;
}

sip_err sip_flow_open(struct sip_stack *stack, const struct sip_target *target,
                      struct sip_flow **out)
{
	const enum sip_transport transport = target->transport;
	const struct sip_addr *remote = &target->remote;
	const struct sip_listener *listener = NULL;
	struct sip_path path = { .transport = transport, .remote = *remote };
	struct sip_path by = { 0 };
	struct sip_flow *flow;
	sip_err err;

	if (stack->flows.count >= stack->limits.connections)
		return SIP_ELIMIT;
	if (sip_local_towards(stack, target, &by, &listener) == SIP_OK && listener &&
	    (!sip_addr_is_any(&listener->addr) || target->local.family != 0)) {
		path.local = by.local;
		path.local.port = 0;
	}
	err = stack->wire->ops->open(stack->wire, transport, &path.local, remote,
	                             target->server_name, &path.id);
	if (err != SIP_OK)
		return err;
	flow = new_flow(stack, &path);
	if (!flow) {
		stack->wire->ops->close(stack->wire, path.id);
		return SIP_ENOMEM;
	}
	flow->ours = true;
	flow->server_name = keep_str(stack, target->server_name);
	*out = flow;
	return SIP_OK;
}

void sip_flow_opened(struct sip_stack *stack, const struct sip_wire_event *event)
{
	const struct sip_path *path = &event->path;
	struct sip_flow *flow = sip_flow_find(stack, path->id);
	const bool accepted = !flow;

	if (!flow && stack->flows.count < stack->limits.connections)
		flow = new_flow(stack, path);
	if (!flow) {
		stack->stats.refused++;
		stack->wire->ops->close(stack->wire, path->id);
		return;
	}
	flow->open = true;
	let_go_held(stack, flow, false);
	flow->path.local = path->local;
	flow->names = keep_str(stack, event->names);
	flow->target = keep_str(stack, event->handshake.target);
	flow->origin = keep_str(stack, event->handshake.origin);
	flow->cookie = keep_str(stack, event->handshake.cookie);
	flow->last_ms = flow->heard_ms = stack->now_ms;
	if (accepted && !sip_flow_admit(stack, flow))
		sip_flow_close(stack, flow);
	else
		arm(stack, flow, quiet_timer(stack, flow));
}

void sip_flow_fail(struct sip_stack *stack, struct sip_flow *flow, const char *why)
{
	while (!sip_list_empty(&flow->waiting)) {
		struct sip_tx *tx =
			SIP_CONTAINER(flow->waiting.next, struct sip_tx, on_flow);

		sip_list_remove(&tx->on_flow);
		tx->flow = NULL;
		sip_tx_send_failed(tx, why);
	}
	sip_keep_closed(stack, flow, why);
	sip_flow_close(stack, flow);
}

/* An orderly end of an open connection fails nobody: responses may come by another
 * one (18.2.2).  A connection that was refused or reset does, and so does a WebSocket,
 * whose peer cannot open another (RFC 7118 5.3). */
void sip_flow_closed(struct sip_stack *stack, const struct sip_wire_event *event)
{
	struct sip_flow *flow = sip_flow_find(stack, event->path.id);
	const bool failed = flow && (!flow->open || event->err != SIP_OK ||
	                             sip_transport_is_web(flow->path.transport));

	if (!flow)
		return;
	let_go_held(stack, flow, !flow->open);
	while (!sip_list_empty(&flow->waiting)) {
		struct sip_tx *tx =
			SIP_CONTAINER(flow->waiting.next, struct sip_tx, on_flow);

		sip_list_remove(&tx->on_flow);
		tx->flow = NULL;
		if (!failed)
			sip_stack_keep_place(stack, tx, flow);
		else if (flow->open || !sip_stack_fall_back(stack, tx))
			sip_tx_send_failed(tx, event->why);
	}
	sip_keep_closed(stack, flow, event->why);
	if (sip_stack_reserve(stack, 1)) {
		struct sip_event *up = sip_stack_push(stack, SIP_EVENT_CLOSED);
		up->path = flow->path;
		up->err = event->err;
	}
	free_flow(stack, flow);
}

static sip_str kept(const struct sip_buf *buf)
{
	return buf ? sip_buf_str(buf) : SIP_STR("");
}

struct sip_handshake sip_stack_handshake(struct sip_stack *stack,
                                         const struct sip_path *path)
{
	const struct sip_flow *flow = sip_transport_is_web(path->transport)
	                                      ? sip_flow_find(stack, path->id)
	                                      : NULL;

	return flow ? (struct sip_handshake){ kept(flow->target), kept(flow->origin),
		                              kept(flow->cookie) }
	            : (struct sip_handshake){ 0 };
}

sip_str sip_stack_peer_names(struct sip_stack *stack, const struct sip_path *path)
{
	const struct sip_flow *flow =
		path->transport == SIP_UDP ? NULL : sip_flow_find(stack, path->id);

	return flow ? kept(flow->names) : SIP_STR("");
}

void sip_flow_close(struct sip_stack *stack, struct sip_flow *flow)
{
	if (flow->closing)
		return;
	flow->closing = true;
	sip_timer_stop(&stack->timers, &flow->timer);
	stack->wire->ops->close(stack->wire, flow->path.id);
}

static sip_err keep_unread(struct sip_stack *stack, struct sip_flow *flow,
                           sip_str bytes)
{
	const size_t need = flow->unread_len + bytes.len;
	uint32_t cap = flow->unread_cap ? flow->unread_cap : UNREAD_MIN;
	char *grown;

	while (cap < need)
		cap *= 2;
	if (cap > flow->unread_cap) {
		if (!sip_flow_admit_unread(stack, flow, flow->unread_cap, cap))
			return SIP_ELIMIT;
		grown = sip_realloc(stack->alloc, flow->unread, flow->unread_cap, cap);
		if (!grown) {
			(void)sip_flow_admit_unread(stack, flow, cap,
			                            flow->unread_cap); /* less */
			return SIP_ENOMEM;
		}
		flow->unread = grown;
		flow->unread_cap = cap;
	}
	memcpy(flow->unread + flow->unread_len, bytes.p, bytes.len);
	flow->unread_len += (uint32_t)bytes.len;
	return SIP_OK;
}

static void drop_unread(struct sip_stack *stack, struct sip_flow *flow, size_t len)
{
	flow->unread_len -= (uint32_t)len;
	memmove(flow->unread, flow->unread + len, flow->unread_len);
	if (flow->unread_len == 0) { /* an idle connection holds no buffer */
		(void)sip_flow_admit_unread(stack, flow, flow->unread_cap,
		                            0); /* less */
		sip_free(stack->alloc, flow->unread, flow->unread_cap);
		flow->unread = NULL;
		flow->unread_cap = 0;
	}
}

/* A lost pong is the peer's to notice.  What looks like a ping may be two pongs: it is
 * a sign of life in any case. */
static void answer_ping(struct sip_stack *stack, struct sip_flow *flow)
{
	(void)sip_keep_pong(stack, flow);
	(void)stack->wire->ops->send(stack->wire, &flow->path, SIP_STR("\r\n"), 0);
}

/* Nothing can be read there any more.  Another protocol is told: somebody has taken the
 * wrong port, and waits. */
static void lose_framing(struct sip_stack *stack, struct sip_flow *flow, sip_str head,
                         const struct sip_refusal *refusal)
{
	if (refusal->status == 0) {
		stack->stats.malformed++;
		sip_flow_misread(stack, flow, refusal->why);
		return;
	}
	sip_stack_refuse_head(stack, &flow->path, head, refusal);
	sip_flow_fail(stack, flow, refusal->why);
}

/* Cut messages off the front of `bytes`; gives how many bytes were used, and closes
 * a connection that has lost its framing, with an answer where one can be given. */
static size_t cut(struct sip_stack *stack, struct sip_flow *flow, sip_str bytes)
{
	size_t used = 0;

	while (used < bytes.len && !flow->closing && sip_stack_reserve(stack, 8)) {
		const sip_str rest = sip_str_of(bytes.p + used, bytes.len - used);
		enum sip_frame_kind kind;
		struct sip_refusal refusal = { 0 };
		size_t len = 0;
		const sip_err err = sip_frame_feed(&flow->frame, &stack->limits, rest,
		                                   &kind, &len, &refusal);

		if (err == SIP_EMORE)
			break;
		if (err != SIP_OK) {
			lose_framing(stack, flow, sip_str_of(rest.p, len), &refusal);
			return bytes.len;
		}
		used += len;
		/* An answer to each of many empty lines would cost more than they. */
		if (!sip_stack_admit(stack, flow->source, &flow->path,
		                     sip_str_of(rest.p, len)))
			break;
		flow->whole = true;
		if (kind == SIP_FRAME_MESSAGE)
			sip_flow_heard(flow);
		if (kind == SIP_FRAME_MESSAGE)
			sip_stack_receive(stack, &flow->path, sip_str_of(rest.p, len),
			                  false);
		else if (len == 2 && sip_keep_pong(stack, flow))
			flow->frame.crlf = false; /* two pongs are no ping */
		else if (kind == SIP_FRAME_PING)
			answer_ping(stack, flow);
	}
	return flow->closing ? bytes.len : used;
}

/* Half a message has so much time as it is old, and no more when it grows by a byte. */
static void arm_again(struct sip_stack *stack, struct sip_flow *flow)
{
	const uint32_t first_ms = stack->limits.stream_first_ms;

	if (flow->whole && flow->timer.kind != IDLE_TIMER)
		sip_timer_stop(&stack->timers, &flow->timer);
	flow->whole = false;
	if (flow->unread_len > 0) {
		arm(stack, flow, HEAD_TIMER);
	} else if (flow->fresh && first_ms > 0 &&
	           stack->now_ms - flow->opened_ms >= first_ms) {
		sip_flow_stopped(stack, flow, SIP_RULE_silent);
		sip_flow_close(stack, flow); /* empty lines are no message */
	} else {
		arm(stack, flow, quiet_timer(stack, flow));
	}
}

/* A message of a WebSocket is one of SIP, whose end is its own (RFC 7118 5), or two
 * CRLFs, which want one (RFC 5626 4.4.1), or that one, or says nothing. */
static void take_whole(struct sip_stack *stack, struct sip_flow *flow, sip_str bytes)
{
	if (!sip_stack_admit(stack, flow->source, &flow->path, bytes))
		return;
	flow->whole = true;
	if (sip_str_eq(bytes, SIP_STR("\r\n\r\n"))) {
		answer_ping(stack, flow);
	} else if (sip_str_eq(bytes, SIP_STR("\r\n"))) {
		(void)sip_keep_pong(stack, flow);
	} else if (sip_str_trim(bytes).len > 0) {
		sip_flow_heard(flow);
		sip_stack_receive(stack, &flow->path, bytes, true);
	}
}

void sip_flow_bytes(struct sip_stack *stack, const struct sip_wire_event *event)
{
	struct sip_flow *flow = sip_flow_find(stack, event->path.id);
	size_t used;

	if (!flow || flow->closing)
		return;
	flow->last_ms = flow->heard_ms = stack->now_ms;
	stack->source = flow->source;
	if (sip_transport_is_web(flow->path.transport)) {
		take_whole(stack, flow, event->bytes);
	} else if (flow->unread_len == 0) { /* whole messages are never copied here */
		used = cut(stack, flow, event->bytes);
		if (used < event->bytes.len &&
		    keep_unread(stack, flow,
		                sip_str_of(event->bytes.p + used,
		                           event->bytes.len - used)) != SIP_OK)
			sip_flow_close(stack, flow);
	} else if (keep_unread(stack, flow, event->bytes) != SIP_OK) {
		sip_flow_close(stack, flow);
	} else {
		used = cut(stack, flow, sip_str_of(flow->unread, flow->unread_len));
		drop_unread(stack, flow, used);
	}
	if (!flow->closing)
		arm_again(stack, flow);
}

/* It has been silent for as long as it may, unless something has come since. */
static void expire_idle(struct sip_stack *stack, struct sip_flow *flow)
{
	const uint64_t due = close_at(stack, flow);

	if (due > stack->now_ms) {
		arm(stack, flow, IDLE_TIMER);
	} else if (due < flow->last_ms + idle_limit(stack)) {
		stack->stats.unkept++;
		sip_flow_fail(stack, flow, "its keep-alives have stopped");
	} else {
		sip_flow_close(stack, flow);
	}
}

void sip_flow_advance(struct sip_stack *stack)
{
	struct sip_timer *timer;

	while ((timer = sip_timers_pop(&stack->timers, stack->now_ms))) {
		struct sip_flow *flow = SIP_CONTAINER(timer, struct sip_flow, timer);

		if (timer->kind == HEAD_TIMER) {
			sip_flow_stopped(stack, flow, SIP_RULE_slow);
			sip_flow_fail(stack, flow, "half a message, and then silence");
		} else if (timer->kind == FIRST_TIMER) {
			sip_flow_stopped(stack, flow, SIP_RULE_silent);
			sip_flow_close(stack, flow);
		} else {
			expire_idle(stack, flow);
		}
	}
}

void sip_flow_free_all(struct sip_stack *stack)
{
	struct sip_node *node;

	while ((node = sip_map_any(&stack->flows))) {
		struct sip_flow *flow = SIP_CONTAINER(node, struct sip_flow, by_id);

		if (!flow->closing)
			stack->wire->ops->close(stack->wire, flow->path.id);
		while (!sip_list_empty(&flow->waiting))
			sip_list_remove(flow->waiting.next);
		free_flow(stack, flow);
	}
}

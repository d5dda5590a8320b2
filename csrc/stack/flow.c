/* Connections: found by id, opened, and closed with whoever was waiting for them
 * told (RFC 3261 18.4). */
#include "stack/flow.h"

#include "stack/admission.h"
#include "stack/again.h"

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

static void free_flow(struct sip_stack *stack, struct sip_flow *flow)
{
	sip_flow_let_go(stack, flow, false);
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
	sip_flow_let_go(stack, flow, false);
	flow->path.local = path->local;
	flow->names = keep_str(stack, event->names);
	flow->target = keep_str(stack, event->handshake.target);
	flow->origin = keep_str(stack, event->handshake.origin);
	flow->cookie = keep_str(stack, event->handshake.cookie);
	flow->last_ms = flow->heard_ms = stack->now_ms;
	if (accepted && !sip_flow_admit(stack, flow))
		sip_flow_close(stack, flow);
	else
		sip_flow_arm_quiet(stack, flow);
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
	sip_flow_let_go(stack, flow, !flow->open);
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

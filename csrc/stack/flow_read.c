/* What comes by a connection: messages are cut off the front of it, pings answered (RFC
 * 3261 18.3, RFC 5626 4.4.1, RFC 7118 5). */
#include "stack/flow.h"

#include "stack/admission.h"

enum { UNREAD_MIN = 2048 };

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

	if (flow->whole && flow->timer.kind != SIP_FLOW_IDLE)
		sip_timer_stop(&stack->timers, &flow->timer);
	flow->whole = false;
	if (flow->unread_len > 0) {
		sip_flow_arm(stack, flow, SIP_FLOW_HEAD);
	} else if (flow->fresh && first_ms > 0 &&
	           stack->now_ms - flow->opened_ms >= first_ms) {
		sip_flow_stopped(stack, flow, SIP_RULE_silent);
		sip_flow_close(stack, flow); /* empty lines are no message */
	} else {
		sip_flow_arm_quiet(stack, flow);
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

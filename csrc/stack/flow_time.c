/* How long a connection may be silent, or slow, before it is closed (RFC 3261 18, RFC
 * 5626 5.4). */
#include "stack/flow.h"

#include "stack/admission.h"

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
	return flow->fresh && stack->limits.stream_first_ms > 0 ? SIP_FLOW_FIRST
	                                                        : SIP_FLOW_IDLE;
}

void sip_flow_arm(struct sip_stack *stack, struct sip_flow *flow, uint8_t kind)
{
	const uint64_t due =
		kind == SIP_FLOW_HEAD    ? stack->now_ms + stack->limits.stream_head_ms
		: kind == SIP_FLOW_FIRST ? stack->now_ms + stack->limits.stream_first_ms
					 : close_at(stack, flow);
	const uint64_t delay = due > stack->now_ms ? due - stack->now_ms : 0;

	if (sip_timer_armed(&flow->timer) && flow->timer.kind == kind)
		return;
	flow->timer.kind = kind;
	if (sip_timer_arm(&stack->timers, &flow->timer, stack->now_ms, delay) != SIP_OK)
		(void)sip_timer_arm(&stack->timers, &flow->timer, stack->now_ms,
		                    stack->limits.stream_idle_ms); /* needs none */
}

void sip_flow_arm_quiet(struct sip_stack *stack, struct sip_flow *flow)
{
	sip_flow_arm(stack, flow, quiet_timer(stack, flow));
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
	if (flow->closing || flow->timer.kind != SIP_FLOW_IDLE)
		return;
	sip_timer_stop(&stack->timers, &flow->timer);
	sip_flow_arm(stack, flow, SIP_FLOW_IDLE);
}

/* It has been silent for as long as it may, unless something has come since. */
static void expire_idle(struct sip_stack *stack, struct sip_flow *flow)
{
	const uint64_t due = close_at(stack, flow);

	if (due > stack->now_ms) {
		sip_flow_arm(stack, flow, SIP_FLOW_IDLE);
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

		if (timer->kind == SIP_FLOW_HEAD) {
			sip_flow_stopped(stack, flow, SIP_RULE_slow);
			sip_flow_fail(stack, flow, "half a message, and then silence");
		} else if (timer->kind == SIP_FLOW_FIRST) {
			sip_flow_stopped(stack, flow, SIP_RULE_silent);
			sip_flow_close(stack, flow);
		} else {
			expire_idle(stack, flow);
		}
	}
}

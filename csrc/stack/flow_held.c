/* What may yet go by UDP: kept while the connection that it was meant for is being
 * opened, and sent when that is refused (RFC 3261 18.1.1, RFC 3263 5). */
#include "stack/flow.h"

#include "stack/state.h"

enum { HELD_MAX = 32 };

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

void sip_flow_let_go(struct sip_stack *stack, struct sip_flow *flow, bool put)
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
